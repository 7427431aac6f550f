//! Fleets to which something happens: what P, F, S and r say of it in each mode.

use super::fleet::{Effect, Fleet, Heard, USUAL, WINDOW};
use crate::index::Mode;

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
    /// Means of P, F and S over the windows.
    pub p: f64,
    pub shift: f64,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn near(value: f64, expected: f64, tolerance: f64) -> bool {
        (value / expected - 1.0).abs() <= tolerance
    }

    /// Windows, and how far their mean may be off for one node and for a mean over the nodes.
    fn care(nodes: usize) -> (usize, f64, f64) {
        match nodes {
            1 => (30, 0.15, 0.15),
            3 => (30, 0.2, 0.15),
            10 => (10, 0.25, 0.1),
            _ => (1, 0.6, 0.08),
        }
    }

    fn check(nodes: usize) {
        for scenario in SCENARIOS {
            let (windows, of_one, of_all) = care(nodes);
            let all = figures(&settled(nodes, scenario), |node| (scenario.effect)(node, nodes), windows);
            let (first, p, judged) = (scenario.trailing)(nodes);
            let say = || format!("N = {nodes}, {}: {all:#?}", scenario.name);
            for mode in [Mode::Trailing, Mode::Pinned] {
                let found = all[mode as usize];
                assert_eq!((found.nodes, found.first.is_some()), (judged, first.is_some()), "{}", say());
                if judged == 0 {
                    continue;
                }
                assert!(near(found.p, p, of_all), "{}", say());
                assert!(first.is_none_or(|first| near(found.first.unwrap(), first, of_one)), "{}", say());
            }
            let literal = all[Mode::InstantMean as usize];
            assert!(judged == 0 || near(literal.p, 1.0, 1e-12), "{}", say());
            factors(nodes, scenario.name, &all);
            peers(nodes, scenario.name, &all);
        }
    }

    /// P = F * S tells a slow node from a slow fleet.
    fn factors(nodes: usize, name: &str, all: &[Figures]) {
        let Figures { shift, unevenness, .. } = all[Mode::Trailing as usize];
        let (f, s) = match name {
            "all nodes twice slow" => (1.7..=2.3, 0.9..=1.15),
            // The median is one of the slow, but not the slowest of them.
            "60 % of the nodes 3 times slow" => (2.2..=3.5, 0.7..=1.0),
            _ if name.starts_with("one node") && nodes > 1 => {
                let uneven = 1.0 + 9.0 / nodes as f64;
                (0.8..=1.2, 0.8 * uneven..=1.2 * uneven)
            }
            _ => return,
        };
        assert!(f.contains(&shift) && s.contains(&unevenness), "N = {nodes}, {name}: {all:#?}");
    }

    /// The modes without a memory.
    fn peers(nodes: usize, name: &str, all: &[Figures]) {
        for mode in [Mode::FleetMedian, Mode::LeaveOneOut, Mode::RequestWeighted] {
            let found = all[mode as usize];
            let expected = match (name, mode) {
                _ if nodes < 3 => {
                    assert_eq!(found.nodes, 0, "N = {nodes}, {name}: {all:#?}");
                    continue;
                }
                // The slow ones are the most, and the measure: P falls.
                ("60 % of the nodes 3 times slow", Mode::FleetMedian) if nodes >= 10 => 0.85,
                // All are slow alike.
                ("nothing" | "all nodes twice slow", _) => 1.0,
                (_, Mode::FleetMedian) if name.starts_with("one node") => 1.0 + 9.0 / nodes as f64,
                // With the load of each alike this is the literal formula.
                ("one node 10 times slow at the same load", Mode::RequestWeighted) => 1.0,
                ("half the fleet on disks 10 times slower, healthy", _) if nodes >= 10 => 1.0,
                _ => continue,
            };
            assert!(near(found.p, expected, 0.15), "N = {nodes}, {name}, {mode:?}: {all:#?}");
        }
    }

    #[test]
    fn a_node_alone() {
        check(1);
    }

    #[test]
    fn a_fleet_of_3() {
        check(3);
    }

    #[test]
    fn a_fleet_of_10() {
        check(10);
    }

    #[test]
    fn a_fleet_of_100() {
        check(100);
    }

    #[test]
    fn a_fleet_of_1_000() {
        check(1_000);
    }

    #[test]
    fn a_creep_is_followed_by_trailing_and_seen_by_pinned() {
        for (nodes, intervals) in [(1, 216), (3, 216), (10, 216), (100, 216), (1_000, 60)] {
            let (all, slow) = creep(nodes, intervals);
            let p = |mode: Mode| all[mode as usize].p;
            let care = if nodes < 10 { 0.35 } else { 0.15 };
            assert!(near(p(Mode::Pinned), slow, care), "N = {nodes}, {slow}: {all:#?}");
            assert!(near(p(Mode::Trailing), 1.2, care), "N = {nodes}: {all:#?}");
            assert!(nodes < 3 || near(p(Mode::FleetMedian), 1.0, care), "N = {nodes}: {all:#?}");
        }
    }

    /// A kind that was never seen is most of what a node does: no verdict until its usual time is known, and then a healthy
    /// one.
    #[test]
    fn an_unknown_kind_of_request_gives_no_verdict_and_then_a_healthy_one() {
        for nodes in [1, 3, 10, 100, 1_000] {
            let mut fleet = settled(nodes, &SCENARIOS[0]);
            let effect = |_| Effect { requests: [0.5, 0.5, 0.5, 5.0], ..USUAL };
            let intervals = fleet.learning.time.as_secs() as usize / 10 + WINDOW;
            let mut judged = 0;
            for interval in 0..intervals + 20 {
                fleet.step(effect, false);
                let verdict = fleet.verdict(Mode::Trailing);
                judged += usize::from(verdict.is_some());
                assert!(verdict.is_none() || !(WINDOW..intervals - 1).contains(&interval), "{nodes} {interval}");
                assert!(verdict.is_none_or(|verdict| near(verdict.p, 1.0, 0.5)), "N = {nodes}: {verdict:?}");
            }
            assert!(judged >= 20, "N = {nodes}: {judged}");
        }
    }

    /// One window after its return nothing is left of the time in which it was away.
    #[test]
    fn a_node_that_returns_is_judged_by_what_it_does_now() {
        for nodes in [1, 3, 10, 100, 1_000] {
            let mut fleet = settled(nodes, &SCENARIOS[0]);
            let away = |heard| move |node| Effect { heard: if node == 0 { heard } else { Heard::Everything }, ..USUAL };
            for heard in [Heard::Nothing, Heard::Everything, Heard::Garbage, Heard::Everything] {
                (0..WINDOW).for_each(|_| fleet.step(away(heard), false));
                let verdict = fleet.verdict(Mode::Trailing);
                let expected = nodes - usize::from(heard != Heard::Everything);
                assert_eq!(verdict.map_or(0, |verdict| verdict.nodes as usize), expected, "{heard:?}");
                assert!(verdict.is_none_or(|verdict| near(verdict.p, 1.0, 0.6)), "N = {nodes}: {verdict:?}");
            }
        }
    }
}
