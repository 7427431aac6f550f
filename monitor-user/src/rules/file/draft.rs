//! A rule as a file gives it: each key read on its own, with its place, before anybody asks whether they make sense together.
//!
//! In: one table of `[[rule]]`. Out: a [`Draft`], and what is wrong with its keys. A draft laid over a built-in one changes only
//! the keys that it gives.

use std::collections::{BTreeMap, BTreeSet};

use toml::de::{DeTable, DeValue};

use super::value::{self, Number};
use crate::{
    alert::Severity,
    config::problem::{did_you_mean, nearest, quoted},
    rules::rule::Compare,
};

/// What is wrong, each with its byte offset in the file.
pub(super) type Problems = Vec<(usize, String)>;

/// A value and its byte offset in the file.
#[derive(Clone, Debug)]
pub(super) struct Spot<T> {
    pub at: usize,
    pub value: T,
}

/// Keys of a condition, of the rule itself and of each in `and`.
const CONDITION: [&str; 5] = ["signal", "match", "above", "below", "clear"];

/// The other keys of a rule.
const RULE: [&str; 11] = [
    "name",
    "and",
    "for",
    "keep_firing_for",
    "resolve_absent_after",
    "severity",
    "labels",
    "annotations",
    "enabled",
    "silenced",
    "why",
];

/// A comparison as it is written.
#[derive(Clone, Debug, Default)]
pub(super) struct Comparison {
    /// Where it begins.
    pub at: usize,
    pub signal: Option<Spot<String>>,
    /// By label.
    pub matchers: BTreeMap<String, Spot<Vec<String>>>,
    pub above: Option<Spot<Number>>,
    pub below: Option<Spot<Number>>,
    pub clear: Option<Spot<Number>>,
    /// Keys that were given and are wrong: that they are missing is not worth a word.
    pub bad: BTreeSet<String>,
}

/// A rule as it is written.
#[derive(Clone, Debug, Default)]
pub(super) struct Draft {
    pub name: String,
    /// Where it begins.
    pub at: usize,
    pub condition: Comparison,
    pub and: Option<Vec<Comparison>>,
    pub for_ns: Option<u64>,
    pub keep_firing_ns: Option<u64>,
    pub resolve_absent_ns: Option<Option<u64>>,
    pub severity: Option<Severity>,
    pub labels: BTreeMap<String, Spot<String>>,
    pub annotations: BTreeMap<String, Spot<String>>,
    pub enabled: Option<bool>,
    pub silenced: Option<bool>,
    pub why: Option<String>,
}

