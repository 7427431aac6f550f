//! One alert from its first window to its last.
//!
//! In: how its rule's conditions stand in each window, and the time since the one before. Out: its state. Times that decide
//! (`for`, `keep_firing_for`) are added up from the steady clock; the wall clock is only shown.

use std::collections::BTreeMap;

use super::judgement::Truth;
use crate::{
    alert::{Alert, State},
    rules::{rule::Rule, template::Fill},
};

/// For how long a pending alert may go without being seen: longer, and it is dropped.
pub(super) const UNSEEN_NS: u64 = 5 * 60 * 1_000_000_000;

/// An alert that is pending or fires, or has just ceased to.
#[derive(Clone, Debug)]
pub(super) struct Life {
    pub id: String,
    pub labels: BTreeMap<String, String>,
    pub state: State,
    /// What others know of it; absent: nothing.
    pub told: Option<State>,
    pub pending_ns: u64,
    pub fired_ns: Option<u64>,
    pub resolved_ns: Option<u64>,
    /// The latest value.
    pub value: f64,
    /// The latest value for which the rule held.
    pub held_value: f64,
    /// For how long the rule has held. Not known in the first window after a restart.
    held_for_ns: Option<u64>,
    /// For how long it has been over.
    over_for_ns: Option<u64>,
    /// For how long nobody has known.
    unknown_for_ns: Option<u64>,
    /// The signal without a value; empty while all have one.
    unknown: &'static str,
    /// Why it ended, if not because the rule no longer holds.
    pub reason: Option<String>,
}

/// One window in the life of an alert.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub truth: Truth,
    /// NaN is none.
    pub value: f64,
    /// The signal without a value, if that is why nobody knows.
    pub unknown: &'static str,
    /// Since the window before, on the steady clock.
    pub elapsed_ns: u64,
    pub now_realtime_ns: u64,
}

impl Life {
    /// Begins with a window in which the rule holds.
    pub fn begin(rule: &Rule, labels: BTreeMap<String, String>, step: &Step) -> Self {
        let pending_ns = step.now_realtime_ns;
        let mut life = Self {
            id: id(&labels, pending_ns),
            labels,
            state: State::Pending,
            told: None,
            pending_ns,
            fired_ns: None,
            resolved_ns: None,
            value: step.value,
            held_value: step.value,
            held_for_ns: Some(0),
            over_for_ns: None,
            unknown_for_ns: None,
            unknown: "",
            reason: None,
        };
        life.fire_if_due(rule, step);
        life
    }

