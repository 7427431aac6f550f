//! The agent is killed at any moment of its life, again and again: nothing of it is left.

use std::{
    collections::BTreeSet,
    fs,
    hash::{BuildHasher as _, Hasher as _, RandomState},
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use tests::{
    agent::{self, Agent},
    bpf_objects::{Objects, pinned},
    guard::Running,
    root_or_skip,
    skip::alone,
    verdict::Place,
    wait,
};

/// The process's children.
fn children(pid: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

fn is_alive(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.contains("hold-statistics"))
}

#[test]
fn killed_at_any_moment_and_started_again_and_again_nothing_is_left() {
    root_or_skip!("killed_at_any_moment_and_started_again_and_again_nothing_is_left");
    let _alone = alone();
    let place = Place::new("");
    let pinned_before = pinned();
    let begun = Instant::now();
    drop(Agent::start(place.arguments(&[])));
    // Up to twice the time that it takes to be ready: before, while and after it loads.
    let ready = begun.elapsed();
    let (mut held, mut helpers, mut loaded) = (Objects::default(), BTreeSet::new(), 0);
    let restarts = tests::scaled::scaled(1000, 12);
    for _ in 0..restarts {
        let mut command = agent::command(["agent", "--listen", "127.0.0.1:0"]);
        command.args(place.arguments(&[])).stdout(Stdio::null()).stderr(Stdio::null());
        let running = Running::start(&mut command);
        let part = (RandomState::new().build_hasher().finish() % 2000) as u32;
        thread::sleep(ready * part / 1000);
        let pid = running.0.id();
        let mine = Objects::of(pid);
        loaded += usize::from(!mine.programs.is_empty());
        held.programs.extend(mine.programs);
        held.links.extend(mine.links);
        held.maps.extend(mine.maps);
        helpers.extend(children(pid));
        // SIGKILL.
        drop(running);
    }
    println!("{restarts} restarts, {loaded} of them killed with programs loaded; {} programs", held.programs.len());
    assert!(loaded > 0 && loaded < restarts, "kills came all before the load or all after it");
    wait::until("the end of all programs, links and maps", || (held.left() == Objects::default()).then_some(()));
    wait::until("the end of all helpers", || (!helpers.iter().any(|pid| is_alive(*pid))).then_some(()));
    assert!(!helpers.is_empty());
    assert_eq!(pinned(), pinned_before);
    // And it starts as ever, with what is on disk.
    let agent = Agent::start(place.arguments(&[]));
    agent.collected();
    super::assert_calm(&agent.log());
    let left = fs::read_dir(place.state()).unwrap().flatten().map(|entry| entry.file_name()).collect::<Vec<_>>();
    assert!(left.len() <= 5, "{left:?}");
    assert_eq!(agent.scrape().value("kpulse_collections_failed_total"), Some(0.0));
    agent.signal(libc::SIGTERM);
    assert!(agent.ended().1 < Duration::from_secs(10));
}
