//! One budget with its steps: down while too much is taken, up again when it has been less for long enough.
//!
//! In: shares as they are measured, and the time. Out: moves. A step back up is a trial, for what the thing costs that was
//! given up is not known: each trial that ends at once doubles the time to the next, up to an hour. And up begins below four
//! fifths of the budget only: nothing goes to and fro around the limit.

use std::time::Duration;

/// How far below the budget it must be for something to be tried again.
const CLEAR: f64 = 0.8;
/// The longest time between two trials.
const LONGEST_HOLD: Duration = Duration::from_secs(3600);

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// One thing more is given up.
    Down,
    /// The last thing that was given up is tried again.
    Up,
}

/// How long something must be so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// Too much, before the next step down.
    pub patience: Duration,
    /// Less, before the next step up.
    pub hold: Duration,
}

/// See the module.
#[derive(Debug)]
pub struct Ladder {
    last: usize,
    at: usize,
    above_since: Option<u64>,
    below_since: Option<u64>,
    /// The latest trial, in nanoseconds, until it has gone well.
    tried: Option<u64>,
    /// Trials in a row that came to nothing.
    failed: u32,
}

impl Ladder {
    /// At the top, with so many steps below it.
    pub fn new(last: usize) -> Self {
        Self { last, at: 0, above_since: None, below_since: None, tried: None, failed: 0 }
    }

    /// How many steps it is from the top.
    pub fn at(&self) -> usize {
        self.at
    }

    /// Looks at a measurement; without one, nothing is concluded.
    pub fn see(&mut self, now_ns: u64, share: Option<f64>, budget: f64, times: Times) -> Option<Move> {
        let share = share?;
        let lasts = |since: u64, time: Duration| u128::from(now_ns.saturating_sub(since)) >= time.as_nanos();
        if share > budget {
            self.below_since = None;
            let since = *self.above_since.get_or_insert(now_ns);
            if self.at == self.last || !lasts(since, times.patience) {
                return None;
            }
            self.above_since = Some(now_ns);
            if self.tried.take().is_some() {
                self.failed += 1;
            }
            self.at += 1;
            return Some(Move::Down);
        }
        self.above_since = None;
        let hold = self.hold(times.hold);
        if self.tried.is_some_and(|tried| lasts(tried, hold)) {
            (self.tried, self.failed) = (None, 0);
        }
        if self.at == 0 || share > CLEAR * budget {
            self.below_since = None;
            return None;
        }
        if !lasts(*self.below_since.get_or_insert(now_ns), hold) {
            return None;
        }
        (self.below_since, self.tried) = (None, Some(now_ns));
        self.at -= 1;
        Some(Move::Up)
    }

    fn hold(&self, hold: Duration) -> Duration {
        hold.saturating_mul(1 << self.failed.min(16)).min(LONGEST_HOLD.max(hold))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TIMES: Times = Times { patience: Duration::from_secs(30), hold: Duration::from_secs(300) };
    const BUDGET: f64 = 0.005;

    fn at(ladder: &mut Ladder, second: u64, share: f64) -> Option<Move> {
        ladder.see(second * 1_000_000_000, Some(share), BUDGET, TIMES)
    }

    #[test]
    fn it_goes_down_a_step_at_a_time_and_stays_at_the_bottom() {
        let mut ladder = Ladder::new(2);
        let moves: Vec<_> =
            (0..200).step_by(10).filter_map(|second| Some((second, at(&mut ladder, second, 0.1)?))).collect();
        assert_eq!(moves, [(30, Move::Down), (60, Move::Down)]);
        assert_eq!(ladder.at(), 2);
    }

    #[test]
    fn a_moment_of_too_much_changes_nothing() {
        let mut ladder = Ladder::new(2);
        assert!(
            (0..1000)
                .step_by(10)
                .all(|second| at(&mut ladder, second, if second % 30 == 0 { 0.1 } else { 0.0 }).is_none())
        );
    }

    #[test]
    fn it_comes_back_only_well_below_the_budget_and_after_a_while() {
        let mut ladder = Ladder::new(2);
        (0..=30).step_by(10).for_each(|second| _ = at(&mut ladder, second, 0.1));
        assert_eq!(ladder.at(), 1);
        assert!((40..2000).step_by(10).all(|second| at(&mut ladder, second, 0.0045).is_none()), "not well below");
        let back: Vec<_> =
            (2000..2400).step_by(10).filter(|second| at(&mut ladder, *second, 0.001).is_some()).collect();
        assert_eq!((back, ladder.at()), (vec![2300], 0));
    }

    #[test]
    fn a_trial_that_fails_makes_the_next_one_wait_twice_as_long_and_one_that_goes_well_forgets_that() {
        let mut ladder = Ladder::new(1);
        // Too much whenever it measures.
        let mut ups = Vec::new();
        for second in (0..20_000).step_by(10) {
            let share = if ladder.at() == 0 { 0.1 } else { 0.0 };
            if at(&mut ladder, second, share) == Some(Move::Up) {
                ups.push(second);
            }
        }
        let gaps: Vec<u64> = ups.windows(2).map(|two| two[1] - two[0]).collect();
        assert!(gaps[0] >= 600 && gaps.windows(2).all(|two| two[1] >= 2 * two[0] - 100 || two[1] >= 3600), "{gaps:?}");
        assert!(gaps.iter().all(|gap| *gap <= 3700), "{gaps:?}");
        // The load has gone.
        (20_000..40_000).step_by(10).for_each(|second| _ = at(&mut ladder, second, 0.0));
        assert_eq!((ladder.at(), ladder.failed), (0, 0));
    }

    #[test]
    fn what_is_not_measured_changes_nothing() {
        let mut ladder = Ladder::new(2);
        at(&mut ladder, 0, 0.1);
        assert_eq!(ladder.see(10_000_000_000_000, None, BUDGET, TIMES), None);
        assert_eq!(ladder.at(), 0);
    }

    proptest! {
        #[test]
        fn it_never_leaves_its_steps(shares in prop::collection::vec((0u64..100, 0.0..0.02f64), 0..300)) {
            let mut ladder = Ladder::new(3);
            let (mut now, mut expected) = (0, 0i64);
            for (passed, share) in shares {
                now += passed;
                match at(&mut ladder, now, share) {
                    Some(Move::Down) => expected += 1,
                    Some(Move::Up) => expected -= 1,
                    None => {}
                }
                prop_assert_eq!(ladder.at() as i64, expected);
                prop_assert!((0..=3).contains(&expected));
            }
        }
    }
}