    /// Goes on with what was written down before a restart.
    pub fn restore(alert: &Alert) -> Self {
        Self {
            id: alert.id.clone(),
            labels: alert.labels.clone(),
            state: alert.state,
            told: Some(alert.state),
            pending_ns: alert.pending_ns,
            fired_ns: alert.fired_ns,
            resolved_ns: None,
            value: alert.value,
            held_value: alert.value,
            held_for_ns: None,
            over_for_ns: None,
            unknown_for_ns: None,
            unknown: "",
            reason: None,
        }
    }

    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Resolved | State::Dropped)
    }

    /// Takes one window into account.
    pub fn advance(&mut self, rule: &Rule, step: &Step) {
        if !step.value.is_nan() {
            self.value = step.value;
        }
        if step.truth == Truth::Holds {
            self.held_value = self.value;
        }
        let unseen = self.state == State::Pending && self.held_for_ns.is_none() && self.unseen_too_long(rule, step);
        match self.state {
            State::Pending if unseen => {
                self.end(step, Some("nobody watched it for too long: kpulse was not running".into()));
            }
            State::Pending => self.advance_pending(rule, step),
            State::Firing => self.advance_firing(rule, step),
            State::Resolved | State::Dropped => {}
        }
        self.unknown_for_ns = match step.truth {
            Truth::Unknown => Some(self.unknown_for_ns.map_or(0, |ns| ns.saturating_add(step.elapsed_ns))),
            _ => None,
        };
        self.unknown = step.unknown;
    }

    /// Across a restart there is only the wall clock. If by its account the alert is far overdue, it was set, or kpulse did not run
    /// for long; either way nobody knows whether the rule held.
    fn unseen_too_long(&mut self, rule: &Rule, step: &Step) -> bool {
        let elapsed = step.now_realtime_ns.saturating_sub(self.pending_ns);
        self.held_for_ns = Some(elapsed.min(rule.for_ns));
        elapsed > rule.for_ns.saturating_add(UNSEEN_NS)
    }

    fn advance_pending(&mut self, rule: &Rule, step: &Step) {
        match step.truth {
            Truth::Holds => {
                // What happened while nobody knew does not count.
                let elapsed = if self.unknown_for_ns.is_none() { step.elapsed_ns } else { 0 };
                self.held_for_ns = self.held_for_ns.map(|ns| ns.saturating_add(elapsed));
                self.fire_if_due(rule, step);
            }
            Truth::Between | Truth::Over => self.end(step, None),
            Truth::Unknown => {
                let unknown = self.unknown_for_ns.map_or(0, |ns| ns.saturating_add(step.elapsed_ns));
                if unknown > UNSEEN_NS {
                    self.end(step, Some(format!("{} has had no value for too long", step.unknown)));
                }
            }
        }
    }

    fn advance_firing(&mut self, rule: &Rule, step: &Step) {
        self.held_for_ns = self.held_for_ns.or(Some(0));
        match step.truth {
            Truth::Holds | Truth::Between => self.over_for_ns = None,
            Truth::Over => {
                let over = self.over_for_ns.map_or(0, |ns| ns.saturating_add(step.elapsed_ns));
                self.over_for_ns = Some(over);
                if over >= rule.keep_firing_ns {
                    self.end(step, None);
                }
            }
            Truth::Unknown => {
                self.over_for_ns = None;
                let unknown = self.unknown_for_ns.map_or(0, |ns| ns.saturating_add(step.elapsed_ns));
                if rule.resolve_absent_ns.is_some_and(|limit| unknown >= limit) {
                    let reason = format!("{} has had no value for as long as resolve_absent_after says", step.unknown);
                    self.end(step, Some(reason));
                }
            }
        }
    }

    fn fire_if_due(&mut self, rule: &Rule, step: &Step) {
        if self.held_for_ns.is_some_and(|ns| ns >= rule.for_ns) {
            self.state = State::Firing;
            // The wall clock may have been set back: an alert that ends before it begins would be refused.
            self.fired_ns = Some(step.now_realtime_ns.max(self.pending_ns));
        }
    }

    fn end(&mut self, step: &Step, reason: Option<String>) {
        self.state = if self.state == State::Firing { State::Resolved } else { State::Dropped };
        self.resolved_ns = Some(step.now_realtime_ns.max(self.fired_ns.unwrap_or(self.pending_ns)));
        self.reason = reason;
    }

    /// As others see it.
    pub fn alert(&self, rule: &Rule) -> Alert {
        let condition = &rule.condition;
        let format = |value| condition.signal.unit.format(value);
        let figures = [self.held_value, condition.threshold, condition.clear].map(format);
        let fill = Fill {
            figures: [&figures[0], &figures[1], &figures[2]],
            labels: &self.labels,
            signal: condition.signal.name,
        };
        let mut annotations: BTreeMap<String, String> =
            rule.annotations.iter().map(|(name, template)| (name.clone(), template.fill(&fill))).collect();
        annotations.entry("summary".into()).or_insert_with(|| {
            let [value, threshold, _] = &figures;
            format!("{}: {} is {value}, {} {threshold}", rule.name, condition.signal.name, condition.compare.name())
        });
        if let Some(unknown_ns) = self.unknown_for_ns.filter(|_| !self.is_over()) {
            annotations.insert("stale".into(), stale(self.unknown, unknown_ns));
        }
        if let Some(reason) = &self.reason {
            annotations.insert("reason".into(), reason.clone());
        }
        Alert {
            id: self.id.clone(),
            rule: rule.name.clone(),
            labels: self.labels.clone(),
            annotations,
            severity: rule.severity,
            state: self.state,
            pending_ns: self.pending_ns,
            fired_ns: self.fired_ns,
            resolved_ns: self.resolved_ns,
            value: self.value,
            threshold: condition.threshold,
            pending_evidence: None,
            firing_evidence: None,
        }
    }
}

fn stale(signal: &str, unknown_ns: u64) -> String {
    let since = match unknown_ns {
        0 => "in this window".into(),
        ns => format!("for {}", crate::table::units::time(ns as f64 / 1e9)),
    };
    format!("{signal} has had no value {since}; what is not known does not end an alert")
}

/// Ends an alert whose rule is no more what it was.
pub(super) fn ended(mut alert: Alert, now_realtime_ns: u64, reason: &str) -> Alert {
    let begun = alert.fired_ns.unwrap_or(alert.pending_ns);
    alert.state = if alert.state == State::Firing { State::Resolved } else { State::Dropped };
    alert.resolved_ns = Some(now_realtime_ns.max(begun));
    alert.annotations.remove("stale");
    alert.annotations.insert("reason".into(), reason.into());
    alert.pending_evidence = None;
    alert.firing_evidence = None;
    alert
}

/// Names a life: FNV-1a of 64 bits over the labels and the time, the same on every machine and in every version.
fn id(labels: &BTreeMap<String, String>, pending_ns: u64) -> String {
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    let mut feed = |bytes: &[u8]| {
        for &byte in bytes.iter().chain(&[0xff]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
    };
    for (name, value) in labels {
        feed(name.as_bytes());
        feed(value.as_bytes());
    }
    feed(&pending_ns.to_le_bytes());
    format!("{hash:016x}")
}
