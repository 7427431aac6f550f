//! The baselines of one signal in one scope, and how they are.

use monitor_common::indexed_enum;
use serde::{Deserialize, Serialize};

use super::Usual;
use crate::index::{Signal, Stratum};

/// The baselines of one signal in one scope.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Book {
    /// Of what.
    pub signal: Signal,
    /// Whose.
    pub scope: String,
    /// By stratum, in its order. Those that were never seen are not there.
    pub strata: Vec<Usual>,
    /// For how long an alert has been firing without a break, in seconds of the intervals.
    pub frozen_seconds: f64,
    /// Whether it learns nothing now.
    pub frozen: bool,
    /// Since when there is a pinned baseline, in nanoseconds since 1970.
    pub pinned_ns: Option<u64>,
    /// Intervals that were refused because no node could have done what they say.
    pub refused: u64,
}

indexed_enum! {
    /// What a baseline does.
    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    pub enum State {
        /// It does not know enough for a verdict.
        Learning = "learning",
        /// It is a reference, and follows.
        Ready = "ready",
        /// It is a reference, and stands still while an alert is firing.
        Frozen = "frozen",
    }
}

/// How a baseline is: what outputs show of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BaselineState {
    /// Of what.
    pub signal: Signal,
    /// Whose.
    pub scope: String,
    /// What it does.
    pub state: State,
    /// Strata that are known.
    pub known: u64,
    /// Strata that are not yet.
    pub learning: u64,
    /// Since when there is a pinned baseline, in nanoseconds since 1970.
    pub pinned_ns: Option<u64>,
    /// Intervals that were refused.
    pub refused: u64,
}

impl Book {
    pub(super) fn new(signal: Signal, scope: &str) -> Self {
        Self {
            signal,
            scope: scope.to_owned(),
            strata: Vec::new(),
            frozen_seconds: 0.0,
            frozen: false,
            pinned_ns: None,
            refused: 0,
        }
    }

    /// How it is.
    pub fn state(&self) -> BaselineState {
        let known = self.strata.iter().filter(|usual| usual.learned).count() as u64;
        BaselineState {
            signal: self.signal,
            scope: self.scope.clone(),
            state: match known {
                0 => State::Learning,
                _ if self.frozen => State::Frozen,
                _ => State::Ready,
            },
            known,
            learning: self.strata.len() as u64 - known,
            pinned_ns: self.pinned_ns,
            refused: self.refused,
        }
    }

    pub(super) fn find(&self, stratum: Stratum) -> Result<usize, usize> {
        self.strata.binary_search_by_key(&stratum, |usual| usual.stratum)
    }

    pub(super) fn stratum(&mut self, stratum: Stratum) -> &mut Usual {
        let at = self.find(stratum).unwrap_or_else(|at| {
            self.strata.insert(at, Usual::new(stratum));
            at
        });
        &mut self.strata[at]
    }
}
