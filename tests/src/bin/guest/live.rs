//! The live tests of this package, as they run everywhere: programs of the test harness, each run with its output read.
//!
//! xtask leaves in /live a line for each: the program's name, and after it the tests that are left out.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
};

use tests::loop_device::run as tool;

use crate::{
    Absent, Outcome, counts,
    disk::{NullDisk, NullPlan},
    modules,
    report::{self, note},
    shared,
};

const LIST: &str = "/live";
/// Where the tests have their files: a filesystem on a disk, because not every kernel's tmpfs can be read past the page cache.
const DISK: &str = "/disk";

/// Runs all of them; each test is one of the machine's results.
pub fn all() -> Outcome {
    let list = fs::read_to_string(LIST).map_err(|error| Absent(format!("{LIST}: {error}")))?;
    for module in ["loop", "ext4", "mq-deadline", "kyber-iosched", "bfq"] {
        modules::load(module, "")?;
    }
    shared::end();
    let made = NullDisk::make(&NullPlan { mib: 400, ..counts::FAST })?;
    let device = made.disk.path().display().to_string();
    tool("mkfs.ext4", &["-q", "-E", "lazy_itable_init=0,lazy_journal_init=0", &device]);
    fs::create_dir_all(DISK).expect("a mount point");
    tool("mount", &["-t", "ext4", &device, DISK]);
    let mut failed = Vec::new();
    for line in list.lines() {
        let mut words = line.split_whitespace();
        let program = words.next().expect("a program's name");
        failed.extend(run(program, words));
    }
    tool("umount", &[DISK]);
    assert!(failed.is_empty(), "{}", failed.join(", "));
    Ok(())
}

/// Runs one program and gives the tests that failed.
fn run<'a>(program: &str, left_out: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut command = Command::new(format!("/bin/{program}"));
    command.args(["--test-threads", "1", "--nocapture", "--exact"]);
    left_out.for_each(|test| {
        command.args(["--skip", test]);
    });
    // One pipe for both: what a test says must stand before its result.
    let (read, write) = std::io::pipe().expect("a pipe");
    command.env("TMPDIR", DISK).stdout(write.try_clone().expect("a pipe")).stderr(write).stdin(Stdio::null());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{program}: {error}"));
    // Holds the ends of the pipe that are written to.
    drop(command);
    let (mut failed, mut running) = (Vec::new(), String::new());
    for line in BufReader::new(read).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line).into_owned();
        note(&line);
        if let Some((name, rest)) = line.strip_prefix("test ").and_then(|rest| rest.split_once(" ... ")) {
            running = name.to_owned();
            outcome(program, &mut running, rest, &mut failed);
        } else {
            // What the test itself wrote has come between.
            outcome(program, &mut running, &line, &mut failed);
        }
    }
    let status = child.wait().expect("our own child");
    if !status.success() && failed.is_empty() {
        failed.push(format!("{program} {status}"));
    }
    failed
}

fn outcome(program: &str, running: &mut String, text: &str, failed: &mut Vec<String>) {
    if running.is_empty() {
        return;
    }
    match text.trim() {
        "ok" => report::test(&format!("{program}::{running}"), "ok", ""),
        "FAILED" => {
            report::test(&format!("{program}::{running}"), "failed", "see the console");
            failed.push(format!("{program}::{running}"));
        }
        _ => return,
    }
    running.clear();
}
