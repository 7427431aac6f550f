//! Fleets to which something happens: what P, F, S and r say of it in each mode.

use crate::{
    fleet::{Effect, Fleet, Heard, USUAL, WINDOW},
    index::Mode,
};

/// Something that happens to a fleet that has lived as usual.
pub struct Scenario {
    /// In a few words, for the table in `docs/INDEX.md`.
    pub name: &'static str,
    /// What each node does: node, of how many.
    pub effect: fn(usize, usize) -> Effect,
    /// What the trailing mode must say with that many nodes: r of the first node if it has a verdict, P, and N.
    pub trailing: fn(usize) -> (Option<f64>, f64, usize),
}

/// Those of one slow node among n: P = 1 + 9 / n.
fn one_of(n: usize) -> (Option<f64>, f64, usize) {
    (Some(10.0), 1.0 + 9.0 / n as f64, n)
}

fn healthy(n: usize) -> (Option<f64>, f64, usize) {
    (Some(1.0), 1.0, n)
}

/// The first node has no verdict.
fn without_the_first(n: usize) -> (Option<f64>, f64, usize) {
    (None, 1.0, n - 1)
}

fn half_turns(node: usize, nodes: usize) -> Effect {
    Effect { rotational: node < nodes / 2, ..USUAL }
}

fn are_slow(node: usize, nodes: usize) -> bool {
    node * 10 < nodes * 6
}

/// All but the creep and the unknown kinds, which take time.
pub const SCENARIOS: &[Scenario] = &[
    Scenario { name: "nothing", effect: |_, _| USUAL, trailing: healthy },
    Scenario {
        name: "one node 10 times slow at the same load",
        effect: |node, _| if node == 0 { USUAL.slow(10.0) } else { USUAL },
        trailing: one_of,
    },
    Scenario {
        name: "one node 10 times slow, its load moved away",
        effect: |node, nodes| match node {
            0 => USUAL.slow(10.0).times(0.2),
            _ => USUAL.times(1.0 + 0.8 / (nodes - 1) as f64),
        },
        trailing: one_of,
    },
    Scenario {
        name: "one node 10 times slow because it has 3 times the load",
        effect: |node, _| if node == 0 { USUAL.slow(10.0).times(3.0) } else { USUAL },
        trailing: one_of,
    },
    Scenario { name: "all nodes twice slow", effect: |_, _| USUAL.slow(2.0), trailing: |n| (Some(2.0), 2.0, n) },
    Scenario {
        name: "60 % of the nodes 3 times slow",
        effect: |node, nodes| if are_slow(node, nodes) { USUAL.slow(3.0) } else { USUAL },
        trailing: |n| {
            let slow = (0..n).filter(|node| are_slow(*node, n)).count();
            (Some(3.0), 1.0 + 2.0 * slow as f64 / n as f64, n)
        },
    },
    Scenario { name: "half the fleet on disks 10 times slower, healthy", effect: half_turns, trailing: healthy },
    Scenario {
        name: "an idle node",
        effect: |node, _| if node == 0 { USUAL.times(0.0) } else { USUAL },
        trailing: without_the_first,
    },
    Scenario {
        name: "the mix of requests changes on half of the nodes",
        effect: |node, nodes| match node * 2 < nodes {
            true => Effect { requests: [0.1, 1.0, 6.0, 0.0], ..USUAL },
            false => USUAL,
        },
        trailing: healthy,
    },
    Scenario {
        name: "a node vanished",
        effect: |node, _| Effect { heard: if node == 0 { Heard::Nothing } else { Heard::Everything }, ..USUAL },
        trailing: without_the_first,
    },
    Scenario {
        name: "a node reports garbage",
        effect: |node, _| Effect { heard: if node == 0 { Heard::Garbage } else { Heard::Everything }, ..USUAL },
        trailing: without_the_first,
    },
];

/// What one mode says.
#[derive(Clone, Copy, Debug, Default)]
pub struct Figures {
    /// Mean of P over the windows.
    pub p: f64,
    /// Mean of F.
    pub shift: f64,
    /// Mean of S.
    pub unevenness: f64,
    /// Mean of r of the first node; absent without a verdict.
    pub first: Option<f64>,
    /// N in the latest window; 0 without a verdict.
    pub nodes: usize,
}

/// What each mode says of a scenario in windows that lie wholly in it and do not overlap.
pub fn figures(settled: &Fleet, effect: impl Fn(usize) -> Effect, windows: usize) -> [Figures; Mode::COUNT] {
    let mut fleet = settled.clone();
    let mut all = [Figures::default(); Mode::COUNT];
    for _ in 0..windows {
        (0..WINDOW).for_each(|_| fleet.step(&effect, true));
        for (figures, &mode) in all.iter_mut().zip(Mode::ALL) {
            let index = fleet.index(mode);
            let share = |value: f64| value / windows as f64;
            figures.nodes = index.verdict.map_or(0, |verdict| verdict.nodes as usize);
            if let Some(verdict) = index.verdict {
                figures.p += share(verdict.p);
                figures.shift += share(verdict.shift);
                figures.unevenness += share(verdict.unevenness);
            }
            let first = index.nodes.iter().find(|node| node.node == "node0").and_then(|node| node.ratio);
            if let Some(ratio) = first {
                *figures.first.get_or_insert(0.0) += share(ratio);
            }
        }
    }
    all
}

/// A fleet of that many nodes that has lived as `scenario` wants it.
pub fn settled(nodes: usize, scenario: &Scenario) -> Fleet {
    let turns = scenario.name.contains("disks 10 times slower");
    // With many nodes as many requests come in less time.
    let intervals = if nodes < 100 { 90 } else { 20 };
    Fleet::new(nodes, 4).settle(|node| if turns { half_turns(node, nodes) } else { USUAL }, intervals)
}

/// A creep: times double in six half-lives of the baseline. What trailing and pinned say at its end, how many times as slow
/// everything is by then, and what the others say.
pub fn creep(nodes: usize, intervals: usize) -> ([Figures; Mode::COUNT], f64) {
    const HALF_LIFE: f64 = 24.0;
    let mut fleet = Fleet::new(nodes, 5).settle(|_| USUAL, if nodes < 100 { 200 } else { 20 });
    fleet.learning.half_life = std::time::Duration::from_secs_f64(HALF_LIFE * fleet.interval_seconds);
    let slow = |interval: usize| (interval as f64 / (6.0 * HALF_LIFE)).exp2();
    for interval in 0..intervals - WINDOW {
        fleet.step(|_| USUAL.slow(slow(interval)), false);
    }
    // The last window has the creep's middle.
    let last = slow(intervals - WINDOW / 2);
    (figures(&fleet, |_| USUAL.slow(last), 1), last)
}
