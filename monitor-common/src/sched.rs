//! The scheduler probe: what each CPU did, and how long its tasks waited for it.

use crate::{histogram::BUCKETS, indexed_enum};

indexed_enum! {
    /// Why a CPU switched from one task to another. Together they are the kernel's `ctxt`.
    pub enum Switch {
        /// The task slept, waited or ended.
        Voluntary = "voluntary",
        /// The task could have run on.
        Preempted = "preempted",
        /// There was no task before: the CPU left its idle loop.
        FromIdle = "from_idle",
    }
}

indexed_enum! {
    /// Why a time was not counted. Whatever is discarded is counted here.
    pub enum Discard {
        /// The run queue's clock went back between two switches: the interval is in neither busy nor idle time.
        ClockWentBack = "clock_went_back",
        /// The task was queued later than now, on the clock of the run queue: the wait is not in the histogram.
        QueuedInFuture = "queued_in_future",
        /// The kernel holds no time at which the task was queued: the wait is not in the histogram.
        NotQueued = "not_queued",
        /// The task's slot in the departure table was taken by another: the wait's earlier legs on other CPUs, if there
        /// were any, are missing from it.
        DepartureLost = "departure_lost",
    }
}

/// How many long waits a CPU keeps between two reads.
pub const LONG_WAITS: usize = 4;

/// A wait beyond the threshold.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct LongWait {
    /// The number of this wait among the CPU's long waits, from 1. 0 is an empty slot.
    pub sequence: u64,
    /// When it ended, in nanoseconds on the run queue's clock.
    pub clock_ns: u64,
    /// Its length in nanoseconds.
    pub wait_ns: u64,
    /// The task that waited.
    pub pid: u32,
    /// Its process.
    pub tgid: u32,
    /// The task's name, ended by zeros.
    pub comm: [u8; 16],
}

/// Everything one CPU keeps. The only value of a per-CPU array; written by its own CPU alone.
///
/// `end` is written before an update and `begin` after it. A reader that copies the value from front to back and finds
/// both equal has copied no half of an update.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Cpu {
    /// The run queue's clock at the last switch in nanoseconds; 0 before the first.
    pub begin: u64,
    /// 1 while the CPU runs its idle task, 0 otherwise.
    pub idle: u64,
    /// Time in tasks other than the idle task, up to `begin`.
    pub busy_ns: u64,
    /// Time in the idle task, up to `begin`.
    pub idle_ns: u64,
    /// Switches, by [`Switch`].
    pub switches: [u64; Switch::COUNT],
    /// Sum of the waits in `buckets`, in nanoseconds.
    pub wait_ns: u64,
    /// Waits that had an earlier leg on another CPU.
    pub migrated: u64,
    /// A moment on the run queue's clock, in nanoseconds, taken about once a second; 0 before the first.
    pub clock_ns: u64,
    /// The same moment on `CLOCK_MONOTONIC`, in nanoseconds.
    pub monotonic_ns: u64,
    /// What was discarded, by [`Discard`].
    pub discards: [u64; Discard::COUNT],
    /// Waits that are in no bucket, while there is no histogram.
    pub plain_waits: u64,
    /// Their sum in nanoseconds, which is not in `wait_ns`.
    pub plain_wait_ns: u64,
    /// How many waits were beyond the threshold.
    pub long_wait_count: u64,
    /// The latest of them: number `n` is in slot `n % LONG_WAITS`.
    pub long_waits: [LongWait; LONG_WAITS],
    /// Waits for the CPU by length, see [`crate::histogram`].
    pub buckets: [u64; BUCKETS],
    /// `begin` of the update under way or of the last one.
    pub end: u64,
}

/// Slots of the departure table: one for each pid modulo this number, see [`Departure::slot`].
pub const DEPARTURES: u32 = 1 << 16;

/// Bits of a [`Departure`] that hold the run delay.
const RUN_DELAY_BITS: u32 = 56;

/// A task's run delay when it last left a CPU, with a tag that says whose it is. In one word, so that CPUs can write
/// and read it without a lock.
///
/// The delay is kept modulo 2^56 ns (833 days), which is enough for a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Departure(pub u64);

impl Departure {
    /// `run_delay_ns` is the kernel's `sched_info.run_delay`.
    #[inline(always)]
    pub const fn new(pid: u32, run_delay_ns: u64) -> Self {
        Self((Self::tag(pid) << RUN_DELAY_BITS) | (run_delay_ns & Self::MASK))
    }

    /// What was added to the run delay since then, if this is a departure of `pid`.
    #[inline(always)]
    pub const fn run_delay_since(self, pid: u32, run_delay_ns: u64) -> Option<u64> {
        if self.0 >> RUN_DELAY_BITS == Self::tag(pid) {
            Some(run_delay_ns.wrapping_sub(self.0) & Self::MASK)
        } else {
            None
        }
    }

    /// The slot of a task. Neighbours in number often run at the same time on different CPUs, so they get different cache
    /// lines. Numbers that differ in the lower 16 bits get different slots, because the factor is odd.
    #[inline(always)]
    pub const fn slot(pid: u32) -> u32 {
        pid.wrapping_mul(0x9e39) % DEPARTURES
    }

    const MASK: u64 = (1 << RUN_DELAY_BITS) - 1;

    /// A pid has at most 22 bits, of which the slot's number says 16. Never 0, which is an empty slot.
    #[inline(always)]
    const fn tag(pid: u32) -> u64 {
        ((pid / DEPARTURES) as u64 & 0x7f) | 0x80
    }
}

#[cfg(feature = "user")]
// SAFETY: repr(C), made of integers without padding, valid for every bit pattern.
unsafe impl aya::Pod for Cpu {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_departure_gives_back_the_difference(pid in 1u32..1 << 22, before: u64, waited in 0u64..1 << 56) {
            let departure = Departure::new(pid, before);
            prop_assert_eq!(departure.run_delay_since(pid, before.wrapping_add(waited)), Some(waited));
        }

        #[test]
        fn a_departure_of_another_task_in_the_same_slot_is_refused(pid in 1u32..1 << 22, other in 0u32..64, delay: u64) {
            let other = (other * DEPARTURES) | (pid % DEPARTURES);
            prop_assert_eq!(Departure::slot(other), Departure::slot(pid));
            prop_assume!(other != pid);
            prop_assert_eq!(Departure::new(pid, delay).run_delay_since(other, delay), None);
        }
    }

    #[test]
    fn tasks_share_a_slot_only_if_they_share_the_lower_bits_and_neighbours_share_no_cache_line() {
        let mut owners = [0u32; DEPARTURES as usize];
        for pid in 1..=DEPARTURES {
            let slot = Departure::slot(pid);
            assert_eq!(core::mem::replace(&mut owners[slot as usize], pid), 0, "slot {slot}");
            assert_eq!(Departure::slot(pid + DEPARTURES), slot);
            assert!(Departure::slot(pid + 1).abs_diff(slot) >= 8, "{pid}");
        }
    }

    #[test]
    fn an_empty_slot_is_nobodys() {
        assert_eq!(Departure(0).run_delay_since(0, 0), None);
        assert_eq!(Departure(0).run_delay_since(1, 0), None);
    }
}
