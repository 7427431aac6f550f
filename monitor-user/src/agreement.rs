//! Whether the figures agree with the kernel's own: checked all the time, and told to everyone as a ratio.
//!
//! In: one sample after another. Out: for each figure that the kernel counts as well, ours over the kernel's in the last five to
//! ten minutes. A ratio that leaves 1 means that a program misses something, or that kpulse misreads the kernel.
//!
//! | figure | ours | the kernel's |
//! |---|---|---|
//! | `context_switches` | switches of all CPUs | `ctxt` of /proc/stat |
//! | `run_delay` | the sum of all waits | `sched_info.run_delay` of all tasks, in intervals in which none ended |
//! | `block_requests`, `block_bytes`, `block_time` | completions of disks with `iostats` | diskstats |

use std::collections::BTreeMap;

use monitor_common::block::Operation;

use crate::{
    host::Diskstats,
    sample::{DeviceId, Requests, Sample},
};

/// How old the base of the ratios may become before the next one takes over, in nanoseconds.
const HORIZON_NS: u64 = 300_000_000_000;
/// Fewer say nothing: a request that completes between the two readings is a large part of a few.
const FEWEST: u64 = 200;
/// The same of times, in nanoseconds.
const SHORTEST_NS: u64 = 50_000_000;

/// A figure counted twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Twice {
    ours: u64,
    kernels: u64,
}

impl Twice {
    /// What was added since; absent if one of them went back.
    fn since(self, first: Self) -> Option<Self> {
        Some(Self { ours: self.ours.checked_sub(first.ours)?, kernels: self.kernels.checked_sub(first.kernels)? })
    }

    fn add(&mut self, other: Self) {
        self.ours = self.ours.saturating_add(other.ours);
        self.kernels = self.kernels.saturating_add(other.kernels);
    }

    fn ratio(self, least: u64) -> Option<f64> {
        (self.kernels >= least.max(1)).then(|| self.ours as f64 / self.kernels as f64)
    }
}

/// Of one disk: requests, bytes, nanoseconds.
type Disk = [Twice; 3];

/// What both count, as one sample has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Totals {
    switches: Option<Twice>,
    disks: BTreeMap<DeviceId, Disk>,
    /// Waits of the intervals that can be compared, added up.
    waits: Twice,
}

/// The latest figures that waits are compared by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Waits {
    sum: Twice,
    began: u64,
    ended: u64,
    forks: u64,
}

/// Holds one sample after another against the kernel.
#[derive(Debug, Default)]
pub struct Agreement {
    /// Two bases with their times: the older one is compared with.
    bases: Option<[(u64, Totals); 2]>,
    latest: Option<Waits>,
    waits: Twice,
}

impl Agreement {
    /// Begins anew: programs were exchanged, and while they are, nobody counts.
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    /// Takes up a sample; gives ours over the kernel's, by figure. A figure of which the kernel counted too little to tell is
    /// absent.
    pub fn see(&mut self, sample: &Sample) -> Vec<(&'static str, f64)> {
        self.compare_waits(sample);
        let now = Totals { waits: self.waits, ..Totals::of(sample) };
        let now_ns = sample.monotonic_ns;
        let bases = self.bases.get_or_insert_with(|| [(now_ns, now.clone()), (now_ns, now.clone())]);
        if now_ns.saturating_sub(bases[1].0) >= HORIZON_NS {
            bases.swap(0, 1);
            bases[1] = (now_ns, now.clone());
        }
        now.agreement(&bases[0].1)
    }

    /// Adds the waits since the sample before, if all tasks whose waits we saw are still there to say theirs.
    fn compare_waits(&mut self, sample: &Sample) {
        let now = Waits::of(sample);
        let before = std::mem::replace(&mut self.latest, now);
        let (Some(before), Some(now)) = (before, now) else { return };
        let same = now.ended == before.ended && now.forks - before.forks.min(now.forks) == now.began - before.began;
        if let Some(grown) = now.sum.since(before.sum).filter(|_| same) {
            self.waits.add(grown);
        }
    }
}

impl Waits {
    fn of(sample: &Sample) -> Option<Self> {
        let (sched, all) = (sample.sched.as_ref()?, sample.all_tasks?);
        let ours = sched.cpus.values().map(|cpu| cpu.waits_ns()).fold(0, u64::saturating_add);
        let sum = Twice { ours, kernels: all.run_delay_ns };
        Some(Self { sum, began: all.began, ended: all.ended, forks: sample.host.forks? })
    }
}

impl Totals {
    fn of(sample: &Sample) -> Self {
        let switches = sample
            .sched
            .as_ref()
            .zip(sample.host.context_switches)
            .map(|(sched, kernels)| Twice { ours: sched.cpus.values().flat_map(|cpu| cpu.switches).sum(), kernels });
        let mut disks = BTreeMap::new();
        if let Some(block) = &sample.block {
            let accounted = sample.host.disks.iter().filter(|(_, disk)| disk.request_based && disk.iostats);
            disks.extend(accounted.filter_map(|(id, disk)| Some((*id, kernels(disk.stats.as_ref()?)))));
            for requests in &block.requests {
                if let Some(disk) = disks.get_mut(&requests.device) {
                    ours(requests, disk);
                }
            }
        }
        Self { switches, disks, waits: Twice::default() }
    }

    fn agreement(&self, first: &Self) -> Vec<(&'static str, f64)> {
        let switches = self.switches.zip(first.switches).and_then(|(now, first)| now.since(first));
        let mut sums = Disk::default();
        for (id, now) in &self.disks {
            let before = first.disks.get(id).copied().unwrap_or_default();
            if let [Some(requests), Some(bytes), Some(time)] = [0, 1, 2].map(|i| now[i].since(before[i])) {
                sums.iter_mut().zip([requests, bytes, time]).for_each(|(sum, grown)| sum.add(grown));
            }
        }
        let [requests, bytes, time] = sums;
        let enough = requests.kernels >= FEWEST;
        [
            ("context_switches", switches.and_then(|switches| switches.ratio(FEWEST))),
            ("run_delay", self.waits.since(first.waits).and_then(|waits| waits.ratio(SHORTEST_NS))),
            ("block_requests", requests.ratio(FEWEST)),
            ("block_bytes", bytes.ratio(1).filter(|_| enough)),
            ("block_time", time.ratio(SHORTEST_NS).filter(|_| enough)),
        ]
        .into_iter()
        .filter_map(|(figure, ratio)| Some((figure, ratio?)))
        .collect()
    }
}

fn kernels(stats: &Diskstats) -> Disk {
    let operations = [stats.read, stats.write, stats.discard, stats.flush];
    let requests = operations.iter().map(|operation| operation.requests).sum();
    let bytes = operations.iter().map(|operation| operation.bytes).sum();
    let time = operations.iter().map(|operation| operation.time_ns).sum();
    [requests, bytes, time].map(|kernels| Twice { ours: 0, kernels })
}

fn ours(requests: &Requests, disk: &mut Disk) {
    // The kernel does not count a driver's own commands.
    if requests.operation != Operation::Passthrough as u8 {
        let classes = &requests.classes;
        disk[0].ours += classes.iter().map(|class| class.requests).sum::<u64>();
        disk[1].ours += classes.iter().map(|class| class.bytes).sum::<u64>();
        // The one has times whose parts are not known as well, the other times that are in no histogram.
        let timed = classes.iter().map(|class| class.queue_ns.saturating_add(class.device_ns)).sum::<u64>();
        disk[2].ours += timed.max(requests.total.sum_ns());
    }
}

#[cfg(test)]
mod tests;
