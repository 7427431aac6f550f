//! The lifecycle of alerts: inactive, pending, firing, resolved, for each rule and each set of labels.
//!
//! In: rules, and a [`Moment`] every few seconds. Out: an [`Alert`] for each change of state, in the order of the rules and then of
//! the labels. Pure; the same moments give the same alerts.
//!
//! - A rule begins only for a thing that is there, when all its conditions hold. It fires when they have held in every window for
//!   `for`, and is dropped in the first in which they do not.
//! - It is over when one condition is at its clearing threshold or beyond, in every window for `keep_firing_for`.
//! - What is absent neither ends an alert nor makes one fire. A pending one is dropped after five minutes without a value; a
//!   firing one stays, says so (`stale`), and ends only if its rule has `resolve_absent_after`.
//! - Durations are added up from the steady clock. Only across a restart there is nothing but the wall clock; a pending alert that
//!   is far overdue by it is dropped, because nobody knows whether the rule held.
//!
//! | module | what it is |
//! |---|---|
//! | `rows`, `tables` | the values of all signals in use, taken once a moment; rows of one domain that go with another's |
//! | `judgement` | whether a condition holds for a row |
//! | `active` | one rule and its alerts |
//! | `life` | one alert from its first window to its last |

mod active;
mod judgement;
mod life;
mod rows;
mod tables;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use self::{
    active::{Active, labels},
    judgement::{Judged, Truth, key_fits},
    life::{Life, Step, ended},
    tables::Tables,
};
use super::{moment::Moment, rule::Rule, signal::Signal};
use crate::alert::{Alert, State};

/// The most alerts at once, of all rules together. A node with more has one problem, not a thousand.
pub const MOST_ALERTS: usize = 1000;

/// All rules and their alerts.
#[derive(Debug)]
pub struct Engine {
    rules: Vec<Active>,
    tables: Tables,
    /// Labels of every alert: the node.
    node: BTreeMap<String, String>,
    /// Alerts whose rule is no more what it was, and why; told with the next step.
    ending: Vec<(Alert, &'static str)>,
    /// When the latest step was, on the steady clock.
    last_ns: Option<u64>,
    work: Work,
}

/// What the latest step had to do: the measure of its cost that does not depend on the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Values taken from the moment.
    pub values: usize,
    /// Values compared with a threshold.
    pub compared: usize,
    /// Rows of which labels were looked at.
    pub matched: usize,
    /// Alerts that should have begun and had no room.
    pub suppressed: usize,
}

impl Engine {
    /// An engine without alerts. `node` are the labels that say which node it is (`node`).
    pub fn new(rules: Vec<Rule>, node: BTreeMap<String, String>) -> Self {
        let mut engine = Self {
            rules: Vec::new(),
            tables: Tables::default(),
            node,
            ending: Vec::new(),
            last_ns: None,
            work: Work::default(),
        };
        engine.compile(rules);
        engine
    }

    /// Goes on with alerts that were written down before a restart; those that are over are left out. Before the first step. What
    /// has no rule any more ends with the first step.
    pub fn restore(&mut self, current: Vec<Alert>) {
        for alert in current.into_iter().filter(|alert| matches!(alert.state, State::Pending | State::Firing)) {
            if let Err(reason) = self.adopt(&alert) {
                self.ending.push((alert, reason));
            }
        }
    }

    /// Takes up other rules. Alerts of rules that ask the same go on; those of the others end with the next step.
    pub fn reload(&mut self, rules: Vec<Rule>) {
        let before = std::mem::take(&mut self.rules);
        let tables = std::mem::take(&mut self.tables);
        self.compile(rules);
        for Active { rule, condition, lives, .. } in before {
            let domain = condition.condition.signal.take.domain();
            for (row, life) in lives {
                let key = tables.rows(domain).key(row);
                match self.successor(&rule, key, life.told.is_some()) {
                    Ok(at) => {
                        let row = self.tables.rows_mut(domain).number(key);
                        self.rules[at].lives.insert(row, life);
                    }
                    Err(reason) if life.told.is_some() => self.ending.push((life.alert(&rule), reason)),
                    Err(_) => {}
                }
            }
        }
    }

