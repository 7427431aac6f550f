//! What is wrong with a configuration, and where: all of it at once, each problem one line.

use std::{fmt, path::PathBuf};

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody gave one.
    Default,
    /// A line of the file, from 1.
    File {
        /// The file, as it was named.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// An environment variable.
    Env(String),
    /// A flag, with its dashes.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{}:{line}", printable(&path.to_string_lossy())),
            Self::Env(name) | Self::Flag(name) => f.write_str(&printable(name)),
        }
    }
}

/// Where a problem is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The file as a whole.
    Whole(PathBuf),
    /// Line and column (in characters) of the file, both from 1.
    At(PathBuf, usize, usize),
    /// Elsewhere: a variable or a flag.
    Given(Origin),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(path) => f.write_str(&printable(&path.to_string_lossy())),
            Self::At(path, line, column) => {
                write!(f, "{}:{line}:{column}", printable(&path.to_string_lossy()))
            }
            Self::Given(origin) => origin.fmt(f),
        }
    }
}

/// One thing that is wrong. Its `Display` is one line: `kpulse.toml:3:1: unknown key "intervall"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// What was found, what was expected.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

/// Everything that is wrong, in the order of the sources; never empty. Its `Display` is one line for each problem,
/// and one that counts the rest if there are very many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Errors(pub Vec<Problem>);

impl Errors {
    /// How many problems are shown. Garbage can have one at every byte.
    const SHOWN: usize = 50;
}

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().take(Self::SHOWN).enumerate() {
            write!(f, "{}{problem}", if index == 0 { "" } else { "\n" })?;
        }
        match self.0.len().saturating_sub(Self::SHOWN) {
            0 => Ok(()),
            more => write!(f, "\n... and {more} more problems"),
        }
    }
}

impl std::error::Error for Errors {}

/// A text from outside, fit for a message on a terminal: nothing in it moves the cursor or hides.
pub fn printable(text: &str) -> String {
    let mut shown = String::new();
    for character in text.chars() {
        // Beyond ASCII, the invisible ones and those that turn the direction of writing.
        if character == '\u{feff}' || (!character.is_ascii() && character.escape_debug().len() > 1) {
            shown.extend(character.escape_unicode());
        } else if character.is_control() {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// The beginning of a text from outside, fit for a message.
pub fn excerpt(text: &str) -> String {
    const LONGEST: usize = 60;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}...", printable(&text[..end])),
        None => printable(text),
    }
}

/// The beginning of a text from outside, in quotes.
pub fn quoted(text: &str) -> String {
    format!("\"{}\"", excerpt(text))
}

/// Those of `known` that someone who wrote `unknown` most likely meant: the nearest by edit distance, or those whose
/// last part it is (`level` for `log.level`). At most three.
pub fn nearest<'a>(unknown: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let unknown: Vec<char> =
        unknown.chars().take(64).map(|c| if c == '-' { '_' } else { c.to_ascii_lowercase() }).collect();
    let limit = unknown.len() / 3 + 1;
    let mut found: Vec<(usize, &str)> = known
        .into_iter()
        .filter_map(|name| {
            let whole: Vec<char> = name.to_lowercase().chars().collect();
            let last = name.rsplit('.').next().unwrap_or(name);
            let distance = if last.chars().eq(unknown.iter().copied()) { 0 } else { distance(&unknown, &whole) };
            (distance <= limit && distance < whole.len()).then_some((distance, name))
        })
        .collect();
    found.sort_unstable();
    let Some(&(best, _)) = found.first() else { return Vec::new() };
    found.into_iter().take_while(|(distance, _)| *distance == best).map(|(_, name)| name).take(3).collect()
}

/// `: did you mean "a" or "b"?`, or nothing.
pub fn did_you_mean(nearest: &[impl fmt::Debug]) -> String {
    match nearest {
        [] => String::new(),
        names => {
            let names: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
            format!(": did you mean {}?", names.join(" or "))
        }
    }
}

/// How many characters to insert, remove, replace or swap with their neighbour to make `b` of `a`.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 0..a.len() {
        let mut row = vec![i + 1];
        for j in 0..b.len() {
            let replaced = above[j] + usize::from(a[i] != b[j]);
            let mut least = replaced.min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] {
                least = least.min(before[j - 1] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KNOWN: [&str; 6] = ["interval", "listen", "log.level", "log.format", "tasks.top", "probes.tasks"];

    #[test]
    fn the_name_that_was_meant_is_found() {
        for (unknown, expected) in [
            ("intervall", vec!["interval"]),
            ("intreval", vec!["interval"]),
            ("Listen", vec!["listen"]),
            ("level", vec!["log.level"]),
            ("log-level", vec!["log.level"]),
            ("log.formta", vec!["log.format"]),
            ("frobnicate", vec![]),
            ("", vec![]),
        ] {
            assert_eq!(nearest(unknown, KNOWN), expected, "{unknown}");
        }
    }

    #[test]
    fn what_could_move_a_terminal_is_escaped() {
        assert_eq!(printable("a\u{1b}[31mb\n\u{202e}c\u{feff}é"), "a\\u{1b}[31mb\\n\\u{202e}c\\u{feff}é");
        assert_eq!(quoted(&"é".repeat(1000)), format!("\"{}...\"", "é".repeat(60)));
    }

    #[test]
    fn a_swap_is_one_step() {
        let chars = |text: &str| text.chars().collect::<Vec<_>>();
        assert_eq!(distance(&chars("abcd"), &chars("abdc")), 1);
        assert_eq!(distance(&chars("kitten"), &chars("sitting")), 3);
    }

    proptest! {
        #[test]
        fn a_name_with_one_character_missing_is_recognised(key in 0..KNOWN.len(), at in 0usize..8) {
            let mut unknown = KNOWN[key].to_string();
            if at < unknown.len() {
                unknown.remove(at);
                prop_assert!(nearest(&unknown, KNOWN).contains(&KNOWN[key]));
            }
        }

        #[test]
        fn no_text_leaves_a_control_character(text in any::<String>()) {
            prop_assert!(printable(&text).chars().all(|c| !c.is_control()));
        }
    }
}
