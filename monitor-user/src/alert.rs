//! An alert: what a rule found, since when, and why. Plain data: [`crate::rules`] makes it, the outputs read it.

use std::{collections::BTreeMap, sync::Arc};

use monitor_common::indexed_enum;
use serde::{Deserialize, Serialize};

use crate::evidence::Evidence;

indexed_enum! {
    /// Where an alert is in its life.
    #[derive(Serialize, Deserialize, schemars::JsonSchema)]
    #[serde(rename_all = "snake_case")]
    pub enum State {
        /// The rule holds, but not for long enough.
        Pending = "pending",
        /// Somebody has to be told.
        Firing = "firing",
        /// It fired, and is over.
        Resolved = "resolved",
        /// It was pending, and came to nothing: nobody was told.
        Dropped = "dropped",
    }
}

indexed_enum! {
    /// How bad it is.
    #[derive(Serialize, Deserialize, schemars::JsonSchema)]
    #[serde(rename_all = "snake_case")]
    pub enum Severity {
        /// For the record.
        Info = "info",
        /// To be looked at by day.
        Warning = "warning",
        /// To be looked at now.
        Critical = "critical",
    }
}

/// One alert at one moment of its life. Each change of state gives another, with the same `id`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Alert {
    /// Names this life of the alert: from its labels and the time at which it began to be pending. Sixteen hexadecimal digits.
    pub id: String,
    /// The rule's name, the label `alertname`.
    pub rule: String,
    /// Its identity, `alertname` and `severity` among them. No values, no times.
    pub labels: BTreeMap<String, String>,
    /// Words for people: `summary`, `description` and what the evidence adds.
    pub annotations: BTreeMap<String, String>,
    /// How bad it is.
    pub severity: Severity,
    /// Where it is in its life.
    pub state: State,
    /// When the rule began to hold, in nanoseconds since 1970.
    pub pending_ns: u64,
    /// When it fired.
    pub fired_ns: Option<u64>,
    /// When it was over.
    pub resolved_ns: Option<u64>,
    /// The signal's value at the latest change of state.
    pub value: f64,
    /// What it was compared with.
    pub threshold: f64,
    /// What was known when it began to be pending.
    pub pending_evidence: Option<Arc<Evidence>>,
    /// What was known when it fired.
    pub firing_evidence: Option<Arc<Evidence>>,
}

impl Alert {
    /// When it came into its present state, in nanoseconds since 1970, as far as its times tell.
    pub fn changed_ns(&self) -> u64 {
        let known = match self.state {
            State::Pending => None,
            State::Firing => self.fired_ns,
            State::Resolved | State::Dropped => self.resolved_ns.or(self.fired_ns),
        };
        known.unwrap_or(self.pending_ns)
    }

    /// The label set as one number, the same that Alertmanager gives it: 64 bits of FNV-1a over the names and values in
    /// the order of the names, each followed by the byte 255 (Prometheus' `common/model/signature.go`).
    pub fn fingerprint(&self) -> u64 {
        let labels = self.labels.iter().filter(|(_, value)| !value.is_empty());
        let parts = labels.flat_map(|(name, value)| [name, value]);
        parts
            .flat_map(|part| part.bytes().chain([255]))
            .fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
    }
}
