//! One configuration file: from bytes to the values it gives, and everything that is wrong with it.

use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::{
    Key,
    document::{self, MOST},
    key::Given,
    problem::{Problem, did_you_mean, nearest, quoted},
    settings::Config,
};

/// The largest file that is read, in bytes. A configuration is a few kilobytes.
const LARGEST: u64 = 256 << 10;

/// What a file gives.
#[derive(Debug, Default)]
pub struct Contents {
    /// Each key it gives, with the line (from 1), in the order of the file.
    pub keys: Vec<(&'static Key, usize)>,
    /// Everything that is wrong with it, in the order of the file.
    pub problems: Vec<Problem>,
}

/// Reads a file of these keys into `config`. `None` if there is no such file.
pub fn read(path: &Path, keys: &'static [Key], config: &mut Config) -> Option<Contents> {
    match document::read(path, LARGEST, "a configuration") {
        Ok(bytes) => bytes.map(|bytes| parse(path, &bytes, keys, config)),
        Err(problem) => Some(Contents { keys: Vec::new(), problems: vec![problem] }),
    }
}

/// Parses a file's bytes into `config`. `path` is for the messages.
pub fn parse(path: &Path, bytes: &[u8], known: &'static [Key], config: &mut Config) -> Contents {
    let mut keys = Vec::new();
    let (lines, problems) = document::parse(path, bytes, |table| {
        let mut reader = Reader { known, config, keys: Vec::new(), problems: Vec::new() };
        reader.table("", table);
        keys = reader.keys;
        reader.problems
    });
    keys.sort_by_key(|(_, at)| *at);
    Contents { keys: keys.into_iter().map(|(key, at)| (key, lines.line(at))).collect(), problems }
}

/// Walks the tables of a document. Positions are byte offsets.
struct Reader<'a> {
    known: &'static [Key],
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
            let members: Vec<&str> = self.known.iter().filter_map(|key| key.name.strip_prefix(&*group)).collect();
            if let Some(key) = self.known.iter().find(|key| key.name == full).filter(|_| ours) {
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
        let tables = || self.known.iter().filter_map(|key| key.name.split_once('.').map(|(table, _)| table));
        let (what, meant) = match value {
            DeValue::Table(_) => {
                let mut meant = nearest(full, tables());
                meant.dedup();
                ("table", meant)
            }
            _ => ("key", nearest(full, self.known.iter().map(|key| key.name))),
        };
        let hint = match meant.as_slice() {
            [same] if *same == full => ": write it without quotes".into(),
            _ => did_you_mean(&meant),
        };
        self.problems.push((at, format!("unknown {what} {}{hint}", quoted(full))));
    }
}
