//! Serving one target: what it has not got, oldest first; what it may have forgotten; and patience when it fails.
//!
//! In: records from the [`Keeper`]. Out: what the target says, back to the keeper. Each target has a task of its own, so a
//! slow or dead one delays no other. While a target fails as a whole nothing is sent to it until a wait is over; where it
//! fails on single alerts, only these wait, and what comes later for them.

use std::{
    collections::HashSet,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, SystemTime},
};

use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use super::{
    backoff,
    client::Trouble,
    keeper::Keeper,
    settings::Pace,
    sink::{Outcome, Sink},
};
use crate::journal::Record;

/// So many failures one after the other are no longer those of single alerts.
const STRIKES: u32 = 3;

/// How many records are taken out of the journal at once.
const FETCH: usize = 256;

/// What a target was sent, since the start.
#[derive(Debug, Default)]
pub struct Tally {
    /// Records that it has got.
    pub delivered: AtomicU64,
    /// Attempts that came to nothing.
    pub failed: AtomicU64,
    /// Records that it refused for good.
    pub rejected: AtomicU64,
}

/// One target and how it fares.
pub struct Runner {
    name: Arc<str>,
    sink: Sink,
    keeper: Keeper,
    pace: Pace,
    resend: Duration,
    tally: Arc<Tally>,
    /// Alerts that have to wait.
    held: HashSet<String>,
    /// Whether the target as a whole has to.
    blocked: bool,
    /// Failures one after the other.
    strikes: u32,
    /// Waits one after the other, without anything delivered in between.
    failures: u32,
    /// Failures since all was well: the log is told of the first.
    told: u32,
    /// When the wait is over.
    retry_at: Option<Instant>,
    /// When it is told again what it may have forgotten.
    resend_at: Option<Instant>,
}

impl Runner {
    /// For one target. `resend` is for those that forget.
    pub fn new(name: Arc<str>, sink: Sink, keeper: Keeper, pace: Pace, resend: Duration, tally: Arc<Tally>) -> Self {
        // At the start it is told at once: it may have forgotten while nobody was there.
        let resend_at = sink.forgets().then(Instant::now);
        Self {
            name,
            sink,
            keeper,
            pace,
            resend,
            tally,
            held: HashSet::new(),
            blocked: false,
            strikes: 0,
            failures: 0,
            told: 0,
            retry_at: None,
            resend_at,
        }
    }

