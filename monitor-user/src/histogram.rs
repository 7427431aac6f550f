//! The one histogram on the reader's side: difference, merge, quantiles. The buckets are those of
//! [`monitor_common::histogram`].

use monitor_common::histogram::{BOUNDS, BUCKETS, OVERFLOW};
use serde::{Deserialize, Serialize};

/// Times by length. Only the range of buckets between the first and the last that are not empty is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Histogram {
    /// The bucket of `counts[0]`, below [`BUCKETS`].
    first: u16,
    /// Times in each bucket from `first` on, at most up to the last bucket.
    counts: Vec<u64>,
    /// Sum of the times in nanoseconds.
    sum_ns: u64,
}

impl Histogram {
    /// From the buckets as they lie in a map.
    pub fn from_buckets(buckets: &[u64; BUCKETS], sum_ns: u64) -> Self {
        let first = buckets.iter().position(|count| *count != 0).unwrap_or(0);
        let end = buckets.iter().rposition(|count| *count != 0).map_or(0, |last| last + 1);
        Self { first: first as u16, counts: buckets[first..end.max(first)].to_vec(), sum_ns }
    }

    /// How many times.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}
