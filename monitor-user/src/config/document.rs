//! A TOML file on its way in: its bytes, its lines, and everything that is wrong with it, each with its place.
//!
//! In: a path or bytes, and a walk over the table that says what is wrong with the values. Out: [`Problem`]s in the order of the
//! file. The configuration and the rules are read through here.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, Read as _},
    ops::Range,
    path::{Path, PathBuf},
};

use toml::de::DeTable;

use super::problem::{Place, Problem, excerpt};

/// The most problems that are worth an answer. Garbage has one at every byte.
pub(crate) const MOST: usize = 1000;

/// The bytes of a file of at most `largest` bytes. `None` if there is no such file.
///
/// # Errors
/// If it cannot be read or is too large to be a file of this `kind` (with an article).
pub(crate) fn read(path: &Path, largest: u64, kind: &str) -> Result<Option<Vec<u8>>, Problem> {
    let wrong = |message: String| Err(Problem { place: Place::Whole(path.into()), message });
    let mut bytes = Vec::new();
    let result = File::open(path).and_then(|file| file.take(largest + 1).read_to_end(&mut bytes));
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::IsADirectory => {
            wrong("it is a directory: expected a TOML file".into())
        }
        Err(error) => wrong(format!("cannot be read: {error}")),
        Ok(length) if length as u64 > largest => {
            wrong(format!("it is larger than {largest} bytes: expected {kind} in TOML"))
        }
        Ok(_) => Ok(Some(bytes)),
    }
}

/// Parses a file's bytes. `path` is for the messages. `walk` reads the table and says what is wrong with it, as byte offsets
/// and messages. Returns where things are, and all that is wrong in the order of the file.
pub(crate) fn parse<'a>(
    path: &Path,
    bytes: &'a [u8],
    walk: impl FnOnce(&DeTable<'_>) -> Vec<(usize, String)>,
) -> (Lines<'a>, Vec<Problem>) {
    // Some editors begin a UTF-8 file with this mark.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = match str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let at = error.valid_up_to();
            let lines = Lines::new(path, str::from_utf8(&bytes[..at]).unwrap_or_default());
            let problem = Problem { place: lines.place(at), message: format!("not UTF-8 (byte 0x{:02x})", bytes[at]) };
            return (lines, vec![problem]);
        }
    };
    let lines = Lines::new(path, text);
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut problems = walk(table.get_ref());

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
    let problems = problems.into_iter().map(|(at, message)| Problem { place: lines.place(at), message }).collect();
    (lines, problems)
}

fn start(span: Option<Range<usize>>) -> usize {
    span.map_or(0, |span| span.start)
}

/// Where the lines of a text begin.
pub(crate) struct Lines<'a> {
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
    pub(crate) fn line(&self, at: usize) -> usize {
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