    /// Judges one moment. Returns the changes of state; the evidence is left to the caller.
    pub fn step(&mut self, moment: &Moment) -> Vec<Alert> {
        let elapsed_ns = self.last_ns.map_or(0, |last| moment.now_ns.saturating_sub(last));
        self.last_ns = Some(self.last_ns.map_or(moment.now_ns, |last| last.max(moment.now_ns)));
        self.forget_gone();
        self.work = Work { values: self.tables.refresh(moment), ..Work::default() };
        let mut room = MOST_ALERTS.saturating_sub(self.rules.iter().map(|active| active.lives.len()).sum());

        let mut changes: Vec<Alert> = std::mem::take(&mut self.ending)
            .into_iter()
            .map(|(alert, reason)| ended(alert, moment.now_realtime_ns, reason))
            .collect();
        let mut holding = Vec::new();
        for active in &mut self.rules {
            active.prepare(&mut self.tables, &mut self.work);
            self.work.compared += active.condition.holding(&self.tables, &mut holding);
            let step = Step {
                truth: Truth::Holds,
                value: f64::NAN,
                unknown: "",
                elapsed_ns,
                now_realtime_ns: moment.now_realtime_ns,
            };
            active.advance(&self.tables, &step);
            active.begin(&self.tables, &self.node, &step, &holding, &mut room, &mut self.work);
            changes.extend(active.changes());
        }
        changes
    }

    /// Every alert that is pending or fires, with its current value and words, in the order of the rules and then of the labels.
    /// Those of silenced rules are left out: see [`Self::silenced`].
    pub fn active(&self) -> Vec<Alert> {
        self.alerts(false)
    }

    /// The alerts of silenced rules, of which nobody is told.
    pub fn silenced(&self) -> Vec<Alert> {
        self.alerts(true)
    }

    /// What the rule of this name looks at.
    pub fn signal(&self, rule: &str) -> Option<&'static Signal> {
        let active = self.rules.iter().find(|active| active.rule.name == rule)?;
        Some(active.rule.condition.signal)
    }

    /// What the latest step had to do.
    pub fn work(&self) -> Work {
        self.work
    }

    fn alerts(&self, silenced: bool) -> Vec<Alert> {
        let rules = self.rules.iter().filter(|active| active.rule.silenced == silenced);
        rules
            .flat_map(|active| {
                let mut alerts: Vec<Alert> = active.lives.values().map(|life| life.alert(&active.rule)).collect();
                alerts.sort_by(|a, b| a.labels.cmp(&b.labels));
                alerts
            })
            .collect()
    }

    fn compile(&mut self, rules: Vec<Rule>) {
        let tables = &mut self.tables;
        self.rules = rules
            .into_iter()
            .filter(|rule| rule.enabled)
            .map(|rule| Active {
                condition: Judged::new(rule.condition.clone(), tables),
                and: rule.and.iter().map(|condition| Judged::new(condition.clone(), tables)).collect(),
                rule,
                lives: BTreeMap::new(),
            })
            .collect();
    }

    /// Makes an alert of before a restart one of a rule's, if there is one whose alert it can be.
    fn adopt(&mut self, alert: &Alert) -> Result<(), &'static str> {
        let Some(active) = self.rules.iter_mut().find(|active| active.rule.name == alert.rule) else {
            return Err("there is no such rule any more, or it is turned off");
        };
        if active.rule.silenced {
            return Err("the rule is silenced");
        }
        let signal = active.rule.condition.signal;
        let key: Vec<String> =
            signal.labels().iter().map(|label| alert.labels.get(*label).cloned().unwrap_or_default()).collect();
        if labels(&active.rule, &self.node, &key) != alert.labels || !key_fits(&active.rule.condition, &key) {
            return Err("the rule or the node has changed: this alert can no more arise");
        }
        let row = self.tables.rows_mut(signal.take.domain()).number(&key);
        match active.lives.contains_key(&row) {
            true => Err("another alert has the same labels"),
            false => {
                active.lives.insert(row, Life::restore(alert));
                Ok(())
            }
        }
    }

    /// The rule whose alert this one now is, or why it is nobody's.
    fn successor(&self, rule: &Rule, key: &[String], told: bool) -> Result<usize, &'static str> {
        let at = self.rules.iter().position(|active| active.rule.name == rule.name);
        let at = at.ok_or("there is no such rule any more, or it is turned off")?;
        let new = &self.rules[at].rule;
        match () {
            () if !new.continues(rule) || !key_fits(&new.condition, key) => Err("the rule has changed"),
            () if new.silenced && told => Err("the rule is silenced"),
            () => Ok(at),
        }
    }

    /// Forgets rows that have gone where they are most of all, but for those with an alert.
    fn forget_gone(&mut self) {
        for (domain, before) in self.tables.forget_gone() {
            for active in &mut self.rules {
                if active.rule.condition.signal.take.domain() == domain {
                    let lives = std::mem::take(&mut active.lives);
                    let rows = self.tables.rows_mut(domain);
                    active.lives = lives.into_iter().map(|(row, life)| (rows.number(before.key(row)), life)).collect();
                }
                let all = std::iter::once(&mut active.condition).chain(&mut active.and);
                all.filter(|judged| judged.condition.signal.take.domain() == domain).for_each(Judged::forget_rows);
            }
        }
    }
}
