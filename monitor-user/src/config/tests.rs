//! Sources, precedence, and what is said of bad ones.

use std::{
    fs,
    os::unix::ffi::OsStringExt as _,
    sync::atomic::{AtomicU32, Ordering},
};

use proptest::prelude::*;

use super::{key::tests::other_value, *};

/// A directory of its own, removed at the end.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("kpulse-config-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join("kpulse.toml");
        fs::write(&path, contents).unwrap();
        path
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What is wrong with a file of these contents, without the path.
fn problems(contents: impl AsRef<[u8]>) -> Vec<String> {
    let contents = file::parse(Path::new("f"), contents.as_ref(), KEYS, &mut Config::default());
    contents.problems.iter().map(ToString::to_string).collect()
}

#[test]
fn for_every_key_a_flag_beats_the_environment_beats_the_file_beats_the_default() {
    let directory = Directory::new();
    for key in KEYS {
        let mut other = Config::default();
        key.set(&mut other, Given::Text(other_value(key))).unwrap();
        let default = key.text(&Config::default());
        let file = directory.file(format!("{} = {}", key.name, key.toml(&other)));
        let mut sources = Sources { default_file: Some("/nonexistent/kpulse.toml".into()), ..Sources::default() };

        let check = |sources: &Sources, text: &str, origin: Origin| {
            let loaded = load(sources).unwrap();
            assert_eq!((key.text(&loaded.config).as_str(), &loaded.origin[key.name]), (text, &origin), "{}", key.name);
            assert_eq!(
                loaded.origin.values().filter(|origin| **origin != Origin::Default).count().min(1),
                usize::from(origin != Origin::Default)
            );
        };
        check(&sources, &default, Origin::Default);
        // A user is nobody without a password.
        for (one, other) in [
            ("_username", "_password_file"),
            ("_password_file", "_username"),
            ("server.cert_file", "server.key_file"),
            ("server.key_file", "server.cert_file"),
        ] {
            let other = key.name.strip_suffix(one).and_then(|kind| Key::find(&format!("{kind}{other}")));
            sources.flags.extend(other.map(|other| (other.name, other_value(other).into())));
        }
        sources.file = Some(file.clone());
        check(&sources, other_value(key), Origin::File { path: file.clone(), line: 1 });
        // An empty default cannot be said in a variable: empty is not set.
        let from_env = match key.kind {
            Kind::Url(_) | Kind::Urls(_) => "http://from.env",
            _ if default.is_empty() => "/from/env",
            _ => &default,
        };
        sources.env.insert(key.env(), from_env.into());
        check(&sources, from_env, Origin::Env(key.env()));
        sources.flags.insert(key.name, other_value(key).into());
        check(&sources, other_value(key), Origin::Flag(format!("--{}", key.flag())));
    }
}

#[test]
fn every_problem_of_a_file_is_reported_with_its_place() {
    let text = "# kpulse\nintervall = \"5s\"\ninterval = 5\nlog.level = \"verbose\"\ntasks = 3\n\n[metrics]\n  \
                clients = 0\n  max-series = 10\n[logs]\nlevel = 1\n[probes]\nsched = \"yes\"\nblock = 1.5\n[events]\n\
                slow_request = \"1d\"\nlong_wait = 99999999999999999999\n[host]\nproc = \"\"\nsys = [\"/sys\"]\n";
    assert_eq!(
        problems(text),
        [
            "f:2:1: unknown key \"intervall\": did you mean \"interval\"?",
            "f:3:12: interval: expected a duration from 100ms to 1h, such as \"1s\"; found 5: write a string with a unit: \
             us, ms, s, m or h",
            "f:4:13: log.level: expected \"error\", \"warn\", \"info\", \"debug\" or \"trace\"; found \"verbose\"",
            "f:5:1: tasks: expected the table [tasks] with the keys top",
            "f:8:13: metrics.clients: expected a whole number from 1 to 10000; found 0",
            "f:9:3: unknown key \"metrics.max-series\": did you mean \"metrics.max_series\"?",
            "f:10:2: unknown table \"logs\": did you mean \"log\"?",
            "f:13:9: probes.sched: expected true or false; found \"yes\"",
            "f:14:9: probes.block: expected true or false; found a number with a fraction",
            "f:16:16: events.slow_request: expected a duration from 1us to 1h, or \"off\", such as \"1s\"; found \"1d\": \
             \"d\" is no unit: use us, ms, s, m or h",
            "f:17:13: events.long_wait: expected a duration from 1us to 1h, or \"off\", such as \"1s\"; found a number \
             that is too large: write a string with a unit: us, ms, s, m or h",
            "f:19:8: host.proc: expected a path, such as \"/proc\"; found \"\"",
            "f:20:7: host.sys: expected a path, such as \"/sys\"; found an array",
        ]
    );
}

