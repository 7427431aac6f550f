//! What a metric is. One definition gives everything: the exposition, the reference in `docs/METRICS.md` and its test.
//!
//! In: a [`View`], which is a snapshot with its CPUs, devices and interfaces as the budget of series lets them be seen.
//! Out: series, through [`Series`]. The probes hold the definitions, [`crate::expose`] walks them.
//!
//! The rules for names and buckets are those of the Prometheus documentation ("Metric and label naming", "Exposition
//! formats").

use std::borrow::Cow;

use monitor_common::histogram::{MIN_EXPONENT, PER_POWER};
use prometheus::proto;

use crate::{
    histogram::Histogram,
    host::{Disk, Diskstats, Filesystem, Network},
    sample::{Class, Cpu},
    status::Snapshot,
};

/// The type of a metric, as Prometheus knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, but for a restart.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Times by length, in seconds, with the buckets of [`Series::histogram`].
    Histogram,
}

impl Kind {
    /// A family of this type with these series.
    pub fn family(self, name: &str, help: &str, series: Vec<proto::Metric>) -> proto::MetricFamily {
        let mut family = proto::MetricFamily::default();
        family.set_name(name.to_owned());
        family.set_help(help.to_owned());
        family.set_field_type(match self {
            Self::Counter => proto::MetricType::COUNTER,
            Self::Gauge => proto::MetricType::GAUGE,
            Self::Histogram => proto::MetricType::HISTOGRAM,
        });
        family.set_metric(series);
        family
    }
}

/// The definition of one metric.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// The full name.
    pub name: &'static str,
    /// The type.
    pub kind: Kind,
    /// What it says, with the unit.
    pub help: &'static str,
    /// Names of the labels, in the order in which [`Self::collect`] gives their values.
    pub labels: &'static [&'static str],
    /// Takes the series out of a view.
    pub collect: fn(&View, &mut Series),
}

/// The label value that holds what has no series of its own.
pub const OTHER: &str = "other";

/// A snapshot within the budget of series: what is not listed by itself is added up in [`OTHER`].
#[derive(Debug)]
pub struct View<'a> {
    /// Where everything comes from.
    pub snapshot: &'a Snapshot,
    /// CPUs; empty without the scheduler probe.
    pub cpus: Vec<CpuView<'a>>,
    /// Devices and operations.
    pub requests: Vec<RequestsView<'a>>,
    /// Requests by kind, over all devices.
    pub kinds: Vec<KindView>,
    /// Requests in flight, by device.
    pub in_flight: Vec<InFlightView<'a>>,
    /// Network interfaces by name.
    pub networks: Vec<(&'a str, Cow<'a, Network>)>,
    /// Filesystems.
    pub filesystems: Vec<&'a Filesystem>,
    /// Disks.
    pub disks: Vec<&'a Disk>,
    /// The kernel's counters of the disks that the tracepoints do not see, by name.
    pub diskstats: Vec<(&'a str, Cow<'a, Diskstats>)>,
    /// Figures of the exposition itself.
    pub exposition: ExpositionView,
}

/// CPUs under one label.
#[derive(Debug)]
pub struct CpuView<'a> {
    /// The CPU's number.
    pub label: Cow<'a, str>,
    /// How many of them are online.
    pub online: u64,
    /// The counters.
    pub cpu: Cow<'a, Cpu>,
}

/// Requests under one device and operation.
#[derive(Debug)]
pub struct RequestsView<'a> {
    /// The device's name.
    pub device: &'a str,
    /// The name of the operation.
    pub operation: &'static str,
    /// By size class: its name and the figures.
    pub classes: Vec<(&'static str, Class)>,
    /// By the name of an error.
    pub errors: Vec<(&'static str, u64)>,
    /// Queue time, device time and total; absent is what is in [`OTHER`].
    pub times: [Option<Cow<'a, Histogram>>; 3],
}

/// Requests whose times are known, of one device class, operation and size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KindView {
    /// The name of the class.
    pub class: &'static str,
    /// The name of the operation.
    pub operation: &'static str,
    /// The name of the size class.
    pub size: &'static str,
    /// How many.
    pub requests: u64,
    /// Their times from start to completion in nanoseconds.
    pub time_ns: u64,
}

/// What is in flight under one device label.
#[derive(Debug)]
pub struct InFlightView<'a> {
    /// The device's name.
    pub device: &'a str,
    /// How many requests.
    pub requests: u64,
    /// Age of the oldest in nanoseconds; 0 if there is none.
    pub oldest_ns: u64,
}

/// Figures of the exposition itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct ExpositionView {
    /// Scrapes answered so far.
    pub scrapes: u64,
    /// Series collected so far in this scrape.
    pub series: usize,
    /// The most there may be.
    pub limit: usize,
    /// Series left out of this scrape.
    pub dropped: usize,
}

/// The classic buckets: from 2^-20 s (0.95 µs)...
const FIRST_EXPONENT: i32 = -20;
/// ...to 2^5 s (32 s), and `+Inf`.
const LAST_EXPONENT: i32 = 5;
const CLASSIC: usize = (LAST_EXPONENT - FIRST_EXPONENT + 1) as usize;
/// Series of one histogram: its buckets with `+Inf`, the sum and the count.
pub const HISTOGRAM_SERIES: usize = CLASSIC + 3;

