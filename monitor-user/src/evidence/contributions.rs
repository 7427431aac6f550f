//! P of one signal, and what adds up to P - 1: by node, by device, by operation, by size, and by device and operation.
//!
//! In: an [`Index`]. Out: [`IndexEvidence`], whose lists add up exactly: every contribution is a whole multiple of one power
//! of two (see [`super::exact`]), so rows and `other` in any order give `p - 1` to the last bit. For that P itself is rounded,
//! by less than a billionth.

use std::collections::BTreeMap;

use monitor_common::block::{Operation, SizeClass};
use serde::{Deserialize, Serialize};

use super::{
    exact::{grid, on_grid},
    names,
};
use crate::index::{Contribution, Index, Mode, Signal, Standing, Verdict};

/// Rows in each list; the rest is in `other`.
pub const ROWS: usize = 8;

/// P of one signal in the mode in force.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct IndexEvidence {
    /// What is judged.
    pub signal: Signal,
    /// Against what.
    pub mode: Mode,
    /// P, F, S and N; absent if no node has a verdict.
    pub verdict: Option<Verdict>,
    /// How the first node stands: why there is no verdict. Absent if no node was heard.
    pub standing: Option<Standing>,
    /// Mean time over all nodes with a verdict in seconds.
    pub mean_seconds: Option<f64>,
    /// What it usually is, in seconds.
    pub expected_seconds: Option<f64>,
    /// Each node's part in P - 1, as all lists largest first.
    pub by_node: Shares,
    /// Each device's; for waits there is one row, as in the lists after it.
    pub by_device: Shares,
    /// Each operation's.
    pub by_operation: Shares,
    /// Each size class's.
    pub by_size: Shares,
    /// Each pair of device and operation: `sda write`.
    pub by_request: Shares,
}

/// Parts that add up to P - 1. Empty without a verdict.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Shares {
    /// The largest, in either direction.
    pub rows: Vec<Share>,
    /// All others, and what no part explains.
    pub other: Option<Share>,
}

/// A part of P - 1.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Share {
    /// Whose.
    pub name: String,
    /// Requests or waits in the window.
    pub requests: u64,
    /// Their times added up, in seconds.
    pub seconds: f64,
    /// What they usually take, in seconds.
    pub expected_seconds: f64,
    /// What it adds to P - 1: negative if it was faster than usual.
    pub contribution: f64,
}

impl Shares {
    /// The rows, and the others last.
    pub fn iter(&self) -> impl Iterator<Item = &Share> {
        self.rows.iter().chain(&self.other)
    }
}

impl Share {
    /// Mean time of one in seconds.
    pub fn mean(&self) -> Option<f64> {
        (self.requests > 0).then(|| self.seconds / self.requests as f64)
    }

    /// What one usually takes, in seconds.
    pub fn expected_mean(&self) -> Option<f64> {
        (self.requests > 0).then(|| self.expected_seconds / self.requests as f64)
    }

    fn add(&mut self, requests: u64, seconds: f64, expected_seconds: f64, contribution: f64) {
        self.requests = self.requests.saturating_add(requests);
        self.seconds += seconds;
        self.expected_seconds += expected_seconds;
        self.contribution += contribution;
    }
}

/// The indices of every signal in the mode in force, in the order of the signals. Where that mode has no index the first of
/// another is taken, but never the self-test, which says nothing.
pub fn gather(indices: &[Index], mode: Mode) -> Vec<IndexEvidence> {
    let of = |&signal: &Signal| {
        let of_signal = || indices.iter().filter(|index| index.signal == signal);
        of_signal().find(|i| i.mode == mode).or_else(|| of_signal().find(|i| i.mode != Mode::InstantMean))
    };
    Signal::ALL.iter().filter_map(of).map(explain).collect()
}

