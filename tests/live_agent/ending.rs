//! How the agent ends, and that nothing of it stays.

use std::{
    io::Write as _,
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use tests::{
    agent::Agent,
    bpf_objects::{Objects, pinned},
    http, root_or_skip,
    skip::alone,
    wait,
};

/// Clients that ask for far more than fits into their sockets, and never read.
fn stuck_clients(agent: &Agent, count: usize) -> Vec<TcpStream> {
    let question = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n".repeat(400);
    let client = |_| {
        let mut client = http::connect(agent.address).unwrap();
        client.write_all(question.as_bytes()).unwrap();
        client
    };
    (0..count).map(client).collect()
}

#[test]
fn sigterm_ends_the_agent_in_under_a_second_although_clients_never_read() {
    root_or_skip!("sigterm_ends_the_agent_in_under_a_second_although_clients_never_read");
    let _alone = alone();
    let mut took = Vec::new();
    // What else runs on the machine may hold up one end, not three.
    while took.len() < 3 && took.last().is_none_or(|last| *last >= Duration::from_secs(1)) {
        let agent = Agent::start::<&str>([]);
        let held = Objects::of(agent.pid());
        let clients = stuck_clients(&agent, 8);
        // Another client's question comes after theirs.
        agent.get("/metrics");
        agent.signal(libc::SIGTERM);
        let (status, time, log) = agent.ended();
        println!("{status} {time:?} after SIGTERM");
        assert_eq!(status.code(), Some(0), "{log:?}");
        assert!(log.iter().any(|line| line.contains("SIGTERM: ending")), "{log:?}");
        assert!(!log.iter().any(|line| line.contains("ERROR") || line.contains("panicked")), "{log:?}");
        wait::until("the kernel's taking back of everything", || (held.left() == Objects::default()).then_some(()));
        drop(clients);
        took.push(time);
    }
    assert!(took.last().is_some_and(|last| *last < Duration::from_secs(1)), "{took:?}");
}

#[test]
fn sigint_ends_the_agent_as_sigterm_does() {
    root_or_skip!("sigint_ends_the_agent_as_sigterm_does");
    let _alone = alone();
    let agent = Agent::start::<&str>([]);
    agent.signal(libc::SIGINT);
    let (status, _, log) = agent.ended();
    assert_eq!(status.code(), Some(0), "{log:?}");
    assert!(log.iter().any(|line| line.contains("SIGINT: ending")), "{log:?}");
}

#[test]
fn sigkill_leaves_nothing_attached_or_pinned() {
    root_or_skip!("sigkill_leaves_nothing_attached_or_pinned");
    let _alone = alone();
    let pinned_before = pinned();
    let agent = Agent::start::<&str>([]);
    let held = Objects::of(agent.pid());
    println!("{held:?}");
    assert!(held.programs.len() >= 5 && held.links.len() >= 5 && held.maps.len() >= 5, "{held:?}");
    assert_eq!(held.left(), held, "what the agent holds is in the kernel");
    agent.signal(libc::SIGKILL);
    let killed = Instant::now();
    let (status, ..) = agent.ended();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(libc::SIGKILL));
    wait::until("the kernel's taking back of everything", || {
        thread::sleep(Duration::from_millis(5));
        (held.left() == Objects::default()).then_some(())
    });
    println!("all gone {:?} after SIGKILL", killed.elapsed());
    assert_eq!(pinned(), pinned_before);
}
