//! A fleet, a node and a list as plain data: what the API answers, what the pages show, what the command line prints.
//!
//! Times are in seconds, moments in nanoseconds since 1970, shares between 0 and 1. What is not known is absent.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    alert::{Alert, Severity, State},
    index::{Mode, Signal, Standing, Verdict},
    report::wire,
    window::{Times, Window},
};

/// How a node is heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    /// Its reports come.
    Reporting,
    /// Its reports come, but they are of the past.
    CatchingUp,
    /// No report has come for too long.
    Silent,
    /// Another machine has come with its name.
    Conflict,
}

impl Presence {
    /// All of them, in the order of their names' meaning.
    pub const ALL: &'static [Self] = &[Self::Reporting, Self::CatchingUp, Self::Silent, Self::Conflict];

    /// As users see it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Reporting => "reporting",
            Self::CatchingUp => "catching_up",
            Self::Silent => "silent",
            Self::Conflict => "conflict",
        }
    }
}

impl Presence {
    /// For people.
    pub fn words(self) -> &'static str {
        if self == Self::CatchingUp { "catching up" } else { self.name() }
    }
}

/// How a node stands in one index.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Judged {
    /// Whether it has a verdict, or why not.
    pub standing: Standing,
    /// r, how many times as long as usual its requests take; absent without a verdict.
    pub ratio: Option<f64>,
    /// What it adds to P - 1; absent without a verdict.
    pub contribution: Option<f64>,
    /// T, the mean time of its requests.
    pub mean_seconds: Option<f64>,
    /// What they usually take.
    pub expected_seconds: Option<f64>,
    /// How many there were in the window.
    pub requests: u64,
}

/// One node in a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// How it is heard.
    pub presence: Presence,
    /// When its latest report came, by the server's clock.
    pub heard_ns: u64,
    /// Its block requests.
    pub block: Option<Judged>,
    /// Its waits for a CPU.
    pub run_queue: Option<Judged>,
    /// Busy time over online time of its CPUs.
    pub utilization: Option<f64>,
    /// 99th percentile of its waits for a CPU, in seconds.
    pub wait_p99: Option<f64>,
    /// 99th percentile of its requests, in seconds.
    pub request_p99: Option<f64>,
    /// CPUs that are online.
    pub cpus: Option<u32>,
    /// All its memory in bytes.
    pub memory_bytes: Option<u64>,
    /// Its kernel's release.
    pub kernel: Option<String>,
    /// The version of its agent.
    pub agent_version: Option<String>,
    /// Alerts about it that fire, the server's and its own agent's.
    pub firing: u64,
}

impl Node {
    /// How it stands in the index of a signal.
    pub fn judged(&self, signal: Signal) -> Option<&Judged> {
        match signal {
            Signal::Block => self.block.as_ref(),
            Signal::RunQueue => self.run_queue.as_ref(),
        }
    }

    /// Its r.
    pub fn ratio(&self, signal: Signal) -> Option<f64> {
        self.judged(signal)?.ratio
    }
}

/// One node in full.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NodeDetail {
    /// As in a list.
    #[serde(flatten)]
    pub node: Node,
    /// The boot of its machine.
    pub boot_id: String,
    /// When its agent began.
    pub instance: u64,
    /// The number of the latest report of that agent.
    pub sequence: u64,
    /// Reports that its agent had to drop before they could be acknowledged.
    pub lost: u64,
    /// How long the machine has been up, in seconds.
    pub uptime_seconds: Option<u64>,
    /// Where its agent's own pages are.
    pub url: Option<String>,
    /// The last minute, as the rules see it.
    pub window: Option<Window>,
    /// What its agent used, and how well it measures.
    pub agent: Option<AgentUse>,
    /// Alerts about it that are pending or fire.
    pub alerts: Vec<AlertLine>,
}

/// What the agent of a node used in its latest interval.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AgentUse {
    /// CPU time of its process over the interval.
    pub cpu: Option<f64>,
    /// CPU time of its programs over the interval; absent while nobody times them.
    pub programs: Option<f64>,
    /// Resident memory in bytes.
    pub resident_bytes: Option<u64>,
    /// Memory of the programs' maps in bytes.
    pub map_bytes: Option<u64>,
    /// Our count over the kernel's own, by figure.
    pub agreement: BTreeMap<String, f64>,
    /// Probes that do not measure, or not all that they could, with the reason.
    pub impaired: BTreeMap<String, String>,
}

impl AgentUse {
    /// From the latest report of a node.
    pub fn of(own: &wire::Own, length_ns: u64) -> Self {
        let share = |ns: u64| (length_ns > 0).then(|| ns as f64 / length_ns as f64);
        let impaired = own.probes.iter().filter(|it| it.off || !it.reason.is_empty());
        Self {
            cpu: own.cpu_ns.and_then(share),
            programs: own.programs_ns.and_then(share),
            resident_bytes: own.resident_bytes,
            map_bytes: own.map_bytes,
            agreement: own.agreement.iter().map(|it| (it.figure.clone(), it.ratio)).collect(),
            impaired: impaired.map(|it| (it.probe.clone(), it.reason.clone())).collect(),
        }
    }
}

