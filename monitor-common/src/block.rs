//! The block probe: requests by device and operation, and what is in flight.

use crate::{histogram::BUCKETS, indexed_enum};

indexed_enum! {
    /// What a request does. Grouped as the kernel's diskstats does it: whatever is neither a flush nor a discard and has
    /// an odd operation number writes.
    pub enum Operation {
        /// Reads data.
        Read = "read",
        /// Writes data or zeroes, or changes a zone.
        Write = "write",
        /// Makes the device write its cache.
        Flush = "flush",
        /// Tells the device that blocks are unused.
        Discard = "discard",
        /// A driver's or an administrator's own command (SCSI, NVMe admin). Not in diskstats.
        Passthrough = "passthrough",
    }
}

indexed_enum! {
    /// The size of a request when it was issued.
    pub enum SizeClass {
        /// No data: flushes.
        Empty = "0",
        /// Up to 4 KiB.
        To4K = "4KiB",
        /// Up to 16 KiB.
        To16K = "16KiB",
        /// Up to 64 KiB.
        To64K = "64KiB",
        /// Up to 256 KiB.
        To256K = "256KiB",
        /// More than 256 KiB.
        Larger = "inf",
    }
}

impl SizeClass {
    /// The class of a size in bytes.
    #[inline(always)]
    pub const fn of(bytes: u32) -> Self {
        match bytes {
            0 => Self::Empty,
            1..=0x1000 => Self::To4K,
            0x1001..=0x4000 => Self::To16K,
            0x4001..=0x1_0000 => Self::To64K,
            0x1_0001..=0x4_0000 => Self::To256K,
            _ => Self::Larger,
        }
    }
}

indexed_enum! {
    /// Why a request failed. Source: `blk_errors` in the kernel's `block/blk-core.c`.
    pub enum Error {
        /// I/O error, and whatever has no class of its own.
        Io = "io",
        /// The device did not answer in time.
        Timeout = "timeout",
        /// The medium is bad.
        Medium = "medium",
        /// The link to the device failed.
        Transport = "transport",
        /// The target refused.
        Target = "target",
        /// The data's integrity check failed.
        Protection = "protection",
        /// No space is left on a thin device.
        NoSpace = "no_space",
        /// The device cannot do this.
        Unsupported = "unsupported",
        /// Another host holds a reservation.
        Reservation = "reservation",
        /// The device is offline.
        Offline = "offline",
    }
}

indexed_enum! {
    /// Why a time was not counted. The request itself, its bytes and its errors are counted all the same unless it says so.
    pub enum Discard {
        /// The kernel keeps no start time for this queue (`iostats` is off, or passthrough): queue time and total are unknown.
        NoStartTime = "no_start_time",
        /// The request's slot in the in-flight table was taken by another: queue and device time are unknown.
        IssueLost = "issue_lost",
        /// The request was never issued by itself: a write without data that only asked for a flush, which is counted as such.
        NotIssued = "not_issued",
        /// A time would have been negative: the clock went back.
        ClockWentBack = "clock_went_back",
        /// The map of statistics is full or its memory was refused: the request is in no figure.
        TableFull = "table_full",
        /// The request belongs to no disk (a controller's admin queue): it is in no figure.
        NoDisk = "no_disk",
    }
}

/// Key of the statistics: they exist only for what was used.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// Device number: major << 20 | minor, as the kernel's `dev_t`.
    pub device: u32,
    /// The CPU that completed the requests.
    pub cpu: u16,
    /// An [`Operation`].
    pub operation: u8,
    /// Always 0.
    pub padding: u8,
}

/// Requests of one size class. A request counts when it is complete, its bytes as they complete.
///
/// One cache line: a completion writes to one class, and to no other sums.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Class {
    /// Requests completed, with errors or without.
    pub requests: u64,
    /// Bytes completed.
    pub bytes: u64,
    /// Requests whose three times are known, and in the two sums that follow.
    pub timed: u64,
    /// Sum of the times from the request's start to its issue to the device, in nanoseconds.
    pub queue_ns: u64,
    /// Sum of the times from issue to completion, in nanoseconds.
    pub device_ns: u64,
    /// Sum of the device times of requests of which nothing else is known, in nanoseconds.
    pub lone_device_ns: u64,
    /// Sum of the total times of requests of which nothing else is known, in nanoseconds.
    pub lone_total_ns: u64,
    /// Always 0.
    pub padding: u64,
}

