//! How long what is kept goes into sums of what length.

use std::time::Duration;

use monitor_common::indexed_enum;
use serde::{Deserialize, Serialize};

indexed_enum! {
    /// What one row is of.
    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    pub enum Resolution {
        /// One report, or one judgement.
        Full = "full",
        /// All in a minute.
        Minute = "minute",
        /// All in an hour.
        Hour = "hour",
    }
}

impl Resolution {
    /// The length of a row's interval in nanoseconds; 1 for single ones, which have their own.
    pub const fn length_ns(self) -> u64 {
        match self {
            Self::Full => 1,
            Self::Minute => 60_000_000_000,
            Self::Hour => 3_600_000_000_000,
        }
    }

    /// Which interval a moment belongs to, counted since 1970. An interval is (begin, end]: a report that ends at a full minute
    /// is of the minute that ends there.
    pub const fn interval(self, end_ns: u64) -> u64 {
        end_ns.saturating_sub(1) / self.length_ns()
    }

    /// The end of the interval that [`Self::interval`] names, in nanoseconds since 1970.
    pub const fn end_ns(self, interval: u64) -> u64 {
        interval.saturating_add(1).saturating_mul(self.length_ns())
    }
}

/// A duration in nanoseconds.
pub(super) fn ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The latest time that the database can hold: 2262.
pub(super) const LATEST_NS: u64 = i64::MAX as u64;

/// The key of a node's sum over an interval.
pub(super) fn key(node: u32, interval: u64) -> i64 {
    // Node numbers count up from 1; there will not be two billions. Minutes since 1970 fit until the year 10135.
    (i64::from(node) << 32) | i64::from(u32::try_from(interval).unwrap_or(u32::MAX))
}

/// The interval in a key.
pub(super) fn interval_of(key: i64) -> u64 {
    u64::from(key as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_that_ends_at_a_full_minute_is_of_that_minute() {
        let minute = Resolution::Minute.length_ns();
        for (end_ns, interval) in [(0, 0), (1, 0), (minute, 0), (minute + 1, 1), (2 * minute, 1)] {
            assert_eq!(Resolution::Minute.interval(end_ns), interval);
        }
        assert_eq!(Resolution::Minute.end_ns(1), 2 * minute);
        assert_eq!(interval_of(key(7, 12)), 12);
        assert!(key(7, u64::MAX) < key(8, 0));
    }

    #[test]
    fn sixty_minutes_make_an_hour() {
        for interval in [0, 59, 60, 29_000_000] {
            let end_ns = Resolution::Minute.end_ns(interval);
            assert_eq!(Resolution::Hour.interval(end_ns), interval / 60);
        }
    }
}
