//! Rare things, as they pass through the ring buffer.

use crate::indexed_enum;

indexed_enum! {
    /// What happened. A long wait for the CPU is not among them: see [`crate::sched::LongWait`].
    pub enum Kind {
        /// A block request failed.
        BlockError = "block_error",
        /// A block request took longer than the threshold.
        SlowRequest = "slow_request",
        /// The kernel killed a task for want of memory.
        OomKill = "oom_kill",
    }
}

/// One record of the ring buffer, the same for all kinds; what a kind does not have is 0.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Event {
    /// When, in nanoseconds of `CLOCK_MONOTONIC`.
    pub monotonic_ns: u64,
    /// First sector of the request (512 bytes each).
    pub sector: u64,
    /// Time from the request's start to its issue, in nanoseconds; [`UNKNOWN`] if not known.
    pub queue_ns: u64,
    /// Time from issue to completion, in nanoseconds; [`UNKNOWN`] if not known.
    pub device_ns: u64,
    /// Device number: major << 20 | minor.
    pub device: u32,
    /// Bytes of the request when it was issued.
    pub bytes: u32,
    /// The task that issued the request, or that was killed; 0 if unknown.
    pub pid: u32,
    /// A [`Kind`].
    pub kind: u8,
    /// A [`crate::block::Operation`].
    pub operation: u8,
    /// A [`crate::block::Error`].
    pub error: u8,
    /// Always 0.
    pub padding: u8,
    /// The name of the killed task, ended by zeros.
    pub comm: [u8; 16],
}

/// A time that is not known.
pub const UNKNOWN: u64 = u64::MAX;

/// How many events of each [`Kind`] one CPU saw and how many it had to drop.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Counts {
    /// Events that happened, by [`Kind`].
    pub seen: [u64; Kind::COUNT],
    /// Events that were not put into the ring buffer because the CPU's rate was used up.
    pub limited: [u64; Kind::COUNT],
    /// Events that found the ring buffer full.
    pub full: [u64; Kind::COUNT],
    /// The second in which `in_second` counts.
    pub second: u64,
    /// Events put into the ring buffer in that second.
    pub in_second: u64,
}

#[cfg(feature = "user")]
// SAFETY: repr(C), made of integers without padding, valid for every bit pattern.
unsafe impl aya::Pod for Counts {}
