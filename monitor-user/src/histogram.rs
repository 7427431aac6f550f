//! The one histogram on the reader's side: difference, merge, quantiles. The buckets are those of
//! [`monitor_common::histogram`].

use monitor_common::histogram::BUCKETS;
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
    /// From a count for each bucket and the sum of the times in nanoseconds.
    pub fn from_buckets(buckets: &[u64; BUCKETS], sum_ns: u64) -> Self {
        let Some(first) = buckets.iter().position(|&count| count != 0) else {
            return Self { sum_ns, ..Self::default() };
        };
        let last = buckets.iter().rposition(|&count| count != 0).unwrap_or(first);
        Self { first: first as u16, counts: buckets[first..=last].to_vec(), sum_ns }
    }

    /// The buckets from the first to the last that are not empty, ascending: index and count.
    pub fn iter(&self) -> impl Iterator<Item = (usize, u64)> + '_ {
        self.counts.iter().enumerate().map(|(i, &count)| (usize::from(self.first) + i, count))
    }

    /// How many times there are.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Sum of the times in nanoseconds.
    pub fn sum_ns(&self) -> u64 {
        self.sum_ns
    }

    /// Adds the times of `other`.
    pub fn merge(&mut self, other: &Self) {
        let mut buckets = [0; BUCKETS];
        for (bucket, count) in self.iter().chain(other.iter()) {
            buckets[bucket] += count;
        }
        *self = Self::from_buckets(&buckets, self.sum_ns + other.sum_ns);
    }
}
