//! Request times the usual way: a hash map from the request's address to the time of the issue, and a histogram for each device.

use aya_ebpf::{
    bindings::BPF_NOEXIST,
    helpers::generated::bpf_ktime_get_ns,
    macros::{btf_tracepoint, map},
    maps::{Array, HashMap, PerCpuHashMap},
    programs::BtfTracePointContext,
};
use monitor_common::histogram;

use crate::kernel::{Kernel, has, offsets, read, setting};

offsets! {
    REQUEST_QUEUE,
    /// Before 5.17; since then the queue has it.
    REQUEST_RQ_DISK,
    QUEUE_DISK,
    GENDISK_MAJOR,
    GENDISK_FIRST_MINOR,
}

/// Which argument of `block_rq_issue` is the request: 0, or 1 on kernels that pass the queue first.
#[unsafe(no_mangle)]
static BLOCK_ISSUE_ARG: u32 = 0;

#[map(name = "NAIVE_ISSUED")]
static ISSUED: HashMap<u64, u64> = HashMap::with_max_entries(10_240, 0);

#[map(name = "NAIVE_REQUESTS")]
static REQUESTS: PerCpuHashMap<u32, [u64; histogram::BUCKETS]> = PerCpuHashMap::with_max_entries(256, 0);

/// What a new histogram begins with: too large for the stack.
#[map(name = "NAIVE_ZERO")]
static ZERO: Array<[u64; histogram::BUCKETS]> = Array::with_max_entries(1, 0);

#[btf_tracepoint(function = "block_rq_issue")]
pub fn naive_issue(ctx: BtfTracePointContext) -> i32 {
    // SAFETY: the argument is a request.
    unsafe {
        let request: u64 = if setting(&BLOCK_ISSUE_ARG) == 1 { ctx.arg(1) } else { ctx.arg(0) };
        let _ = ISSUED.insert(request, bpf_ktime_get_ns(), 0);
    }
    0
}

#[btf_tracepoint(function = "block_rq_complete")]
pub fn naive_complete(ctx: BtfTracePointContext) -> i32 {
    // SAFETY: the first argument is a request.
    unsafe {
        let request: u64 = ctx.arg(0);
        let Some(since) = ISSUED.get(request).copied() else { return 0 };
        let time = bpf_ktime_get_ns().wrapping_sub(since);
        let _ = ISSUED.remove(request);
        if time >> 63 == 0
            && let Some(buckets) = buckets(device(ctx.arg(0)))
        {
            let bucket = histogram::index(time);
            if bucket < histogram::BUCKETS {
                (*buckets)[bucket] += 1;
            }
        }
    }
    0
}

/// The device's histogram, made on first use.
#[inline(always)]
fn buckets(device: u32) -> Option<*mut [u64; histogram::BUCKETS]> {
    if let Some(buckets) = REQUESTS.get_ptr_mut(device) {
        return Some(buckets);
    }
    let _ = REQUESTS.insert(device, ZERO.get(0)?, u64::from(BPF_NOEXIST));
    REQUESTS.get_ptr_mut(device)
}

/// The number of the request's disk.
#[inline(always)]
unsafe fn device(request: Kernel) -> u32 {
    // SAFETY: the chain is request -> request_queue -> gendisk, or request -> gendisk.
    unsafe {
        let disk: Kernel = if has(&QUEUE_DISK) {
            read(read(request, &REQUEST_QUEUE), &QUEUE_DISK)
        } else {
            read(request, &REQUEST_RQ_DISK)
        };
        if disk.is_null() {
            return 0;
        }
        read::<u32>(disk, &GENDISK_MAJOR) << 20 | read::<u32>(disk, &GENDISK_FIRST_MINOR)
    }
}
