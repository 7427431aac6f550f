//! What the agent tells a service manager: a socket stands for systemd's.

use std::{os::unix::net::UnixDatagram, time::Duration};

use tests::{agent, agent::Agent, root_or_skip, scratch::Scratch, skip::alone, wait};

/// Everything that comes until a message holds this.
fn until(manager: &UnixDatagram, wanted: &str) -> Vec<String> {
    let mut heard = Vec::new();
    wait::until(&format!("the message {wanted}"), || {
        let mut buffer = [0; 4096];
        if let Ok(length) = manager.recv(&mut buffer) {
            heard.push(String::from_utf8_lossy(&buffer[..length]).to_string());
        }
        heard.last().is_some_and(|last| last.contains(wanted)).then_some(())
    });
    heard
}

#[test]
fn a_service_manager_hears_of_every_change() {
    root_or_skip!("a_service_manager_hears_of_every_change");
    let _alone = alone();
    let folder = Scratch::new();
    let path = folder.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let mut command = agent::command(["agent", "--listen", "127.0.0.1:0", "--interval", "1h"]);
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "200000");
    let agent = Agent::start_command(command);
    until(&manager, "READY=1");
    // An agent that collects once an hour is alive all the same.
    until(&manager, "WATCHDOG=1");
    until(&manager, "WATCHDOG=1");
    agent.signal(libc::SIGHUP);
    until(&manager, "RELOADING=1");
    until(&manager, "READY=1");
    agent.signal(libc::SIGTERM);
    until(&manager, "STOPPING=1");
    let (status, _, log) = agent.ended();
    assert_eq!(status.code(), Some(0), "{log:?}");
}
