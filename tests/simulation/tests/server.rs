//! The same fleets through a server: what it finds in the reports of their nodes is what the index says of the fleets themselves.
//!
//! A report has whole nanoseconds, and a simulated load any number of seconds: so figures agree to a millionth.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::time::Duration;

use bytes::Bytes;
use kpulse::{
    fleet::{
        Limits, Now, Registry,
        indices::Indices,
        window::{self, Span},
    },
    index::{self as served, baseline},
    report::wire,
};
use simulation::{
    fleet::{Effect, Fleet, USUAL, WINDOW},
    index::{Load, Mode, Signal, Stratum},
    scenarios::{SCENARIOS, Scenario},
};

const S: u64 = 1_000_000_000;
const EPOCH: u64 = 1_700_000_000 * S;
const SPAN: Span = Span { interval: Duration::from_secs(10), window: Duration::from_secs(10 * WINDOW as u64) };

/// A fleet, and a server that hears of it.
struct Both {
    fleet: Fleet,
    registry: Registry,
    indices: Indices,
    step: u64,
}

impl Both {
    fn new(nodes: usize, intervals: u64) -> Self {
        let mut fleet = Fleet::new(nodes, 4);
        fleet.learning.time = Duration::from_secs(10 * (intervals - WINDOW as u64 - 1));
        let learning = baseline::Learning { time: fleet.learning.time, ..baseline::Learning::default() };
        let options = served::Options { min_requests: fleet.options.min_requests };
        let (down_after, forget_after) = (Duration::from_secs(30), Duration::from_secs(3600));
        let registry = Registry::new(Limits { nodes, down_after, forget_after });
        let indices = Indices::new(served::Mode::Pinned, options, learning, baseline::Baselines::default());
        Self { fleet, registry, indices, step: 0 }
    }

    fn step(&mut self, effect: impl Fn(usize) -> Effect, firing: bool) -> Vec<served::Index> {
        self.fleet.step(effect, firing);
        self.step += 1;
        let now_ns = EPOCH + 10 * self.step * S;
        let now = Now { steady_ns: now_ns, wall_ns: now_ns };
        for (name, loads) in self.fleet.latest() {
            let sender = wire::Sender { node: name.into(), boot_id: "boot".into(), instance: 1, ..Default::default() };
            let report = report(self.step, now_ns, &loads);
            assert_eq!(self.registry.admit(&sender, [&report].into_iter(), 0, now).unwrap(), [Ok(())]);
            self.registry.stored(&sender, [(report, Bytes::new())].into_iter(), None, now_ns, now);
        }
        let window = window::turn(&self.registry, SPAN, now, &Default::default());
        let interval = baseline::Interval { seconds: 10.0, end_ns: 10 * self.step * S };
        self.indices.learn(&window.left, interval, if firing { &[served::Signal::Block] } else { &[] });
        self.indices.of(&window)
    }
}

fn report(sequence: u64, end_ns: u64, loads: &[(Stratum, Load)]) -> wire::Report {
    let device = |(stratum, load): &(Stratum, Load)| {
        let class = match stratum.class {
            kpulse::host::Class::Rotational => wire::Class::Rotational,
            _ => wire::Class::Nvme,
        };
        let device_ns = (load.seconds * 1e9).round() as u64;
        let size = wire::Size { size: stratum.size.into(), timed: load.requests, device_ns, ..Default::default() };
        let operation =
            wire::Operation { operation: stratum.operation.into(), sizes: vec![size], ..Default::default() };
        wire::Device { name: "disk".into(), class: class.into(), operations: vec![operation], ..Default::default() }
    };
    let block = wire::Block { devices: loads.iter().map(device).collect(), ..Default::default() };
    wire::Report { sequence, end_ns, length_ns: 10 * S, block: Some(block), ..Default::default() }
}

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-6 * a.abs().max(b.abs())
}

fn check(nodes: usize, scenario: &Scenario) {
    let intervals = if nodes < 100 { 90 } else { 20 };
    let mut both = Both::new(nodes, intervals);
    let effect = |node| (scenario.effect)(node, nodes);
    let turns = scenario.name.contains("disks 10 times slower");
    for _ in 0..intervals {
        both.step(|node| if turns { effect(node) } else { USUAL }, false);
    }
    both.fleet.baselines.pin(Signal::Block, 1).unwrap();
    both.indices.baselines.pin(served::Signal::Block, 1).unwrap();
    for _ in 0..2 {
        let found = (0..WINDOW).map(|_| both.step(effect, true)).last().unwrap();
        for &mode in Mode::ALL {
            let expected = both.fleet.index(mode);
            let say = || format!("N = {nodes}, {}, {mode:?}", scenario.name);
            let Some(index) = found.iter().find(|index| index.mode.name() == mode.name()) else {
                assert_eq!(expected.verdict, None, "{}", say());
                continue;
            };
            assert_eq!(index.verdict.map(|a| a.nodes), expected.verdict.map(|b| b.nodes), "{}", say());
            for (a, b) in index.verdict.iter().zip(&expected.verdict) {
                let same = near(a.p, b.p) && near(a.shift, b.shift) && near(a.unevenness, b.unevenness);
                assert!(same, "{}: {a:?} {b:?}", say());
            }
            // A node that reports what cannot be is one that is not heard; the index has it, and leaves it out.
            for node in &index.nodes {
                let other = expected.nodes.iter().find(|other| other.node == node.node).unwrap();
                assert_eq!(format!("{:?}", node.standing), format!("{:?}", other.standing), "{}", say());
                assert_eq!(node.requests, other.requests, "{}", say());
                assert!(node.ratio.iter().zip(&other.ratio).all(|(a, b)| near(*a, *b)), "{}", say());
            }
        }
    }
}

#[test]
fn a_server_says_of_every_scenario_what_the_index_says() {
    for nodes in [1, 3, 10, 100] {
        SCENARIOS.iter().for_each(|scenario| check(nodes, scenario));
    }
}

#[test]
fn a_server_says_of_a_thousand_nodes_what_the_index_says() {
    SCENARIOS.iter().for_each(|scenario| check(1_000, scenario));
}
