//! One rule and its alerts: which go on, which begin, what others do not know yet.
//!
//! In: the values of a moment and the rows for which the rule's first condition holds. Out: changes of state.

use std::collections::BTreeMap;

use super::{
    Work,
    judgement::{Judged, Truth},
    life::{Life, Step},
    tables::Tables,
};
use crate::{alert::Alert, rules::rule::Rule};

/// A rule that is judged.
#[derive(Debug)]
pub(super) struct Active {
    pub rule: Rule,
    pub condition: Judged,
    pub and: Vec<Judged>,
    /// By the number of the row.
    pub lives: BTreeMap<u32, Life>,
}

impl Active {
    /// Works out what has to be known of rows that are new.
    pub fn prepare(&mut self, tables: &mut Tables, work: &mut Work) {
        let domain = self.condition.condition.signal.take.domain();
        for other in &mut self.and {
            work.matched += tables.join(domain, other.condition.signal.take.domain());
            work.matched += other.look_at_new_rows(tables);
        }
        work.matched += self.condition.look_at_new_rows(tables);
    }

    /// How all conditions together stand for a row, and the first signal without a value.
    fn truth(&self, tables: &Tables, row: u32) -> (Truth, &'static str) {
        let first = self.condition.truth(tables, row);
        let mut unknown = if first == Truth::Unknown { self.condition.condition.signal.name } else { "" };
        let mut truth = first;
        for other in &self.and {
            let found = other.truth_with(tables, &self.condition, row);
            if found == Truth::Unknown && unknown.is_empty() {
                unknown = other.condition.signal.name;
            }
            truth = truth.and(found);
        }
        (truth, if truth == Truth::Unknown { unknown } else { "" })
    }

    pub fn advance(&mut self, tables: &Tables, step: &Step) {
        let mut lives = std::mem::take(&mut self.lives);
        for (&row, life) in &mut lives {
            let (truth, unknown) = self.truth(tables, row);
            let step = Step { truth, unknown, value: self.condition.value(tables, row), ..*step };
            life.advance(&self.rule, &step);
        }
        self.lives = lives;
    }

    pub fn begin(
        &mut self,
        tables: &Tables,
        node: &BTreeMap<String, String>,
        step: &Step,
        holding: &[u32],
        room: &mut usize,
        work: &mut Work,
    ) {
        let rows = tables.rows(self.condition.condition.signal.take.domain());
        for &row in holding {
            // One that ended in this very window (unseen for too long) begins anew in the next.
            if self.lives.contains_key(&row) || !rows.is_present(row) || self.truth(tables, row).0 != Truth::Holds {
                continue;
            }
            if *room == 0 {
                work.suppressed += 1;
                continue;
            }
            *room -= 1;
            let step = Step { value: self.condition.value(tables, row), ..*step };
            let labels = labels(&self.rule, node, rows.key(row));
            self.lives.insert(row, Life::begin(&self.rule, labels, &step));
        }
    }

    /// What others do not know yet. Lives that are over end here.
    pub fn changes(&mut self) -> Vec<Alert> {
        let mut changes = Vec::new();
        if !self.rule.silenced {
            for life in self.lives.values_mut().filter(|life| life.told != Some(life.state)) {
                if life.told.is_some() || !life.is_over() {
                    life.told = Some(life.state);
                    changes.push(life.alert(&self.rule));
                }
            }
        }
        self.lives.retain(|_, life| !life.is_over());
        changes.sort_by(|a, b| a.labels.cmp(&b.labels));
        changes
    }
}

/// The identity of an alert. A label of the signal beats one of the node, as where a server judges many nodes. What is empty is no
/// label.
pub(super) fn labels(rule: &Rule, node: &BTreeMap<String, String>, key: &[String]) -> BTreeMap<String, String> {
    let mut labels = node.clone();
    let of_signal =
        rule.condition.signal.labels().iter().zip(key).map(|(name, value)| (name.to_string(), value.clone()));
    labels.extend(of_signal.chain(rule.labels.clone()));
    labels.insert("alertname".into(), rule.name.clone());
    labels.insert("severity".into(), rule.severity.name().into());
    labels.retain(|_, value| !value.is_empty());
    labels
}
