//! How much the store may take, and for how long it keeps what. Plain data.

use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);

/// Limits of a store. The defaults are for ten thousand nodes that report every ten seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How long single reports are kept after they were received.
    pub full: Duration,
    /// How long sums over a minute are kept.
    pub minutes: Duration,
    /// How long sums over an hour are kept.
    pub hours: Duration,
    /// How long alerts are kept after their latest change.
    pub alerts: Duration,
    /// The most bytes of the database in use. Above it the oldest goes first: single reports, then minutes, then hours.
    pub bytes: u64,
    /// The most reports that wait for the writer.
    pub queue_reports: usize,
    /// The most bytes that wait for the writer.
    pub queue_bytes: usize,
    /// The most reports in one transaction.
    pub group: usize,
    /// How long the first report of a transaction waits for others: fewer syncs for it.
    pub gather: Duration,
    /// Within what time every node's reports are added up.
    pub roll_up: Duration,
    /// For how long the writer waits for a lock that another process has.
    pub patience: Duration,
    /// The longest that one read may take.
    pub read: Duration,
    /// Reads at the same time.
    pub readers: usize,
    /// The size of the write-ahead log, in bytes, at which it is copied into the database.
    pub log_bytes: u64,
    /// Memory for pages of the database, in bytes, of the writer.
    pub cache_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            full: DAY,
            minutes: 30 * DAY,
            hours: 365 * DAY,
            alerts: 365 * DAY,
            bytes: 100 << 30,
            queue_reports: 20_000,
            queue_bytes: 64 << 20,
            group: 2_000,
            gather: Duration::from_millis(10),
            roll_up: Duration::from_secs(120),
            patience: Duration::from_secs(1),
            read: Duration::from_secs(5),
            readers: 4,
            log_bytes: 16 << 20,
            cache_bytes: 16 << 20,
        }
    }
}
