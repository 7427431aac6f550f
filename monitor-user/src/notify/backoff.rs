//! How long to wait after a failure: twice as long each time, and never quite as long as others do.

use std::{
    hash::{BuildHasher as _, Hasher as _, RandomState},
    time::Duration,
};

/// The wait after so many failures in a row, at least one: between half and all of `first` doubled with each failure after
/// the first, at most `most`. `random` is from 0 to 1.
pub fn wait(failures: u32, first: Duration, most: Duration, random: f64) -> Duration {
    let doubled = first.saturating_mul(1u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX));
    doubled.min(most).mul_f64(0.5 + 0.5 * random.clamp(0.0, 1.0))
}

/// A number from 0 to 1 that differs from node to node and from time to time.
pub fn random() -> f64 {
    // The standard library's hash maps are seeded by the system.
    RandomState::new().build_hasher().finish() as f64 / u64::MAX as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FIRST: Duration = Duration::from_secs(1);
    const MOST: Duration = Duration::from_secs(300);

    #[test]
    fn it_doubles_up_to_five_minutes() {
        let waits: Vec<u64> = (1..12).map(|failures| wait(failures, FIRST, MOST, 1.0).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
    }

    #[test]
    fn no_two_waits_are_alike() {
        assert_ne!(random(), random());
    }

    proptest! {
        #[test]
        fn it_is_never_longer_than_the_most_nor_shorter_than_half(failures: u32, random: f64) {
            let found = wait(failures, FIRST, MOST, random);
            prop_assert!(found >= FIRST / 2 && found <= MOST);
        }
    }
}
