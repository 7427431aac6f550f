//! Sends what waits: in order, the backlog at a limited rate, and with patience where the server does not take it.
//!
//! In: batches from the [`Keeper`]. Out: what the server has, back to the keeper; figures. One batch is under way at a time, so
//! reports arrive in their order.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, SystemTime},
};

use tokio::{sync::watch, time::sleep};

use super::{
    Pace,
    answer::{Verdict, verdict},
    connection::Connection,
    keeper::Keeper,
    spool::Batch,
};
use crate::{notify::backoff, status};

/// The most reports in a batch.
const REPORTS: usize = 64;
/// And the most bytes, beyond the first report.
const BYTES: u64 = 1 << 20;

/// What became of reports since the start.
#[derive(Debug, Default)]
pub struct Tally {
    acknowledged: AtomicU64,
    acknowledged_ns: AtomicU64,
    failed: AtomicU64,
    refused: Mutex<BTreeMap<String, u64>>,
    failing: Mutex<Option<String>>,
}

impl Tally {
    /// As the status shows it.
    pub fn status(&self) -> status::Shipping {
        let read = |number: &AtomicU64| number.load(Relaxed);
        status::Shipping {
            acknowledged: read(&self.acknowledged),
            acknowledged_ns: Some(read(&self.acknowledged_ns)).filter(|&ns| ns > 0),
            failed: read(&self.failed),
            refused: self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            failing: self.failing.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            ..status::Shipping::default()
        }
    }

    fn fails(&self, why: Option<&str>) {
        *self.failing.lock().unwrap_or_else(PoisonError::into_inner) = why.map(str::to_owned);
    }

    /// Counts a report that the server will never take. True for the first of a reason.
    fn refuse(&self, reason: &str) -> bool {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        // The server names the reasons: they are few, or it is none of ours.
        let reason = if refused.len() < 32 || refused.contains_key(reason) { reason } else { "other" };
        let count = refused.entry(reason.chars().take(64).collect()).or_default();
        *count += 1;
        *count == 1
    }
}

/// See the module.
pub struct Task {
    server: String,
    connection: Connection,
    keeper: Keeper,
    pace: Pace,
    tally: Arc<Tally>,
    /// How many reports the server takes at once, as far as is known.
    most: usize,
    /// One after the other.
    failures: u32,
    /// What the log was told of the present trouble.
    told: Option<String>,
}

/// What to do after a batch.
enum Next {
    /// The next one, after a while.
    Go(Duration),
    /// The same again, after a while.
    Again(Duration),
}

impl Task {
    /// To one server.
    pub fn new(server: String, connection: Connection, keeper: Keeper, pace: Pace, tally: Arc<Tally>) -> Self {
        Self { server, connection, keeper, pace, tally, most: REPORTS, failures: 0, told: None }
    }

    /// Serves it until `stop` is true, and then sends once more.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut head = self.keeper.head();
        loop {
            head.mark_unchanged();
            let stopping = *stop.borrow_and_update();
            let wait = match self.keeper.oldest(self.most, BYTES).await {
                Some(batch) => match self.send(batch).await {
                    Next::Go(wait) if stopping && !wait.is_zero() => return,
                    Next::Again(_) if stopping => return,
                    Next::Go(wait) | Next::Again(wait) => Some(wait),
                },
                None if stopping => return,
                None => None,
            };
            tokio::select! {
                changed = stop.changed() => {
                    if changed.is_err() {
                        return;
                    }
                }
                changed = head.changed(), if wait.is_none() => {
                    if changed.is_err() {
                        return;
                    }
                }
                () = sleep(wait.unwrap_or_default()), if wait.is_some() => {}
            }
        }
    }

    async fn send(&mut self, batch: Batch) -> Next {
        let answer = match self.connection.send(&batch, now_ns()).await {
            Ok(answer) => answer,
            Err(trouble) => return self.later(&trouble.why, trouble.retry_after),
        };
        match verdict(&answer, &batch.reports) {
            Verdict::Looked { stored, refused } => self.looked(&batch, stored, refused),
            Verdict::Fewer(why) if batch.reports.len() > 1 => {
                self.most = batch.reports.len() / 2;
                tracing::debug!(to = self.server, "fewer reports are sent at once: {why}");
                Next::Go(Duration::ZERO)
            }
            Verdict::Fewer(why) => {
                let refused = vec![(batch.reports[0].number, "malformed".into(), why)];
                self.looked(&batch, Vec::new(), refused)
            }
            Verdict::Refused(why) => {
                self.fail(&why, true);
                let wait = answer.retry_after.unwrap_or_default().max(self.pace.refused);
                Next::Again(wait.mul_f64(1.0 + 0.5 * backoff::random()))
            }
            Verdict::Later { why, retry_after } => self.later(&why, retry_after),
        }
    }

    fn looked(&mut self, batch: &Batch, stored: Vec<u64>, refused: Vec<(u64, String, String)>) -> Next {
        if let Some(told) = self.told.take() {
            tracing::info!(to = self.server, waiting = batch.others, "reports are sent again, after: {told}");
        }
        self.failures = 0;
        self.tally.fails(None);
        let settled = stored.len() + refused.len();
        if !stored.is_empty() {
            self.tally.acknowledged.fetch_add(stored.len() as u64, Relaxed);
            self.tally.acknowledged_ns.store(now_ns(), Relaxed);
        }
        for (number, reason, detail) in &refused {
            if self.tally.refuse(reason) {
                tracing::warn!(to = self.server, number, reason, "a report was refused for good: {detail}");
            }
        }
        self.keeper.settle(stored.into_iter().chain(refused.into_iter().map(|(number, ..)| number)).collect());
        self.most = (self.most * 2).min(REPORTS);
        // Others may wait just as long: they are not all sent in one moment.
        let rate = f64::from(self.pace.replay_per_second.max(1));
        Next::Go(if batch.others > 0 { Duration::from_secs_f64(settled as f64 / rate) } else { Duration::ZERO })
    }

    fn later(&mut self, why: &str, retry_after: Option<Duration>) -> Next {
        self.fail(why, false);
        self.failures = self.failures.saturating_add(1);
        let Pace { backoff, backoff_most, .. } = self.pace;
        let wait = backoff::wait(self.failures, backoff, backoff_most, backoff::random());
        // All that were sent away at once do not come back at once.
        let asked = retry_after.unwrap_or_default().mul_f64(1.0 + 0.25 * backoff::random());
        Next::Again(wait.max(asked))
    }

    /// The log hears of a trouble once.
    fn fail(&mut self, why: &str, refused: bool) {
        self.tally.failed.fetch_add(1, Relaxed);
        self.tally.fails(Some(why));
        match &self.told {
            Some(told) if told == why || !refused => tracing::debug!(to = self.server, "still not sent: {why}"),
            _ if refused => tracing::error!(to = self.server, "the server takes no reports of this node: {why}"),
            _ => tracing::warn!(to = self.server, "reports cannot be sent, and are kept to try again: {why}"),
        }
        if refused || self.told.is_none() {
            self.told = Some(why.to_owned());
        }
    }
}

/// Nanoseconds since 1970.
pub fn now_ns() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}