impl Comparison {
    /// Takes up a key; `Ok(false)` if it is none of a condition.
    fn take(&mut self, key: &str, at: usize, value: &DeValue<'_>) -> Result<bool, String> {
        let number = || value::number(value).map(|value| Some(Spot { at, value }));
        match key {
            "signal" => self.signal = Some(Spot { at, value: value::text(value, "the name of a signal")? }),
            "match" => {
                let table = value::table(value, "labels and patterns such as { device = \"sd*\" }")?;
                for (label, patterns) in table {
                    let at = patterns.span().start;
                    let patterns = value::texts(patterns.get_ref())
                        .map_err(|error| format!("{}: {error}", quoted(label.get_ref())))?;
                    self.matchers.insert(label.get_ref().to_string(), Spot { at, value: patterns });
                }
            }
            "above" => self.above = number()?,
            "below" => self.below = number()?,
            "clear" => self.clear = number()?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The comparison and its threshold.
    pub fn comparisons(&self) -> impl Iterator<Item = (Compare, &Spot<Number>)> {
        let above = self.above.iter().map(|number| (Compare::Above, number));
        above.chain(self.below.iter().map(|number| (Compare::Below, number)))
    }

    fn over(self, base: Self) -> Self {
        let given = self.above.is_some() || self.below.is_some();
        Self {
            at: self.at,
            signal: self.signal.or(base.signal),
            matchers: over(self.matchers, base.matchers),
            above: self.above.or(base.above.filter(|_| !given)),
            below: self.below.or(base.below.filter(|_| !given)),
            clear: self.clear.or(base.clear),
            bad: self.bad,
        }
    }

    fn moved_to(mut self, at: usize) -> Self {
        self.at = at;
        self.signal = self.signal.map(|spot| Spot { at, ..spot });
        [&mut self.above, &mut self.below, &mut self.clear].into_iter().flatten().for_each(|spot| spot.at = at);
        self.matchers.values_mut().for_each(|spot| spot.at = at);
        self
    }
}

fn over<T>(given: BTreeMap<String, T>, mut base: BTreeMap<String, T>) -> BTreeMap<String, T> {
    base.extend(given);
    base
}

impl Draft {
    /// Reads a table. `None` if it has no name, and so nothing else can be said of it.
    pub fn read(at: usize, table: &DeTable<'_>, problems: &mut Problems) -> Option<Self> {
        let name = match table.get("name") {
            None => {
                problems.push((at, "a rule has no name: add name = \"...\"".into()));
                return None;
            }
            Some(name) => match value::rule_name(name.get_ref()) {
                Ok(text) => text,
                Err(error) => {
                    problems.push((name.span().start, format!("name: {error}")));
                    return None;
                }
            },
        };
        let mut draft = Self { at, name, ..Self::default() };
        draft.condition.at = at;
        for (key, value) in table {
            let (key_at, key, value_at) = (key.span().start, &**key.get_ref(), value.span().start);
            match draft.take(key, value_at, value.get_ref(), problems) {
                Ok(true) => {}
                Ok(false) => {
                    let hint = did_you_mean(&nearest(key, CONDITION.into_iter().chain(RULE)));
                    problems.push((key_at, format!("{}: unknown key {}{hint}", draft.name, quoted(key))));
                }
                Err(error) => {
                    problems.push((value_at, format!("{}: {key}: {error}", draft.name)));
                    draft.condition.bad.insert(key.into());
                }
            }
        }
        Some(draft)
    }

    fn take(&mut self, key: &str, at: usize, value: &DeValue<'_>, problems: &mut Problems) -> Result<bool, String> {
        match key {
            "name" => {}
            "and" => self.and = Some(self.conditions(value, problems)?),
            "for" => self.for_ns = Some(value::duration(value)?),
            "keep_firing_for" => self.keep_firing_ns = Some(value::duration(value)?),
            "resolve_absent_after" => self.resolve_absent_ns = Some(value::duration_or_off(value)?),
            "severity" => self.severity = Some(value::severity(value)?),
            "labels" => self.labels = value::labels(value)?,
            "annotations" => self.annotations = value::labels(value)?,
            "enabled" => self.enabled = Some(value::switch(value)?),
            "silenced" => self.silenced = Some(value::switch(value)?),
            "why" => self.why = Some(value::text(value, "a sentence")?),
            _ => return self.condition.take(key, at, value),
        }
        Ok(true)
    }

    fn conditions(&self, value: &DeValue<'_>, problems: &mut Problems) -> Result<Vec<Comparison>, String> {
        const EXPECTED: &str = "an array of conditions such as [{ signal = \"cpu_utilization\", above = \"90%\" }]";
        let DeValue::Array(array) = value else { return Err(value::expected(EXPECTED, value)) };
        let mut conditions = Vec::new();
        for item in array.iter() {
            let at = item.span().start;
            let table = value::table(item.get_ref(), EXPECTED)?;
            let mut condition = Comparison { at, ..Comparison::default() };
            for (key, value) in table {
                let (key_at, key, value_at) = (key.span().start, &**key.get_ref(), value.span().start);
                match condition.take(key, value_at, value.get_ref()) {
                    Ok(true) => {}
                    Ok(false) => {
                        let hint = did_you_mean(&nearest(key, CONDITION));
                        problems.push((key_at, format!("{}: and: unknown key {}{hint}", self.name, quoted(key))));
                    }
                    Err(error) => {
                        problems.push((value_at, format!("{}: and: {key}: {error}", self.name)));
                        condition.bad.insert(key.into());
                    }
                }
            }
            conditions.push(condition);
        }
        Ok(conditions)
    }

    /// This one where it says something, `base` where it does not. What is wrong with the two together is wrong here.
    pub fn over(self, base: Self) -> Self {
        let at = self.at;
        let moved = |map: BTreeMap<String, Spot<String>>| -> BTreeMap<_, _> {
            map.into_iter().map(|(name, spot)| (name, Spot { at, ..spot })).collect()
        };
        let base_and = || base.and.map(|all| all.into_iter().map(|condition| condition.moved_to(at)).collect());
        Self {
            name: self.name,
            at,
            condition: self.condition.over(base.condition.moved_to(at)),
            and: self.and.or_else(base_and),
            for_ns: self.for_ns.or(base.for_ns),
            keep_firing_ns: self.keep_firing_ns.or(base.keep_firing_ns),
            resolve_absent_ns: self.resolve_absent_ns.or(base.resolve_absent_ns),
            severity: self.severity.or(base.severity),
            labels: over(self.labels, moved(base.labels)),
            annotations: over(self.annotations, moved(base.annotations)),
            enabled: self.enabled.or(base.enabled),
            silenced: self.silenced.or(base.silenced),
            why: self.why.or(base.why),
        }
    }
}