#[test]
fn broken_toml_is_reported_together_with_what_else_is_wrong() {
    assert_eq!(
        problems(
            "listen = \"nowhere\"\nlog.format = \"json\nlog.level = 1\nlog.level = \"warn\"\n[probes\nsched = 1\n[tasks]\ntop = 0\n"
        ),
        [
            "f:1:10: listen: expected an address and a port, such as \"127.0.0.1:9466\"; found \"nowhere\": names are not \
             looked up: write an IP address, [..] around IPv6",
            "f:2:19: not valid TOML: invalid basic string, expected `\"`",
            "f:3:13: log.level: expected \"error\", \"warn\", \"info\", \"debug\" or \"trace\"; found 1",
            "f:4:5: not valid TOML: duplicate key",
            "f:5:8: not valid TOML: unclosed table, expected `]`",
            "f:8:7: tasks.top: expected a whole number from 1 to 1000; found 0",
        ]
    );
}

#[test]
fn a_value_without_quotes_is_named() {
    let needs_quotes = "needs quotes: only numbers, true and false have none";
    assert_eq!(
        problems("interval =  5s  # often\nlisten = 127.0.0.1:80\nlog.level=debug\ntasks.top = 5 6\nbtf =\nx =\r\n"),
        [
            format!("f:1:13: interval: 5s {needs_quotes}"),
            format!("f:2:10: listen: 127.0.0.1:80 {needs_quotes}"),
            format!("f:3:11: log.level: debug {needs_quotes}"),
            format!("f:4:13: tasks.top: 5 6 {needs_quotes}"),
            "f:5:6: btf has no value".into(),
            "f:6:4: x has no value".into(),
        ]
    );
}

#[test]
fn columns_count_characters() {
    assert_eq!(problems("\"é\" = 1\n"), ["f:1:1: unknown key \"é\""]);
    assert_eq!(problems("log = { \"é\" = 1 }\n"), ["f:1:9: unknown key \"log.é\""]);
    assert_eq!(problems("log = { 'ééé' = 1, level = 7 }\n")[1].split(": ").next(), Some("f:1:28"));
}

#[test]
fn a_quoted_dot_is_no_table() {
    assert_eq!(problems("\"log.level\" = \"info\""), ["f:1:1: unknown key \"log.level\": write it without quotes"]);
}

#[test]
fn a_byte_order_mark_and_carriage_returns_change_nothing() {
    assert_eq!(problems("\u{feff}interval = \"5s\"\r\n\r\n[log]\r\nlevel = \"warn\"\r\n"), [""; 0]);
    assert_eq!(problems("\u{feff}\r\nx = 1\r\n"), ["f:2:1: unknown key \"x\""]);
    assert_eq!(problems(""), [""; 0]);
}

#[test]
fn bytes_that_are_no_text_are_named_with_their_place() {
    assert_eq!(problems(b"a = 1\nb\xc3\xa9 = \"\xff\""), ["f:2:7: not UTF-8 (byte 0xff)"]);
    assert_eq!(problems(b"\xff\xfei\0n\0"), ["f:1:1: not UTF-8 (byte 0xff)"]);
}

#[test]
fn a_file_that_is_none_is_named_with_the_reason() {
    let directory = Directory::new();
    let error = |path: &Path| load_file(path).unwrap_err().to_string().replace(directory.0.to_str().unwrap(), "DIR");
    assert_eq!(error(&directory.0), "DIR: it is a directory: expected a TOML file");
    assert_eq!(error(&directory.0.join("none")), "DIR/none: no such file: name one that exists, or none");
    assert_eq!(
        error(&directory.file(vec![b'x'; 10 << 20])),
        "DIR/kpulse.toml: it is larger than 262144 bytes: expected a configuration in TOML"
    );
    assert_eq!(
        error(Path::new("/dev/zero")),
        "/dev/zero: it is larger than 262144 bytes: expected a configuration in TOML"
    );
    // A file that exists but is not named must be right as well.
    let sources = Sources { default_file: Some(directory.file("x = 1")), ..Sources::default() };
    assert!(load(&sources).is_err());
}

