//! What a key is: its names in flags and the environment, what its values must be, and the way of a value into
//! [`Config`] and back to text.

use std::{net::SocketAddr, ops::RangeInclusive, path::PathBuf, time::Duration};

use super::{Config, Format, KEYS, Level, duration, problem::quoted, share::Share};
use crate::{index::Mode, notify::Url};

/// One thing that can be set.
#[derive(Debug)]
pub struct Key {
    /// Its name in the file, with a dot between table and key.
    pub name: &'static str,
    /// Its default, as one writes it in a flag.
    pub default: &'static str,
    /// What its value is, and where in [`Config`] it belongs.
    pub kind: Kind,
    /// Whether a reload (SIGHUP) can change it; otherwise it needs a restart.
    pub reload: bool,
    /// What it is for: a phrase without a full stop.
    pub help: &'static str,
}

/// What P can be held against, in what is told of it.
const MODES: [Mode; 5] = [Mode::Trailing, Mode::Pinned, Mode::FleetMedian, Mode::LeaveOneOut, Mode::RequestWeighted];

/// The place of a value in [`Config`].
pub type Field<T> = fn(&mut Config) -> &mut T;

/// What a value is, with its place.
#[derive(Debug)]
pub enum Kind {
    /// An IP address and a port.
    Address(Field<SocketAddr>),
    /// A path that must be given.
    Directory(Field<PathBuf>),
    /// A path, or nothing.
    File(Field<Option<PathBuf>>),
    /// True or false.
    Switch(Field<bool>),
    /// A whole number.
    Number(RangeInclusive<usize>, Field<usize>),
    /// A duration.
    Duration(RangeInclusive<Duration>, Field<Duration>),
    /// A share of the machine in percent.
    Share(Field<Share>),
    /// A duration, or "off".
    Threshold(RangeInclusive<Duration>, Field<Option<Duration>>),
    /// The severity of messages.
    Level(Field<Level>),
    /// The form of log lines.
    Format(Field<Format>),
    /// What P is held against.
    Mode(Field<Mode>),
    /// A text on one line, or nothing.
    Text(Field<Option<String>>),
    /// A URL, or nothing.
    Url(Field<Option<Url>>),
    /// URLs: an array in the file, else with commas between them.
    Urls(Field<Vec<Url>>),
}