    /// Serves it until `stop` is true, and then sends what it can be sent at once.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut head = self.keeper.head();
        loop {
            head.mark_unchanged();
            let stopping = *stop.borrow_and_update();
            if !self.blocked {
                self.round().await;
            }
            if stopping {
                return;
            }
            let far = || Instant::now() + Duration::from_secs(86_400);
            let resend_at = self.resend_at.filter(|_| !self.blocked).unwrap_or_else(far);
            tokio::select! {
                changed = stop.changed() => {
                    if changed.is_err() {
                        return;
                    }
                }
                changed = head.changed(), if !self.blocked => {
                    if changed.is_err() {
                        return;
                    }
                }
                () = sleep_until(self.retry_at.unwrap_or_else(far)) => {
                    self.retry_at = None;
                    self.blocked = false;
                    self.strikes = 0;
                    self.held.clear();
                }
                () = pin!(sleep_until(resend_at)) => {}
            }
        }
    }

    /// Sends all that can be sent now.
    async fn round(&mut self) {
        let mut troubled = false;
        while !self.blocked {
            let records = self.keeper.owed(&self.name, &self.held, FETCH).await;
            if records.is_empty() {
                break;
            }
            for some in records.chunks(self.sink.batch()) {
                // What comes later for an alert that has to wait has to wait too.
                let some: Vec<&Record> = some.iter().filter(|record| !self.held.contains(&record.alert.id)).collect();
                if self.blocked || some.is_empty() {
                    continue;
                }
                let outcome = self.sink.send(&some, now_ns()).await;
                troubled |= outcome.trouble.is_some();
                self.take(&some, outcome);
            }
        }
        if self.sink.takes_back() {
            self.resend_at = Some(Instant::now());
        }
        if !self.blocked && self.resend_at.is_some_and(|at| at <= Instant::now()) {
            troubled |= self.tell_again().await;
        }
        if !troubled && self.held.is_empty() {
            if self.told > 0 {
                tracing::info!(to = &*self.name, failures = self.told, "alerts are delivered again");
            }
            (self.failures, self.told) = (0, 0);
        }
    }

    /// Tells it again what it has been told. True if that failed.
    async fn tell_again(&mut self) -> bool {
        let since_ns = now_ns().saturating_sub(self.pace.resolved_for.as_nanos() as u64);
        for some in self.keeper.standing(&self.name, since_ns).await.chunks(self.sink.batch()) {
            let records = self.keeper.read(some).await;
            if records.is_empty() {
                continue;
            }
            let outcome = self.sink.send(&records.iter().collect::<Vec<_>>(), now_ns()).await;
            if let Some(trouble) = outcome.trouble {
                self.fail(&[], Trouble { whole: true, ..trouble });
                return true;
            }
        }
        // What was sent with a wrong time is sent again at once; the time is then known.
        let now = Instant::now();
        self.resend_at = Some(if self.sink.takes_back() { now } else { now + self.resend });
        false
    }

    /// Notes what became of records that were sent.
    fn take(&mut self, records: &[&Record], outcome: Outcome) {
        self.tally.delivered.fetch_add(outcome.done.len() as u64, Relaxed);
        self.tally.rejected.fetch_add(outcome.refused.len() as u64, Relaxed);
        for (sequence, why) in &outcome.refused {
            let alert =
                records.iter().find(|record| record.sequence == *sequence).map_or("", |record| &record.alert.id);
            tracing::error!(to = &*self.name, alert, sequence, "an alert was refused and is not sent again: {why}");
        }
        let settled: Vec<u64> = outcome.done.into_iter().chain(outcome.refused.into_iter().map(|one| one.0)).collect();
        if !settled.is_empty() {
            (self.strikes, self.failures) = (0, 0);
        }
        let left: Vec<&Record> = records.iter().copied().filter(|record| !settled.contains(&record.sequence)).collect();
        self.keeper.ack(&self.name, settled);
        match outcome.trouble {
            Some(trouble) => self.fail(&left, trouble),
            // A sink says why; if it did not, the same would be sent for ever.
            None if !left.is_empty() => {
                let why = "the answer does not say what became of some alerts".into();
                self.fail(&left, Trouble { why, retry_after: None, whole: false });
            }
            None => {}
        }
    }

    /// Lets the records wait, or the target.
    fn fail(&mut self, left: &[&Record], trouble: Trouble) {
        self.tally.failed.fetch_add(1, Relaxed);
        if self.told == 0 {
            tracing::warn!(to = &*self.name, "alerts cannot be delivered, and are kept to try again: {}", trouble.why);
        } else {
            tracing::debug!(to = &*self.name, failures = self.told, "still not delivered: {}", trouble.why);
        }
        self.told = self.told.saturating_add(1);
        self.strikes += 1;
        self.held.extend(left.iter().map(|record| record.alert.id.clone()));
        self.blocked |= trouble.whole || self.strikes >= STRIKES;
        if self.retry_at.is_none() {
            self.failures = self.failures.saturating_add(1);
            let Pace { backoff, backoff_most, .. } = self.pace;
            let wait = backoff::wait(self.failures, backoff, backoff_most, backoff::random());
            self.retry_at = Some(Instant::now() + wait);
        }
        let asked = trouble.retry_after.map(|wait| Instant::now() + wait);
        self.retry_at = self.retry_at.max(asked);
    }
}

/// Nanoseconds since 1970.
pub fn now_ns() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}