#[test]
fn much_garbage_gives_a_short_answer() {
    let many_keys: String = (0..3000).map(|number| format!("{number} = 1\n")).collect();
    let long_line = format!("log = {{ {} }}", many_keys.replace('\n', ", "));
    for garbage in [&many_keys, &long_line, "[", "a.", "x = 1\n", "=\n", "\"", "[[a]]\n", "{", "\n"] {
        let contents = garbage.repeat((64 << 10) / garbage.len().min(64 << 10));
        let directory = Directory::new();
        if let Err(errors) = load_file(&directory.file(contents)) {
            assert!(errors.to_string().len() < 20_000, "{garbage}");
        }
    }
}

#[test]
fn problems_of_all_sources_are_reported_at_once() {
    let directory = Directory::new();
    let mut sources = Sources { file: Some(directory.file("x = 1")), ..Sources::default() };
    sources.env.insert("KPULSE_INTERVAL".into(), "5".into());
    sources.env.insert("KPULSE_BTF".into(), OsString::from_vec(vec![0xff]));
    sources.flags.insert("metrics.clients", "many".into());
    let errors = load(&sources).unwrap_err().to_string().replace(directory.0.to_str().unwrap(), "DIR");
    assert_eq!(
        errors.lines().collect::<Vec<_>>(),
        [
            "DIR/kpulse.toml:1:1: unknown key \"x\"",
            "KPULSE_BTF: not UTF-8",
            "KPULSE_INTERVAL: expected a duration from 100ms to 1h, such as \"1s\"; found \"5\": 5 has no unit: add us, \
             ms, s, m or h",
            "--metrics-clients: expected a whole number from 1 to 10000; found \"many\"",
        ]
    );
}

#[test]
fn an_unknown_variable_is_a_warning_and_an_empty_one_is_not_set() {
    let mut sources = Sources::default();
    for (name, value) in
        [("KPULSE_CONFIG", "x"), ("KPULSE_INTERVALL", "1s"), ("KPULSE_FOO", "1"), ("KPULSE_LISTEN", ""), ("HOME", "/")]
    {
        sources.env.insert(name.into(), value.into());
    }
    let loaded = load(&sources).unwrap();
    assert_eq!(loaded.config, Config::default());
    assert_eq!(
        loaded.warnings,
        [
            "KPULSE_FOO: kpulse has no such variable",
            "KPULSE_INTERVALL: kpulse has no such variable: did you mean \"KPULSE_INTERVAL\"?",
        ]
    );
}

#[test]
fn a_filesystem_may_not_take_longer_to_answer_than_from_one_question_to_the_next() {
    let mut sources = Sources::default();
    sources.flags.insert("host.filesystem_timeout", "20s".into());
    let message = "host.filesystem_timeout (20s) must not be longer than host.filesystem_interval (15s)";
    assert_eq!(load(&sources).unwrap_err().to_string(), format!("--host-filesystem-timeout: {message}"));
    sources.flags.insert("host.filesystem_interval", "20s".into());
    assert!(load(&sources).is_ok());
}

#[test]
fn a_window_is_made_of_whole_intervals() {
    let mut sources = Sources::default();
    for (interval, window, fits) in
        [("10s", "10s", true), ("20s", "1m", true), ("10s", "15s", false), ("20s", "10s", false), ("1s", "6h", true)]
    {
        sources.flags.insert("judge.interval", interval.into());
        sources.flags.insert("judge.window", window.into());
        let message =
            format!("--judge-window: judge.window ({window}) must be judge.interval ({interval}) or a multiple of it");
        assert_eq!(load(&sources).map(|_| ()).map_err(|e| e.to_string()), if fits { Ok(()) } else { Err(message) });
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        problems(bytes);
    }

    #[test]
    fn no_text_made_of_tomls_own_signs_panics(text in "([\\[\\]{}=.,\"'#\n \\\\]|log|level|interval|true|1s|5|é|\u{0}){0,40}") {
        for problem in problems(text) {
            prop_assert!(problem.chars().all(|c| !c.is_control()));
        }
    }

    #[test]
    fn one_broken_byte_in_the_default_file_never_panics(at in 0usize..4000, byte: u8) {
        let mut bytes = default_file(KEYS).replace("\n#", "\n").into_bytes();
        let at = at % bytes.len();
        bytes[at] = byte;
        problems(bytes);
    }
}
