//! The agent's budget at work: times the programs for a moment, looks at its own use, and says which step to take.
//!
//! In: the clock, the kernel's count of runs, the process's own figures. Out: figures for the snapshot, and steps. A measurement
//! has three moments, and the agent does its work between them: ask for timing, begin, end. Nothing here waits.

use std::time::Duration;

use tokio::time::Instant;

use crate::{
    budget::{Budget, Measured, Move, meter},
    collect::{Collector, monotonic_ns},
    config::Config,
    host::self_stats::SelfStats,
    kernel::{load::ProgramStats, statistics::Statistics},
    probes::step::Step,
    status,
};

/// The programs are timed for this part of the time between two measurements.
const PART: u32 = 100;
/// How long the helper has to begin.
const BEGIN: Duration = Duration::from_millis(5);

/// See the module.
pub struct Budgeting {
    budget: Budget,
    statistics: Statistics,
    phase: Phase,
    /// When the next moment is.
    next: Instant,
    /// When the process was looked at before, on `CLOCK_MONOTONIC`, and its CPU time then, both in nanoseconds.
    before: Option<(u64, u64)>,
    status: Option<status::Budget>,
    moves: [[u64; 2]; 2],
}

enum Phase {
    Waiting,
    /// The helper was asked to begin; what it said.
    Asked(Result<(), String>),
    /// Since when, with the count of runs then.
    Timing(u64, Vec<ProgramStats>),
}

impl Budgeting {
    /// Begins the helper. Before the agent gives up its capabilities: the helper needs one of them.
    pub fn start(config: &Config) -> Self {
        Self {
            budget: Budget::default(),
            statistics: Statistics::start(),
            phase: Phase::Waiting,
            next: Instant::now() + config.budget.interval,
            before: None,
            status: None,
            moves: [[0; 2]; 2],
        }
    }

    /// When [`Self::turn`] is to be called next.
    pub fn next(&self) -> Instant {
        self.next
    }

    /// One of the three moments of a measurement. True if it was the last one: there are new figures, and steps to take.
    pub fn turn(&mut self, collector: &Collector, own: &mut SelfStats, config: &Config) -> bool {
        let interval = config.budget.interval;
        match std::mem::replace(&mut self.phase, Phase::Waiting) {
            Phase::Waiting => {
                self.phase = Phase::Asked(self.statistics.hold());
                self.next = Instant::now() + BEGIN;
                false
            }
            Phase::Asked(Err(reason)) => {
                self.end(Err(reason), own, config);
                true
            }
            Phase::Asked(Ok(())) => {
                self.phase = Phase::Timing(monotonic_ns(), collector.loaded.program_stats());
                self.next = Instant::now() + interval / PART;
                false
            }
            Phase::Timing(begun_ns, before) => {
                let seconds = monotonic_ns().saturating_sub(begun_ns) as f64 / 1e9;
                let after = collector.loaded.program_stats();
                let rates = meter::rates(&before, &after, seconds).ok_or_else(|| "no time has passed".to_string());
                let timed = self.statistics.release().and(rates);
                self.end(timed, own, config);
                true
            }
        }
    }

    fn end(&mut self, timed: Result<Vec<(&'static str, f64)>, String>, own: &mut SelfStats, config: &Config) {
        let now_ns = monotonic_ns();
        self.next = Instant::now() + config.budget.interval;
        let cpus = std::thread::available_parallelism().map_or(1.0, |cpus| cpus.get() as f64);
        let programs = timed.as_ref().ok().map(|rates| rates.iter().map(|(_, cpus)| cpus).sum::<f64>() / cpus);
        let process = self.process(now_ns, own).map(|share| share / cpus);
        let measured = Measured { now_ns, programs, process };
        let moves = self.budget.see(measured, &config.budget);
        for (count, done) in self.moves.iter_mut().zip(moves) {
            match done {
                Some(Move::Down) => count[0] += 1,
                Some(Move::Up) => count[1] += 1,
                None => {}
            }
        }
        let counts = own.counts().ok();
        let unmeasured = timed.as_ref().err().cloned();
        let known = self.status.as_ref().and_then(|status| status.unmeasured.as_ref());
        if let Some(reason) = unmeasured.as_ref().filter(|reason| known != Some(*reason)) {
            tracing::warn!("what the programs take is not known, so they stay as they are: {reason}");
        }
        self.status = Some(status::Budget {
            programs_limit: config.budget.programs.part(),
            process_limit: config.budget.process.part(),
            programs_share: programs,
            process_share: process,
            programs: timed.unwrap_or_default().into_iter().map(|(name, cpus)| (name.into(), cpus)).collect(),
            timed_share: 1.0 / f64::from(PART),
            unmeasured,
            step: self.budget.step() as usize,
            process_step: self.budget.process_step() as usize,
            moves: self.moves,
            open_files: counts.map(|(files, _)| files),
            threads: counts.map(|(_, threads)| threads),
        });
    }

    /// CPUs that the process took since the measurement before.
    fn process(&mut self, now_ns: u64, own: &mut SelfStats) -> Option<f64> {
        let cpu_ns = own.usage().ok()?.cpu_ns;
        let (before_ns, before) = self.before.replace((now_ns, cpu_ns))?;
        let passed = now_ns.checked_sub(before_ns).filter(|passed| *passed > 0)?;
        Some(cpu_ns.saturating_sub(before) as f64 / passed as f64)
    }

    /// The step that the programs should be at.
    pub fn step(&self) -> Step {
        self.budget.step()
    }

    /// The budget itself.
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// The figures of the latest measurement.
    pub fn status(&self) -> Option<status::Budget> {
        self.status.clone()
    }
}
