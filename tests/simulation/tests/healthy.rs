//! Fleets in which nothing is wrong: how high P gets, and for how long.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    num::NonZero,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use simulation::{
    FOR_INTERVALS, THRESHOLD,
    fleet::{Effect, Fleet, Heard, USUAL, WINDOW},
    index::Mode,
};

/// What a node of a healthy fleet does: node, of how many, in which interval.
type Life = fn(usize, usize, usize) -> Effect;

/// Everything that may happen to a fleet without anything being slower than it was.
const HEALTHY: &[(&str, Life)] = &[
    ("steady load", |_, _, _| USUAL),
    ("half on disks ten times slower", |node, nodes, _| Effect { rotational: node < nodes / 2, ..USUAL }),
    ("an idle node", |node, _, _| if node == 0 { USUAL.times(0.0) } else { USUAL }),
    ("hardly any load", |_, _, _| USUAL.times(0.045)),
    ("the mix of requests changes", |node, _, step| match (step + 37 * node) / 300 % 3 {
        0 => USUAL,
        1 => Effect { requests: [0.1, 1.0, 6.0, 0.0], ..USUAL },
        // Requests of a kind that was never seen, most of the time spent in them.
        _ => Effect { requests: [1.0, 3.0, 0.2, 2.0], ..USUAL },
    }),
    ("load comes and goes", |node, _, step| USUAL.times(1.0 + 0.9 * (step as f64 / 300.0 + node as f64).sin())),
    ("nodes restart, vanish, return, report garbage", |node, _, step| {
        let heard = match (step / 5 + 7 * node) % 40 {
            0..=3 => Heard::Nothing,
            5 => Heard::Garbage,
            _ => Heard::Everything,
        };
        Effect { heard, ..USUAL }
    }),
];

/// The thresholds that are compared.
const THRESHOLDS: [f64; 6] = [1.25, 1.5, THRESHOLD, 2.0, 2.5, 4.0];
/// Intervals for which they must hold: 30 s, and one to five minutes.
#[cfg(feature = "survey")]
const FOR: [usize; 6] = [3, 6, 12, FOR_INTERVALS, 24, 30];

/// The longest row of windows above each of the thresholds.
fn longest_rows(nodes: usize, windows: usize, seed: u64, life: Life) -> [usize; THRESHOLDS.len()] {
    let mut fleet = Fleet::new(nodes, seed);
    let (mut rows, mut longest) = ([0; THRESHOLDS.len()], [0; THRESHOLDS.len()]);
    let mut judged = 0;
    // A minute of them passes until anything is known: with many nodes that is soon.
    let learning = if nodes < 100 { 70 } else { 15 };
    fleet.learning.time = std::time::Duration::from_secs(10 * (learning - WINDOW as u64 - 1));
    for step in 0..windows + learning as usize {
        fleet.step(|node| life(node, nodes, step), false);
        let Some(verdict) = fleet.verdict(Mode::Trailing) else { continue };
        judged += 1;
        for (n, threshold) in THRESHOLDS.into_iter().enumerate() {
            rows[n] = if verdict.p > threshold { rows[n] + 1 } else { 0 };
            longest[n] = longest[n].max(rows[n]);
        }
    }
    assert!(judged > windows / 3 || nodes == 1, "{nodes} nodes: {judged} verdicts");
    longest
}

/// A rule with `for` fires when it has held in one window more than that many intervals are. One life on each CPU.
fn no_alert(nodes: usize, windows: usize) {
    let at = THRESHOLDS.iter().position(|threshold| *threshold == THRESHOLD).unwrap();
    let next = AtomicUsize::new(0);
    let live = || {
        while let Some((n, (name, life))) = HEALTHY.iter().enumerate().nth(next.fetch_add(1, Ordering::Relaxed)) {
            let longest = longest_rows(nodes, windows, (1_000 * nodes + n) as u64, *life);
            println!("N = {nodes}, {name}: {longest:?} windows in a row above {THRESHOLDS:?}");
            assert!(longest[at] <= FOR_INTERVALS, "N = {nodes}, {name}: {longest:?}");
        }
    };
    let workers = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| (0..workers).for_each(|_| drop(scope.spawn(live))));
}

#[test]
fn no_healthy_node_alone_raises_an_alert_in_10_000_windows() {
    no_alert(1, 10_000);
}

#[test]
fn no_healthy_fleet_of_3_raises_an_alert_in_10_000_windows() {
    no_alert(3, 10_000);
}

#[test]
fn no_healthy_fleet_of_10_raises_an_alert_in_10_000_windows() {
    no_alert(10, 10_000);
}

#[test]
fn no_healthy_fleet_of_100_raises_an_alert_in_10_000_windows() {
    no_alert(100, 10_000);
}

#[test]
fn no_healthy_fleet_of_1_000_raises_an_alert_in_10_000_windows() {
    no_alert(1_000, 10_000);
}

/// How often each threshold and `for` would have been wrong: the figures in `docs/INDEX.md`. No test, but a survey.
#[cfg(feature = "survey")]
#[test]
fn survey_of_healthy_fleets() {
    const RUNS: u64 = 100;
    for nodes in [1, 3] {
        for (name, life) in HEALTHY {
            let mut wrong = [[0; FOR.len()]; THRESHOLDS.len()];
            for seed in 0..RUNS {
                for (n, row) in longest_rows(nodes, 10_000, 77 + seed, *life).into_iter().enumerate() {
                    wrong[n].iter_mut().zip(FOR).for_each(|(wrong, intervals)| *wrong += u32::from(row > intervals));
                }
            }
            println!("N = {nodes}, {name}: of {RUNS} runs of 10,000 windows so many had an alert");
            for (threshold, wrong) in THRESHOLDS.into_iter().zip(wrong) {
                println!("  P > {threshold}: {wrong:?} for {FOR:?} intervals");
            }
        }
    }
}
