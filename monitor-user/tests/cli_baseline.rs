//! `kpulse baseline`, as a person meets it.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    fs,
    path::PathBuf,
    process::{Command, Output},
    time::Duration,
};

use kpulse::{
    baselines,
    host::Class,
    index::{
        Load, Part, Signal, Stratum,
        baseline::{Baselines, Interval, Learning},
    },
};

/// A state directory of its own, removed at the end.
struct State(PathBuf);

impl State {
    fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("kpulse-baseline-{}-{test}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Exit status, standard output, standard error, without the directory's name.
    fn run(&self, arguments: &str) -> (i32, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kpulse"));
        command.arg("baseline").args(arguments.split_whitespace()).env_clear();
        let Output { status, stdout, stderr } = command.arg("--state-dir").arg(&self.0).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap().replace(self.0.to_str().unwrap(), "DIR");
        (status.code().unwrap(), text(stdout), text(stderr))
    }

    /// Reads of 120 µs that are known, and writes that are not yet.
    fn learn(&self) -> Baselines {
        let mut baselines = Baselines::default();
        let learning = Learning { time: Duration::ZERO, ..Learning::default() };
        let part =
            |operation| Part { device: "nvme0n1".into(), stratum: Stratum { class: Class::Nvme, operation, size: 1 } };
        let done = [(part(0), Load { requests: 2_000, seconds: 0.24 }), (part(1), Load { requests: 7, seconds: 1.0 })];
        let interval = Interval { seconds: 10.0, end_ns: 1 };
        baselines.learn(Signal::Block, "", &done.into(), interval, false, &learning);
        baselines.save_to(self);
        baselines
    }
}

trait SaveTo {
    fn save_to(&self, state: &State);
}

impl SaveTo for Baselines {
    fn save_to(&self, state: &State) {
        baselines::save(&state.0, self, 1_700_000_000_000_000_000).unwrap();
    }
}

impl Drop for State {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn where_no_agent_has_run_every_command_says_so() {
    let state = State::new("none");
    for command in ["show", "show --json", "pin", "unpin", "reset"] {
        let message =
            "kpulse: there is no DIR/baseline.json: has an agent with this state.dir run for a few minutes?\n";
        assert_eq!(state.run(command), (1, String::new(), message.into()), "{command}");
    }
}

#[test]
fn a_damaged_file_is_named() {
    let state = State::new("damaged");
    state.learn();
    let file = state.0.join("baseline.json");
    let mut bytes = fs::read(&file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&file, bytes).unwrap();
    let message = "kpulse: DIR/baseline.json is damaged: its checksum is not that of its contents\n";
    assert_eq!(state.run("show"), (1, String::new(), message.into()));
}

#[test]
fn what_is_known_is_shown_with_its_age() {
    let state = State::new("show");
    state.learn();
    let (status, out, err) = state.run("show");
    assert_eq!((status, &err[..]), (0, ""));
    assert!(out.starts_with("DIR/baseline.json, saved "), "{out}");
    assert!(out.contains("ago (2023-11-14 22:13:20 UTC)\n\nblock: ready\n"), "{out}");
    assert!(out.contains("  nvme        read      4KiB       120µs        -    2.00k\n"), "{out}");
    assert!(out.contains("  nvme        write     4KiB    learning        -        7\n"), "{out}");
    let json: serde_json::Value = serde_json::from_str(&state.run("show --json").1).unwrap();
    assert_eq!(json["states"][0]["state"], "ready");
    assert_eq!(json["baselines"]["books"][0]["strata"][0]["requests"], 2_000);
}

#[test]
fn a_change_waits_for_the_agent_and_is_done_by_it() {
    let state = State::new("change");
    let mut held = state.learn();
    let (status, out, _) = state.run("pin --signal block");
    assert_eq!(
        (status, &out[..]),
        (0, "pin the baseline of block: asked for; the agent does it at its next judgement, or when it starts\n")
    );
    assert!(state.run("show").1.ends_with("\nwaits for the agent: pin the baseline of block\n"));
    let said = baselines::take_requests(&state.0, &mut held, 1_700_000_000_000_000_000).unwrap();
    assert_eq!(said, [(true, "the baseline of block is pinned".to_owned())]);
    let out = state.run("show").1;
    assert!(out.contains("block: ready, pinned since 2023-11-14 22:13:20 UTC\n"), "{out}");
    assert!(out.contains("120µs    120µs") && !out.contains("waits for the agent"), "{out}");
}

#[test]
fn what_makes_no_sense_is_refused_at_once() {
    let state = State::new("refused");
    state.learn();
    let (status, out, err) = state.run("pin --signal run_queue");
    assert_eq!((status, &out[..]), (1, ""));
    assert!(err.contains("the baseline of run_queue cannot be pinned: it knows no kind of request yet"), "{err}");
    let (status, _, err) = state.run("reset --signal disk");
    assert!(status == 2 && err.contains("[possible values: block, run_queue]"), "{err}");
    assert!(!state.0.join("baseline-requests").exists());
    Baselines::default().save_to(&state);
    let (status, _, err) = state.run("pin");
    assert!(status == 1 && err.contains("nothing can be pinned"), "{err}");
}
