//! What the agent may take of the machine, and what it gives up to stay within that.
//!
//! In: what the programs and the process took in the latest measurement, and the time. Out: the step that each should be at.
//! Pure: the agent measures, and attaches and detaches programs ([`crate::kernel::steps`]).
//!
//! | module | what it is |
//! |---|---|
//! | [`ladder`] | one budget: when to give up one thing more, when to try the last one again |
//! | [`meter`] | from what the programs took to CPU time a second |
//! | [`metrics`] | what is shown of it |
//!
//! The programs and the process have a budget and a ladder each: what one takes is not helped by what the other gives up.

pub mod ladder;
pub mod meter;
pub mod metrics;

use std::time::Duration;

use monitor_common::indexed_enum;

pub use self::ladder::Move;
use self::ladder::{Ladder, Times};
use crate::{config, probes::step::Step};

indexed_enum! {
    /// What the process gives up, the least of it first. What it counts stays exact: the programs count all the time.
    pub enum ProcessStep {
        /// Nothing.
        Full = "full",
        /// All tasks are read for judgements only, not with every sample.
        Tasks = "tasks",
        /// Samples are taken four times less often, at most as often as there is a judgement.
        Interval = "interval",
    }
}

indexed_enum! {
    /// Who says what the programs took.
    pub enum Clock {
        /// The kernel, which times every run for a part of the time.
        Kernel = "kernel",
        /// The programs, which time a part of their runs: where nobody may ask the kernel for it.
        Programs = "programs",
    }
}

/// How much less often samples are taken at [`ProcessStep::Interval`].
const LESS_OFTEN: u32 = 4;
/// How much longer the process may take more than the programs: a collection that is held up once is no trend.
const PROCESS_PATIENCE: u32 = 6;

/// One measurement, in parts of the machine's CPU time; absent is what could not be measured.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Measured {
    /// When it was taken, on `CLOCK_MONOTONIC` in nanoseconds.
    pub now_ns: u64,
    /// What the programs took.
    pub programs: Option<f64>,
    /// What the process took.
    pub process: Option<f64>,
}

/// Both budgets.
#[derive(Debug)]
pub struct Budget {
    programs: Ladder,
    process: Ladder,
}

impl Default for Budget {
    fn default() -> Self {
        Self { programs: Ladder::new(Step::COUNT - 1), process: Ladder::new(ProcessStep::COUNT - 1) }
    }
}

impl Budget {
    /// Looks at a measurement. Gives what the programs and the process did, if they took a step.
    pub fn see(&mut self, measured: Measured, config: &config::Budget) -> [Option<Move>; 2] {
        let times = Times { patience: config.patience, hold: config.hold };
        let patient = Times { patience: config.patience.saturating_mul(PROCESS_PATIENCE), ..times };
        [
            self.programs.see(measured.now_ns, measured.programs, config.programs.part(), times),
            self.process.see(measured.now_ns, measured.process, config.process.part(), patient),
        ]
    }

    /// Where the programs are.
    pub fn step(&self) -> Step {
        Step::at(self.programs.at())
    }

    /// Where the process is.
    pub fn process_step(&self) -> ProcessStep {
        ProcessStep::ALL.get(self.process.at()).copied().unwrap_or(ProcessStep::Interval)
    }
}

/// The time from one sample to the next at this step.
pub fn interval(step: ProcessStep, usual: Duration, judgement: Duration) -> Duration {
    match step {
        ProcessStep::Full | ProcessStep::Tasks => usual,
        ProcessStep::Interval => usual.saturating_mul(LESS_OFTEN).min(judgement).max(usual),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_longer_interval_is_never_longer_than_that_of_judgements_and_never_shorter_than_usual() {
        let seconds = Duration::from_secs;
        assert_eq!(interval(ProcessStep::Tasks, seconds(1), seconds(10)), seconds(1));
        assert_eq!(interval(ProcessStep::Interval, seconds(1), seconds(10)), seconds(4));
        assert_eq!(interval(ProcessStep::Interval, seconds(5), seconds(10)), seconds(10));
        assert_eq!(interval(ProcessStep::Interval, seconds(30), seconds(10)), seconds(30));
    }

    #[test]
    fn programs_and_process_go_down_by_themselves() {
        let config = config::Config::default().budget;
        let mut budget = Budget::default();
        for second in (0..100).step_by(10) {
            budget.see(Measured { now_ns: second * 1_000_000_000, programs: Some(0.3), process: Some(0.001) }, &config);
        }
        assert_eq!((budget.step(), budget.process_step()), (Step::Histograms, ProcessStep::Full));
    }
}
