//! What the store says of itself: plain data, for metrics and pages.

use super::queue::Depth;

/// How the store is. Counters are since it was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// What waits for the writer.
    pub queue: Depth,
    /// Reports that were stored.
    pub stored: u64,
    /// Their bytes on disk, packed.
    pub stored_bytes: u64,
    /// Reports that were there already.
    pub known: u64,
    /// Reports that were turned away because the queue was full.
    pub turned_away: u64,
    /// Reports that the disk refused.
    pub failed: u64,
    /// Why the disk refuses; absent while it does not.
    pub trouble: Option<String>,
    /// Transactions with something that came in.
    pub commits: u64,
    /// The time they took, in nanoseconds.
    pub commit_ns: u64,
    /// The longest of them.
    pub commit_most_ns: u64,
    /// Sums that were written.
    pub sums: u64,
    /// Reports that are in no sum because they are no reports.
    pub undecodable: u64,
    /// Reports in no sum yet.
    pub unrolled: usize,
    /// Why nothing is added up or removed; absent while all is well.
    pub upkeep_trouble: Option<String>,
    /// Reports and sums that were removed because of their age or for room.
    pub removed: u64,
    /// The number of the oldest report that is there.
    pub oldest_report: u64,
    /// When it was received, in nanoseconds since 1970; 0 if there is none.
    pub oldest_received_ns: u64,
    /// Bytes of the database.
    pub file_bytes: u64,
    /// Of them, in use.
    pub used_bytes: u64,
    /// Bytes of the write-ahead log in use.
    pub log_bytes: u64,
}
