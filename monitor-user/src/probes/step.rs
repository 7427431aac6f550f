//! What the probes give up where the budget does not allow for all of them, step by step, the least of it first.
//!
//! Which program is attached at which step is said by each probe's [`super::Program`]s. Nothing of it costs anything while
//! all is on: a lower step has programs of its own, loaded from the start and attached when it is taken.

use monitor_common::indexed_enum;

indexed_enum! {
    /// A step. Each one gives up what those before it do, and one thing more.
    pub enum Step {
        /// Nothing is given up.
        Full = "full",
        /// The records of single things: slow requests, long waits, killed tasks.
        Events = "events",
        /// Telling requests apart by size: all are counted as of the largest class, and P of block requests is absent.
        Sizes = "sizes",
        /// Histograms: what is left of times is their sums and counts.
        Histograms = "histograms",
        /// The scheduler's probe.
        Sched = "sched",
        /// The probe of block requests: what is left of disks is the kernel's own diskstats.
        Block = "block",
    }
}

impl Step {
    /// The step with this index; the last one if there is none.
    pub fn at(index: usize) -> Self {
        Self::ALL.get(index).copied().unwrap_or(Self::Block)
    }

    /// What is not there at this step, for people.
    pub const fn gives_up(self) -> &'static str {
        match self {
            Self::Full => "nothing",
            Self::Events => "records of single slow requests, long waits and killed tasks",
            Self::Sizes => "these records, and telling requests apart by size",
            Self::Histograms => "records, sizes, and the histograms of times",
            Self::Sched => "records, sizes, histograms, and all that the scheduler's probe measures",
            Self::Block => "all that the programs measure",
        }
    }

    /// Why a probe does not measure at this step; absent if it does.
    pub fn turns_off(self, probe: &str) -> Option<&'static str> {
        const REASON: &str = "given up to stay within the budget (budget.programs)";
        let first = match probe {
            "events" => Self::Events,
            "sched" => Self::Sched,
            "block" => Self::Block,
            _ => return None,
        };
        (self >= first).then_some(REASON)
    }
}
