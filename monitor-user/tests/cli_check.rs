//! The built `kpulse check`, as scripts and services meet it: its exit status, its streams. Holds with and without root.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// No probe is wanted, so that nothing is loaded; port 0 is always free.
const QUIET: &str =
    "--probes-sched=false --probes-block=false --probes-tasks=false --probes-events=false --listen=127.0.0.1:0";

/// Exit status, standard output, standard error.
fn check(arguments: &str) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kpulse"));
    let arguments = format!("check {QUIET} {arguments}");
    command.args(arguments.split_whitespace()).env_clear().stdin(Stdio::null());
    let Output { status, stdout, stderr } = command.output().unwrap();
    (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

fn json(arguments: &str) -> (i32, Value) {
    let (status, out, err) = check(&format!("--json {arguments}"));
    assert_eq!(err, "");
    (status, serde_json::from_str(&out).unwrap())
}

#[test]
fn the_exit_status_says_what_the_report_says() {
    let (status, report) = json("");
    assert_eq!(status == 1, report["mark"] == "missing", "{report}");
    let requirements =
        || report["groups"].as_array().unwrap().iter().flat_map(|group| group["requirements"].as_array().unwrap());
    for mark in ["ok", "degraded", "missing"] {
        assert_eq!(report[mark], requirements().filter(|one| one["mark"] == mark).count());
    }
    assert!(requirements().all(|one| (one["mark"] == "ok") == one["do"].is_null()), "{report}");
}

#[test]
fn a_machine_without_proc_fails_and_names_it() {
    let (status, report) = json("--host-proc=/dev");
    assert_eq!((status, &report["mark"]), (1, &Value::from("missing")));
    assert!(report.to_string().contains("/dev/self/status: No such file or directory"), "{report}");
}

#[test]
fn a_pipe_gets_the_page_without_colour() {
    let (status, page, err) = check("");
    assert!(page.starts_with("Kernel\n  ") && !page.contains('\x1b'), "{page}");
    assert_eq!(page.contains("\nBegin with "), status == 1, "{page}");
    assert_eq!(err, "");
}

#[test]
fn wrong_usage_is_told_apart_from_a_machine_that_lacks_something() {
    assert_eq!(check("--what").0, 2);
    assert_eq!(check("--btf=relative/and/absent --interval=never").0, 2);
}
