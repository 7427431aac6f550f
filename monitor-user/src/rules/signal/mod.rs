//! Signals: everything that a rule can judge, once. The values, the names in rule files, and `docs/RULES.md` are derived from here.
//!
//! In: a [`Moment`]. Out: for each signal numbers with labels, or none.
//!
//! | module | what it is |
//! |---|---|
//! | `domain` | what signals are told apart by: CPUs, disks, filesystems, ... |
//! | `take` | how a signal's values are taken from a moment |
//! | `unit` | how thresholds are written and values shown |
//! | `cpu`, `block`, `host`, `index`, `own`, `fleet` | the signals |

mod block;
mod cpu;
mod domain;
mod fleet;
mod host;
mod index;
mod own;
mod take;
mod unit;

pub use self::{domain::Domain, take::Take, unit::Unit};
use super::moment::Moment;

/// Something that a rule can judge.
#[derive(Clone, Copy, Debug)]
pub struct Signal {
    /// Its name in rule files.
    pub name: &'static str,
    /// What its values count.
    pub unit: Unit,
    /// Where its values come from.
    pub take: Take,
    /// What a row means that is not there.
    pub missing: Missing,
    /// What it says: a sentence.
    pub help: &'static str,
}

/// What it means that a thing has no value, or is not there at all.
#[derive(Clone, Copy, Debug)]
pub enum Missing {
    /// Nobody knows.
    Unknown,
    /// It did nothing, if this says that somebody would have seen it.
    Zero(fn(&Moment) -> bool),
}

impl Signal {
    /// A signal whose absence means that nobody knows.
    const fn new(name: &'static str, unit: Unit, take: Take, help: &'static str) -> Self {
        Self { name, unit, take, missing: Missing::Unknown, help }
    }

    /// The same, with what a missing row means.
    const fn or_zero(self, seen: fn(&Moment) -> bool) -> Self {
        Self { missing: Missing::Zero(seen), ..self }
    }

    /// The signal of that name.
    pub fn find(name: &str) -> Option<&'static Self> {
        signals().find(|signal| signal.name == name)
    }

    /// The names of its labels.
    pub const fn labels(&self) -> &'static [&'static str] {
        self.take.domain().labels()
    }

    /// Whether it comes from an index, and so from what is usual.
    pub const fn is_of_index(&self) -> bool {
        matches!(self.take.domain(), Domain::Index | Domain::NodeIndex)
    }

    /// The value of a thing that is not there: 0, or absent.
    pub(crate) fn when_missing(&self, moment: &Moment) -> Option<f64> {
        matches!(self.missing, Missing::Zero(seen) if seen(moment)).then_some(0.0)
    }
}

impl PartialEq for Signal {
    /// By name: the table has each once.
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

/// Every signal, by what it is about.
pub static SECTIONS: &[(&str, &[&[Signal]])] = &[
    ("The performance index", index::SIGNALS),
    ("CPUs and the run queue", cpu::SIGNALS),
    ("Block requests", block::SIGNALS),
    ("The node", host::SIGNALS),
    ("The agent itself", own::SIGNALS),
    ("The nodes of a server", fleet::SIGNALS),
];

/// Every signal.
pub fn signals() -> impl Iterator<Item = &'static Signal> {
    SECTIONS.iter().flat_map(|(_, groups)| groups.iter().copied().flatten())
}

/// The mean, the quantiles and the maximum of times, as six signals.
macro_rules! times {
    ($prefix:literal, $take:path, $times:expr, $mean:expr, $what:literal) => {
        [
            Signal::new(
                concat!($prefix, "_mean_seconds"),
                Unit::Seconds,
                $take($mean),
                concat!("Mean of ", $what, "."),
            ),
            Signal::new(
                concat!($prefix, "_p50_seconds"),
                Unit::Seconds,
                $take(|of| $times(of).map(|times: Times| times.p50)),
                concat!("Median of ", $what, "."),
            ),
            Signal::new(
                concat!($prefix, "_p90_seconds"),
                Unit::Seconds,
                $take(|of| $times(of).map(|times: Times| times.p90)),
                concat!("90th percentile of ", $what, "."),
            ),
            Signal::new(
                concat!($prefix, "_p99_seconds"),
                Unit::Seconds,
                $take(|of| $times(of).map(|times: Times| times.p99)),
                concat!("99th percentile of ", $what, "."),
            ),
            Signal::new(
                concat!($prefix, "_p999_seconds"),
                Unit::Seconds,
                $take(|of| $times(of).map(|times: Times| times.p999)),
                concat!("99.9th percentile of ", $what, "."),
            ),
            Signal::new(
                concat!($prefix, "_max_seconds"),
                Unit::Seconds,
                $take(|of| $times(of).map(|times: Times| times.max)),
                concat!("Upper bound of the longest of ", $what, "."),
            ),
        ]
    };
}
use times;

#[cfg(test)]
mod tests;