/// A value as someone gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Given<'a> {
    /// The text of a flag or a variable: its type is whatever the key's is.
    Text(&'a str),
    /// A string of the file.
    String(&'a str),
    /// A whole number of the file; absent if it does not fit.
    Integer(Option<i64>),
    /// A boolean of the file.
    Boolean(bool),
    /// An array of strings of the file.
    Strings(&'a [&'a str]),
    /// Anything else in the file, by the name of its type with an article.
    Other(&'static str),
}

impl Key {
    /// The key of that name.
    pub fn find(name: &str) -> Option<&'static Self> {
        KEYS.iter().find(|key| key.name == name)
    }

    /// Its flag without dashes: `log-level`.
    pub fn flag(&self) -> String {
        self.name.replace(['.', '_'], "-")
    }

    /// Its environment variable: `KPULSE_LOG_LEVEL`.
    pub fn env(&self) -> String {
        format!("KPULSE_{}", self.name.replace('.', "_").to_uppercase())
    }

    /// What a value must be, with an article.
    pub fn expects(&self) -> String {
        let from_to = |range: &RangeInclusive<Duration>| {
            format!("from {} to {}", duration::format(*range.start()), duration::format(*range.end()))
        };
        match &self.kind {
            Kind::Address(_) => "an address and a port".into(),
            Kind::Directory(_) => "a path".into(),
            Kind::File(_) => "a path or \"\"".into(),
            Kind::Switch(_) => "true or false".into(),
            Kind::Number(range, _) => format!("a whole number from {} to {}", range.start(), range.end()),
            Kind::Duration(range, _) => format!("a duration {}", from_to(range)),
            Kind::Share(_) => "a share from 0.0001% to 100%".into(),
            Kind::Threshold(range, _) => format!("a duration {}, or \"off\"", from_to(range)),
            Kind::Level(_) => one_of(Level::ALL.iter().map(|level| level.name())),
            Kind::Format(_) => one_of(Format::ALL.iter().map(|format| format.name())),
            Kind::Mode(_) => one_of(MODES.iter().map(|mode| mode.name())),
            Kind::Text(_) => "a text or \"\"".into(),
            Kind::Url(_) => "a URL or \"\"".into(),
            Kind::Urls(_) => "URLs: an array of strings in the file, with commas between them elsewhere".into(),
        }
    }

    /// Puts what was given into `config`, or says what was expected and what was found.
    pub fn set(&self, config: &mut Config, given: Given<'_>) -> Result<(), String> {
        self.try_set(config, given).map_err(|reason| {
            let found = match given {
                // A password that somebody wrote into a URL must not end up in a log.
                Given::Text(text) | Given::String(text) if self.is_url() && text.contains(['@', '?', '#']) => {
                    "what is not shown here".into()
                }
                Given::Text(text) | Given::String(text) => quoted(text),
                Given::Strings(_) => "an array".into(),
                Given::Integer(Some(number)) => number.to_string(),
                Given::Integer(None) => "a number that is too large".into(),
                Given::Boolean(value) => value.to_string(),
                Given::Other(kind) => kind.into(),
            };
            let example = match self.kind {
                Kind::Address(_) | Kind::Directory(_) | Kind::Duration(..) | Kind::Threshold(..) | Kind::Share(_) => {
                    format!(", such as {}", string(self.default))
                }
                _ => String::new(),
            };
            let reason = if reason.is_empty() { reason } else { format!(": {reason}") };
            format!("expected {}{example}; found {found}{reason}", self.expects())
        })
    }

    /// The value as one writes it in a flag.
    pub fn text(&self, config: &Config) -> String {
        // The fields are reached through one mutable path each; a copy to borrow from costs nothing that matters.
        let config = &mut config.clone();
        let path = |path: &std::path::Path| path.to_string_lossy().into_owned();
        match &self.kind {
            Kind::Address(field) => field(config).to_string(),
            Kind::Directory(field) => path(field(config)),
            Kind::File(field) => field(config).as_deref().map_or(String::new(), path),
            Kind::Switch(field) => field(config).to_string(),
            Kind::Number(_, field) => field(config).to_string(),
            Kind::Duration(_, field) => duration::format(*field(config)),
            Kind::Share(field) => field(config).to_string(),
            Kind::Threshold(_, field) => field(config).map_or("off".into(), duration::format),
            Kind::Level(field) => field(config).name().into(),
            Kind::Format(field) => field(config).name().into(),
            Kind::Mode(field) => field(config).name().into(),
            Kind::Text(field) => field(config).clone().unwrap_or_default(),
            Kind::Url(field) => field(config).as_ref().map_or(String::new(), Url::to_string),
            Kind::Urls(field) => field(config).iter().map(Url::to_string).collect::<Vec<_>>().join(","),
        }
    }

    /// The value as one writes it in the file.
    pub fn toml(&self, config: &Config) -> String {
        let text = self.text(config);
        match self.kind {
            Kind::Switch(_) | Kind::Number(..) => text,
            Kind::Urls(_) => {
                let urls: Vec<String> = text.split(',').filter(|url| !url.is_empty()).map(string).collect();
                format!("[{}]", urls.join(", "))
            }
            _ => string(&text),
        }
    }

    fn is_url(&self) -> bool {
        matches!(self.kind, Kind::Url(_) | Kind::Urls(_))
    }

    /// As [`Self::set`]; the error is a reason, empty if what was expected says it all.
    fn try_set(&self, config: &mut Config, given: Given<'_>) -> Result<(), String> {
        match &self.kind {
            Kind::Switch(field) => {
                *field(config) = match given {
                    Given::Boolean(value) => value,
                    Given::Text("true") => true,
                    Given::Text("false") => false,
                    _ => return Err(String::new()),
                }
            }
            Kind::Number(range, field) => {
                let number = match given {
                    Given::Integer(Some(number)) => usize::try_from(number).ok(),
                    Given::Text(text) => text.parse().ok(),
                    _ => None,
                };
                *field(config) = number.filter(|number| range.contains(number)).ok_or_else(String::new)?;
            }
            Kind::Urls(field) => {
                let texts: Vec<&str> = match given {
                    Given::Strings(texts) => texts.to_vec(),
                    Given::Text("") => Vec::new(),
                    Given::Text(text) => text.split(',').collect(),
                    _ => return Err(String::new()),
                };
                let urls: Result<_, String> = texts.into_iter().map(|text| Url::parse(text.trim())).collect();
                *field(config) = urls?;
            }
            kind => {
                let text = match given {
                    Given::Text(text) | Given::String(text) => text,
                    Given::Integer(_) if matches!(kind, Kind::Duration(..) | Kind::Threshold(..)) => {
                        return Err("write a string with a unit: us, ms, s, m or h".into());
                    }
                    _ => return Err(String::new()),
                };
                set_text(kind, config, text)?;
            }
        }
        Ok(())
    }
}

