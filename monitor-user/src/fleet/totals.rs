//! The histograms of all nodes together: the true quantiles of the fleet, because all nodes have the same buckets.
//!
//! In: the reports of an interval, of any number of nodes. Out: their histograms, by what can be added up: all waits, and requests by
//! class of device and operation.

use std::collections::{BTreeMap, VecDeque};

use monitor_common::{
    block::Operation as Kind,
    histogram::{BUCKETS, OVERFLOW},
};

use super::interval::class;
use crate::{
    device::DeviceId,
    histogram::Histogram,
    host::Class,
    report::wire,
    window::{Block, Device, Operation, Sched, Source, Times, Window},
};

/// Counts of every bucket.
#[derive(Clone, Debug)]
pub struct Sum {
    counts: Box<[u64; BUCKETS]>,
    ns: u64,
}

impl Default for Sum {
    fn default() -> Self {
        Self { counts: Box::new([0; BUCKETS]), ns: 0 }
    }
}

impl Sum {
    /// Adds a histogram as it is told. What lies beyond the last bucket is counted there.
    pub fn add(&mut self, histogram: &wire::Histogram) {
        let mut at = 0usize;
        for (gap, count) in histogram.gaps.iter().zip(&histogram.counts) {
            at = at.saturating_add(*gap as usize).min(OVERFLOW);
            self.counts[at] = self.counts[at].saturating_add(*count);
        }
        self.ns = self.ns.saturating_add(histogram.sum_ns);
    }

    fn merge(&mut self, other: &Self) {
        self.counts.iter_mut().zip(other.counts.iter()).for_each(|(sum, count)| *sum = sum.saturating_add(*count));
        self.ns = self.ns.saturating_add(other.ns);
    }

    /// As readers have it.
    pub fn histogram(&self) -> Histogram {
        Histogram::from_buckets(&self.counts, self.ns)
    }
}

/// Everything in one interval.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// Waits for a CPU; absent if no node told any.
    pub waits: Option<Sum>,
    /// Requests from start to completion, by class and the index of an operation.
    pub requests: BTreeMap<(u8, u8), Sum>,
}

/// Classes in the order of their numbers here.
const CLASSES: [Class; 6] =
    [Class::Unknown, Class::Rotational, Class::Ssd, Class::Nvme, Class::Virtual, Class::Stacked];

impl Totals {
    /// Adds a report.
    pub fn add(&mut self, report: &wire::Report) {
        if let Some(wait) = report.sched.as_ref().and_then(|sched| sched.wait.as_ref()) {
            self.waits.get_or_insert_default().add(wait);
        }
        for device in report.block.iter().flat_map(|block| &block.devices) {
            let class = class(device.class());
            let number = CLASSES.iter().position(|known| *known == class).unwrap_or(0) as u8;
            for operation in &device.operations {
                let kind = u8::try_from(operation.operation).ok().filter(|kind| usize::from(*kind) < Kind::COUNT);
                if let (Some(kind), Some(total)) = (kind, &operation.total) {
                    self.requests.entry((number, kind)).or_default().add(total);
                }
            }
        }
    }

    /// Adds those of others.
    pub fn merge(&mut self, other: &Self) {
        if let Some(waits) = &other.waits {
            self.waits.get_or_insert_default().merge(waits);
        }
        for (key, sum) in &other.requests {
            self.requests.entry(*key).or_default().merge(sum);
        }
    }

    /// The requests as class, operation and histogram.
    pub fn requests(&self) -> impl Iterator<Item = (Class, Kind, Histogram)> + '_ {
        self.requests.iter().filter_map(|((class, kind), sum)| {
            Some((*CLASSES.get(usize::from(*class))?, *Kind::ALL.get(usize::from(*kind))?, sum.histogram()))
        })
    }
}

