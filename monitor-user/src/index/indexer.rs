//! A node alone, N = 1: its baselines, and its indices in every mode.
//!
//! In: the window that is judged; later, when they have left it, the intervals it was made of. Out: an [`Index`] for each
//! signal whose probe is on, and mode.

use super::{
    Index, Mode, Options, Signal, Stratum,
    baseline::{BaselineState, Baselines, Interval, Learning},
    explain::index,
    observe::observe,
};
use crate::window::Window;

/// The scope of a node's own baselines.
const OWN: &str = "";

/// Judges one node by what it did before.
#[derive(Clone, Debug)]
pub struct Indexer {
    /// What it has learned: to be kept, and to be changed by an operator.
    pub baselines: Baselines,
    node: String,
    options: Options,
    learning: Learning,
}

impl Indexer {
    /// Of the node with this name, with what it learned earlier.
    pub fn new(node: String, options: Options, learning: Learning, baselines: Baselines) -> Self {
        Self { baselines, node, options, learning }
    }

    /// The indices of a window, in the order of [`Signal::ALL`] and [`Mode::ALL`]. Nothing is learned from it.
    pub fn indices(&self, window: &Window) -> Vec<Index> {
        let mut out = Vec::with_capacity(Signal::COUNT * Mode::COUNT);
        for &signal in Signal::ALL {
            let Some(done) = observe(signal, window) else { continue };
            for &mode in Mode::ALL {
                let baseline = |_: &str, stratum: Stratum| self.baselines.mean(mode, signal, OWN, stratum);
                out.push(index(signal, mode, &[(&self.node, &done)], &baseline, &self.options));
            }
        }
        out
    }

    /// Learns from an interval that has left the window that is judged. `firing`: the signals on which an alert is firing.
    pub fn learn(&mut self, interval: &Window, firing: &[Signal]) {
        let span = Interval { seconds: interval.seconds, end_ns: interval.end_realtime_ns };
        for &signal in Signal::ALL {
            if let Some(done) = observe(signal, interval) {
                self.baselines.learn(signal, OWN, &done, span, firing.contains(&signal), &self.learning);
            }
        }
    }

    /// How the baselines are.
    pub fn states(&self) -> Vec<BaselineState> {
        self.baselines.states()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        expose::testing,
        index::{Standing, baseline::State},
        window::Times,
    };

    /// A window of one second with a thousand waits of this length, ending at that second.
    fn waits(at: u64, mean: f64) -> Window {
        let mut window = testing::window();
        window.end_realtime_ns = at * 1_000_000_000;
        window.sched.as_mut().unwrap().wait = Some(Times { count: 1_000, sum: 1_000.0 * mean, ..Times::default() });
        window.block = None;
        window
    }

    fn trailing(indexer: &Indexer, window: &Window) -> Index {
        indexer.indices(window).swap_remove(Mode::Trailing as usize)
    }

    #[test]
    fn a_node_learns_before_it_judges_and_then_judges_by_what_it_learned() {
        let learning = Learning { time: Duration::from_secs(5), ..Learning::default() };
        let mut indexer = Indexer::new("one".into(), Options::default(), learning, Baselines::default());
        for second in 0..5 {
            let index = trailing(&indexer, &waits(second, 1e-3));
            assert_eq!((index.verdict, index.nodes[0].standing), (None, Standing::Learning));
            indexer.learn(&waits(second, 1e-3), &[]);
        }
        let index = trailing(&indexer, &waits(6, 3e-3));
        let node = &index.nodes[0];
        assert_eq!((index.signal, index.mode, &node.node[..]), (Signal::RunQueue, Mode::Trailing, "one"));
        assert!((index.verdict.unwrap().p - 3.0).abs() < 1e-12);
        assert!((node.contribution.unwrap() - 2.0).abs() < 1e-12);
        assert!((node.parts[0].contribution - 2.0).abs() < 1e-12);
    }

    #[test]
    fn what_fires_is_not_learned() {
        let learning = Learning { time: Duration::ZERO, ..Learning::default() };
        let mut indexer = Indexer::new("one".into(), Options::default(), learning, Baselines::default());
        indexer.learn(&waits(0, 1e-3), &[]);
        indexer.learn(&waits(1, 1.0), &[Signal::RunQueue]);
        assert_eq!(indexer.states()[0].state, State::Frozen);
        assert!((trailing(&indexer, &waits(2, 1e-3)).verdict.unwrap().p - 1.0).abs() < 1e-12);
        indexer.learn(&waits(3, 1e-3), &[Signal::Block]);
        assert_eq!(indexer.states()[0].state, State::Ready);
    }

    #[test]
    fn a_node_alone_has_no_peers_and_a_self_test() {
        let indexer = Indexer::new("one".into(), Options::default(), Learning::default(), Baselines::default());
        let window = Window { block: testing::window().block, ..waits(0, 1e-3) };
        let indices = indexer.indices(&window);
        let verdict = |signal, mode| indices.iter().find(|i| (i.signal, i.mode) == (signal, mode)).unwrap().verdict;
        assert_eq!(indices.len(), Signal::COUNT * Mode::COUNT);
        assert_eq!(verdict(Signal::RunQueue, Mode::InstantMean).unwrap().p, 1.0);
        for mode in [Mode::Pinned, Mode::FleetMedian, Mode::LeaveOneOut, Mode::RequestWeighted] {
            assert_eq!(verdict(Signal::RunQueue, mode), None);
        }
    }
}