/// The kinds that are strings in the file.
fn set_text(kind: &Kind, config: &mut Config, text: &str) -> Result<(), String> {
    let in_range = |range: &RangeInclusive<Duration>| match duration::parse(text) {
        Ok(duration) if range.contains(&duration) => Ok(duration),
        Ok(_) => Err(String::new()),
        Err(reason) => Err(reason),
    };
    if text.contains('\0') {
        return Err("it contains a NUL character".into());
    }
    match kind {
        Kind::Address(field) => {
            *field(config) = text.parse().map_err(|_| match text.parse::<std::net::IpAddr>() {
                Ok(_) => "the port is missing",
                Err(_) => "names are not looked up: write an IP address, [..] around IPv6",
            })?;
        }
        Kind::Directory(_) if text.is_empty() => return Err(String::new()),
        Kind::Directory(field) => *field(config) = text.into(),
        Kind::File(field) => *field(config) = (!text.is_empty()).then(|| text.into()),
        Kind::Duration(range, field) => *field(config) = in_range(range)?,
        Kind::Threshold(_, field) if text == "off" => *field(config) = None,
        Kind::Threshold(range, field) => *field(config) = Some(in_range(range)?),
        Kind::Level(field) => *field(config) = named(Level::ALL, |level| level.name(), text)?,
        Kind::Format(field) => *field(config) = named(Format::ALL, |format| format.name(), text)?,
        Kind::Mode(_) if text == Mode::InstantMean.name() => return Err("it is a self-test that always reads 1".into()),
        Kind::Mode(field) => *field(config) = named(&MODES, |mode| mode.name(), text)?,
        Kind::Text(_) if text.chars().any(char::is_control) => return Err("it is not on one line".into()),
        Kind::Text(field) => *field(config) = (!text.is_empty()).then(|| text.into()),
        Kind::Url(field) if text.is_empty() => *field(config) = None,
        Kind::Url(field) => *field(config) = Some(Url::parse(text)?),
        Kind::Share(field) => *field(config) = Share::parse(text)?,
        Kind::Switch(_) | Kind::Number(..) | Kind::Urls(_) => return Err(String::new()),
    }
    Ok(())
}

fn named<T: Copy>(all: &[T], name: impl Fn(&T) -> &'static str, text: &str) -> Result<T, String> {
    all.iter().find(|value| name(value) == text).copied().ok_or_else(String::new)
}

fn one_of<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.map(|name| format!("{name:?}")).collect();
    match names.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} or {last}", others.join(", ")),
        _ => names.concat(),
    }
}

