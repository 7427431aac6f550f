//! The configuration: from flags, environment, file and defaults to one validated [`Config`].
//!
//! In: [`Sources`]. Out: [`Loaded`], or every problem there is. A flag beats the environment, the environment beats the
//! file, the file beats the default; a value that is beaten must be valid all the same.
//!
//! | module | what it is |
//! |---|---|
//! | `keys`, `server_keys` | every key of the agent and of the server, once; everything else is derived from there |
//! | `key` | what a key is, and the way of a value into [`Config`] and back |
//! | `settings` | [`Config`], the typed result |
//! | `file` | one configuration file; `document` any TOML file, with the place of all that is wrong |
//! | `duration`, `share` | `1m30s`, `0.5%` |
//! | `problem` | where a value came from, what is wrong with it |
//! | `show` | what is in force, and a commented file of the defaults |

pub(crate) mod document;
pub(crate) mod duration;
mod file;
mod key;
mod keys;
pub(crate) mod problem;
mod server_keys;
mod settings;
mod share;
mod show;

use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::{Path, PathBuf},
};

pub use self::{
    key::{Field, Given, Key, Kind},
    keys::KEYS,
    problem::{Errors, Origin, Place, Problem},
    server_keys::SERVER_KEYS,
    settings::{
        Budget, Change, Config, Events, Format, Host, Index, Judge, Level, Log, Metrics, Nodes, Notify, Probes, Record,
        Rules, State, Store, Tasks, Tls,
    },
    share::Share,
    show::{capitalised, default_file, show},
};

/// The file that is read when none is named, if it exists.
pub const DEFAULT_FILE: &str = "/etc/kpulse/kpulse.toml";

/// The same for the server.
pub const SERVER_FILE: &str = "/etc/kpulse/server.toml";

/// The variable that names the file.
pub const FILE_VARIABLE: &str = "KPULSE_CONFIG";

/// What every variable of kpulse begins with.
const PREFIX: &str = "KPULSE_";

/// Where a configuration comes from. Kept by the agent, which reads the file again on SIGHUP.
#[derive(Clone, Debug)]
pub struct Sources {
    /// What can be set: the keys of one command.
    pub keys: &'static [Key],
    /// The file that a flag or [`FILE_VARIABLE`] names; it must exist.
    pub file: Option<PathBuf>,
    /// The file that is read if none is named and it exists.
    pub default_file: Option<PathBuf>,
    /// What the flags say, by the key's name.
    pub flags: BTreeMap<&'static str, String>,
    /// The environment; only names that begin with `KPULSE_` matter.
    pub env: BTreeMap<String, OsString>,
}

/// A valid configuration.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What could be set.
    pub keys: &'static [Key],
    /// What is in force.
    pub config: Config,
    /// Whence each value came, by the key's name; one entry for each key.
    pub origin: BTreeMap<&'static str, Origin>,
    /// What is odd but no error: variables that mean nothing. One line each.
    pub warnings: Vec<String>,
}

impl Default for Sources {
    /// None: the agent's keys with their defaults.
    fn default() -> Self {
        Self { keys: KEYS, file: None, default_file: None, flags: BTreeMap::new(), env: BTreeMap::new() }
    }
}

impl Sources {
    /// The variables of this process that concern kpulse.
    pub fn environment() -> BTreeMap<String, OsString> {
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
            .filter(|(name, _)| name.starts_with(PREFIX))
            .collect()
    }
}

/// Loads a configuration. Reads the file anew each time.
///
/// # Errors
///
/// All that is wrong in any of the sources.
pub fn load(sources: &Sources) -> Result<Loaded, Errors> {
    let mut loading = Loading::new(sources.keys);
    match (&sources.file, &sources.default_file) {
        (Some(path), _) => loading.file(path, true),
        (None, Some(path)) => loading.file(path, false),
        (None, None) => {}
    }
    loading.env(&sources.env);
    for (name, text) in &sources.flags {
        if let Some(key) = sources.keys.iter().find(|key| key.name == *name) {
            loading.text(key, Origin::Flag(format!("--{}", key.flag())), text);
        }
    }
    loading.finish()
}

/// Has the bytes read as a file of the agent's and of the server's keys, and as the value of every key, whatever they are, and what came of
/// it held against itself and shown: for [`crate::fuzz`].
pub(crate) fn parse_anything(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for keys in [KEYS, SERVER_KEYS] {
        let mut loading = Loading::new(keys);
        let path = Path::new("fuzz");
        let contents = file::parse(path, bytes, keys, &mut loading.config);
        loading.contents(path, contents);
        if let Ok(loaded) = loading.finish() {
            let _ = show(&loaded);
        }
        let mut config = Config::of(keys);
        for key in keys {
            let _ = key.set(&mut config, Given::Text(&text));
            let _ = key.toml(&config);
        }
    }
}

/// Loads one file and nothing else.
///
/// # Errors
///
/// All that is wrong with it.
pub fn load_file(path: &Path) -> Result<Loaded, Errors> {
    load(&Sources { file: Some(path.into()), ..Sources::default() })
}

/// A configuration on its way: later sources overwrite earlier ones.
struct Loading {
    keys: &'static [Key],
    config: Config,
    origin: BTreeMap<&'static str, Origin>,
    problems: Vec<Problem>,
    warnings: Vec<String>,
}

impl Loading {
    fn new(keys: &'static [Key]) -> Self {
        let config = Config::of(keys);
        Self { keys, config, origin: BTreeMap::new(), problems: Vec::new(), warnings: Vec::new() }
    }

