//! From the kernel's count of the programs' runs to CPU time a second.
//!
//! In: what the kernel says at the beginning and at the end of a moment in which it timed the programs. Out: CPUs, program by
//! program.

use crate::kernel::load::ProgramStats;

/// What each program took between two moments that lie `seconds` apart, in CPUs (1 is one of them, all the time).
///
/// Absent if no time has passed. A program that is not in both is left out.
pub fn rates(before: &[ProgramStats], after: &[ProgramStats], seconds: f64) -> Option<Vec<(&'static str, f64)>> {
    let positive = seconds > 0.0;
    let rate = |after: &ProgramStats| {
        let before = before.iter().find(|before| before.name == after.name)?;
        Some((after.name, after.run_time_ns.saturating_sub(before.run_time_ns) as f64 / 1e9 / seconds))
    };
    positive.then(|| after.iter().filter_map(rate).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_in_a_window_is_a_share_of_a_cpu() {
        let stats = |name, run_time_ns| ProgramStats { name, runs: 0, run_time_ns, missed: 0 };
        let (before, after) =
            ([stats("a", 100), stats("b", 7)], [stats("a", 500_000_100), stats("b", 7), stats("c", 9)]);
        assert_eq!(rates(&before, &after, 2.0), Some(vec![("a", 0.25), ("b", 0.0)]));
        assert_eq!(rates(&before, &after, 0.0), None);
    }
}
