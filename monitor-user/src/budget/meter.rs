//! From what the programs took to CPU time a second.
//!
//! In: what the kernel says at the beginning and at the end of a moment in which it timed the programs, or what they say
//! themselves. Out: CPUs, program by program.

/// The name of each program, and what it took since it was loaded in nanoseconds.
pub type Taken = Vec<(&'static str, u64)>;

/// What each program took between two moments that lie `seconds` apart, in CPUs (1 is one of them, all the time).
///
/// Absent if no time has passed. A program that was not there before had taken nothing.
pub fn rates(before: &Taken, after: &Taken, seconds: f64) -> Option<Vec<(&'static str, f64)>> {
    let positive = seconds > 0.0;
    let rate = |&(name, after): &(&'static str, u64)| {
        let before = before.iter().find(|before| before.0 == name).map_or(0, |(_, before)| *before);
        (name, after.saturating_sub(before) as f64 / 1e9 / seconds)
    };
    positive.then(|| after.iter().map(rate).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_in_a_window_is_a_share_of_a_cpu() {
        let (before, after) = (vec![("a", 100), ("b", 7)], vec![("a", 500_000_100), ("b", 7), ("c", 1_000_000)]);
        assert_eq!(rates(&before, &after, 2.0), Some(vec![("a", 0.25), ("b", 0.0), ("c", 0.0005)]));
        assert_eq!(rates(&before, &after, 0.0), None);
    }
}
