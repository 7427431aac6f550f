//! The alerts as others see them: those of the engine, with the evidence that was found for them, and the last that ended.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use crate::alert::{Alert, State};

/// How many alerts that ended are kept to be shown.
pub const ENDED: usize = 100;

/// See the module.
#[derive(Debug, Default)]
pub struct Book {
    /// Of each alert that is not over, its latest change of state.
    current: BTreeMap<String, Arc<Alert>>,
    /// The latest first.
    ended: VecDeque<Arc<Alert>>,
}

impl Book {
    /// With the alerts that were known before a restart, over or not.
    pub fn new(mut known: Vec<Alert>) -> Self {
        let mut book = Self::default();
        known.sort_by(|a, b| (a.resolved_ns, a.pending_ns, &a.id).cmp(&(b.resolved_ns, b.pending_ns, &b.id)));
        known.into_iter().for_each(|mut alert| book.note(&mut alert));
        book
    }

    /// Writes a change of state down. The alert gets the evidence of its earlier states, and the words that it gave.
    pub fn note(&mut self, alert: &mut Alert) {
        if let Some(earlier) = self.current.remove(&alert.id) {
            if alert.pending_evidence.is_none() {
                alert.pending_evidence.clone_from(&earlier.pending_evidence);
            }
            if alert.firing_evidence.is_none() {
                alert.firing_evidence.clone_from(&earlier.firing_evidence);
            }
            for (name, text) in &earlier.annotations {
                alert.annotations.entry(name.clone()).or_insert_with(|| text.clone());
            }
        }
        match alert.state {
            State::Pending | State::Firing => {
                self.current.insert(alert.id.clone(), Arc::new(alert.clone()));
            }
            State::Resolved => {
                self.ended.push_front(Arc::new(alert.clone()));
                self.ended.truncate(ENDED);
            }
            State::Dropped => {}
        }
    }

    /// Those that fire.
    pub fn firing(&self) -> impl Iterator<Item = &Alert> {
        self.current.values().map(|alert| &**alert).filter(|alert| alert.state == State::Firing)
    }

    /// `active` as the engine knows them now, with their evidence, the newest first; then those that ended, the latest first.
    pub fn alerts(&self, active: Vec<Alert>) -> Vec<Arc<Alert>> {
        let mut alerts: Vec<_> = active.into_iter().map(|alert| Arc::new(self.complete(alert))).collect();
        alerts.sort_by(|a, b| (b.pending_ns, &a.labels).cmp(&(a.pending_ns, &b.labels)));
        alerts.extend(self.ended.iter().cloned());
        alerts
    }

    fn complete(&self, mut alert: Alert) -> Alert {
        if let Some(known) = self.current.get(&alert.id) {
            alert.pending_evidence.clone_from(&known.pending_evidence);
            alert.firing_evidence.clone_from(&known.firing_evidence);
            for (name, text) in &known.annotations {
                alert.annotations.entry(name.clone()).or_insert_with(|| text.clone());
            }
        }
        alert
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::testing::alert;

    #[test]
    fn what_is_added_after_a_change_is_shown_and_stays_to_the_end() {
        let mut book = Book::new(Vec::new());
        let mut firing = alert("1", State::Firing, 5);
        book.note(&mut firing);
        firing.annotations.insert("recording".into(), "a.kpr".into());
        book.note(&mut firing);
        let shown = book.alerts(vec![alert("1", State::Firing, 5)]);
        assert_eq!((shown.len(), shown[0].annotations["recording"].as_str()), (1, "a.kpr"));
        let mut over = alert("1", State::Resolved, 9);
        book.note(&mut over);
        assert_eq!(over.annotations["recording"], "a.kpr");
    }
}
