//! A fleet of nodes with disks, from interval to interval, judged in windows of six.
//!
//! The noise: each interval of a node has another number of requests; its times wander with a memory of some minutes, as they
//! do with what else a machine does; and the sum of n request times has the spread and the long tail of n independent
//! times with a standard deviation three times their mean.

use std::time::Duration;

use crate::{
    host::Class,
    index::{
        Index, Load, Mode, Observation, Options, Part, Signal, Stratum, Verdict,
        baseline::{Baselines, Interval, Learning},
        index, verdict,
    },
    random::Random,
};

/// Intervals in a window.
pub const WINDOW: usize = 6;
/// Requests of four kinds: operation, size, mean seconds on a good disk, requests in an interval.
const KINDS: [(u8, u8, f64, f64); 4] =
    [(0, 1, 100e-6, 400.0), (0, 3, 400e-6, 60.0), (1, 2, 2e-3, 60.0), (1, 4, 8e-3, 60.0)];
/// Variance of a request's time over its mean's square.
const REQUEST: f64 = 9.0;
/// Of the number of requests from one interval to the next.
const REQUESTS: f64 = 0.04;
/// Of a node's times as a whole, and how much of it lasts from one interval to the next.
const WANDER: f64 = 0.015;
const LASTS: f64 = 0.95;

/// What a node does and what befalls it in one interval.
#[derive(Clone, Copy, Debug)]
pub struct Effect {
    /// Its times are so many times as long.
    pub slow: f64,
    /// It does so many times its usual requests, by kind. Usually none are of the last.
    pub requests: [f64; KINDS.len()],
    /// Its disks turn, and are ten times as slow.
    pub rotational: bool,
    /// What is heard of it.
    pub heard: Heard,
}

/// What is heard of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// What it did.
    Everything,
    /// Nothing: it is away.
    Nothing,
    /// What no node can do.
    Garbage,
}

/// A node as it usually is.
pub const USUAL: Effect =
    Effect { slow: 1.0, requests: [1.0, 1.0, 1.0, 0.0], rotational: false, heard: Heard::Everything };

impl Effect {
    /// With so many times the requests.
    pub fn times(mut self, factor: f64) -> Self {
        self.requests = self.requests.map(|requests| requests * factor);
        self
    }

    /// So many times as slow.
    pub fn slow(mut self, factor: f64) -> Self {
        self.slow *= factor;
        self
    }
}

#[derive(Clone)]
struct Node {
    name: String,
    wander: f64,
    intervals: [[Load; KINDS.len()]; WINDOW],
    window: Observation,
    heard: Heard,
}

/// The nodes and the server's baselines of them.
#[derive(Clone)]
pub struct Fleet {
    /// What the fleet's requests usually take.
    pub baselines: Baselines,
    /// How they are learned.
    pub learning: Learning,
    /// What a verdict takes.
    pub options: Options,
    /// The length of an interval in seconds.
    pub interval_seconds: f64,
    random: Random,
    nodes: Vec<Node>,
    /// What all nodes did in the intervals of the window, for the baselines to learn when they leave it.
    totals: Vec<Observation>,
    step: u64,
}

impl Fleet {
    /// So many nodes that have learned nothing.
    pub fn new(nodes: usize, seed: u64) -> Self {
        let node = |n| Node {
            name: format!("node{n}"),
            wander: 0.0,
            intervals: Default::default(),
            window: Observation::new(),
            heard: Heard::Nothing,
        };
        Self {
            baselines: Baselines::default(),
            learning: Learning::default(),
            options: Options::default(),
            interval_seconds: 10.0,
            random: Random::new(seed),
            nodes: (0..nodes).map(node).collect(),
            totals: vec![Observation::new(); WINDOW],
            step: 0,
        }
    }

