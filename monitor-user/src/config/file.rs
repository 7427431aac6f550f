//! One configuration file: from bytes to the values it gives, and everything that is wrong with it.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, Read as _},
    ops::Range,
    path::{Path, PathBuf},
};

use toml::de::{DeTable, DeValue};

use super::{
    KEYS, Key,
    key::Given,
    problem::{Place, Problem, did_you_mean, excerpt, nearest, quoted},
    settings::Config,
};

/// The largest file that is read, in bytes. A configuration is a few kilobytes.
const LARGEST: u64 = 256 << 10;

/// The most problems that are worth an answer. Garbage has one at every byte.
const MOST: usize = 1000;

/// What a file gives.
#[derive(Debug, Default)]
pub struct Contents {
    /// Each key it gives, with the line (from 1), in the order of the file.
    pub keys: Vec<(&'static Key, usize)>,
    /// Everything that is wrong with it, in the order of the file.
    pub problems: Vec<Problem>,
}

/// Reads a file into `config`. `None` if there is no such file.
pub fn read(path: &Path, config: &mut Config) -> Option<Contents> {
    let wrong = |message: String| {
        Some(Contents { keys: Vec::new(), problems: vec![Problem { place: Place::Whole(path.into()), message }] })
    };
    let mut bytes = Vec::new();
    let result = File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes));
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) if error.kind() == io::ErrorKind::IsADirectory => {
            wrong("it is a directory: expected a TOML file".into())
        }
        Err(error) => wrong(format!("cannot be read: {error}")),
        Ok(length) if length as u64 > LARGEST => {
            wrong(format!("it is larger than {LARGEST} bytes: expected a configuration in TOML"))
        }
        Ok(_) => Some(parse(path, &bytes, config)),
    }
}

/// Parses a file's bytes into `config`. `path` is for the messages.
pub fn parse(path: &Path, bytes: &[u8], config: &mut Config) -> Contents {
    // Some editors begin a UTF-8 file with this mark.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = match str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let at = error.valid_up_to();
            let place = Lines::new(path, str::from_utf8(&bytes[..at]).unwrap_or_default()).place(at);
            let message = format!("not UTF-8 (byte 0x{:02x})", bytes[at]);
            return Contents { keys: Vec::new(), problems: vec![Problem { place, message }] };
        }
    };
    let lines = Lines::new(path, text);
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut reader = Reader { config, keys: Vec::new(), problems: Vec::new() };
    reader.table("", table.get_ref());
    let Reader { mut keys, mut problems, .. } = reader;

    // The parser goes on after an error with a guess at what was meant. What is wrong with a guess is nobody's problem.
    let broken: BTreeSet<usize> = errors.iter().map(|error| lines.line(start(error.span()))).collect();
    problems.retain(|(at, _)| {
        let line = lines.line(*at);
        !broken.contains(&line) && !lines.header(line).is_some_and(|header| broken.contains(&header))
    });
    problems.extend(errors.iter().take(MOST).map(|error| {
        let at = start(error.span());
        lines.bare_value(at).unwrap_or_else(|| (at, format!("not valid TOML: {}", error.message())))
    }));
    problems.sort();
    problems.dedup();
    problems.truncate(MOST);
    keys.sort_by_key(|(_, at)| *at);
    Contents {
        keys: keys.into_iter().map(|(key, at)| (key, lines.line(at))).collect(),
        problems: problems.into_iter().map(|(at, message)| Problem { place: lines.place(at), message }).collect(),
    }
}

fn start(span: Option<Range<usize>>) -> usize {
    span.map_or(0, |span| span.start)
}

/// Walks the tables of a document. Positions are byte offsets.
struct Reader<'a> {
    config: &'a mut Config,
    keys: Vec<(&'static Key, usize)>,
    problems: Vec<(usize, String)>,
}