    fn file(&mut self, path: &Path, must_exist: bool) {
        let Some(contents) = file::read(path, self.keys, &mut self.config) else {
            if must_exist {
                let message = "no such file: name one that exists, or none".into();
                self.problems.push(Problem { place: Place::Whole(path.into()), message });
            }
            return;
        };
        self.contents(path, contents);
    }

    fn contents(&mut self, path: &Path, contents: file::Contents) {
        for (key, line) in contents.keys {
            self.origin.insert(key.name, Origin::File { path: path.into(), line });
        }
        self.problems.extend(contents.problems);
    }

    fn env(&mut self, env: &BTreeMap<String, OsString>) {
        // A variable that is set to nothing counts as not set, as it does for most programs.
        for (name, value) in env.iter().filter(|(name, value)| name.starts_with(PREFIX) && !value.is_empty()) {
            let origin = Origin::Env(name.clone());
            match (self.keys.iter().find(|key| key.env() == *name), value.to_str()) {
                (Some(key), Some(text)) => self.text(key, origin, text),
                (Some(_), None) => {
                    self.problems.push(Problem { place: Place::Given(origin), message: "not UTF-8".into() });
                }
                (None, _) if name == FILE_VARIABLE => {}
                (None, _) => {
                    self.warnings
                        .push(format!("{origin}: kpulse has no such variable{}", meant_variable(self.keys, name)));
                }
            }
        }
    }

    fn text(&mut self, key: &'static Key, origin: Origin, text: &str) {
        match key.set(&mut self.config, Given::Text(text)) {
            Ok(()) => {
                self.origin.insert(key.name, origin);
            }
            Err(message) => self.problems.push(Problem { place: Place::Given(origin), message }),
        }
    }

    fn finish(mut self) -> Result<Loaded, Errors> {
        for key in self.keys {
            self.origin.entry(key.name).or_insert(Origin::Default);
        }
        if self.problems.is_empty() {
            self.filesystem_times();
            self.judge_times();
            self.notify_secrets();
            self.tls_files();
        }
        if !self.problems.is_empty() {
            return Err(Errors(self.problems));
        }
        Ok(Loaded { keys: self.keys, config: self.config, origin: self.origin, warnings: self.warnings })
    }

    /// Whoever is told of alerts is told at most one secret, and a whole one.
    fn notify_secrets(&mut self) {
        for (key, message) in self.config.notify.contradictions() {
            let place = self.origin.get(key.as_str()).cloned().unwrap_or(Origin::Default);
            self.problems.push(Problem { place: Place::Given(place), message: format!("{key}: {message}") });
        }
        self.warnings.extend(self.config.notify.warnings());
        for (key, message) in self.config.server.contradictions() {
            let place = self.origin.get(key).cloned().unwrap_or(Origin::Default);
            self.problems.push(Problem { place: Place::Given(place), message: format!("{key}: {message}") });
        }
        self.warnings.extend(self.config.server.warnings());
    }

    /// A certificate is of no use without its key; a client's proves nothing without TLS.
    fn tls_files(&mut self) {
        let tls = &self.config.tls;
        let (cert, key, ca) = (tls.cert_file.is_some(), tls.key_file.is_some(), tls.client_ca_file.is_some());
        let both = ["tls.cert_file", "tls.key_file"];
        if cert != key {
            self.disagree(both, "tls.cert_file and tls.key_file: set both or none".into());
        } else if ca && !cert {
            self.disagree(
                ["tls.client_ca_file"; 2],
                "tls.client_ca_file: set tls.cert_file and tls.key_file too".into(),
            );
        }
    }

    /// A question may not be outlived by the next one: the agent would never have an answer.
    fn filesystem_times(&mut self) {
        let host = &self.config.host;
        if host.filesystem_timeout <= host.filesystem_interval {
            return;
        }
        let keys = ["host.filesystem_timeout", "host.filesystem_interval"];
        let message = format!(
            "{} ({}) must not be longer than {} ({})",
            keys[0],
            duration::format(host.filesystem_timeout),
            keys[1],
            duration::format(host.filesystem_interval)
        );
        self.disagree(keys, message);
    }

    /// A window is made of whole intervals: each is learned from when it leaves the window.
    fn judge_times(&mut self) {
        let judge = &self.config.judge;
        let (window, interval) = (judge.window.as_nanos(), judge.interval.as_nanos());
        if window >= interval && window.is_multiple_of(interval) {
            return;
        }
        let keys = ["judge.window", "judge.interval"];
        let message = format!(
            "{} ({}) must be {} ({}) or a multiple of it",
            keys[0],
            duration::format(judge.window),
            keys[1],
            duration::format(judge.interval)
        );
        self.disagree(keys, message);
    }

    /// Two keys that do not agree: where the first was set, or else the second.
    fn disagree(&mut self, keys: [&str; 2], message: String) {
        let stated = |name| self.origin.get(name).filter(|origin| **origin != Origin::Default);
        let place = keys.into_iter().find_map(stated).cloned().unwrap_or(Origin::Default);
        self.problems.push(Problem { place: Place::Given(place), message });
    }
}

/// A hint at the variable that was meant, if one is near.
fn meant_variable(keys: &[Key], name: &str) -> String {
    let bare = |variable: String| variable.trim_start_matches(PREFIX).to_lowercase();
    let known: Vec<String> = keys.iter().map(Key::env).chain([FILE_VARIABLE.into()]).map(bare).collect();
    let meant = problem::nearest(&bare(name.into()), known.iter().map(String::as_str));
    let meant: Vec<String> = meant.iter().map(|name| format!("{PREFIX}{}", name.to_uppercase())).collect();
    problem::did_you_mean(&meant)
}

#[cfg(test)]
mod tests;