impl Totals {
    /// The fleet as if it were one node: its waits, and a device for each class with the requests of all disks of that class. So
    /// rules and evidence see the fleet's own quantiles.
    pub fn window(&self, end_realtime_ns: u64, seconds: f64) -> Window {
        let mut devices = BTreeMap::<u8, Device>::new();
        for ((class, kind), sum) in &self.requests {
            let (Some(&of), Some(kind)) = (CLASSES.get(usize::from(*class)), Kind::ALL.get(usize::from(*kind))) else {
                continue;
            };
            let histogram = sum.histogram();
            let requests = histogram.count();
            let device = devices.entry(*class).or_insert_with(|| Device {
                device: DeviceId { major: 0, minor: u32::from(*class) },
                name: format!("all {} disks", of.name()),
                class: of,
                source: Source::Requests,
                in_flight: 0,
                oldest: None,
                operations: Vec::new(),
            });
            device.operations.push(Operation {
                operation: kind.name().into(),
                requests,
                requests_per_second: requests as f64 / seconds,
                bytes_per_second: 0.0,
                mean_time: histogram.mean(),
                queue: None,
                device_time: None,
                total: Times::of(&histogram),
                errors: BTreeMap::new(),
                classes: Vec::new(),
            });
        }
        let waits = self.waits.as_ref().map(Sum::histogram);
        let sched = waits.map(|waits| Sched {
            utilization: None,
            switches_per_second: 0.0,
            preemptions_per_second: 0.0,
            wait: Times::of(&waits),
            cpus: Vec::new(),
            discards: 0,
            plain_waits: 0,
            plain_wait_seconds: 0.0,
        });
        let devices = devices.into_values().collect();
        let block = Block { mean_request_time: None, devices, discards: 0, resets: 0, coarse: false };
        Window { sched, block: (!block.devices.is_empty()).then_some(block), ..Window::empty(end_realtime_ns, seconds) }
    }
}

/// The totals of a window's intervals.
#[derive(Debug, Default)]
pub struct Ring {
    intervals: VecDeque<Totals>,
}

impl Ring {
    /// Takes up an interval; the window has `keep` of them. Returns the totals of the window.
    pub fn turn(&mut self, interval: Totals, keep: usize) -> Totals {
        self.intervals.push_back(interval);
        self.intervals.drain(..self.intervals.len().saturating_sub(keep));
        let mut sum = Totals::default();
        self.intervals.iter().for_each(|interval| sum.merge(interval));
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_all_times_together_and_not_the_mean_of_the_nodes() {
        let wait = |bucket: u32, count: u64| wire::Report {
            sched: Some(wire::Sched {
                wait: Some(wire::Histogram { sum_ns: count, gaps: vec![bucket], counts: vec![count] }),
                ..wire::Sched::default()
            }),
            ..wire::Report::default()
        };
        let mut ring = Ring::default();
        let mut interval = Totals::default();
        interval.add(&wait(40, 990));
        interval.add(&wait(120, 10));
        let p99 = |totals: &Totals, q| totals.waits.as_ref().unwrap().histogram().quantile(q).unwrap();
        let totals = ring.turn(interval, 2);
        let of = |bucket| {
            let mut alone = Totals::default();
            alone.add(&wait(bucket, 1));
            p99(&alone, 1.0)
        };
        assert_eq!((p99(&totals, 0.99), p99(&totals, 1.0)), (of(40), of(120)));
        assert_eq!(ring.turn(Totals::default(), 2).waits.unwrap().histogram().count(), 1000);
        assert!(ring.turn(Totals::default(), 2).waits.is_none());
    }

    #[test]
    fn a_bucket_that_does_not_exist_is_the_last() {
        let mut sum = Sum::default();
        sum.add(&wire::Histogram { sum_ns: 1, gaps: vec![5, u32::MAX, u32::MAX], counts: vec![1, 2, u64::MAX] });
        assert_eq!(sum.histogram().iter().collect::<Vec<_>>(), [(5, 1), (OVERFLOW, u64::MAX)]);
    }
}
