//! No descriptor left, no room on the disk, a filesystem that became read-only.

use std::{collections::BTreeSet, fs, process::Command, thread, time::Duration};

use kpulse::alert::State;
use tests::{
    agent::Agent,
    http, limits,
    loop_device::{Mount, Plan, run},
    root_or_skip,
    skip::alone,
    tool_or_skip,
    verdict::{Place, alerts},
};

#[test]
fn without_a_descriptor_left_the_agent_goes_on_and_says_what_to_do() {
    root_or_skip!("without_a_descriptor_left_the_agent_goes_on_and_says_what_to_do");
    let _alone = alone();
    let place = Place::new("");
    let agent = Agent::start(place.arguments(&["--interval=100ms", "--metrics-clients=1000"]));
    agent.collected();
    // What is open stays open, whatever its number; new ones get the numbers below the limit that are free.
    let open = fs::read_dir(format!("/proc/{}/fd", agent.pid())).unwrap().flatten();
    let open: BTreeSet<u64> = open.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    let seventh = (0..).filter(|number| !open.contains(number)).nth(6).unwrap();
    let before = limits::open_files(agent.pid(), seventh).unwrap();
    let clients: Vec<_> = (0..40).filter_map(|_| http::connect(agent.address).ok()).collect();
    println!("{}", agent.logged(&["could not be accepted", "raise the limit of open files"]));
    thread::sleep(Duration::from_millis(500));
    assert!(clients.len() > 6);
    limits::open_files(agent.pid(), before).unwrap();
    drop(clients);
    agent.collected();
    let ended = agent.log().iter().any(|line| line.contains("panicked"));
    assert!(!ended, "{:?}", agent.log());
    assert!(agent.scrape().sum("kpulse_context_switches_total", &[]).is_some());
    agent.signal(libc::SIGTERM);
    assert_eq!(agent.ended().0.code(), Some(0));
}

/// A rule whose alert comes at once, and stays.
const ALWAYS: &str = "[[rule]]\nname = \"Always\"\nsignal = \"context_switches_per_second\"\nabove = 0\n";

#[test]
fn a_full_and_then_read_only_disk_costs_what_is_on_disk_and_no_alert() {
    root_or_skip!("a_full_and_then_read_only_disk_costs_what_is_on_disk_and_no_alert");
    tool_or_skip!("a_full_and_then_read_only_disk_costs_what_is_on_disk_and_no_alert", "losetup");
    let _alone = alone();
    let device = Plan { size: 16 << 20, ..Plan::memory() }.make();
    let mount = Mount::ext4(&device);
    let place = Place::new(ALWAYS);
    let state = mount.point.join("state");
    let point = mount.point.display().to_string();
    let agent = Agent::start(place.arguments(&["--state-dir", &state.display().to_string()]));
    let durable = |agent: &Agent, wanted: f64| {
        agent.scrape_until("the journal's state", |scrape| {
            (scrape.value("kpulse_notifications_journal_durable") == Some(wanted)).then_some(())
        });
    };
    let fires = |agent: &Agent, rule: &str| {
        alerts(agent).iter().any(|alert| alert.rule == rule && alert.state == State::Firing)
    };
    tests::wait::until("an alert", || fires(&agent, "Always").then_some(()));
    durable(&agent, 1.0);
    // Not a byte is left; what comes now is more than the last block of a file may still take.
    let filler = mount.point.join("filler");
    for (name, block) in [("filler", "bs=64k"), ("filler-2", "bs=4k"), ("filler-3", "bs=512")] {
        let to = format!("of={}", mount.point.join(name).display());
        let _ = Command::new("dd").args(["if=/dev/zero", &to, block]).output();
    }
    let many: String = (0..12).map(|n| ALWAYS.replace("Always", &format!("Also{n}"))).collect();
    fs::write(&place.rules, format!("{ALWAYS}{many}")).unwrap();
    agent.signal(libc::SIGHUP);
    tests::wait::until("the other alerts", || (0..12).all(|n| fires(&agent, &format!("Also{n}"))).then_some(()));
    durable(&agent, 0.0);
    println!("full: {}", agent.logged(&["No space left"]));
    agent.get("/metrics");
    fs::remove_file(&filler).unwrap();
    durable(&agent, 1.0);
    assert!(fires(&agent, "Always") && fires(&agent, "Also11"));

    // As the filesystem does it itself after an error.
    run("mount", &["-o", "remount,errors=remount-ro", &point]);
    fs::write(format!("/sys/fs/ext4/{}/trigger_fs_error", device.name()), "for a test").unwrap();
    fs::write(&place.rules, format!("{ALWAYS}{}", ALWAYS.replace("Always", "Then"))).unwrap();
    agent.signal(libc::SIGHUP);
    tests::wait::until("another alert", || fires(&agent, "Then").then_some(()));
    durable(&agent, 0.0);
    println!("read-only: {}", agent.logged(&["Read-only file system"]));
    assert!(fires(&agent, "Always"));
    let log = agent.log();
    assert!(!log.iter().any(|line| line.contains("panicked")), "{log:?}");
    agent.signal(libc::SIGTERM);
    assert_eq!(agent.ended().0.code(), Some(0));
    // One that begins now has no place for what it must keep: it says so, with the place, and does without.
    let elsewhere = state.join("elsewhere").display().to_string();
    let agent = Agent::start(place.arguments(&["--state-dir", &elsewhere]));
    println!("read-only, from the start: {}", agent.logged(&["elsewhere", "Read-only file system"]));
    assert!(agent.scrape().sum("kpulse_context_switches_total", &[]).is_some());
    agent.signal(libc::SIGTERM);
    assert_eq!(agent.ended().0.code(), Some(0));
}
