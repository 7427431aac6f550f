//! What the programs took, by their own clock.
//!
//! The kernel times programs only for whoever holds CAP_SYS_ADMIN. So each program times some of its runs itself: one of
//! [`ONE_OF`] on average, chosen by a number that differs from run to run.

use crate::indexed_enum;

indexed_enum! {
    /// A program that times itself, by its name.
    pub enum Program {
        /// See `monitor-ebpf/src/sched.rs`.
        SchedSwitch = "sched_switch",
        /// The same without a histogram.
        SchedSwitchSums = "sched_switch_sums",
        /// See `monitor-ebpf/src/block.rs`.
        BlockRqIssue = "block_rq_issue",
        /// See `monitor-ebpf/src/block.rs`.
        BlockRqComplete = "block_rq_complete",
        /// The same without size classes.
        BlockRqCompleteSizeless = "block_rq_complete_sizeless",
        /// The same without size classes and histograms.
        BlockRqCompleteSums = "block_rq_complete_sums",
    }
}

/// One of so many runs is timed, a power of two.
pub const ONE_OF: u64 = 256;

/// A run that took longer, in nanoseconds, counts as this: it was kept from its CPU by an interrupt or by another machine, and
/// does not stand for [`ONE_OF`] like it. The longest of these programs takes a thirtieth.
pub const LONGEST_NS: u64 = 1 << 14;

/// Whether a run is timed, by a number that differs from run to run. A time will do, however coarse its clock is: multiplying
/// spreads the numbers (Fibonacci hashing).
#[inline(always)]
pub const fn is_timed(number: u64) -> bool {
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - ONE_OF.ilog2()) == 0
}

/// The time of the runs that were timed, on one CPU.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Times {
    /// In nanoseconds, by [`Program`]: of one in [`ONE_OF`] runs, each with one reading of the clock in it, as in the kernel's own figures.
    pub ns: [u64; Program::COUNT],
}

#[cfg(feature = "user")]
// SAFETY: repr(C), made of integers without padding, valid for every bit pattern.
unsafe impl aya::Pod for Times {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Clocks of a nanosecond, of 24 and 10 MHz, of the ACPI timer, and of the tick at 1000, 250 and 100 Hz.
        #[test]
        fn about_one_of_so_many_is_timed_whatever_the_clock(begin: u64) {
            for grain in [1, 41, 100, 279, 1_000_000, 4_000_000, 10_000_000] {
                let timed = (0..100 * ONE_OF).filter(|run| is_timed(begin.wrapping_add(run * grain))).count();
                prop_assert!((50..200).contains(&timed), "{timed} of 100 with {grain} ns");
            }
        }
    }
}
