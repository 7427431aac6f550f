//! SIGHUP: what changes, and what a bad file does not.

use std::{fs, io::Write as _, path::Path, thread, time::Duration};

use kpulse::window::Window;
use tests::{agent::Agent, http, root_or_skip, scratch::Scratch, skip::alone, wait};

fn window(agent: &Agent) -> Window {
    wait::until("a window", || {
        thread::sleep(Duration::from_millis(20));
        serde_json::from_str(&agent.try_get("/api/v1/window").filter(|answer| answer.status == 200)?.body).ok()
    })
}

/// How many tasks the longest list names.
fn named(window: &Window) -> usize {
    let tasks = window.tasks.as_ref().unwrap();
    [&tasks.by_cpu, &tasks.by_wait, &tasks.by_bytes].iter().map(|list| list.len()).max().unwrap()
}

/// Says nonsense, which the agent tells only who wants to know everything.
fn provoke_debug_line(agent: &Agent) {
    let _ = http::connect(agent.address).unwrap().write_all(b"\0\0\0\0\r\n\r\n");
}

fn is_debug(line: &str) -> bool {
    line.contains("DEBUG")
}

#[test]
fn sighup_changes_level_interval_and_task_lists_and_a_bad_file_changes_nothing() {
    root_or_skip!("sighup_changes_level_interval_and_task_lists_and_a_bad_file_changes_nothing");
    let _alone = alone();
    let scratch = Scratch::new();
    let file = scratch.file("kpulse.toml", "interval = \"3s\"\n[log]\nlevel = \"info\"\n[tasks]\ntop = 20\n");
    let agent = Agent::start([Path::new("--config"), &file]);
    let before = window(&agent);
    println!("before: windows of {} s with up to {} tasks", before.seconds, named(&before));
    assert!(before.seconds >= 1.5 && named(&before) > 2, "{before:?}");
    provoke_debug_line(&agent);
    agent.get("/-/healthy");
    assert!(!agent.log().iter().any(|line| is_debug(line)));

    fs::write(&file, "listen = \"127.0.0.1:1\"\ninterval = \"100ms\"\n[log]\nlevel = \"debug\"\n[tasks]\ntop = 2\n")
        .unwrap();
    agent.signal(libc::SIGHUP);
    agent.logged(&["SIGHUP: interval changes from \"3s\" to \"100ms\""]);
    agent.logged(&["SIGHUP: log.level changes from \"info\" to \"debug\""]);
    agent.logged(&["SIGHUP: tasks.top changes from 20 to 2"]);
    let after = wait::until("windows of another length", || Some(window(&agent)).filter(|now| now.seconds < 1.5));
    println!("after: windows of {} s with up to {} tasks", after.seconds, named(&after));
    assert!(named(&after) <= 2);
    wait::until("a debug line", || {
        provoke_debug_line(&agent);
        agent.log().iter().any(|line| is_debug(line)).then_some(())
    });

    for (content, line) in [("interval = \"100ms\"\n[log]\nlevel = \"loud\"\n", 3), ("\ninterval = \"soon\"\n", 2)] {
        fs::write(&file, content).unwrap();
        agent.signal(libc::SIGHUP);
        let place = format!("{}:{line}", file.display());
        println!("{}", agent.logged(&["ERROR", "the old one stays in force", &place]));
    }
    agent.collected();
    let last = wait::until("windows as before", || Some(window(&agent)).filter(|now| now.seconds < 1.5));
    assert!(named(&last) <= 2);
    agent.signal(libc::SIGHUP);
    fs::remove_file(&file).unwrap();
    agent.signal(libc::SIGHUP);
    agent.logged(&["ERROR", "the old one stays in force", "no such file"]);
    assert_eq!(agent.get("/-/ready"), "ready\n");
}
