//! The CPUs in a window: utilisation, switches and waits.
//!
//! In: the scheduler's part of two samples. Out: [`Sched`]. Times come from switch to switch, never from the kernel's tick.

use monitor_common::sched::{Discard, Switch};
use serde::{Deserialize, Serialize};

use super::{ESTIMATE_NS, Refused, Times, growth, growth_of_all, sum};
use crate::{histogram::Histogram, sample};

/// The CPUs in a window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Sched {
    /// Busy time over online time of all CPUs, 0 to 1.
    pub utilization: Option<f64>,
    /// Context switches a second.
    pub switches_per_second: f64,
    /// Of them, switches that preempted a task, a second.
    pub preemptions_per_second: f64,
    /// Waits for a CPU of all tasks that got one.
    pub wait: Option<Times>,
    /// Each CPU, by number.
    pub cpus: Vec<Cpu>,
    /// Discarded since the window before.
    pub discards: u64,
    /// Waits that are not in `wait`, because there was no histogram at the time.
    #[serde(default)]
    pub plain_waits: u64,
    /// Their sum in seconds.
    #[serde(default)]
    pub plain_wait_seconds: f64,
}

/// One CPU in a window.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Cpu {
    /// Its number.
    pub cpu: u32,
    /// Whether it was online at the end.
    pub online: bool,
    /// Busy time over online time, 0 to 1; absent if it was offline throughout.
    pub utilization: Option<f64>,
    /// Context switches a second.
    pub switches_per_second: f64,
    /// Waits of the tasks that got this CPU.
    pub wait: Option<Times>,
}

/// What one CPU did between two samples.
pub(crate) struct Growth {
    pub(crate) busy_ns: u64,
    pub(crate) idle_ns: u64,
    pub(crate) switches: [u64; Switch::COUNT],
    pub(crate) wait: Histogram,
    pub(crate) discards: u64,
    pub(crate) plain_waits: u64,
    pub(crate) plain_wait_ns: u64,
}

/// What each CPU of the later sample did, with its number and whether it is online.
pub(crate) fn growth_of_cpus<'a>(
    earlier: &'a sample::Sched,
    later: &'a sample::Sched,
) -> impl Iterator<Item = Result<(u32, bool, Growth), Refused>> {
    later.cpus.iter().map(|(&cpu, to)| {
        let grown = match earlier.cpus.get(&cpu) {
            Some(from) => since(cpu, from, to)?,
            None => since(cpu, &sample::Cpu::default(), to)?,
        };
        Ok((cpu, to.online, grown))
    })
}

pub(super) fn derive(earlier: &sample::Sched, later: &sample::Sched, seconds: f64) -> Result<Sched, Refused> {
    let (mut busy, mut idle, mut switches, mut preemptions, mut discards) = (0u64, 0u64, 0u64, 0u64, 0u64);
    let mut wait = Histogram::default();
    let (mut plain_waits, mut plain_ns) = (0u64, 0u64);
    let mut cpus = Vec::with_capacity(later.cpus.len());
    for growth in growth_of_cpus(earlier, later) {
        let (cpu, online, grown) = growth?;
        let switched = sum(grown.switches);
        busy = busy.saturating_add(grown.busy_ns);
        idle = idle.saturating_add(grown.idle_ns);
        switches = switches.saturating_add(switched);
        preemptions = preemptions.saturating_add(grown.switches[Switch::Preempted as usize]);
        discards = discards.saturating_add(grown.discards);
        wait.merge(&grown.wait);
        plain_waits = plain_waits.saturating_add(grown.plain_waits);
        plain_ns = plain_ns.saturating_add(grown.plain_wait_ns);
        cpus.push(Cpu {
            cpu,
            online,
            utilization: utilization(grown.busy_ns, grown.idle_ns),
            switches_per_second: switched as f64 / seconds,
            wait: Times::of(&grown.wait),
        });
    }
    Ok(Sched {
        utilization: utilization(busy, idle),
        switches_per_second: switches as f64 / seconds,
        preemptions_per_second: preemptions as f64 / seconds,
        wait: Times::of(&wait),
        cpus,
        discards,
        plain_waits,
        plain_wait_seconds: plain_ns as f64 / 1e9,
    })
}

fn since(cpu: u32, from: &sample::Cpu, to: &sample::Cpu) -> Result<Growth, Refused> {
    // Both hold the interval under way, whose end the reader estimates.
    let time = |from: u64, to: u64, what: &str| match from.checked_sub(to) {
        Some(back) if back <= ESTIMATE_NS => Ok(0),
        _ => growth(from, to, || format!("the {what} time of CPU {cpu}")),
    };
    let switches = growth_of_all(&from.switches, &to.switches, |i| {
        format!("the count of {} switches of CPU {cpu}", Switch::ALL[i].name())
    })?;
    let discards = growth_of_all(&from.discards, &to.discards, |i| {
        format!("the count of discards ({}) of CPU {cpu}", Discard::ALL[i].name())
    })?;
    Ok(Growth {
        busy_ns: time(from.busy_ns, to.busy_ns, "busy")?,
        idle_ns: time(from.idle_ns, to.idle_ns, "idle")?,
        switches,
        wait: to
            .wait
            .since(&from.wait)
            .map_err(|decreased| Refused::histogram(&format!("the waits of CPU {cpu}"), decreased))?,
        discards: sum(discards),
        plain_waits: growth(from.plain_waits, to.plain_waits, || format!("the plain waits of CPU {cpu}"))?,
        plain_wait_ns: growth(from.plain_wait_ns, to.plain_wait_ns, || format!("the plain waiting of CPU {cpu}"))?,
    })
}

/// Busy time over online time, 0 to 1; absent without any.
pub(crate) fn utilization(busy_ns: u64, idle_ns: u64) -> Option<f64> {
    let online = busy_ns as f64 + idle_ns as f64;
    (online > 0.0).then(|| busy_ns as f64 / online)
}
