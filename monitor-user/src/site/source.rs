//! What is asked of the server: its memory for now, its database for the past.
//!
//! Calls may block, on a lock or on the database; the routes make them on threads that may.

use std::sync::Arc;

use super::model::{Fleet, IndexPoint, Node, NodeDetail};
use crate::{
    alert::Alert,
    index::{Mode, Signal},
    report::wire::Report,
    store::{After, AlertFilter},
};

/// Why something of the past cannot be read now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the database cannot be read: {0}")]
pub struct Unreadable(pub String);

/// A part of the past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Its beginning, in nanoseconds since 1970; left out.
    pub from_ns: u64,
    /// Its end; included.
    pub to_ns: u64,
    /// The length of one step in nanoseconds, at least one second. Answers hold a value for each step, about.
    pub step_ns: u64,
}

impl Span {
    /// How many steps it has, at least one.
    pub fn steps(&self) -> u64 {
        self.length_ns().div_ceil(self.step_ns.max(1)).max(1)
    }

    /// Its length.
    pub fn length_ns(&self) -> u64 {
        self.to_ns.saturating_sub(self.from_ns)
    }

    /// The step that a moment lies in; none outside.
    pub fn step_of(&self, at_ns: u64) -> Option<u64> {
        (at_ns > self.from_ns && at_ns <= self.to_ns).then(|| (at_ns - self.from_ns - 1) / self.step_ns.max(1))
    }

    /// Where a step ends.
    pub fn end_of(&self, step: u64) -> u64 {
        self.from_ns.saturating_add((step + 1).saturating_mul(self.step_ns)).min(self.to_ns)
    }
}

/// A part of the list of alerts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AlertPage {
    /// Those that began last first.
    pub items: Vec<Arc<Alert>>,
    /// Where to go on; absent at the end.
    pub next: Option<After>,
}

/// What the pages and the API are made from.
pub trait Source: Send + Sync + 'static {
    /// The time, in nanoseconds since 1970.
    fn now_ns(&self) -> u64;
    /// The fleet at the latest judgement.
    fn fleet(&self) -> Fleet;
    /// Every node that is known, in any order.
    fn nodes(&self) -> Vec<Node>;
    /// One node in full; none if there is no such node.
    fn node(&self, name: &str) -> Option<NodeDetail>;
    /// Alerts that are pending or fire, from memory.
    fn active_alerts(&self) -> Vec<Arc<Alert>>;
    /// Alerts in all states, those that began last first.
    ///
    /// # Errors
    ///
    /// If the past cannot be read.
    fn alerts(&self, filter: &AlertFilter, after: Option<&After>, limit: usize) -> Result<AlertPage, Unreadable>;
    /// One alert with its evidence; none if there is no such alert.
    ///
    /// # Errors
    ///
    /// If the past cannot be read.
    fn alert(&self, id: &str) -> Result<Option<Arc<Alert>>, Unreadable>;
    /// P over time: at most one point for each step, in order.
    ///
    /// # Errors
    ///
    /// If the past cannot be read.
    fn index_series(&self, signal: Signal, mode: Option<Mode>, span: Span) -> Result<Vec<IndexPoint>, Unreadable>;
    /// The reports of a node in their order, those of each step of the span added up.
    ///
    /// # Errors
    ///
    /// If the past cannot be read.
    fn reports(&self, node: &str, span: Span) -> Result<Vec<Report>, Unreadable>;
}