/// A basic string of TOML on one line.
fn string(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            c if c.is_control() => quoted.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_flags_and_variables_are_all_different() {
        for names in [
            KEYS.iter().map(|key| key.name.to_string()).collect::<Vec<_>>(),
            KEYS.iter().map(Key::flag).collect(),
            KEYS.iter().map(Key::env).collect(),
        ] {
            let distinct: std::collections::BTreeSet<_> = names.iter().collect();
            assert_eq!(distinct.len(), KEYS.len(), "{names:?}");
        }
    }

    #[test]
    fn no_two_keys_share_a_field() {
        for key in KEYS {
            let mut config = Config::default();
            key.set(&mut config, Given::Text(other_value(key))).unwrap();
            let changed: Vec<_> = Config::default().changes(&config).into_iter().map(|change| change.key).collect();
            assert_eq!(changed, [key.name]);
        }
    }

    #[test]
    fn a_value_out_of_range_is_refused_at_both_ends() {
        let set = |name, text| Key::find(name).unwrap().set(&mut Config::default(), Given::Text(text));
        for (name, good, bad) in [
            ("interval", ["100ms", "1h"], ["99ms", "1h1us"]),
            ("metrics.max_series", ["1000", "1000000"], ["999", "1000001"]),
            ("events.long_wait", ["1us", "off"], ["0s", "Off"]),
            ("index.mode", ["trailing", "leave-one-out"], ["instant-mean", "leave_one_out"]),
        ] {
            assert!(good.iter().all(|text| set(name, text).is_ok()), "{name}");
            assert!(bad.iter().all(|text| set(name, text).is_err()), "{name}");
        }
    }

    #[test]
    fn strings_are_written_as_toml_reads_them() {
        for text in ["plain", "q\"uo\\te", "line\nbreak\ttab\u{1}\u{7f}", "é"] {
            let document = format!("key = {}", string(text));
            let table: toml::Table = document.parse().unwrap();
            assert_eq!(table["key"].as_str(), Some(text));
            assert_eq!(document.lines().count(), 1);
        }
    }

    /// A valid value that is not the default.
    pub(crate) fn other_value(key: &Key) -> &'static str {
        match key.kind {
            // One must be a multiple of the other.
            _ if key.name.starts_with("judge.") => "30s",
            _ if key.name == "store.max_bytes" => "20000000",
            Kind::Duration(ref range, _) if *range.start() > Duration::from_secs(2) => "5m",
            Kind::Number(..) if key.default == "1000" => "2000",
            Kind::Address(_) => "[::1]:1",
            Kind::Directory(_) | Kind::File(_) => "/else where/\"é\\",
            Kind::Switch(_) => "false",
            Kind::Number(ref range, _) if *range.start() > 1000 => "100000",
            Kind::Number(..) => "1000",
            Kind::Duration(..) => "2s500ms",
            Kind::Share(_) => "12.5%",
            Kind::Threshold(..) => "off",
            Kind::Level(_) => "debug",
            Kind::Format(_) => "json",
            Kind::Mode(_) => "pinned",
            Kind::Text(_) => "some\"body\\",
            Kind::Url(_) => "https://else.where:1/x",
            Kind::Urls(_) => "https://else.where:1/x,http://[::1]:2",
        }
    }

    proptest! {
        #[test]
        fn no_value_panics_and_a_refused_one_changes_nothing(at in 0..KEYS.len(), text in ".*", number: i64) {
            for given in [Given::Text(&text), Given::String(&text), Given::Integer(Some(number)), Given::Other("a table")] {
                let mut config = Config::default();
                if KEYS[at].set(&mut config, given).is_err() {
                    prop_assert_eq!(&config, &Config::default());
                }
                let text = KEYS[at].text(&config);
                let mut again = Config::default();
                KEYS[at].set(&mut again, Given::Text(&text)).unwrap();
                prop_assert_eq!(again, config);
            }
        }
    }
}