/// Takes up the series of one metric, no more than the limit allows.
#[derive(Debug)]
pub struct Series<'a> {
    name: &'static str,
    kind: Kind,
    labels: &'a [&'static str],
    out: Vec<proto::Metric>,
    left: usize,
    dropped: usize,
}

impl<'a> Series<'a> {
    /// For `metric`, with at most `left` series.
    pub fn new(metric: &'a Metric, left: usize) -> Self {
        Self::of(metric.name, metric.kind, metric.labels, left)
    }

    /// For a metric of that name, kind and labels.
    pub fn of(name: &'static str, kind: Kind, labels: &'a [&'static str], left: usize) -> Self {
        Self { name, kind, labels, out: Vec::new(), left, dropped: 0 }
    }

    /// One series of a counter or a gauge. Label values in the order of [`Metric::labels`].
    pub fn value(&mut self, labels: &[&str], value: f64) {
        if !self.admit(1) {
            return;
        }
        let mut metric = proto::Metric::from_label(self.label_pairs(labels));
        match self.kind {
            Kind::Counter => {
                let mut counter = proto::Counter::default();
                counter.set_value(value);
                metric.set_counter(counter);
            }
            Kind::Gauge | Kind::Histogram => {
                let mut gauge = proto::Gauge::default();
                gauge.set_value(value);
                metric.set_gauge(gauge);
            }
        }
        self.out.push(metric);
    }

    /// A histogram as classic buckets: `le` at the powers of two from 2^-20 s to 2^5 s. They are bounds of the one
    /// histogram too, so the counts are exact.
    pub fn histogram(&mut self, labels: &[&str], histogram: &Histogram) {
        if !self.admit(HISTOGRAM_SERIES) {
            return;
        }
        let buckets = classic(histogram)
            .into_iter()
            .zip(FIRST_EXPONENT..)
            .map(|(count, exponent)| {
                let mut bucket = proto::Bucket::default();
                bucket.set_cumulative_count(count);
                bucket.set_upper_bound(2f64.powi(exponent));
                bucket
            })
            .collect();
        let mut out = proto::Histogram::default();
        out.set_bucket(buckets);
        out.set_sample_count(histogram.count());
        out.set_sample_sum(seconds(histogram.sum_ns()));
        let mut metric = proto::Metric::from_label(self.label_pairs(labels));
        metric.set_histogram(out);
        self.out.push(metric);
    }

    /// The series, how many they are, and how many the limit kept out.
    pub fn finish(self, limit: usize) -> (Vec<proto::Metric>, usize, usize) {
        (self.out, limit - self.left, self.dropped)
    }

    fn admit(&mut self, series: usize) -> bool {
        let fits = self.left >= series;
        if fits {
            self.left -= series;
        } else {
            self.dropped += series;
        }
        fits
    }

    fn label_pairs(&self, values: &[&str]) -> Vec<proto::LabelPair> {
        debug_assert_eq!(values.len(), self.labels.len(), "{}", self.name);
        let pair = |(&name, &value): (&&str, &&str)| {
            let mut pair = proto::LabelPair::default();
            pair.set_name(name.to_owned());
            pair.set_value(value.to_owned());
            pair
        };
        self.labels.iter().zip(values).map(pair).collect()
    }
}

/// Nanoseconds as seconds.
pub fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

pub(crate) fn classic(histogram: &Histogram) -> [u64; CLASSIC] {
    const FIRST: usize = (FIRST_EXPONENT - MIN_EXPONENT) as usize * PER_POWER;
    let mut counts = [0; CLASSIC];
    for (bucket, count) in histogram.iter() {
        if let Some(sum) = counts.get_mut(bucket.saturating_sub(FIRST).div_ceil(PER_POWER)) {
            *sum += count;
        }
    }
    let mut sum = 0;
    counts.map(|count| {
        sum += count;
        sum
    })
}

#[cfg(test)]
mod tests {
    use monitor_common::histogram::{BOUNDS, BUCKETS, index};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_classic_bucket_counts_every_time_up_to_its_bound(times in prop::collection::vec((any::<u64>(), 0u32..64), 0..50)) {
            let mut buckets = [0; BUCKETS];
            let times: Vec<u64> = times.into_iter().map(|(ns, shift)| ns >> shift).collect();
            times.iter().for_each(|&ns| buckets[index(ns)] += 1);
            let counts = classic(&Histogram::from_buckets(&buckets, 0));
            for (count, exponent) in counts.into_iter().zip(FIRST_EXPONENT..) {
                let bound = (2f64.powi(exponent) * 1e9) as u64;
                let expected = times.iter().filter(|&&ns| ns <= bound).count() as u64;
                prop_assert_eq!(count, expected, "le 2^{}", exponent);
            }
        }
    }

    #[test]
    fn the_classic_bounds_are_bounds_of_the_one_histogram() {
        for exponent in FIRST_EXPONENT..=LAST_EXPONENT {
            let bound = BOUNDS[(exponent - MIN_EXPONENT) as usize * PER_POWER];
            assert_eq!(bound, (2f64.powi(exponent) * 1e9) as u64, "2^{exponent}");
        }
    }
}
