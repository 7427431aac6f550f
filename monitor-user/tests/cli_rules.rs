//! The built command: listing and testing rules, its words and its exit status.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    fs,
    io::Write as _,
    path::PathBuf,
    process::{Command, Stdio},
};

/// A directory of its own to run in, removed at the end.
struct Place(PathBuf);

impl Place {
    fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("kpulse-cli-rules-{}-{test}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, contents: &str) {
        fs::write(self.0.join(name), contents).unwrap();
    }

    /// Exit status, standard output, standard error.
    fn run(&self, arguments: &str, input: &str) -> (i32, String, String) {
        let mut child = Command::new(env!("CARGO_BIN_EXE_kpulse"))
            .args(arguments.split_whitespace())
            .current_dir(&self.0)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A command that fails early does not read its input.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const RULES: &str = "[[rule]]\nname = \"OomKill\"\nsilenced = true\n\n[[rule]]\nname = \"Busy\"\nsignal = \"cpu_utilization\"\n\
                     above = \"90%\"\nfor = \"5m\"\n";

#[test]
fn the_list_says_what_is_in_force_and_whence() {
    let place = Place::new("list");
    place.write("r.toml", RULES);
    place.write("c.toml", "rules.file = \"r.toml\"\n");
    let (status, out, _) = place.run("rules list --config c.toml", "");
    assert_eq!(status, 0);
    let line = |name: &str| {
        let line = out.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().skip(1).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(line("PerformanceIndexHigh"), "warning 3m on built-in");
    assert_eq!(line("OomKill"), "warning 0s silenced built-in, changed at r.toml:1");
    assert_eq!(line("Busy"), "warning 5m on r.toml:5");
    assert!(out.contains("\n    cpu_utilization above 90.0%\n"), "{out}");

    let (_, json, _) = place.run("rules list --json --rules-file r.toml", "");
    let rules: Vec<serde_json::Value> = serde_json::from_str(&json).unwrap();
    let busy = rules.iter().find(|rule| rule["name"] == "Busy").unwrap();
    assert_eq!(
        (&busy["signal"], &busy["for_seconds"], &busy["state"]),
        (&"cpu_utilization".into(), &300.0.into(), &"on".into())
    );
}

#[test]
fn a_file_is_right_or_everything_wrong_with_it_is_said() {
    let place = Place::new("test");
    place.write("good.toml", RULES);
    let (status, out, err) = place.run("rules test good.toml", "");
    assert_eq!((status, &*err), (0, ""));
    assert!(out.starts_with("good.toml: OK, "), "{out}");
    place.write(
        "bad.toml",
        "[[rule]]\nname = \"A\"\nsignal = \"cpu_utilisation\"\n[[rule]]\nname = \"B\"\nsignal = 1\n",
    );
    let (status, out, err) = place.run("rules test bad.toml", "");
    assert_eq!((status, &*out), (1, ""));
    assert!(
        err.contains("bad.toml:3:10: A: there is no signal \"cpu_utilisation\": did you mean \"cpu_utilization\"?"),
        "{err}"
    );
    assert!(err.contains("bad.toml:6:10: B: signal: expected a string"), "{err}");
    let (status, _, err) = place.run("rules list --rules-file bad.toml", "");
    // Both lack a threshold as well.
    assert_eq!((status, err.lines().count()), (2, 4), "{err}");
    assert_eq!(place.run("rules test absent.toml", "").0, 1);
}

#[test]
fn a_window_says_which_rules_hold_now() {
    let place = Place::new("window");
    place.write("r.toml", RULES);
    let window = serde_json::json!({
        "end_realtime_ns": 1, "seconds": 60.0, "sched": null, "block": null, "tasks": null, "cpu_modes": null,
        "events": { "seen": [0, 0, 2], "dropped": [0, 0, 0] }, "pressure": {}, "networks": {}, "memory": null, "load": null,
        "filesystems": [],
    });
    let (status, out, err) = place.run("rules test r.toml --window -", &window.to_string());
    assert_eq!((status, &*err), (0, ""));
    assert!(out.ends_with("\n\nOomKill  2  kind=oom_kill\n"), "{out}");
    let (status, _, err) = place.run("rules test --window -", "{}");
    assert_eq!(status, 1);
    assert!(err.contains("- is no window: expected the JSON of /api/v1/window"), "{err}");
}

#[test]
fn the_signals_are_listed() {
    let place = Place::new("signals");
    let (status, out, _) = place.run("rules signals", "");
    assert_eq!(status, 0);
    assert!(out.lines().any(|line| line.split_whitespace().eq(["cpu_mode_share", "share", "mode"])), "{out}");
}
