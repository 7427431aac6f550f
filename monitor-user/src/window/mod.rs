//! What happened between two samples: rates, utilisation, quantiles. Derivation is pure: no clock is read here and no
//! file, so a recorded sequence of samples gives the same windows every time.
//!
//! In: two [`Sample`]s of one origin. Out: the index, the rules, the API and `kpulse sample`.
//!
//! | module | what it derives |
//! |---|---|
//! | `sched` | CPUs: utilisation, switches, waits |
//! | `block` | devices whose requests the tracepoints saw, and T |
//! | `diskstats` | devices of which only the kernel's diskstats are known |
//! | `tasks`, `cgroups` | who used what |
//! | `host` | shares and rates of what /proc counts |

pub(crate) mod block;
mod cgroups;
pub(crate) mod diskstats;
pub(crate) mod host;
pub(crate) mod sched;
pub(crate) mod tasks;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use self::{
    block::{Block, Device, Operation, Source},
    cgroups::{CgroupUse, Cgroups},
    host::{CpuModeShares, NetworkRates, PressureShares},
    sched::{Cpu, Sched},
    tasks::{TaskUse, Tasks, Use},
};
use crate::{
    histogram::{Decreased, Histogram},
    sample::{Events, Origin, Sample},
};

/// What happened between two samples. What cannot be known is absent, not zero.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Window {
    /// When it ended, in nanoseconds since 1970.
    pub end_realtime_ns: u64,
    /// Its length in seconds, on the node's monotonic clock.
    pub seconds: f64,
    /// The scheduler.
    pub sched: Option<Sched>,
    /// Block requests.
    pub block: Option<Block>,
    /// Who used what.
    pub tasks: Option<Tasks>,
    /// Rare events in the window.
    pub events: Option<Events>,
    /// Shares of CPU time by mode, 0 to 1, as the kernel sampled them.
    pub cpu_modes: Option<CpuModeShares>,
    /// Share of the window in which tasks stood still for want of a resource.
    pub pressure: BTreeMap<String, PressureShares>,
    /// Network interfaces that moved something.
    pub networks: BTreeMap<String, NetworkRates>,
    /// Memory at the window's end.
    pub memory: Option<crate::host::Memory>,
    /// Load averages at the window's end.
    pub load: Option<[f64; 3]>,
    /// Filesystems at the window's end.
    pub filesystems: Vec<crate::host::Filesystem>,
}

impl Window {
    /// One of which nothing is known.
    pub fn empty(end_realtime_ns: u64, seconds: f64) -> Self {
        Self {
            end_realtime_ns,
            seconds,
            sched: None,
            block: None,
            tasks: None,
            events: None,
            cpu_modes: None,
            pressure: BTreeMap::new(),
            networks: BTreeMap::new(),
            memory: None,
            load: None,
            filesystems: Vec::new(),
        }
    }
}

/// Times of one kind in a window. All in seconds; absent if there were none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Times {
    /// How many.
    pub count: u64,
    /// Their exact sum.
    pub sum: f64,
    /// `sum / count`.
    pub mean: f64,
    /// Median, interpolated inside its bucket, as the other quantiles.
    pub p50: f64,
    /// 90th percentile.
    pub p90: f64,
    /// 99th percentile.
    pub p99: f64,
    /// 99.9th percentile.
    pub p999: f64,
    /// Upper bound of the highest bucket that is not empty.
    pub max: f64,
}

impl Times {
    /// Of a histogram's times; absent if it is empty.
    pub fn of(histogram: &Histogram) -> Option<Self> {
        let quantile = |q| histogram.quantile(q);
        Some(Self {
            count: histogram.count(),
            sum: histogram.sum_ns() as f64 / 1e9,
            mean: histogram.mean()?,
            p50: quantile(0.5)?,
            p90: quantile(0.9)?,
            p99: quantile(0.99)?,
            p999: quantile(0.999)?,
            max: histogram.max()?,
        })
    }
}

/// What a reader of windows wants of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// How many tasks and how many cgroups are named by each measure.
    pub top_tasks: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { top_tasks: 10 }
    }
}

