//! No descriptor left, no room on the disk, a filesystem that became read-only.

use std::{fs, process::Command, thread, time::Duration};

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
    // The highest number counts, not how many there are.
    let highest = fs::read_dir(format!("/proc/{}/fd", agent.pid())).unwrap().flatten();
    let highest = highest.filter_map(|entry| entry.file_name().to_str()?.parse::<u64>().ok()).max().unwrap();
    let before = limits::open_files(agent.pid(), highest + 6).unwrap();
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
    // Not a byte is left.
    let filler = mount.point.join("filler");
    let _ = Command::new("dd").args(["if=/dev/zero", &format!("of={}", filler.display()), "bs=4k"]).output();
    let _ = Command::new("dd").args(["if=/dev/zero", &format!("of={}-2", filler.display()), "bs=512"]).output();
    fs::create_dir(&state).ok();
    let agent = Agent::start(place.arguments(&["--state-dir", &state.display().to_string()]));
    let durable = |agent: &Agent, wanted: f64| {
        agent.scrape_until("the journal's state", |scrape| {
            (scrape.value("kpulse_notifications_journal_durable") == Some(wanted)).then_some(())
        });
    };
    let has_alert = |agent: &Agent| alerts(agent).iter().any(|alert| alert.rule == "Always");
    tests::wait::until("an alert", || has_alert(&agent).then_some(()));
    durable(&agent, 0.0);
    println!("full: {}", agent.logged(&["No space left"]));
    agent.get("/metrics");
    fs::remove_file(&filler).unwrap();
    durable(&agent, 1.0);
    assert!(has_alert(&agent));

    run("mount", &["-o", "remount,ro", &point]);
    agent.signal(libc::SIGHUP);
    agent.collected();
    assert!(has_alert(&agent));
    let log = agent.log();
    assert!(!log.iter().any(|line| line.contains("panicked")), "{log:?}");
    agent.signal(libc::SIGTERM);
    assert_eq!(agent.ended().0.code(), Some(0));
    // One that begins now has no place for what it must keep: it says so, with the place.
    let output = tests::agent::run({
        let mut command = tests::agent::command(["agent", "--listen", "127.0.0.1:0", "--state-dir"]);
        command.arg(state.join("elsewhere"));
        command
    });
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    println!("read-only: {said}");
    assert!(!output.status.success() && said.contains("elsewhere"), "{said}");
    run("mount", &["-o", "remount,rw", &point]);
}
