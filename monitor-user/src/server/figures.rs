//! What the server counts while it serves: outcomes, times, connections. Atomic, so that nobody waits for anybody.

use std::{
    array,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use monitor_common::{
    histogram::{BUCKETS, index},
    indexed_enum,
};

use crate::{histogram::Histogram, report::check::Reason};

indexed_enum! {
    /// What became of a request that brought reports.
    pub enum Outcome {
        /// It was taken, all of it or in part.
        Taken = "taken",
        /// Nobody knows who sent it.
        Unauthorized = "unauthorized",
        /// Who sent it may not.
        Forbidden = "forbidden",
        /// Another machine has the name.
        Conflict = "name_conflict",
        /// It is none.
        Malformed = "malformed",
        /// It is too large.
        TooLarge = "too_large",
        /// It is not in a form that is known.
        Unsupported = "unsupported",
        /// It is of a later version.
        TooNew = "too_new",
        /// It did not come in time.
        TooSlow = "too_slow",
        /// There are too many nodes.
        NodesFull = "nodes_full",
        /// The store's queue is full.
        QueueFull = "queue_full",
        /// The store takes nothing.
        StoreDown = "store_down",
    }
}

/// A histogram that many write at once.
#[derive(Debug)]
pub struct Clocked {
    buckets: [AtomicU64; BUCKETS],
    ns: AtomicU64,
}

impl Default for Clocked {
    fn default() -> Self {
        Self { buckets: array::from_fn(|_| AtomicU64::new(0)), ns: AtomicU64::new(0) }
    }
}

impl Clocked {
    /// Adds a time.
    pub fn add(&self, time: Duration) {
        let ns = time.as_nanos() as u64;
        self.buckets[index(ns)].fetch_add(1, Relaxed);
        self.ns.fetch_add(ns, Relaxed);
    }

    /// As readers have it.
    pub fn histogram(&self) -> Histogram {
        let counts = array::from_fn(|at| self.buckets[at].load(Relaxed));
        Histogram::from_buckets(&counts, self.ns.load(Relaxed))
    }
}

/// See the module. Everything counts from the server's start.
#[derive(Debug, Default)]
pub struct Figures {
    /// Requests that brought reports, by [`Outcome`].
    pub batches: [AtomicU64; Outcome::COUNT],
    /// Reports that are on disk, those included that were there already.
    pub stored: AtomicU64,
    /// Reports that were refused, by [`Reason`].
    pub refused: [AtomicU64; Reason::COUNT],
    /// Bytes of bodies, as they came.
    pub bytes: AtomicU64,
    /// From the head of a request to its acknowledgement.
    pub acknowledged: Clocked,
    /// How long a judgement took.
    pub judged: Clocked,
    /// Connections now.
    pub connections: AtomicU64,
    /// Connections that were closed because nobody said who it was.
    pub strangers: AtomicU64,
    /// Connections on which TLS came to nothing.
    pub handshakes_failed: AtomicU64,
    /// Times that certificates or tokens were read again.
    pub reloads: AtomicU64,
}

impl Figures {
    /// Counts one.
    pub fn count(&self, outcome: Outcome) {
        self.batches[outcome as usize].fetch_add(1, Relaxed);
    }
}
