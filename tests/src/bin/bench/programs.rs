//! How long programs run for one event, by the kernel's own statistics.
//!
//! That time includes the kernel's two readings of the clock around each run, which is why an empty program is measured too.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use kpulse::kernel::load::{self, Loaded};
use tests::reference::{Program, Reference, Runs};

/// Programs that are attached until this is dropped.
pub enum Attached {
    /// A probe of kpulse.
    Kpulse(Box<Loaded>),
    /// Programs to compare it with.
    Reference(Reference, Vec<&'static str>),
}

impl Attached {
    /// Loads one of kpulse's probes and attaches it.
    ///
    /// # Errors
    ///
    /// If the kernel refuses it.
    pub fn kpulse(probe: &'static str) -> Result<Self> {
        let loaded = load::load(&tests::probes::options(&[probe]));
        let (_, state) = loaded.states.iter().find(|(name, _)| *name == probe).context("no such probe")?;
        anyhow::ensure!(state.is_on(), "probe {probe}: {}", state.reason());
        Ok(Self::Kpulse(Box::new(loaded)))
    }

    /// Loads reference programs and attaches them.
    ///
    /// # Errors
    ///
    /// If the kernel refuses them.
    pub fn reference(programs: &[Program]) -> Result<Self> {
        Ok(Self::Reference(Reference::attach(programs)?, programs.iter().map(|(name, _)| *name).collect()))
    }

    fn runs(&self) -> Result<BTreeMap<&'static str, Runs>> {
        Ok(match self {
            Self::Kpulse(loaded) => {
                let runs = |it: load::ProgramStats| (it.name, Runs { count: it.runs, ns: it.run_time_ns });
                loaded.program_stats().into_iter().map(runs).collect()
            }
            Self::Reference(reference, names) => names.iter().copied().zip(reference.runs()?).collect(),
        })
    }

    /// Nanoseconds of one run of each program that ran under the load.
    fn under(&self, load: &dyn Fn() -> Result<()>) -> Result<BTreeMap<&'static str, f64>> {
        let before = self.runs()?;
        load()?;
        let mut times = BTreeMap::new();
        for (name, after) in self.runs()? {
            let before = before.get(name).copied().unwrap_or_default();
            if after.count > before.count {
                times.insert(name, (after.ns - before.ns) as f64 / (after.count - before.count) as f64);
            }
        }
        Ok(times)
    }
}

/// How to attach one set of programs.
pub type Attach = fn() -> Result<Attached>;

/// Nanoseconds of one run, by program.
pub type Round = BTreeMap<&'static str, f64>;

/// Runs the load under each set, one set at a time, and that `rounds` times, each time beginning with another set.
///
/// # Errors
///
/// If a set cannot be attached or the load fails.
pub fn compare(sets: &[Attach], rounds: usize, load: &dyn Fn() -> Result<()>) -> Result<Vec<Round>> {
    let _statistics = aya::sys::enable_stats(aya::sys::Stats::RunTime).context("the kernel's BPF statistics")?;
    load()?;
    (0..rounds)
        .map(|round| {
            let mut times = Round::new();
            for i in 0..sets.len() {
                times.extend(sets[(round + i) % sets.len()]()?.under(load)?);
            }
            Ok(times)
        })
        .collect()
}
