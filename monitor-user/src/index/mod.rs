//! P, the performance index: how the times of a window compare with what the same requests usually take.
//!
//! In: a [`crate::window::Window`] of each node. Out: an [`Index`] for each signal and mode. Pure: no I/O, and the time is
//! an argument. `docs/INDEX.md` says what P means and what each mode sees.
//!
//! | module | what it is |
//! |---|---|
//! | `observe` | from a window to requests and seconds |
//! | `load` | requests and seconds, and whether they can be |
//! | `reference` | T_avg, in each mode |
//! | `judge` | r of each node, and P |
//! | `explain` | the index in full, with the contributions |
//! | [`baseline`] | what requests usually take, learned and pinned |
//! | `indexer` | a node alone: its baselines and its indices |
//! | [`metrics`] | all of it as metrics |
//!
//! The package `simulation` compiles the same files with `cfg(index_alone)`, without those that need windows and metrics, and with
//! optimisation always.

pub mod baseline;
mod explain;
#[cfg(not(index_alone))]
mod indexer;
mod judge;
mod load;
#[cfg(not(index_alone))]
pub mod metrics;
#[cfg(not(index_alone))]
mod observe;
mod reference;
#[cfg(all(test, not(index_alone)))]
pub(crate) mod testing;
#[cfg(all(test, not(index_alone)))]
mod tests;

use std::collections::BTreeMap;

use monitor_common::indexed_enum;
use serde::{Deserialize, Serialize};

pub use self::{
    explain::{index, verdict},
    load::merge,
    reference::{Baseline, MIN_PEERS},
};
#[cfg(not(index_alone))]
pub use self::{indexer::Indexer, observe::observe};
use crate::host::Class;

indexed_enum! {
    /// What is judged. Unlike seconds are never added, so each has an index of its own.
    #[derive(Serialize, Deserialize, schemars::JsonSchema)]
    #[serde(rename_all = "snake_case")]
    pub enum Signal {
        /// Block requests, from start to completion.
        Block = "block",
        /// Waits for a CPU.
        RunQueue = "run_queue",
    }
}

indexed_enum! {
    /// Where T_avg comes from.
    #[derive(Serialize, Deserialize, schemars::JsonSchema)]
    #[serde(rename_all = "kebab-case")]
    pub enum Mode {
        /// What the same mix of requests took until now, exponentially weighted. The default.
        Trailing = "trailing",
        /// A baseline that an operator has pinned.
        Pinned = "pinned",
        /// The median of the nodes' mean times in this window, by stratum.
        FleetMedian = "fleet-median",
        /// The mean of the mean times of all other nodes in this window, by stratum.
        LeaveOneOut = "leave-one-out",
        /// All seconds over all requests of all nodes in this window, by stratum.
        RequestWeighted = "request-weighted",
        /// The mean of the nodes' mean times in this window, as the formula reads literally: P is 1 for every input. A
        /// self-test.
        InstantMean = "instant-mean",
    }
}

/// Requests that are alike enough to be compared. Ordered, so that results have one order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Stratum {
    /// Of the device; [`Class::Unknown`] for waits.
    pub class: Class,
    /// The index of a [`monitor_common::block::Operation`]; 0 for waits.
    pub operation: u8,
    /// The index of a [`monitor_common::block::SizeClass`]; 0 for waits.
    pub size: u8,
}

/// Where requests went and what they were.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Part {
    /// The device's name; empty for waits.
    pub device: String,
    /// What they were.
    pub stratum: Stratum,
}

/// Requests and the time they took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Load {
    /// How many.
    pub requests: u64,
    /// All their times in seconds.
    pub seconds: f64,
}

/// What one node did in one window, by signal.
pub type Observation = BTreeMap<Part, Load>;

/// What an index asks of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Options {
    /// The fewest requests in a window that give a verdict.
    pub min_requests: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { min_requests: 100 }
    }
}

/// P of one signal in one mode over N nodes, with the parts that add up to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Index {
    /// What is judged.
    pub signal: Signal,
    /// Against what.
    pub mode: Mode,
    /// P and its factors; absent if no node has a verdict.
    pub verdict: Option<Verdict>,
    /// Each node that was heard in the window, by name.
    pub nodes: Vec<NodeIndex>,
}

/// P = F * S over the nodes with a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Verdict {
    /// P, the mean of the nodes' r.
    pub p: f64,
    /// F, the median of the nodes' r: how far the whole fleet has shifted.
    pub shift: f64,
    /// S = P / F: how uneven it is.
    pub unevenness: f64,
    /// N, the nodes with a verdict.
    pub nodes: u64,
}

/// One node's part in an index.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct NodeIndex {
    /// Its name.
    pub node: String,
    /// How it stands.
    pub standing: Standing,
    /// Requests in the window.
    pub requests: u64,
    /// T, their mean time in seconds; absent without any. With a verdict, of those that have a reference.
    pub mean_seconds: Option<f64>,
    /// T_avg, what they usually take on average, in seconds; absent without a verdict.
    pub expected_seconds: Option<f64>,
    /// r = T / T_avg; absent without a verdict.
    pub ratio: Option<f64>,
    /// c = (r - 1) / N; absent without a verdict. Over all nodes they add up to P - 1.
    pub contribution: Option<f64>,
    /// Requests without a reference: they are in neither T nor T_avg.
    #[serde(default)]
    pub left_out: Load,
    /// What the contribution is made of, largest first; they add up to it.
    pub parts: Vec<Contribution>,
}

/// Why a node has a verdict or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It has a verdict.
    Judged,
    /// It did nothing in the window, and leaves N.
    Idle,
    /// It did too little in the window for a verdict.
    TooFew,
    /// Its reference is not known yet.
    Learning,
    /// The mode compares nodes, and there are too few of them.
    NoPeers,
    /// It reported what cannot be, and leaves N.
    Refused,
}

/// What one kind of request on one device adds to P - 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Contribution {
    /// Which.
    pub part: Part,
    /// What it did.
    pub load: Load,
    /// What it would have taken at its reference, in seconds.
    pub expected_seconds: f64,
    /// Its share of the node's contribution.
    pub contribution: f64,
}
