//! Rule files: the rules that come with kpulse, and what a file adds to them or changes.
//!
//! In: a path or bytes of TOML. Out: every rule, or everything that is wrong, each with line and column. A rule of a file that has
//! the name of a built-in one changes only the keys that it gives.
//!
//! | module | what it is |
//! |---|---|
//! | `value` | values by their type |
//! | `draft` | the keys of one rule, each on its own; one rule laid over another |
//! | `build` | whether they make sense together |

mod build;
mod draft;
#[cfg(test)]
mod tests;
mod value;

use std::{collections::BTreeSet, path::Path};

use toml::de::{DeTable, DeValue};

use self::draft::{Draft, Problems};
use super::rule::{Rule, Whence};
use crate::config::{
    Errors, Origin, Place, Problem, document,
    problem::{did_you_mean, nearest, quoted},
};

/// The largest file that is read, in bytes: room for some ten thousand rules.
const LARGEST: u64 = 4 << 20;

/// The rules that come with kpulse: data in the same form as a file's.
const BUILTIN: &str = include_str!("../builtin.toml");
/// Those of a server.
const FLEET: &str = include_str!("../fleet.toml");

/// Which of the rules that come with kpulse are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Set {
    /// Those of a node.
    Node,
    /// Those of a server, for its fleet.
    Fleet,
}

/// Every rule in force: the built-in ones, and those of a file if there is one. Reads the file anew each time.
///
/// # Errors
/// Everything that is wrong with the file.
pub fn load(path: Option<&Path>) -> Result<Vec<Rule>, Errors> {
    load_for(Set::Node, path)
}

/// As [`load`], of a node or of a server.
///
/// # Errors
/// Everything that is wrong with the file.
pub fn load_for(set: Set, path: Option<&Path>) -> Result<Vec<Rule>, Errors> {
    let Some(path) = path else { return Ok(builtin_for(set)) };
    let whole = |message: &str| Errors(vec![Problem { place: Place::Whole(path.into()), message: message.into() }]);
    match document::read(path, LARGEST, "rules") {
        Ok(Some(bytes)) => parse_for(set, path, &bytes),
        Ok(None) => Err(whole("no such file: name one that exists, or none")),
        Err(problem) => Err(Errors(vec![problem])),
    }
}

/// The rules that come with kpulse.
pub fn builtin() -> Vec<Rule> {
    builtin_for(Set::Node)
}

/// The rules that come with kpulse for a node or for a server.
pub fn builtin_for(set: Set) -> Vec<Rule> {
    let mut problems = Vec::new();
    let rules: Vec<_> =
        builtin_drafts(set).iter().filter_map(|draft| build::build(draft, Whence::Builtin, &mut problems)).collect();
    debug_assert!(problems.is_empty(), "{problems:?}");
    rules
}

fn builtin_drafts(set: Set) -> Vec<Draft> {
    let text = match set {
        Set::Node => BUILTIN,
        Set::Fleet => FLEET,
    };
    let mut drafts = Vec::new();
    let (_, problems) = document::parse(Path::new("built-in rules"), text.as_bytes(), |table| {
        let (read, _, problems) = read(table);
        drafts = read;
        problems
    });
    debug_assert!(problems.is_empty(), "{problems:?}");
    drafts
}

/// The rules in force with the file of these bytes. `path` is for the messages.
///
/// # Errors
/// Everything that is wrong with the file.
pub fn parse(path: &Path, bytes: &[u8]) -> Result<Vec<Rule>, Errors> {
    parse_for(Set::Node, path, bytes)
}

fn parse_for(set: Set, path: &Path, bytes: &[u8]) -> Result<Vec<Rule>, Errors> {
    // Each with the offset at which the file has it.
    let mut rules: Vec<(Rule, Option<usize>)> = Vec::new();
    let (lines, problems) = document::parse(path, bytes, |table| {
        let (given, with_builtin, mut problems) = read(table);
        let unplaced = || Origin::File { path: path.into(), line: 0 };
        let mut given: Vec<Option<Draft>> = given.into_iter().map(Some).collect();
        for base in with_builtin.then(|| builtin_drafts(set)).into_iter().flatten() {
            let change = given.iter_mut().find(|draft| draft.as_ref().is_some_and(|draft| draft.name == base.name));
            let (draft, whence, at) = match change.and_then(Option::take) {
                Some(change) => (change.clone().over(base), Whence::Changed(unplaced()), Some(change.at)),
                None => (base, Whence::Builtin, None),
            };
            rules.extend(build::build(&draft, whence, &mut problems).map(|rule| (rule, at)));
        }
        for draft in given.into_iter().flatten() {
            let rule = build::build(&draft, Whence::File(unplaced()), &mut problems);
            rules.extend(rule.map(|rule| (rule, Some(draft.at))));
        }
        problems
    });
    if !problems.is_empty() {
        return Err(Errors(problems));
    }
    for (rule, at) in &mut rules {
        if let (Whence::Changed(Origin::File { line, .. }) | Whence::File(Origin::File { line, .. }), Some(at)) =
            (&mut rule.whence, *at)
        {
            *line = lines.line(at);
        }
    }
    Ok(rules.into_iter().map(|(rule, _)| rule).collect())
}

/// Reads the keys of a document: its rules, and whether the built-in ones are wanted.
fn read(table: &DeTable<'_>) -> (Vec<Draft>, bool, Problems) {
    const KEYS: [&str; 2] = ["rule", "builtin"];
    let (mut drafts, mut builtin, mut problems) = (Vec::new(), true, Problems::new());
    for (key, value) in table {
        let (at, name) = (key.span().start, &**key.get_ref());
        match (name, value.get_ref()) {
            ("builtin", DeValue::Boolean(wanted)) => builtin = *wanted,
            ("builtin", other) => {
                problems.push((value.span().start, format!("builtin: {}", value::expected("true or false", other))))
            }
            ("rule", DeValue::Array(items)) => {
                for item in items.iter() {
                    match item.get_ref() {
                        DeValue::Table(rule) => drafts.extend(Draft::read(item.span().start, rule, &mut problems)),
                        other => problems.push((item.span().start, value::expected("a rule: [[rule]]", other))),
                    }
                }
            }
            ("rule", _) => problems.push((at, "rule: write [[rule]] above each rule, with two brackets".into())),
            _ => {
                let hint = did_you_mean(&nearest(name, KEYS));
                problems.push((at, format!("unknown key {}{hint}: a file has [[rule]] and builtin", quoted(name))));
            }
        }
    }
    let mut names = BTreeSet::new();
    for draft in &drafts {
        if !names.insert(draft.name.clone()) {
            problems.push((draft.at, format!("{}: another rule above has this name: choose another", draft.name)));
        }
    }
    (drafts, builtin, problems)
}
