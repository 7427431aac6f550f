//! What all nodes did in the window, and what has left it.
//!
//! In: the [`Registry`] and a time. Out: a [`Window`]. Each shard is locked once and for as long as its nodes take.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use super::{
    clock::Now,
    interval::{self, Done},
    node::{Node, NodeView, Standing},
    registry::Registry,
    totals::Totals,
};
use crate::{
    index::{Load, Observation, Part, Signal, Stratum},
    rules::{Fleet, FleetNode},
};

/// A machine that used a name of another is remembered for so long.
const CONFLICT_NS: u64 = 60_000_000_000;

/// The length of windows and intervals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// From one judgement to the next.
    pub interval: Duration,
    /// What is judged: several intervals.
    pub window: Duration,
}

impl Span {
    /// Intervals in a window.
    pub fn intervals(&self) -> usize {
        self.window.as_nanos().div_ceil(self.interval.as_nanos().max(1)).max(1) as usize
    }
}

/// See the module.
#[derive(Debug, Default)]
pub struct Window {
    /// Every node that is known, by name.
    pub nodes: Vec<NodeView>,
    /// What each node that is up did, by [`Signal`]: by name, those that measure it.
    pub done: [Vec<(Arc<str>, Observation)>; Signal::COUNT],
    /// What all nodes together did in the intervals that left the window, by [`Signal`]; those left out that are not as usual.
    pub left: [Observation; Signal::COUNT],
    /// For the rules.
    pub fleet: Fleet,
    /// Histograms of what came since the window before.
    pub totals: Totals,
    /// Names that were forgotten.
    pub forgotten: Vec<String>,
}

/// Moves every node on to the window that ends now. Nothing is learned of a node and a signal that are in `unusual`.
pub fn turn(registry: &Registry, span: Span, now: Now, unusual: &BTreeSet<(Signal, String)>) -> Window {
    let mut window = Window::default();
    let mut left: [BTreeMap<Stratum, Done>; Signal::COUNT] = Default::default();
    for mut shard in registry.shards() {
        window.forgotten.extend(registry.forget(&mut shard, now));
        window.totals.merge(&std::mem::take(&mut shard.totals));
        for (name, node) in &mut shard.nodes {
            let learned = Signal::ALL.iter().map(|signal| !unusual.contains(&(*signal, name.clone())));
            let learned: Vec<bool> = learned.collect();
            look_at(registry, node, span, now, &learned, &mut left, &mut window);
        }
    }
    window.left = left.map(|strata| {
        let part = |stratum| Part { device: String::new(), stratum };
        strata.into_iter().map(|(stratum, done)| (part(stratum), done.load())).collect::<BTreeMap<_, Load>>()
    });
    // One order, whatever the order of the shards.
    window.nodes.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    window.fleet.nodes.sort_unstable_by(|a, b| a.node.cmp(&b.node));
    window.done.iter_mut().for_each(|done| done.sort_unstable_by(|a, b| a.0.cmp(&b.0)));
    window
}

fn look_at(
    registry: &Registry,
    node: &mut Node,
    span: Span,
    now: Now,
    learned: &[bool],
    left: &mut [BTreeMap<Stratum, Done>; Signal::COUNT],
    window: &mut Window,
) {
    let length_ns = span.window.as_nanos() as u64;
    let begin_ns = now.steady_ns.saturating_sub(length_ns);
    let mut parts = Vec::new();
    node.turn(begin_ns, begin_ns.saturating_sub(length_ns), |interval| {
        for (&signal, left) in Signal::ALL.iter().zip(&mut *left).filter(|(signal, _)| learned[**signal as usize]) {
            parts.clear();
            interval.observe(signal, &mut parts);
            parts.iter().for_each(|(_, stratum, done)| left.entry(*stratum).or_default().add(*done));
        }
    });
    let standing = registry.standing(node, now);
    if standing == Standing::Up {
        for (&signal, done) in Signal::ALL.iter().zip(&mut window.done) {
            parts.clear();
            let known = node.window().fold(false, |known, interval| interval.observe(signal, &mut parts) | known);
            if known {
                done.push((node.name.clone(), interval::observation(&parts)));
            }
        }
    }
    let keep = span.intervals();
    let (refused, lost) = (node.refused.turn(keep), node.lost.turn(keep));
    let conflict = node.conflict_ns.is_some_and(|at_ns| now.steady_ns.saturating_sub(at_ns) <= CONFLICT_NS);
    let seconds = |ns: u64| ns as f64 / 1e9;
    let silent_ns = now.steady_ns.saturating_sub(node.heard_ns);
    let down = standing == Standing::Down;
    window.fleet.nodes.push(FleetNode {
        node: node.name.to_string(),
        silent_seconds: seconds(silent_ns),
        down_seconds: if down { seconds(silent_ns).max(f64::MIN_POSITIVE) } else { 0.0 },
        oldest_in_flight_seconds: (standing == Standing::Up).then(|| seconds(node.oldest_ns)),
        refused,
        lost,
        conflict,
    });
    window.nodes.push(NodeView {
        name: node.name.clone(),
        standing,
        heard_ns: now.wall_ns.saturating_sub(silent_ns),
        known_ns: now.wall_ns.saturating_sub(now.steady_ns.saturating_sub(node.known_ns)),
        interval_ns: node.interval_ns,
        behind_ns: node.behind_ns,
        metadata: node.metadata.clone(),
        alerts: node.alerts,
        refused: node.refused.total,
        lost: node.lost.total,
        conflict,
        glance: node.glance,
    });
}
