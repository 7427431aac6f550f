//! What the requests of one stratum usually take.
//!
//! In: intervals of requests and seconds, the time. Out: B, their mean, in which an interval counts by its requests and half
//! as much for each half-life that has passed since.

use serde::{Deserialize, Serialize};

use super::Learning;
use crate::index::{Load, Stratum, load::is_reference};

/// One interval moves a learned B by at most this factor, up or down. A steady load never needs it: with a half-life of 24
/// hours an interval of 10 s has a weight of 8e-5, so that even one that is a hundred times slow stays within. What it holds
/// off is a burst of requests after a time with few, and a single request that hung.
const MOST: f64 = 1.01;

/// One stratum's books.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Usual {
    /// Which.
    pub stratum: Stratum,
    /// B: the mean time of a request in seconds.
    pub mean_seconds: f64,
    /// Requests in it, each weighted by its age.
    pub weight: f64,
    /// Requests that were ever learned from.
    pub requests: u64,
    /// Length of the intervals that were ever learned from in seconds.
    pub seconds: f64,
    /// The end of the latest of them, in nanoseconds since 1970.
    pub end_ns: u64,
    /// Whether enough is known for B to be a reference.
    pub learned: bool,
    /// B as it was when it was pinned, if it was.
    pub pinned: Option<f64>,
}

impl Usual {
    /// Nothing is known.
    pub(super) fn new(stratum: Stratum) -> Self {
        Self {
            stratum,
            mean_seconds: 0.0,
            weight: 0.0,
            requests: 0,
            seconds: 0.0,
            end_ns: 0,
            learned: false,
            pinned: None,
        }
    }

    /// B, once enough is known.
    pub fn learned_mean(&self) -> Option<f64> {
        self.learned.then_some(self.mean_seconds)
    }

    /// Learns from requests in an interval of that length which ended then. A clock that went back makes nothing older.
    pub(super) fn learn(&mut self, load: Load, seconds: f64, end_ns: u64, learning: &Learning) {
        if load.requests == 0 {
            return;
        }
        let age = end_ns.saturating_sub(self.end_ns) as f64 / 1e9 / learning.half_life.as_secs_f64();
        let before = self.weight * (-age).exp2();
        let weight = before + load.requests as f64;
        let mean = (self.mean_seconds * before + load.seconds) / weight;
        self.mean_seconds = match self.learned {
            true => mean.clamp(self.mean_seconds / MOST, self.mean_seconds * MOST),
            false => mean,
        };
        self.weight = weight;
        self.requests = self.requests.saturating_add(load.requests);
        self.seconds += seconds;
        self.end_ns = end_ns;
        self.learned |= self.requests >= learning.requests
            && self.seconds >= learning.time.as_secs_f64()
            && is_reference(self.mean_seconds);
    }

    /// Whether these are books that [`Self::learn`] could have kept.
    pub(super) fn is_sound(&self) -> bool {
        let number = |value: f64| value.is_finite() && value >= 0.0;
        [self.mean_seconds, self.weight, self.seconds].into_iter().all(number)
            && (!self.learned || is_reference(self.mean_seconds))
            && self.pinned.is_none_or(is_reference)
    }
}

#[cfg(all(test, not(index_alone)))]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::host::Class;

    const S: u64 = 1_000_000_000;
    const SSD: Stratum = Stratum { class: Class::Ssd, operation: 0, size: 1 };

    fn learned(mean: f64) -> Usual {
        let mut usual = Usual::new(SSD);
        for step in 1..=100 {
            let load = Load { requests: 100, seconds: 100.0 * mean };
            usual.learn(load, 10.0, step * 10 * S, &Learning::default());
        }
        assert!(usual.learned);
        usual
    }

    #[test]
    fn it_takes_requests_and_time_to_know() {
        for (requests, intervals, known) in [(100, 59, false), (100, 60, true), (16, 62, false), (16, 63, true)] {
            let mut usual = Usual::new(SSD);
            for step in 1..=intervals {
                usual.learn(Load { requests, seconds: 1.0 }, 10.0, step * 10 * S, &Learning::default());
            }
            assert_eq!(usual.learned, known, "{requests} requests in each of {intervals} intervals");
        }
    }

    #[test]
    fn after_a_half_life_old_and_new_weigh_the_same() {
        let mut usual = Usual::new(SSD);
        let day = 86_400 * S;
        usual.learn(Load { requests: 2_000, seconds: 2.0 }, 10.0, day, &Learning::default());
        usual.learn(Load { requests: 1_000, seconds: 3.0 }, 10.0, 2 * day, &Learning::default());
        assert!((usual.mean_seconds - 2e-3).abs() < 1e-15, "{}", usual.mean_seconds);
    }

    #[test]
    fn no_interval_moves_it_far() {
        for (requests, seconds) in [(1_000_000, 1e6), (1_000_000, 0.0), (1, 1e5)] {
            let mut usual = learned(1e-3);
            usual.learn(Load { requests, seconds }, 10.0, 1_010 * S, &Learning::default());
            let moved = usual.mean_seconds / 1e-3;
            assert!((0.99..=1.0101).contains(&moved), "{requests} requests of {seconds} s: {moved}");
        }
    }

    #[test]
    fn an_hour_of_a_slow_disk_that_nobody_froze_moves_it_by_its_weight() {
        let learning = Learning { half_life: Duration::from_secs(3_600), ..Learning::default() };
        let mut usual = Usual::new(SSD);
        for step in 1..=3_600 {
            usual.learn(Load { requests: 100, seconds: 0.1 }, 10.0, step * 10 * S, &learning);
        }
        for step in 3_601..=3_960 {
            usual.learn(Load { requests: 100, seconds: 0.2 }, 10.0, step * 10 * S, &learning);
        }
        assert!((usual.mean_seconds / 1e-3 - 1.5).abs() < 0.01, "{}", usual.mean_seconds);
    }

    proptest! {
        #[test]
        fn books_stay_sound_whatever_the_clock_does(
            steps in prop::collection::vec((0u64..2_000, 0.0..1e6f64, any::<u64>()), 1..200),
        ) {
            let mut usual = Usual::new(SSD);
            for (requests, mean, end_ns) in steps {
                let load = Load { requests, seconds: requests as f64 * mean };
                usual.learn(load, 60.0, end_ns, &Learning::default());
                prop_assert!(usual.is_sound(), "{usual:?}");
            }
        }
    }
}