    /// One interval. `effect` says what each node does in it; `firing` keeps the baselines from learning.
    pub fn step(&mut self, effect: impl Fn(usize) -> Effect, firing: bool) {
        let slot = self.step as usize % WINDOW;
        let mut totals = [[Load::default(); KINDS.len()]; 2];
        for (n, node) in self.nodes.iter_mut().enumerate() {
            let effect = effect(n);
            node.wander = LASTS * node.wander + (WANDER * (1.0 - LASTS * LASTS)).sqrt() * self.random.normal();
            let disk = if effect.rotational { 10.0 } else { 1.0 };
            let slow = effect.slow * disk * node.wander.exp();
            for (kind, (_, _, mean, usual)) in KINDS.into_iter().enumerate() {
                let wanted = usual * effect.requests[kind];
                let mut load = Load::default();
                if wanted > 0.0 && effect.heard != Heard::Nothing {
                    load.requests = (wanted * self.random.factor(REQUESTS) + self.random.uniform()) as u64;
                }
                if load.requests > 0 {
                    let n = load.requests as f64;
                    load.seconds = n * mean * slow * self.random.factor(REQUEST / n);
                }
                node.intervals[slot][kind] = load;
                totals[usize::from(effect.rotational)][kind].add(load);
            }
            node.look(effect);
        }
        let done = [false, true].into_iter().flat_map(|rotational| {
            (0..KINDS.len()).map(move |kind| (part(kind, rotational), totals[usize::from(rotational)][kind]))
        });
        let left = std::mem::replace(&mut self.totals[slot], done.filter(|(_, load)| load.requests > 0).collect());
        self.step += 1;
        let end_ns = (self.step as f64 * self.interval_seconds * 1e9) as u64;
        let interval = Interval { seconds: self.interval_seconds, end_ns };
        self.baselines.learn(Signal::Block, "", &left, interval, firing, &self.learning);
    }

    /// What each node that is heard did in the latest window, by name.
    pub fn observations(&self) -> Vec<(&str, &Observation)> {
        let heard = self.nodes.iter().filter(|node| node.heard != Heard::Nothing);
        heard.map(|node| (&node.name[..], &node.window)).collect()
    }

    /// What each node that is heard did in the latest interval, by stratum.
    pub fn latest(&self) -> Vec<(&str, Vec<(Stratum, Load)>)> {
        let slot = (self.step as usize + WINDOW - 1) % WINDOW;
        let heard = self.nodes.iter().filter(|node| node.heard == Heard::Everything);
        let of = |node: &'_ Node| {
            let strata: Vec<Stratum> = node.window.keys().map(|part| part.stratum).collect();
            let loads = strata.into_iter().zip(node.intervals[slot]);
            loads.filter(|(_, load)| load.requests > 0).collect()
        };
        heard.map(|node| (&node.name[..], of(node))).collect()
    }

    /// P, F and S of the latest window.
    pub fn verdict(&self, mode: Mode) -> Option<Verdict> {
        let baseline = |_: &str, stratum: Stratum| self.baselines.mean(mode, Signal::Block, "", stratum);
        verdict(mode, &self.observations(), &baseline, &self.options)
    }

    /// The latest window in full.
    pub fn index(&self, mode: Mode) -> Index {
        let baseline = |_: &str, stratum: Stratum| self.baselines.mean(mode, Signal::Block, "", stratum);
        index(Signal::Block, mode, &self.observations(), &baseline, &self.options)
    }

    /// Lives for so many intervals, until everything is known, then pins it.
    ///
    /// # Panics
    ///
    /// If nobody does anything.
    pub fn settle(mut self, effect: impl Fn(usize) -> Effect, intervals: u64) -> Self {
        self.learning.time = Duration::from_secs(10 * (intervals - WINDOW as u64 - 1));
        for _ in 0..intervals {
            self.step(&effect, false);
        }
        self.baselines.pin(Signal::Block, 1).expect("it has learned something");
        self
    }
}

impl Node {
    /// Adds up the window anew.
    fn look(&mut self, effect: Effect) {
        if self.heard == Heard::Nothing && effect.heard != Heard::Nothing {
            // It begins anew: there is nothing from before.
            self.window = (0..KINDS.len()).map(|kind| (part(kind, effect.rotational), Load::default())).collect();
        }
        self.heard = effect.heard;
        for (kind, sum) in self.window.values_mut().enumerate() {
            *sum = Load::default();
            self.intervals.iter().for_each(|interval| sum.add(interval[kind]));
            if effect.heard == Heard::Garbage {
                sum.seconds = [f64::NAN, -1.0, f64::INFINITY, 1e18][kind];
            }
        }
    }
}

/// In the order of the kinds, as a map has them.
fn part(kind: usize, rotational: bool) -> Part {
    let (operation, size, ..) = KINDS[kind];
    let class = if rotational { Class::Rotational } else { Class::Nvme };
    Part { device: "disk".into(), stratum: Stratum { class, operation, size } }
}
