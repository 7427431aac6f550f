//! The agent's budget at work: times the programs for a moment, looks at its own use, and says which step to take.
//!
//! In: the clock, the kernel's count of runs, the process's own figures. Out: figures for the snapshot, and steps. A measurement
//! has three moments, and the agent does its work between them: ask for timing, begin, end. Nothing here waits. Where the kernel
//! does not time the programs, what they timed themselves since the measurement before stands in.

use std::time::Duration;

use monitor_common::timing::ONE_OF;
use tokio::time::Instant;

use crate::{
    budget::{
        Budget, Clock, Measured, Move,
        meter::{self, Taken},
    },
    collect::monotonic_ns,
    config::Config,
    host::self_stats::SelfStats,
    kernel::{
        load::{Loaded, ProgramStats},
        statistics::Statistics,
    },
    privileges::capabilities,
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
    /// When the programs' own times were read before, on the same clock, and what they were.
    own_before: (u64, Taken),
    /// The kernel's reason not to time the programs, once it was told.
    told: Option<String>,
    status: Option<status::Budget>,
    moves: [[u64; 2]; 2],
}

/// The name of each program, and its CPUs.
type Rates = Vec<(&'static str, f64)>;

enum Phase {
    Waiting,
    /// The helper was asked to begin; what it said.
    Asked(Result<(), String>),
    /// Since when, with the count of runs then.
    Timing(u64, Taken),
}

impl Budgeting {
    /// Begins the helper, if it would have the capability that it needs. Before the agent gives up its own.
    pub fn start(config: &Config) -> Self {
        Self {
            budget: Budget::default(),
            statistics: match capabilities::may_time() {
                true => Statistics::start(),
                false => Statistics::off("it takes CAP_SYS_ADMIN to have the kernel do it"),
            },
            phase: Phase::Waiting,
            next: Instant::now() + config.budget.interval,
            before: None,
            own_before: (monotonic_ns(), Taken::new()),
            told: None,
            status: None,
            moves: [[0; 2]; 2],
        }
    }

    /// When [`Self::turn`] is to be called next.
    pub fn next(&self) -> Instant {
        self.next
    }

    /// One of the three moments of a measurement. True if it was the last one: there are new figures, and steps to take.
    pub fn turn(&mut self, loaded: &mut Loaded, own: &mut SelfStats, config: &Config) -> bool {
        let interval = config.budget.interval;
        match std::mem::replace(&mut self.phase, Phase::Waiting) {
            Phase::Waiting => {
                self.phase = Phase::Asked(self.statistics.hold());
                self.next = Instant::now() + BEGIN;
                false
            }
            Phase::Asked(Err(reason)) => {
                self.end(Err(reason), loaded, own, config);
                true
            }
            Phase::Asked(Ok(())) => {
                self.phase = Phase::Timing(monotonic_ns(), taken(loaded));
                self.next = Instant::now() + interval / PART;
                false
            }
            Phase::Timing(begun_ns, before) => {
                let seconds = monotonic_ns().saturating_sub(begun_ns) as f64 / 1e9;
                let rates =
                    meter::rates(&before, &taken(loaded), seconds).ok_or_else(|| "no time has passed".to_string());
                let timed = self.statistics.release().and(rates);
                self.end(timed, loaded, own, config);
                true
            }
        }
    }

    fn end(&mut self, timed: Result<Rates, String>, loaded: &mut Loaded, own: &mut SelfStats, config: &Config) {
        let now_ns = monotonic_ns();
        self.next = Instant::now() + config.budget.interval;
        let cpus = std::thread::available_parallelism().map_or(1.0, |cpus| cpus.get() as f64);
        let by_themselves = self.by_themselves(now_ns, loaded);
        let (timed, by) = match timed {
            Ok(rates) => (Ok(rates), Clock::Kernel),
            Err(reason) => {
                self.tell(&reason, by_themselves.is_ok());
                (by_themselves.map_err(|error| format!("{reason}; {error}")), Clock::Programs)
            }
        };
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
        self.status = Some(status::Budget {
            programs_limit: config.budget.programs.part(),
            process_limit: config.budget.process.part(),
            programs_share: programs,
            process_share: process,
            programs: timed.unwrap_or_default().into_iter().map(|(name, cpus)| (name.into(), cpus)).collect(),
            timed_share: match by {
                Clock::Kernel => 1.0 / f64::from(PART),
                Clock::Programs => 1.0 / ONE_OF as f64,
            },
            timed_by: by as usize,
            unmeasured,
            step: self.budget.step() as usize,
            process_step: self.budget.process_step() as usize,
            moves: self.moves,
            open_files: counts.map(|(files, _)| files),
            threads: counts.map(|(_, threads)| threads),
        });
    }

    /// CPUs that the programs took since the measurement before, by their own clocks.
    fn by_themselves(&mut self, now_ns: u64, loaded: &mut Loaded) -> Result<Rates, String> {
        let taken =
            loaded.own_times().map_err(|error| format!("what they timed themselves cannot be read: {error}"))?;
        let (before_ns, before) = std::mem::replace(&mut self.own_before, (now_ns, taken));
        let seconds = now_ns.saturating_sub(before_ns) as f64 / 1e9;
        meter::rates(&before, &self.own_before.1, seconds).ok_or_else(|| "no time has passed".to_string())
    }

    /// Says why the kernel does not time the programs, whenever that changes.
    fn tell(&mut self, reason: &str, by_themselves: bool) {
        if self.told.as_deref() == Some(reason) {
            return;
        }
        self.told = Some(reason.into());
        match by_themselves {
            true => tracing::info!("the programs time some of their runs themselves: {reason}"),
            false => tracing::warn!("what the programs take is not known, so they stay as they are: {reason}"),
        }
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

/// What each program took, by the kernel's clock.
fn taken(loaded: &Loaded) -> Taken {
    loaded.program_stats().into_iter().map(|ProgramStats { name, run_time_ns, .. }| (name, run_time_ns)).collect()
}