impl Reader<'_> {
    /// Reads a table whose keys begin with `prefix`: nothing, or a table's name and a dot.
    fn table(&mut self, prefix: &str, table: &DeTable<'_>) {
        for (name, value) in table {
            let at = name.span().start;
            let full = format!("{prefix}{}", name.get_ref());
            // A quoted name with a dot in it looks like one of ours and is not.
            let ours = !name.get_ref().contains('.');
            let group = format!("{full}.");
            let members: Vec<&str> = KEYS.iter().filter_map(|key| key.name.strip_prefix(&*group)).collect();
            if let Some(key) = Key::find(&full).filter(|_| ours) {
                self.key(key, value.span().start, value.get_ref());
            } else if ours && !members.is_empty() {
                match value.get_ref() {
                    DeValue::Table(inner) => self.table(&group, inner),
                    _ => self.problems.push((
                        at,
                        format!("{full}: expected the table [{full}] with the keys {}", members.join(", ")),
                    )),
                }
            } else {
                self.unknown(at, &full, value.get_ref());
            }
        }
    }

    fn key(&mut self, key: &'static Key, at: usize, value: &DeValue<'_>) {
        let strings: Option<Vec<&str>> =
            value.as_array().and_then(|all| all.iter().map(|v| v.get_ref().as_str()).collect());
        let given = match value {
            DeValue::Array(_) if strings.is_some() => Given::Strings(strings.as_deref().unwrap_or_default()),
            DeValue::String(text) => Given::String(text),
            DeValue::Integer(number) => Given::Integer(i64::from_str_radix(number.as_str(), number.radix()).ok()),
            DeValue::Boolean(value) => Given::Boolean(*value),
            DeValue::Float(_) => Given::Other("a number with a fraction"),
            DeValue::Datetime(_) => Given::Other("a date or a time"),
            DeValue::Array(_) => Given::Other("an array"),
            DeValue::Table(_) => Given::Other("a table"),
        };
        match key.set(self.config, given) {
            Ok(()) => self.keys.push((key, at)),
            Err(message) => self.problems.push((at, format!("{}: {message}", key.name))),
        }
    }

    fn unknown(&mut self, at: usize, full: &str, value: &DeValue<'_>) {
        if self.problems.len() >= MOST {
            return;
        }
        let tables = || KEYS.iter().filter_map(|key| key.name.split_once('.').map(|(table, _)| table));
        let (what, meant) = match value {
            DeValue::Table(_) => {
                let mut meant = nearest(full, tables());
                meant.dedup();
                ("table", meant)
            }
            _ => ("key", nearest(full, KEYS.iter().map(|key| key.name))),
        };
        let hint = match meant.as_slice() {
            [same] if *same == full => ": write it without quotes".into(),
            _ => did_you_mean(&meant),
        };
        self.problems.push((at, format!("unknown {what} {}{hint}", quoted(full))));
    }
}

/// Where the lines of a text begin.
struct Lines<'a> {
    path: PathBuf,
    text: &'a str,
    starts: Vec<usize>,
    /// The lines, from 1, that look like table headers.
    headers: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn new(path: &Path, text: &'a str) -> Self {
        let starts: Vec<usize> = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        let mut lines = Self { path: path.into(), text, starts, headers: Vec::new() };
        lines.headers =
            (1..=lines.starts.len()).filter(|line| lines.text(*line).trim_start().starts_with('[')).collect();
        lines
    }

    /// The line, from 1, of a byte offset.
    fn line(&self, at: usize) -> usize {
        self.starts.partition_point(|start| *start <= at)
    }

    /// The text of a line.
    fn text(&self, line: usize) -> &'a str {
        let end = self.starts.get(line).copied().unwrap_or(self.text.len());
        self.text[self.starts[line - 1]..end].trim_end_matches(['\n', '\r'])
    }

    /// The line of the table header above a line, if there is one.
    fn header(&self, line: usize) -> Option<usize> {
        self.headers[..self.headers.partition_point(|header| *header <= line)].last().copied()
    }

    /// For a line that is broken at `at` because its value has no quotes, or because there is none: where the value should
    /// be, and what to write. It is the commonest mistake, and the parser's own words for it help nobody.
    fn bare_value(&self, at: usize) -> Option<(usize, String)> {
        let line = self.line(at);
        let (name, value) = self.text(line).split_once('=')?;
        let value_at = self.starts[line - 1] + name.len() + 1;
        let (value, name) = (value.split('#').next()?.trim_end(), name.trim());
        let bare = value.trim_start();
        let is_name = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if name.is_empty() || !name.chars().all(is_name) || at < value_at || bare.starts_with(['"', '\'', '[', '{']) {
            return None;
        }
        let message = match bare {
            "" => format!("{} has no value", excerpt(name)),
            _ => format!("{}: {} needs quotes: only numbers, true and false have none", excerpt(name), excerpt(bare)),
        };
        Some((value_at + value.len() - bare.len(), message))
    }

    fn place(&self, at: usize) -> Place {
        let line = self.line(at);
        let before = self.text.get(self.starts[line - 1]..at).unwrap_or_default();
        Place::At(self.path.clone(), line, before.chars().count() + 1)
    }
}