fn explain(index: &Index) -> IndexEvidence {
    let mut out = IndexEvidence {
        signal: index.signal,
        mode: index.mode,
        verdict: None,
        standing: index.nodes.first().map(|node| node.standing),
        mean_seconds: None,
        expected_seconds: None,
        by_node: Shares::default(),
        by_device: Shares::default(),
        by_operation: Shares::default(),
        by_size: Shares::default(),
        by_request: Shares::default(),
    };
    let Some(verdict) = index.verdict.filter(|verdict| verdict.p.is_finite()) else {
        return out;
    };
    let judged = || index.nodes.iter().filter(|node| node.contribution.is_some());
    let parts: Vec<&Contribution> = judged().flat_map(|node| &node.parts).collect();
    let contributions = judged().filter_map(|node| node.contribution).chain(parts.iter().map(|part| part.contribution));
    // A group adds up many parts, so it may be larger than each of them.
    let largest = contributions.map(f64::abs).filter(|c| c.is_finite()).sum::<f64>().max((verdict.p - 1.0).abs());
    let grid = grid(largest);
    let total = on_grid(verdict.p - 1.0, grid);
    out.verdict = Some(Verdict { p: 1.0 + total, ..verdict });

    let mut nodes = BTreeMap::<String, Share>::new();
    let (mut requests, mut seconds, mut expected) = (0u64, 0.0, 0.0);
    for node in judged() {
        let spent = |mean: Option<f64>| mean.unwrap_or(0.0) * node.requests as f64;
        let (its, usual) = (spent(node.mean_seconds), spent(node.expected_seconds));
        (requests, seconds, expected) = (requests.saturating_add(node.requests), seconds + its, expected + usual);
        let share = nodes.entry(node.node.clone()).or_default();
        share.add(node.requests, its, usual, node.contribution.unwrap_or(0.0));
    }
    out.by_node = shares(nodes, total, grid);
    if requests > 0 {
        (out.mean_seconds, out.expected_seconds) = (Some(seconds / requests as f64), Some(expected / requests as f64));
    }
    let by = |name: &dyn Fn(&Contribution) -> String| {
        let mut groups = BTreeMap::<String, Share>::new();
        for part in &parts {
            let share = groups.entry(name(part)).or_default();
            share.add(part.load.requests, part.load.seconds, part.expected_seconds, part.contribution);
        }
        shares(groups, total, grid)
    };
    let waits = index.signal == Signal::RunQueue;
    let or_wait = |name: &dyn Fn(&Contribution) -> String, part: &Contribution| {
        if waits { "wait for a CPU".to_owned() } else { name(part) }
    };
    let device = |part: &Contribution| part.part.device.clone();
    let operation = |part: &Contribution| operation(part.part.stratum.operation);
    out.by_device = by(&|part| or_wait(&device, part));
    out.by_operation = by(&|part| or_wait(&operation, part));
    out.by_size = by(&|part| or_wait(&|part| size(part.part.stratum.size), part));
    out.by_request = by(&|part| or_wait(&|part| request(&device(part), &operation(part)), part));
    out
}

/// The name of a pair of device and operation in [`IndexEvidence::by_request`].
pub fn request(device: &str, operation: &str) -> String {
    format!("{device} {operation}")
}

/// Why there is no verdict.
pub fn because(standing: Standing) -> &'static str {
    match standing {
        Standing::Judged => "there is a verdict",
        Standing::Idle => "there was nothing to judge",
        Standing::TooFew => "there were too few requests for a verdict",
        Standing::Learning => "what is usual is still being learned",
        Standing::NoPeers => "there are too few nodes to compare with",
        Standing::Refused => "what was reported cannot be",
    }
}

fn operation(index: u8) -> String {
    Operation::ALL.get(usize::from(index)).map_or_else(|| format!("operation_{index}"), |known| known.name().into())
}

fn size(index: u8) -> String {
    match SizeClass::ALL.get(usize::from(index)) {
        Some(SizeClass::Empty) => "no data".into(),
        Some(SizeClass::Larger) => "above 256KiB".into(),
        Some(known) => format!("up to {}", known.name()),
        None => format!("size_{index}"),
    }
}

/// The largest groups, the others in one, all on the grid and adding up to `total`.
fn shares(groups: BTreeMap<String, Share>, total: f64, grid: f64) -> Shares {
    let mut rows: Vec<Share> =
        groups.into_iter().map(|(name, share)| Share { name: names::name(&name), ..share }).collect();
    // Equals stay in the order of their names.
    rows.sort_by(|a, b| b.contribution.abs().total_cmp(&a.contribution.abs()));
    let rest = rows.split_off(rows.len().min(ROWS));
    rows.iter_mut().for_each(|row| row.contribution = on_grid(row.contribution, grid));
    let left = total - rows.iter().map(|row| row.contribution).sum::<f64>();
    let mut other = Share { name: "other".into(), contribution: left, ..Share::default() };
    rest.iter().for_each(|share| other.add(share.requests, share.seconds, share.expected_seconds, 0.0));
    // With every group in a row, what is left is what rounding left: no part has to answer for it.
    let dust = grid * (rows.len() + 1) as f64 + 1e-9 * total.abs();
    let shown = !rest.is_empty() || left.abs() > dust || rows.is_empty();
    if !shown && let Some(first) = rows.first_mut() {
        first.contribution += left;
    }
    rows.sort_by(|a, b| b.contribution.total_cmp(&a.contribution));
    Shares { rows, other: shown.then_some(other) }
}