/// Two samples that have no difference. The later one is a new base.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The machine or the agent has started anew between them.
    #[error("the samples have two origins, {earlier} and {later}: counters of one are no base for the other")]
    OtherOrigin {
        /// Of the earlier sample.
        earlier: Origin,
        /// Of the later sample.
        later: Origin,
    },
    /// No time has passed.
    #[error(
        "the later sample, at {later_ns} ns, is not later than the earlier one, at {earlier_ns} ns (CLOCK_MONOTONIC)"
    )]
    NotLater {
        /// When the earlier sample was taken, on `CLOCK_MONOTONIC`.
        earlier_ns: u64,
        /// When the later one was.
        later_ns: u64,
    },
    /// A counter that only grows was lower in the later sample.
    #[error("{counter} went back from {from} to {to}")]
    WentBack {
        /// Which one.
        counter: String,
        /// Its earlier value.
        from: u64,
        /// Its later value.
        to: u64,
    },
}

/// What happened between two samples of one node.
///
/// A thing that is in the later sample only (a CPU, a device, a task) began in the window, and its counters count from 0. One
/// that is in the earlier sample only has gone, and nothing is known of it.
///
/// # Errors
/// If the samples have two origins, if no time is between them, or if a counter went back that cannot.
pub fn derive(earlier: &Sample, later: &Sample, options: &Options) -> Result<Window, Refused> {
    let window_ns = length_ns(earlier, later)?;
    let seconds = window_ns as f64 / 1e9;
    Ok(Window {
        end_realtime_ns: later.realtime_ns,
        seconds,
        sched: both(&earlier.sched, &later.sched).map(|(from, to)| sched::derive(from, to, seconds)).transpose()?,
        block: block::derive(earlier, later, seconds)?,
        tasks: tasks::derive(earlier, later, window_ns, options),
        events: both(&earlier.events, &later.events).map(|(from, to)| events(from, to)).transpose()?,
        cpu_modes: both(&earlier.host.cpu_modes, &later.host.cpu_modes)
            .and_then(|(from, to)| host::shares(host::growth_of_modes(from, to))),
        pressure: host::pressure(&earlier.host, &later.host, window_ns),
        networks: host::networks(&earlier.host, &later.host, seconds),
        memory: later.host.memory,
        load: later.host.load,
        filesystems: later.host.filesystems.clone(),
    })
}

/// The time between two samples.
pub(crate) fn length_ns(earlier: &Sample, later: &Sample) -> Result<u64, Refused> {
    if earlier.origin != later.origin {
        return Err(Refused::OtherOrigin { earlier: earlier.origin.clone(), later: later.origin.clone() });
    }
    let (earlier_ns, later_ns) = (earlier.monotonic_ns, later.monotonic_ns);
    later_ns.checked_sub(earlier_ns).filter(|&ns| ns > 0).ok_or(Refused::NotLater { earlier_ns, later_ns })
}

/// How far the reader may be off where it closes an interval that is still under way: the clocks of two CPUs, and the drift
/// since one was last compared with `CLOCK_MONOTONIC`. A figure that holds such an interval may go back by as much.
const ESTIMATE_NS: u64 = 10_000_000;

/// The growth of a counter that only grows.
fn growth(from: u64, to: u64, counter: impl FnOnce() -> String) -> Result<u64, Refused> {
    to.checked_sub(from).ok_or_else(|| Refused::WentBack { counter: counter(), from, to })
}

fn growth_of_all<const N: usize>(
    from: &[u64; N],
    to: &[u64; N],
    counter: impl Fn(usize) -> String,
) -> Result<[u64; N], Refused> {
    let mut out = [0; N];
    for (i, out) in out.iter_mut().enumerate() {
        *out = growth(from[i], to[i], || counter(i))?;
    }
    Ok(out)
}

impl Refused {
    fn histogram(name: &str, Decreased { part, from, to }: Decreased) -> Self {
        Self::WentBack { counter: format!("{part} of {name}"), from, to }
    }
}

pub(crate) fn events(from: &Events, to: &Events) -> Result<Events, Refused> {
    use monitor_common::events::Kind;
    let name = |what: &str, kind: usize| format!("the count of {what} events of kind {}", Kind::ALL[kind].name());
    Ok(Events {
        seen: growth_of_all(&from.seen, &to.seen, |kind| name("seen", kind))?,
        dropped: growth_of_all(&from.dropped, &to.dropped, |kind| name("dropped", kind))?,
    })
}

/// Adds without overflow: what a damaged recording holds must not end the reader.
pub(crate) fn sum(numbers: impl IntoIterator<Item = u64>) -> u64 {
    numbers.into_iter().fold(0, u64::saturating_add)
}

pub(crate) fn both<'a, T>(a: &'a Option<T>, b: &'a Option<T>) -> Option<(&'a T, &'a T)> {
    a.as_ref().zip(b.as_ref())
}
