//! `kpulse record --live`: no daemon, a recording of the real machine from which windows can be derived.

use std::{path::Path, process::Stdio};

use kpulse::{
    recorder::Recording,
    sample::Sample,
    window::{self, derive},
};
use tests::{
    agent::{self, command},
    guard::Running,
    root_or_skip,
    scratch::Scratch,
    skip::alone,
    wait,
};

fn read(path: &Path) -> Vec<Sample> {
    Recording::open(path).unwrap().collect::<Result<_, _>>().unwrap()
}

#[test]
fn record_live_writes_samples_from_which_windows_follow() {
    root_or_skip!("record_live_writes_samples_from_which_windows_follow");
    let _alone = alone();
    let scratch = Scratch::new();
    let path = scratch.path().join("live.kpr");
    let arguments = ["record", "--live", "--seconds", "2", "--interval", "200ms", path.to_str().unwrap()];
    let output = agent::run(command(arguments));
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!((output.status.code(), complained.as_ref()), (Some(0), ""));
    let samples = read(&path);
    assert!(said.contains(&format!("live.kpr: {} samples of ", samples.len())), "{said}");
    let reach = samples[samples.len() - 1].monotonic_ns - samples[0].monotonic_ns;
    assert!(samples.len() > 2 && reach >= 1_500_000_000, "{} samples over {reach} ns", samples.len());
    for pair in samples.windows(2) {
        let window = derive(&pair[0], &pair[1], &window::Options::default()).unwrap();
        assert!(window.sched.is_some() && window.tasks.is_some_and(|tasks| tasks.count > 0));
    }
    // What exists is safe.
    let again = agent::run(command(arguments));
    let complained = String::from_utf8_lossy(&again.stderr);
    assert_eq!(again.status.code(), Some(1));
    assert!(complained.contains("live.kpr exists: name another file, or add --force"), "{complained}");
}

#[test]
fn record_live_keeps_what_it_has_when_it_is_interrupted() {
    root_or_skip!("record_live_keeps_what_it_has_when_it_is_interrupted");
    let _alone = alone();
    let scratch = Scratch::new();
    let path = scratch.path().join("live.kpr");
    let mut recording = Running::start(
        command(["record", "--live", "--seconds", "3600", "--interval", "100ms", path.to_str().unwrap()])
            .stdout(Stdio::null())
            .stderr(Stdio::null()),
    );
    // The hidden file grows once something is recorded.
    wait::until("some samples", || {
        let hidden = std::fs::read_dir(scratch.path()).unwrap().filter_map(Result::ok);
        hidden.filter_map(|entry| entry.metadata().ok()).any(|file| file.len() > 8_192).then_some(())
    });
    // SAFETY: our own child, not yet waited for.
    unsafe { libc::kill(recording.0.id() as i32, libc::SIGINT) };
    let status = wait::until("its end", || recording.0.try_wait().expect("our own child"));
    assert_eq!(status.code(), Some(0));
    assert!(read(&path).len() > 1);
}
