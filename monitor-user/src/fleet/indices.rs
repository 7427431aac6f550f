//! P over N: the indices of all nodes in every mode, from one fleet-wide baseline.
//!
//! In: a [`Window`] of the fleet. Out: an [`Index`] for each signal and mode. The modes that are told of in full (trailing and the one in
//! force) have every node with what its contribution is made of; the others have P, F and S only.

use super::window::Window;
use crate::index::{
    Index, Mode, Observation, Options, Signal, Stratum,
    baseline::{BaselineState, Baselines, Interval, Learning},
    index, verdict,
};

/// The scope of the fleet's baselines.
const FLEET: &str = "";

/// See the module.
#[derive(Clone, Debug)]
pub struct Indices {
    /// What the fleet has learned: to be kept, and to be changed by an operator.
    pub baselines: Baselines,
    mode: Mode,
    options: Options,
    learning: Learning,
}

impl Indices {
    /// With what was learned earlier. `mode` is the one in force.
    pub fn new(mode: Mode, options: Options, learning: Learning, baselines: Baselines) -> Self {
        Self { baselines, mode, options, learning }
    }

    /// The mode in force.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Learns from what has left the window. `firing`: the signals on which an alert of the whole fleet is firing.
    pub fn learn(&mut self, left: &[Observation; Signal::COUNT], interval: Interval, firing: &[Signal]) {
        for (&signal, done) in Signal::ALL.iter().zip(left).filter(|(_, done)| !done.is_empty()) {
            self.baselines.learn(signal, FLEET, done, interval, firing.contains(&signal), &self.learning);
        }
    }

    /// The indices of a window, in the order of [`Signal::ALL`] and [`Mode::ALL`]; of a signal that some node measures.
    pub fn of(&self, window: &Window) -> Vec<Index> {
        let mut out = Vec::with_capacity(Signal::COUNT * Mode::COUNT);
        for (&signal, done) in Signal::ALL.iter().zip(&window.done).filter(|(_, done)| !done.is_empty()) {
            let nodes: Vec<(&str, &Observation)> = done.iter().map(|(name, done)| (&**name, done)).collect();
            for &mode in Mode::ALL {
                let baseline = |_: &str, stratum: Stratum| self.baselines.mean(mode, signal, FLEET, stratum);
                out.push(match mode == Mode::Trailing || mode == self.mode {
                    true => index(signal, mode, &nodes, &baseline, &self.options),
                    false => {
                        let verdict = verdict(mode, &nodes, &baseline, &self.options);
                        Index { signal, mode, verdict, nodes: Vec::new() }
                    }
                });
            }
        }
        out
    }

    /// How the baselines are.
    pub fn states(&self) -> Vec<BaselineState> {
        self.baselines.states()
    }
}
