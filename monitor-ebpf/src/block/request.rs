//! What the kernel says of a request: its disk, its operation, how it ended.

use monitor_common::block::{Error, Operation};

use crate::kernel::{Kernel, has, offsets, read, setting};

offsets! {
    REQUEST_QUEUE,
    /// Before 5.17; since then the queue has it.
    REQUEST_RQ_DISK,
    QUEUE_DISK,
    GENDISK_MAJOR,
    GENDISK_FIRST_MINOR,
}

/// 1 if `block_rq_complete` passes a negative errno, 0 if a `blk_status_t`.
#[unsafe(no_mangle)]
static BLOCK_STATUS_IS_ERRNO: u32 = 0;

/// The number of the request's disk.
#[inline(always)]
pub unsafe fn disk(request: Kernel) -> Option<u32> {
    // SAFETY: the chain is request -> request_queue -> gendisk, or request -> gendisk.
    unsafe {
        let disk: Kernel = if has(&QUEUE_DISK) {
            let queue: Kernel = read(request, &REQUEST_QUEUE);
            read(queue, &QUEUE_DISK)
        } else {
            read(request, &REQUEST_RQ_DISK)
        };
        if disk.is_null() {
            return None;
        }
        Some(read::<u32>(disk, &GENDISK_MAJOR) << 20 | read::<u32>(disk, &GENDISK_FIRST_MINOR))
    }
}

/// Groups the kernel's operations as its diskstats does (`op_stat_group` in `include/linux/blk_types.h`).
#[inline(always)]
pub fn operation(cmd_flags: u32) -> Operation {
    match cmd_flags & 0xff {
        2 => Operation::Flush,
        3 => Operation::Discard,
        op if op >= 32 => Operation::Passthrough,
        op if op & 1 != 0 => Operation::Write,
        _ => Operation::Read,
    }
}

/// The class of a completion status; none if it says success.
#[inline(always)]
pub fn error(status: i32) -> Option<Error> {
    if setting(&BLOCK_STATUS_IS_ERRNO) == 1 {
        return match -status {
            0 => None,
            95 => Some(Error::Unsupported),
            110 => Some(Error::Timeout),
            28 => Some(Error::NoSpace),
            67 => Some(Error::Transport),
            121 => Some(Error::Target),
            52 => Some(Error::Reservation),
            61 => Some(Error::Medium),
            84 => Some(Error::Protection),
            19 => Some(Error::Offline),
            _ => Some(Error::Io),
        };
    }
    match status & 0xff {
        0 => None,
        1 => Some(Error::Unsupported),
        2 => Some(Error::Timeout),
        3 => Some(Error::NoSpace),
        4 => Some(Error::Transport),
        5 => Some(Error::Target),
        6 => Some(Error::Reservation),
        7 => Some(Error::Medium),
        8 => Some(Error::Protection),
        16 => Some(Error::Offline),
        _ => Some(Error::Io),
    }
}
