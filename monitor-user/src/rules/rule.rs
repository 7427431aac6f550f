//! A rule: a signal, a comparison, and what somebody is told. Data; [`super::engine`] acts on it.

use std::{collections::BTreeMap, fmt};

use monitor_common::indexed_enum;

use super::{
    matcher::Matcher,
    signal::{Signal, Unit},
    template::Template,
};
use crate::{alert::Severity, config::Origin};

/// What is wrong, and what is said of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Its name, the label `alertname`. Unique.
    pub name: String,
    /// What must hold.
    pub condition: Condition,
    /// What must hold besides, in the same window, for the same labels where both have them.
    pub and: Vec<Condition>,
    /// For how long all of it must hold before somebody is told, in nanoseconds.
    pub for_ns: u64,
    /// For how long it must be over before somebody is told, in nanoseconds.
    pub keep_firing_ns: u64,
    /// How long a signal may be absent before the alert is over, in nanoseconds; absent: for ever.
    pub resolve_absent_ns: Option<u64>,
    /// How bad it is.
    pub severity: Severity,
    /// Labels of its alerts besides the signal's.
    pub labels: BTreeMap<String, String>,
    /// Words for people.
    pub annotations: BTreeMap<String, Template>,
    /// Whether it is judged at all.
    pub enabled: bool,
    /// Whether it is judged and listed, but nobody is told.
    pub silenced: bool,
    /// Why it is as it is; for the reference.
    pub why: String,
    /// Where it is written.
    pub whence: Whence,
}

/// A comparison of a signal with a threshold.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// What is compared.
    pub signal: &'static Signal,
    /// Of what; all of them must fit.
    pub matchers: Vec<Matcher>,
    /// How.
    pub compare: Compare,
    /// With what.
    pub threshold: f64,
    /// Where it is over: at the threshold, or on its other side.
    pub clear: f64,
}

indexed_enum! {
    /// On which side of a threshold something is wrong.
    pub enum Compare {
        /// Above it.
        Above = "above",
        /// Below it.
        Below = "below",
    }
}

/// Where a rule is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whence {
    /// It comes with kpulse.
    Builtin,
    /// It comes with kpulse, and a file changes it.
    Changed(Origin),
    /// A file.
    File(Origin),
}

impl fmt::Display for Whence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Builtin => f.write_str("built-in"),
            Self::Changed(origin) => write!(f, "built-in, changed at {origin}"),
            Self::File(origin) => origin.fmt(f),
        }
    }
}

impl Compare {
    /// Whether a value is on the wrong side. Never for a value that is none (NaN).
    pub fn beyond(self, value: f64, threshold: f64) -> bool {
        match self {
            Self::Above => value > threshold,
            Self::Below => value < threshold,
        }
    }
}

impl fmt::Display for Condition {
    /// `signal{label="pattern"} above 20.0ms, clears at 10.0ms`, or `signal is yes`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.signal.name)?;
        if !self.matchers.is_empty() {
            let matchers: Vec<String> = self.matchers.iter().map(ToString::to_string).collect();
            write!(f, "{{{}}}", matchers.join(", "))?;
        }
        if self.signal.unit == Unit::Flag {
            return f.write_str(if self.compare == Compare::Above { " is yes" } else { " is no" });
        }
        let format = |value| self.signal.unit.format(value);
        write!(f, " {} {}", self.compare.name(), format(self.threshold))?;
        if self.clear != self.threshold {
            write!(f, ", clears at {}", format(self.clear))?;
        }
        Ok(())
    }
}

impl Rule {
    /// All that must hold, in words.
    pub fn conditions(&self) -> String {
        let conditions: Vec<String> =
            std::iter::once(&self.condition).chain(&self.and).map(ToString::to_string).collect();
        conditions.join(" and ")
    }

    /// `on`, `silenced` or `off`.
    pub fn standing(&self) -> &'static str {
        match (self.enabled, self.silenced) {
            (false, _) => "off",
            (true, true) => "silenced",
            (true, false) => "on",
        }
    }

    /// Whether alerts of `other` are alerts of this rule: what they are about and their labels are the same.
    pub fn continues(&self, other: &Self) -> bool {
        self.name == other.name
            && self.condition.signal == other.condition.signal
            && self.severity == other.severity
            && self.labels == other.labels
    }
}