/// Requests by their times that lie in one bucket, see [`crate::histogram`].
///
/// Side by side, because the total is often in the bucket of the device time, or near it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    /// By the time from start to issue.
    pub queue: u32,
    /// By the time from issue to completion.
    pub device: u32,
    /// By the time from start to completion.
    pub total: u32,
}

/// Statistics of one device and operation as one CPU completed them; written by that CPU alone.
///
/// A time that is not known is in no histogram and no sum; `total` is `queue` plus `device` for every request of which both
/// are known.
///
/// Buckets and errors are 32 bits wide, which halves the memory: they wrap, and a reader takes differences modulo 2^32.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Stats {
    /// By [`SizeClass`].
    pub classes: [Class; SizeClass::COUNT],
    /// Requests by time.
    pub buckets: [Bucket; BUCKETS],
    /// Failed requests by [`Error`].
    pub errors: [u32; Error::COUNT],
}

/// How many entries of the statistics may begin in an interrupt that leaves the kernel no memory for them, in all.
pub const RESERVE_ENTRIES: u32 = 32;

/// Slots that share a place in the in-flight table.
pub const WAYS: usize = 4;
/// Places of the in-flight table, a power of two.
pub const SETS: u32 = 1 << 11;

/// A request that was issued: one cache line.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug)]
pub struct Slot {
    /// A number that stands for the request's address; 0 if the slot was never used.
    pub request: u64,
    /// The kernel's start time of the request, or the time of its first issue where the kernel keeps none; 0 when the
    /// request is complete and the slot is free. In nanoseconds of `CLOCK_MONOTONIC`, as all times here.
    pub start_ns: u64,
    /// When it was last issued; 0 where the kernel itself keeps this time.
    pub issue_ns: u64,
    /// Device number: major << 20 | minor.
    pub device: u32,
    /// Bytes at the first issue.
    pub bytes: u32,
    /// The task that issued it.
    pub pid: u32,
    /// [`KERNEL_KEEPS_ISSUE_TIME`].
    pub flags: u32,
    /// Always 0.
    pub padding: [u64; 3],
}

/// The kernel kept the issue time of this slot's last request itself, so the next one needs no reading of the clock.
pub const KERNEL_KEEPS_ISSUE_TIME: u32 = 1;

/// One place of the in-flight table.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Set {
    /// In no order.
    pub slots: [Slot; WAYS],
}

/// The discards of one CPU, by [`Discard`].
pub type Discards = [u64; Discard::COUNT];

#[cfg(feature = "user")]
mod user {
    // SAFETY: all are repr(C), made of integers without padding, valid for every bit pattern.
    unsafe impl aya::Pod for super::Key {}
    // SAFETY: as above.
    unsafe impl aya::Pod for super::Stats {}
    // SAFETY: as above.
    unsafe impl aya::Pod for super::Set {}
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The kernel's own part of an element of a hash map, in a block of its allocator.
    const ELEMENT: usize = 56;

    /// A value, its key and the kernel's own part must fit in one 4 KiB block of the kernel's allocator; a byte more would
    /// take 8 KiB.
    #[test]
    fn an_element_fits_in_a_block_of_4_kib() {
        assert!(size_of::<Stats>() + size_of::<Key>() + ELEMENT <= 4096, "{}", size_of::<Stats>());
    }

    /// From 6.1 on, where the block begins with the allocator's own pointer.
    #[test]
    fn each_class_has_a_cache_line() {
        assert_eq!((ELEMENT + size_of::<Key>() + core::mem::offset_of!(Stats, classes)) % 64, 0);
        assert_eq!(size_of::<Class>(), 64);
    }

    #[test]
    fn classes_end_where_they_say() {
        for (bytes, class) in [
            (0, SizeClass::Empty),
            (512, SizeClass::To4K),
            (4096, SizeClass::To4K),
            (4097, SizeClass::To16K),
            (16384, SizeClass::To16K),
            (65536, SizeClass::To64K),
            (262_144, SizeClass::To256K),
            (262_145, SizeClass::Larger),
        ] {
            assert_eq!(SizeClass::of(bytes), class, "{bytes}");
        }
    }
}
