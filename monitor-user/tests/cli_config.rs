//! The built command, as a person meets it: what it says of a configuration, and its exit status.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    collections::BTreeSet,
    fs,
    io::pipe,
    path::PathBuf,
    process::{Command, Output, Stdio},
};

/// A directory of its own to run in, removed at the end.
struct Place(PathBuf);

impl Place {
    fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("kpulse-cli-{}-{test}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// The command, run here, without any of this process's variables.
    fn kpulse(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kpulse"));
        command.args(arguments.split_whitespace()).current_dir(&self.0).env_clear().stdin(Stdio::null());
        command
    }

    fn write(&self, contents: &str) {
        fs::write(self.0.join("kpulse.toml"), contents).unwrap();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Exit status, standard output, standard error.
fn run(command: &mut Command) -> (i32, String, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

#[test]
fn a_right_file_is_ok() {
    let place = Place::new("right");
    place.write("interval = \"5s\"\n");
    assert_eq!(run(&mut place.kpulse("config check kpulse.toml")), (0, "kpulse.toml: OK\n".into(), String::new()));
    // What the environment says has nothing to do with the file.
    let mut command = place.kpulse("config check kpulse.toml");
    assert_eq!(run(command.env("KPULSE_INTERVAL", "nonsense")).0, 0);
}

#[test]
fn everything_wrong_with_a_file_is_said_at_once() {
    let place = Place::new("wrong");
    place.write("# one\n\nintervall = \"5s\"\ninterval = 5\n[metrics]\nmax_series = 10\n");
    let (status, out, err) = run(&mut place.kpulse("config check kpulse.toml"));
    assert_eq!((status, out.as_str()), (1, ""));
    assert_eq!(
        err,
        "kpulse.toml:3:1: unknown key \"intervall\": did you mean \"interval\"?\n\
         kpulse.toml:4:12: interval: expected a duration from 100ms to 1h, such as \"1s\"; found 5: write a string with a \
         unit: us, ms, s, m or h\n\
         kpulse.toml:6:14: metrics.max_series: expected a whole number from 1000 to 1000000; found 10\n"
    );
}

#[test]
fn a_file_that_is_not_there_is_an_error() {
    let place = Place::new("missing");
    let message = "none.toml: no such file: name one that exists, or none\n";
    assert_eq!(run(&mut place.kpulse("config check none.toml")), (1, String::new(), message.into()));
    assert_eq!(run(&mut place.kpulse("config show --config none.toml")), (2, String::new(), message.into()));
    let mut command = place.kpulse("config show");
    assert_eq!(run(command.env("KPULSE_CONFIG", "none.toml")), (2, String::new(), message.into()));
}

#[test]
fn what_is_in_force_is_shown_with_its_origin() {
    let place = Place::new("show");
    place.write("interval = \"5s\"\nlisten = \"[::1]:80\"\nlog.level = \"warn\"\ntasks.top = 3\n");
    let mut command = place.kpulse("config show --config kpulse.toml --tasks-top 5 --btf /btf");
    let (status, out, err) = run(command.env("KPULSE_TASKS_TOP", "4").env("KPULSE_LOG_LEVEL", "debug"));
    assert_eq!((status, err.as_str()), (0, ""));
    let (stated, defaults): (Vec<&str>, Vec<&str>) = out.lines().partition(|line| !line.ends_with("# default"));
    let stated: Vec<_> = stated.iter().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(
        stated,
        [
            "listen = \"[::1]:80\" # kpulse.toml:2",
            "interval = \"5s\" # kpulse.toml:1",
            "btf = \"/btf\" # --btf",
            "log.level = \"debug\" # KPULSE_LOG_LEVEL",
            "tasks.top = 5 # --tasks-top",
        ]
    );
    assert!(defaults.iter().any(|line| line.starts_with("metrics.max_series = 2000 ")), "{out}");
    // One column, for all.
    let columns: BTreeSet<_> = out.lines().map(|line| line.rfind(" # ")).collect();
    assert_eq!(columns.len(), 1, "{out}");
}

#[test]
fn a_flag_names_the_file_before_the_variable_does() {
    let place = Place::new("named");
    place.write("interval = \"5s\"\n");
    let mut command = place.kpulse("config show --config kpulse.toml");
    let (status, out, _) = run(command.env("KPULSE_CONFIG", "none.toml"));
    assert_eq!((status, out.contains("# kpulse.toml:1\n")), (0, true));
}

#[test]
fn the_default_file_is_right() {
    let place = Place::new("default");
    let (status, out, err) = run(&mut place.kpulse("config show --default"));
    assert_eq!((status, err.as_str()), (0, ""));
    place.write(&out);
    assert_eq!(run(&mut place.kpulse("config check kpulse.toml")).0, 0);
}

#[test]
fn a_bad_flag_and_a_bad_variable_stop_every_command() {
    let place = Place::new("bad");
    for command in ["agent", "sample", "check", "config show"] {
        let mut command = place.kpulse(&format!("{command} --interval 5"));
        let (status, out, err) = run(command.env("KPULSE_LISTEN", "localhost:80"));
        assert_eq!((status, out.as_str()), (2, ""));
        assert_eq!(
            err,
            "KPULSE_LISTEN: expected an address and a port, such as \"127.0.0.1:9466\"; found \"localhost:80\": names are \
             not looked up: write an IP address, [..] around IPv6\n\
             --interval: expected a duration from 100ms to 1h, such as \"1s\"; found \"5\": 5 has no unit: add us, ms, s, m \
             or h\n"
        );
    }
}

#[test]
fn an_unknown_variable_is_a_warning() {
    let place = Place::new("variable");
    let (status, _, err) = run(place.kpulse("config show").env("KPULSE_INTERVALL", "5s"));
    let warning = "warning: KPULSE_INTERVALL: kpulse has no such variable: did you mean \"KPULSE_INTERVAL\"?\n";
    assert_eq!((status, err.as_str()), (0, warning));
}

#[test]
fn wrong_usage_is_exit_status_2_and_help_is_0() {
    let place = Place::new("usage");
    for arguments in ["", "frobnicate", "agent --frobnicate", "config", "config check", "sample --count 0"] {
        let (status, out, err) = run(&mut place.kpulse(arguments));
        assert_eq!((status, out.as_str()), (2, ""), "{arguments}");
        assert!(!err.is_empty(), "{arguments}");
    }
    for arguments in ["--help", "agent --help", "sample -h", "check --help", "config --help", "config show --help"] {
        let (status, out, err) = run(&mut place.kpulse(arguments));
        assert_eq!((status, err.as_str()), (0, ""), "{arguments}");
        assert!(out.contains("Usage: kpulse"), "{arguments}");
    }
    let version = concat!("kpulse ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!(run(&mut place.kpulse("--version")), (0, version.into(), String::new()));
}

#[test]
fn a_reader_that_has_gone_is_no_error() {
    let place = Place::new("pipe");
    for arguments in ["config show", "config show --default", "--help", "--version"] {
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        let output = place.kpulse(arguments).stdout(writer).stderr(Stdio::piped()).output().unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), err.as_str()), (Some(0), ""), "{arguments}");
    }
    for arguments in ["config show --interval 5", "config check none", "frobnicate"] {
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        let status = place.kpulse(arguments).stdout(Stdio::null()).stderr(writer).status().unwrap().code();
        assert!(matches!(status, Some(1 | 2)), "{arguments}: {status:?}");
    }
}

#[test]
fn a_full_disk_is_an_error() {
    let place = Place::new("full");
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let output = place.kpulse("config show").stdout(full).stderr(Stdio::piped()).output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(err.starts_with("kpulse: the output cannot be written: No space left"), "{err}");
}
