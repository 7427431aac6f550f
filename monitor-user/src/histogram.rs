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
