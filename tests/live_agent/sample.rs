//! `kpulse sample`: no daemon, a table or JSON, and nothing left behind.

use std::process::Stdio;

use kpulse::window::Window;
use tests::{
    agent::{self, command, command_of_nobody},
    bpf_objects::Objects,
    guard::Running,
    root_or_skip,
    scratch::Scratch,
    skip::alone,
    wait,
};

const TWO: [&str; 5] = ["sample", "--count", "2", "--interval", "200ms"];

#[test]
fn sample_prints_a_table_for_each_interval() {
    root_or_skip!("sample_prints_a_table_for_each_interval");
    let _alone = alone();
    let output = agent::run(command(TWO));
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    println!("{said}");
    assert_eq!((output.status.code(), complained.as_ref()), (Some(0), ""));
    let hostname = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    assert_eq!(said.matches(hostname.trim()).count(), 2, "one head for each interval");
    assert!(!said.contains('\u{1b}'), "colours where there is no terminal");
    assert!(!said.contains("NaN") && !said.contains("inf "), "{said}");
}

#[test]
fn sample_prints_a_window_as_json_for_each_interval() {
    root_or_skip!("sample_prints_a_window_as_json_for_each_interval");
    let _alone = alone();
    let output = agent::run(command(TWO.into_iter().chain(["--json"])));
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let windows: Vec<Window> =
        String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(windows.len(), 2);
    for window in windows {
        assert!(window.seconds >= 0.2, "{}", window.seconds);
        assert!(window.sched.unwrap().switches_per_second > 0.0);
        assert!(window.tasks.unwrap().count > 0);
        assert!(window.block.is_some() && window.events.is_some());
    }
}

#[test]
fn sample_without_root_warns_and_shows_what_proc_tells() {
    root_or_skip!("sample_without_root_warns_and_shows_what_proc_tells");
    let scratch = Scratch::new();
    let output = agent::run(command_of_nobody(scratch.path(), TWO));
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    println!("{complained}{said}");
    assert_eq!(output.status.code(), Some(0), "{complained}");
    assert!(complained.contains("WARN") && complained.contains("root") && complained.contains("sched"), "{complained}");
    assert!(said.to_lowercase().contains("memory"), "{said}");
}

#[test]
fn sample_leaves_nothing_attached() {
    root_or_skip!("sample_leaves_nothing_attached");
    let _alone = alone();
    let mut sample = Running::start(command(["sample", "--interval", "1s"]).stdout(Stdio::null()));
    let held = wait::until("its programs", || Some(Objects::of(sample.0.id())).filter(|held| held.links.len() >= 5));
    let status = wait::until("its end", || sample.0.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
    wait::until("the kernel's taking back of everything", || (held.left() == Objects::default()).then_some(()));
}
