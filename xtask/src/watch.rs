//! Runs a program, passes its output on as it comes, and tallies what it says about tests.

use std::{
    io::{self, Read, Write},
    process::{Command, Stdio},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result};

use crate::{shell, tally::Tally};

/// What became of a program.
pub struct Watched {
    /// What it said about tests.
    pub tally: Tally,
    /// Why it counts as failed, if it does.
    pub fault: Option<String>,
}

/// How long the output may stay open once the program has ended.
const GRACE: Duration = Duration::from_secs(5);

/// Runs the command to its end, with its output on this program's own.
///
/// # Errors
/// Where it cannot be started.
pub fn watch(command: &mut Command) -> Result<Watched> {
    watch_into(command, io::stdout(), io::stderr(), GRACE)
}

fn watch_into(
    command: &mut Command,
    to_out: impl Write + Send + 'static,
    to_err: impl Write + Send + 'static,
    grace: Duration,
) -> Result<Watched> {
    let shown = shell::show(command);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start `{shown}`"))?;
    let tally = Arc::new(Mutex::new(Tally::default()));
    let (done, ends) = mpsc::channel();
    let out = child.stdout.take().context("stdout is a pipe")?;
    let err = child.stderr.take().context("stderr is a pipe")?;
    pump(out, to_out, Pass::Bytes, tally.clone(), done.clone());
    pump(err, to_err, Pass::Lines, tally.clone(), done);
    let status = child.wait().with_context(|| format!("cannot wait for `{shown}`"))?;
    let closed = (0..2).all(|_| ends.recv_timeout(grace).is_ok());
    let fault = if !status.success() {
        Some(format!("`{shown}`: {status}"))
    } else if !closed {
        Some("a process that the tests started has outlived them".into())
    } else {
        None
    };
    let tally = tally.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Ok(Watched { tally, fault })
}

/// What is passed on at once.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pass {
    /// Every byte, so that the name of the test that runs is seen while it runs.
    Bytes,
    /// Whole lines: cargo writes its own in pieces, between which the other stream would come.
    Lines,
}

/// Copies what comes, and tallies it line by line.
fn pump(
    mut from: impl Read + Send + 'static,
    mut to: impl Write + Send + 'static,
    pass: Pass,
    tally: Arc<Mutex<Tally>>,
    done: mpsc::Sender<()>,
) {
    thread::spawn(move || {
        let mut chunk = [0; 8192];
        let mut pending = Vec::new();
        let mut show = |bytes: &[u8], which: Pass| {
            if which == pass {
                // Whoever read this terminal may be gone; the tests go on and are counted.
                let _ = to.write_all(bytes).and_then(|()| to.flush());
            }
        };
        let count = |line: &[u8]| {
            tally.lock().unwrap_or_else(PoisonError::into_inner).line(&String::from_utf8_lossy(line));
        };
        while let Ok(read @ 1..) = from.read(&mut chunk) {
            show(&chunk[..read], Pass::Bytes);
            for piece in chunk[..read].split_inclusive(|byte| *byte == b'\n') {
                pending.extend_from_slice(piece);
                if let Some(line) = pending.strip_suffix(b"\n") {
                    show(&pending, Pass::Lines);
                    count(line);
                    pending.clear();
                }
            }
        }
        show(&pending, Pass::Lines);
        count(&pending);
        // Nobody listens any more once the grace is over.
        let _ = done.send(());
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str, grace: Duration) -> Watched {
        // Into nowhere: what these print would otherwise be counted when they are tests themselves.
        watch_into(Command::new("sh").args(["-c", script]), io::sink(), io::sink(), grace).expect("sh starts")
    }

    #[test]
    fn both_streams_are_tallied_and_the_last_line_needs_no_newline() {
        let watched = sh("echo SKIPPED x: no disk >&2; printf 'test result: ok. 2 passed; 0 failed; 0 ignored'", GRACE);
        assert_eq!(watched.tally.to_string(), "1 passed, 0 failed, 1 skipped");
        assert_eq!(watched.fault, None);
    }

    #[test]
    fn a_program_that_fails_without_a_failed_test_is_still_a_failure() {
        let watched = sh("exit 101", GRACE);
        assert!(watched.fault.is_some_and(|fault| fault.contains("101")));
    }

    #[test]
    fn a_process_that_is_left_behind_is_a_failure() {
        let watched = sh("sleep 3 &", Duration::ZERO);
        assert!(watched.fault.is_some_and(|fault| fault.contains("outlived")));
    }

    #[test]
    fn a_program_that_does_not_exist_is_an_error_that_names_it() {
        let error = watch(&mut Command::new("/nowhere/cargo-nothing")).err().expect("it cannot start");
        assert!(error.to_string().contains("cargo-nothing"), "{error}");
    }
}
