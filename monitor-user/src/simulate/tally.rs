//! What became of reports: each is made, and then stored, refused or lost.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use monitor_common::histogram::{BUCKETS, index};
use serde::Serialize;

use super::Progress;
use crate::histogram::Histogram;

/// The most that are named.
const NAMED: usize = 100;

/// A report that nobody said anything of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Lost {
    /// Whose.
    pub node: String,
    /// Which.
    pub sequence: u64,
}

/// On one thread, as the nodes are.
pub struct Tally {
    nodes: usize,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    all: Sum,
    latest: Sum,
    /// By node and sequence.
    open: BTreeSet<(String, u64)>,
    failing: Option<String>,
}

struct Sum {
    progress: Progress,
    times: Box<[u64; BUCKETS]>,
    sum_ns: u64,
}

impl Default for Sum {
    fn default() -> Self {
        Self { progress: Progress::default(), times: Box::new([0; BUCKETS]), sum_ns: 0 }
    }
}

impl Tally {
    /// Of so many nodes.
    pub fn new(nodes: usize) -> Self {
        Self { nodes, state: RefCell::default() }
    }

    fn each(&self, change: impl Fn(&mut Progress)) {
        let state = &mut *self.state.borrow_mut();
        change(&mut state.all.progress);
        change(&mut state.latest.progress);
    }

    /// A node has made a report.
    pub fn made(&self, node: &str, sequence: u64) {
        self.each(|progress| progress.made += 1);
        self.state.borrow_mut().open.insert((node.to_owned(), sequence));
    }

    /// A request with so many reports goes out.
    pub fn sent(&self, reports: usize, bytes: usize) {
        self.each(|progress| {
            progress.sent += reports as u64;
            progress.bytes += bytes as u64;
        });
    }

    /// The server has stored these.
    pub fn stored(&self, node: &str, sequences: &[u64], took: Duration) {
        self.each(|progress| progress.acknowledged += sequences.len() as u64);
        let state = &mut *self.state.borrow_mut();
        for &sequence in sequences {
            state.open.remove(&(node.to_owned(), sequence));
        }
        let ns = took.as_nanos() as u64;
        for sum in [&mut state.all, &mut state.latest] {
            sum.times[index(ns)] += 1;
            sum.sum_ns += ns;
        }
    }

    /// The server refused one for good.
    pub fn refused(&self, node: &str, sequence: u64, reason: &str) {
        self.each(|progress| *progress.refused.entry(reason.to_owned()).or_default() += 1);
        self.state.borrow_mut().open.remove(&(node.to_owned(), sequence));
    }

    /// A request came to nothing.
    pub fn failed(&self, why: String) {
        self.each(|progress| progress.failed += 1);
        self.state.borrow_mut().failing = Some(why);
    }

    /// Whether a report waits.
    pub fn is_busy(&self) -> bool {
        !self.state.borrow().open.is_empty()
    }

    /// Since the last call.
    pub fn since_last(&self, passed: Duration, cpu_ns: u64) -> Progress {
        let latest = std::mem::take(&mut self.state.borrow_mut().latest);
        self.finish(&latest, passed, cpu_ns)
    }

    /// Since the beginning.
    pub fn all(&self, passed: Duration, cpu_ns: u64) -> Progress {
        let all = std::mem::take(&mut self.state.borrow_mut().all);
        self.finish(&all, passed, cpu_ns)
    }

    fn finish(&self, sum: &Sum, passed: Duration, cpu_ns: u64) -> Progress {
        let state = self.state.borrow();
        let times = Histogram::from_buckets(&sum.times, sum.sum_ns);
        let seconds = passed.as_secs_f64().max(1e-9);
        Progress {
            nodes: self.nodes,
            seconds,
            in_flight: state.open.len() as u64,
            failing: state.failing.clone(),
            reports_per_second: sum.progress.acknowledged as f64 / seconds,
            ack_p50_seconds: times.quantile(0.5),
            ack_p99_seconds: times.quantile(0.99),
            ack_max_seconds: times.max(),
            cpu: cpu_ns as f64 / 1e9 / seconds,
            ..sum.progress.clone()
        }
    }

    /// What nobody said anything of: the first by name, and how many.
    pub fn lost(&self) -> (Vec<Lost>, u64) {
        let state = self.state.borrow();
        let named =
            state.open.iter().take(NAMED).map(|(node, sequence)| Lost { node: node.clone(), sequence: *sequence });
        (named.collect(), state.open.len() as u64)
    }
}

impl Progress {
    /// On one line.
    pub fn line(&self) -> String {
        let ms = |seconds: Option<f64>| seconds.map_or("-".into(), |seconds| format!("{:.1} ms", seconds * 1e3));
        let refused: BTreeMap<_, _> = self.refused.iter().collect();
        let mut line = format!(
            "sent {}, acknowledged {} ({:.0}/s), in flight {}, refused {}, failed {}, ack p50 {} p99 {} max {}, {:.1} MB, CPU {:.0} %",
            self.sent,
            self.acknowledged,
            self.reports_per_second,
            self.in_flight,
            refused.values().copied().sum::<u64>(),
            self.failed,
            ms(self.ack_p50_seconds),
            ms(self.ack_p99_seconds),
            ms(self.ack_max_seconds),
            self.bytes as f64 / 1e6,
            self.cpu * 100.0,
        );
        if !refused.is_empty() {
            line.push_str(&format!(", refused for {refused:?}"));
        }
        if let Some(why) = self.failing.as_ref().filter(|_| self.failed > 0) {
            line.push_str(&format!(", failing: {why}"));
        }
        line
    }
}
