//! Run-queue waits the usual way: a hash map from pid to the time of the wakeup.

use aya_ebpf::{
    helpers::generated::bpf_ktime_get_ns,
    macros::{btf_tracepoint, map},
    maps::{HashMap, PerCpuArray},
    programs::BtfTracePointContext,
};
use monitor_common::histogram;

use crate::kernel::{Kernel, offsets, read, setting};

offsets! {
    TASK_PID,
    TASK_STATE,
}

/// 1 if the tracepoint passes the state of `prev`.
#[unsafe(no_mangle)]
static SCHED_SWITCH_HAS_STATE: u32 = 0;

#[map(name = "NAIVE_QUEUED")]
static QUEUED: HashMap<u32, u64> = HashMap::with_max_entries(10_240, 0);

#[map(name = "NAIVE_WAITS")]
static WAITS: PerCpuArray<[u64; histogram::BUCKETS]> = PerCpuArray::with_max_entries(1, 0);

#[btf_tracepoint(function = "sched_wakeup")]
pub fn naive_wakeup(ctx: BtfTracePointContext) -> i32 {
    // SAFETY: the argument is the task.
    unsafe { queued(read(ctx.arg(0), &TASK_PID)) }
    0
}

#[btf_tracepoint(function = "sched_wakeup_new")]
pub fn naive_wakeup_new(ctx: BtfTracePointContext) -> i32 {
    // SAFETY: the argument is the task.
    unsafe { queued(read(ctx.arg(0), &TASK_PID)) }
    0
}

#[btf_tracepoint(function = "sched_switch")]
pub fn naive_switch(ctx: BtfTracePointContext) -> i32 {
    // SAFETY: the tracepoint's arguments are (bool preempt, prev, next, and on newer kernels the state of prev).
    unsafe {
        let (preempt, prev, next): (u64, Kernel, Kernel) = (ctx.arg(0), ctx.arg(1), ctx.arg(2));
        let state: u64 = if setting(&SCHED_SWITCH_HAS_STATE) == 1 {
            ctx.arg::<u64>(3) & 0xffff_ffff
        } else {
            u64::from(read::<u32>(prev, &TASK_STATE))
        };
        if preempt & 1 != 0 || state == 0 {
            queued(read(prev, &TASK_PID));
        }
        let pid: u32 = read(next, &TASK_PID);
        if pid == 0 {
            return 0;
        }
        let Some(since) = QUEUED.get(pid).copied() else { return 0 };
        let wait = bpf_ktime_get_ns().wrapping_sub(since);
        let _ = QUEUED.remove(pid);
        if wait >> 63 == 0
            && let Some(waits) = WAITS.get_ptr_mut(0)
        {
            let bucket = histogram::index(wait);
            if bucket < histogram::BUCKETS {
                (*waits)[bucket] += 1;
            }
        }
    }
    0
}

/// The task waits from now on.
#[inline(always)]
unsafe fn queued(pid: u32) {
    if pid != 0 {
        // SAFETY: a helper without arguments.
        let now = unsafe { bpf_ktime_get_ns() };
        let _ = QUEUED.insert(pid, now, 0);
    }
}
