//! The alerts as others see them: those of the engine, with the evidence that was found for them, and the last that ended.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use crate::alert::{Alert, State};

/// How many alerts that ended are kept to be shown.
pub const ENDED: usize = 100;

/// See the module.
#[derive(Debug)]
pub struct Book {
    /// How many pieces of evidence there is room for: each may take 64 KiB, and most take 17.
    room: usize,
    /// Of each alert that is not over, its latest change of state.
    current: BTreeMap<String, Arc<Alert>>,
    /// The latest first.
    ended: VecDeque<Arc<Alert>>,
}

impl Book {
    /// With the alerts that were known before a restart, over or not, and room for so many pieces of evidence. Where there are
    /// more, those of the alerts that ended first go, then those of the alerts that began first; their words stay.
    pub fn new(mut known: Vec<Alert>, room: usize) -> Self {
        let mut book = Self { room, current: BTreeMap::new(), ended: VecDeque::new() };
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
        self.make_room();
    }

    fn make_room(&mut self) {
        let pieces = |alert: &Arc<Alert>| {
            usize::from(alert.pending_evidence.is_some()) + usize::from(alert.firing_evidence.is_some())
        };
        let all: usize = self.current.values().chain(&self.ended).map(pieces).sum();
        let mut over = all.saturating_sub(self.room);
        if over == 0 {
            return;
        }
        let mut current: Vec<_> = self.current.values_mut().collect();
        current.sort_by_key(|alert| alert.pending_ns);
        for alert in self.ended.iter_mut().rev().chain(current) {
            let held = pieces(alert);
            if held > 0 {
                let alert = Arc::make_mut(alert);
                (alert.pending_evidence, alert.firing_evidence) = (None, None);
                over = over.saturating_sub(held);
            }
            if over == 0 {
                return;
            }
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
    use crate::{evidence::Evidence, journal::testing::alert};

    #[test]
    fn what_is_added_after_a_change_is_shown_and_stays_to_the_end() {
        let mut book = Book::new(Vec::new(), 9);
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

    #[test]
    fn the_evidence_of_many_alerts_takes_no_more_room_than_that_of_some() {
        let mut book = Book::new(Vec::new(), 10);
        let evidence = || Some(Arc::new(Evidence::default()));
        let note = |book: &mut Book, id: &str, state, at_ns| {
            let mut alert = Alert { pending_ns: at_ns, ..alert(id, state, at_ns) };
            if state == State::Pending {
                alert.pending_evidence = evidence();
            } else if state == State::Firing {
                alert.firing_evidence = evidence();
            }
            book.note(&mut alert);
        };
        for life in 0..40 {
            let id = life.to_string();
            note(&mut book, &id, State::Pending, life);
            note(&mut book, &id, State::Firing, life);
            note(&mut book, &id, State::Resolved, life);
        }
        let kept = |book: &Book| -> Vec<String> {
            let all = book.alerts(book.firing().cloned().collect());
            all.iter().filter(|alert| alert.firing_evidence.is_some()).map(|alert| alert.id.clone()).collect()
        };
        assert_eq!(
            (book.alerts(Vec::new()).len(), kept(&book)),
            (40, ["39", "38", "37", "36", "35"].map(String::from).to_vec())
        );
        // What fires now goes before what is over, and the latest before the others.
        for life in 40..52 {
            note(&mut book, &life.to_string(), State::Firing, life);
        }
        assert_eq!(kept(&book), (42..52).rev().map(|life| life.to_string()).collect::<Vec<_>>());
    }
}
