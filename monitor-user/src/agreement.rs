//! Whether the figures agree with the kernel's own: checked all the time, and told to everyone as a ratio.
//!
//! In: two samples of one origin. Out: for each figure that the kernel counts as well, ours over the kernel's since the
//! first of them. A ratio that leaves 1 means that a program misses something, or that kpulse misreads the kernel.

use std::collections::BTreeMap;

use monitor_common::block::Operation;

use crate::{
    host::Diskstats,
    sample::{DeviceId, Requests, Sample},
};

/// A figure counted twice since the beginning.
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
        self.ours += other.ours;
        self.kernels += other.kernels;
    }

    fn ratio(self) -> Option<f64> {
        (self.kernels != 0).then(|| self.ours as f64 / self.kernels as f64)
    }
}

/// What both count, as one sample has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    switches: Option<Twice>,
    disks: BTreeMap<DeviceId, (Twice, Twice)>,
}

impl Totals {
    /// Of one sample.
    pub fn of(sample: &Sample) -> Self {
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
                if let Some((count, bytes)) = disks.get_mut(&requests.device) {
                    ours(requests, count, bytes);
                }
            }
        }
        Self { switches, disks }
    }

    /// Ours over the kernel's since `first`, by figure; a figure of which the kernel counted nothing is absent.
    pub fn agreement(&self, first: &Self) -> Vec<(&'static str, f64)> {
        let switches = self.switches.zip(first.switches).and_then(|(now, first)| now.since(first));
        let (mut requests, mut bytes) = (Twice::default(), Twice::default());
        for (id, now) in &self.disks {
            let before = first.disks.get(id).copied().unwrap_or_default();
            if let (Some(count), Some(size)) = (now.0.since(before.0), now.1.since(before.1)) {
                requests.add(count);
                bytes.add(size);
            }
        }
        [
            ("context_switches", switches.and_then(Twice::ratio)),
            ("block_requests", requests.ratio()),
            ("block_bytes", bytes.ratio()),
        ]
        .into_iter()
        .filter_map(|(figure, ratio)| Some((figure, ratio?)))
        .collect()
    }
}

fn kernels(stats: &Diskstats) -> (Twice, Twice) {
    let operations = [stats.read, stats.write, stats.discard, stats.flush];
    let requests = operations.iter().map(|operation| operation.requests).sum();
    let bytes = operations.iter().map(|operation| operation.bytes).sum();
    (Twice { ours: 0, kernels: requests }, Twice { ours: 0, kernels: bytes })
}

fn ours(requests: &Requests, count: &mut Twice, bytes: &mut Twice) {
    // The kernel does not count a driver's own commands.
    if requests.operation != Operation::Passthrough as u8 {
        count.ours += requests.classes.iter().map(|class| class.requests).sum::<u64>();
        bytes.ours += requests.classes.iter().map(|class| class.bytes).sum::<u64>();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn totals(switches: (u64, u64), requests: (u64, u64)) -> Totals {
        let twice = |(ours, kernels)| Twice { ours, kernels };
        let disk = (twice(requests), twice((requests.0 * 4096, requests.1 * 4096)));
        Totals { switches: Some(twice(switches)), disks: BTreeMap::from([(DeviceId { major: 8, minor: 0 }, disk)]) }
    }

    #[test]
    fn a_program_that_misses_a_part_shows_in_the_ratio() {
        let first = totals((10, 5_000), (3, 700));
        let now = totals((10 + 90, 5_000 + 100), (3 + 100, 700 + 100));
        let agreement = now.agreement(&first);
        assert_eq!(agreement, [("context_switches", 0.9), ("block_requests", 1.0), ("block_bytes", 1.0)]);
    }

    #[test]
    fn where_nothing_was_counted_nothing_is_told() {
        let first = totals((10, 5_000), (3, 700));
        assert_eq!(first.agreement(&first), []);
        assert_eq!(Totals::default().agreement(&first), []);
    }

    #[test]
    fn a_disk_whose_counters_went_back_is_another_and_is_left_out() {
        let first = totals((10, 5_000), (30, 700));
        let now = totals((20, 5_010), (40, 10));
        assert_eq!(now.agreement(&first), [("context_switches", 1.0)]);
    }
}