/// One alert in a list, without its evidence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AlertLine {
    /// Its evidence is at `/api/v1/alerts/{id}`; absent for an alert that a node's agent keeps itself.
    pub id: Option<String>,
    /// The rule's name.
    pub rule: String,
    /// The node it is about; absent if it is about the fleet.
    pub node: Option<String>,
    /// How bad it is.
    pub severity: Severity,
    /// Where it is in its life.
    pub state: State,
    /// What it says in one line.
    pub summary: String,
    /// Its identity.
    pub labels: BTreeMap<String, String>,
    /// When it began.
    pub pending_ns: u64,
    /// When it fired.
    pub fired_ns: Option<u64>,
    /// When it was over.
    pub resolved_ns: Option<u64>,
    /// The signal's value at the latest change of state; absent if only its agent knows.
    pub value: Option<f64>,
    /// What it was compared with.
    pub threshold: Option<f64>,
}

impl From<&Alert> for AlertLine {
    fn from(alert: &Alert) -> Self {
        Self {
            id: Some(alert.id.clone()),
            rule: alert.rule.clone(),
            node: alert.labels.get("node").cloned(),
            severity: alert.severity,
            state: alert.state,
            summary: alert.annotations.get("summary").cloned().unwrap_or_default(),
            labels: alert.labels.clone(),
            pending_ns: alert.pending_ns,
            fired_ns: alert.fired_ns,
            resolved_ns: alert.resolved_ns,
            value: Some(alert.value),
            threshold: Some(alert.threshold),
        }
    }
}

impl AlertLine {
    /// An alert that the agent of `node` has found by itself, as its report tells it.
    pub fn of_agent(node: &str, alert: &wire::ActiveAlert) -> Self {
        let severity = Severity::ALL.get(alert.severity as usize).copied().unwrap_or(Severity::Warning);
        Self {
            id: None,
            rule: alert.rule.clone(),
            node: Some(node.into()),
            severity,
            state: if alert.firing { State::Firing } else { State::Pending },
            summary: alert.summary.clone(),
            labels: BTreeMap::from([("alertname".into(), alert.rule.clone()), ("node".into(), node.into())]),
            pending_ns: alert.since_ns,
            fired_ns: alert.firing.then_some(alert.since_ns),
            resolved_ns: None,
            value: None,
            threshold: None,
        }
    }

    /// Whether it is pending or fires.
    pub fn is_active(&self) -> bool {
        matches!(self.state, State::Pending | State::Firing)
    }
}

/// The whole fleet at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Fleet {
    /// When it was judged.
    pub at_ns: u64,
    /// Nodes by presence, by its name.
    pub nodes: BTreeMap<String, u64>,
    /// P of each signal in each mode.
    pub indices: Vec<IndexNow>,
    /// Block requests of all nodes in the window.
    pub request: Option<Times>,
    /// Waits for a CPU of all nodes in the window.
    pub wait: Option<Times>,
}

impl Fleet {
    /// P of a signal in the mode in force, which comes first.
    pub fn index(&self, signal: Signal) -> Option<&IndexNow> {
        self.indices.iter().find(|index| index.signal == signal)
    }

    /// Nodes that are known.
    pub fn known(&self) -> u64 {
        self.nodes.values().sum()
    }
}

/// P of one signal in one mode.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct IndexNow {
    /// What is judged.
    pub signal: Signal,
    /// Against what.
    pub mode: Mode,
    /// P, F, S and N; absent if no node has a verdict.
    pub verdict: Option<Verdict>,
    /// Nodes by standing, by its name.
    pub standings: BTreeMap<String, u64>,
}

/// P of one signal at one moment of the past.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct IndexPoint {
    /// When it was judged.
    pub at_ns: u64,
    /// P, F, S and N.
    pub verdict: Verdict,
}

/// A part of the list of alerts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Alerts {
    /// The latest first.
    pub items: Vec<AlertLine>,
    /// What to give as `after` to go on; absent at the end.
    pub next: Option<String>,
}

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "PageOf{T}")]
pub struct Page<T> {
    /// The entries asked for.
    pub items: Vec<T>,
    /// How many there are in all.
    pub total: u64,
    /// How many come before the first of these.
    pub offset: u64,
    /// The offset that goes on after these; absent at the end.
    pub next: Option<u64>,
}

impl<T> Page<T> {
    /// The part of a whole list.
    pub fn of(all: impl ExactSizeIterator<Item = T>, offset: u64, limit: u64) -> Self {
        let total = all.len() as u64;
        let items: Vec<T> = all.skip(offset as usize).take(limit as usize).collect();
        let end = offset + items.len() as u64;
        Self { items, total, offset, next: (end < total).then_some(end) }
    }
}
