//! The scheduler: busy and idle time, switches and run-queue waits of each CPU, from `sched_switch` alone.
//!
//! At this tracepoint the kernel has not yet closed its own books on the switch (`sched_info_switch` in
//! `kernel/sched/stats.h` comes after it): `next->sched_info.last_queued` still says when `next` was queued, on the clock
//! that `rq->clock` shows now. A task that was moved while it waited had the wait so far added to `run_delay`, and
//! `last_queued` set anew; what `run_delay` was when the task last left a CPU is in the departure table, so the
//! difference is the earlier legs.

use core::ptr::{addr_of, addr_of_mut, read_volatile, write_volatile};

use aya_ebpf::{
    helpers::generated::bpf_ktime_get_ns,
    macros::{btf_tracepoint, map},
    maps::{Array, PerCpuArray},
    programs::BtfTracePointContext,
};
use monitor_common::{
    histogram,
    sched::{Cpu, DEPARTURES, Departure, Discard, LONG_WAITS, Switch},
    timing::Program,
};

use crate::{
    events::are_off,
    kernel::{Kernel, compiler_barrier, offsets, read, setting},
    timing,
};

offsets! {
    TASK_PID,
    TASK_TGID,
    TASK_COMM,
    TASK_STATE,
    TASK_CFS_RQ,
    CFS_RQ_RQ,
    RQ_CLOCK,
    TASK_RUN_DELAY,
    TASK_LAST_QUEUED,
    TASK_PCOUNT,
}

/// 1 if the tracepoint passes the state of `prev`. The task's own field may have been changed by a waker since.
#[unsafe(no_mangle)]
static SCHED_SWITCH_HAS_STATE: u32 = 0;
/// Waits longer than this are recorded one by one, in nanoseconds.
#[unsafe(no_mangle)]
static LONG_WAIT_NS: u64 = u64::MAX;

/// The two clocks are compared whenever this bit of the run queue's clock, in nanoseconds, or one above has changed.
const CLOCK_PAIR_BIT: u32 = 30;

#[map(name = "SCHED_CPUS")]
static CPUS: PerCpuArray<Cpu> = PerCpuArray::with_max_entries(1, 0);

#[map(name = "SCHED_DEPARTURES")]
static DEPARTED: Array<Departed> = Array::with_max_entries(1, 0);

/// One value, not one for each slot: a place in it is found without asking the map again.
type Departed = [u64; DEPARTURES as usize];

#[btf_tracepoint(function = "sched_switch")]
pub fn sched_switch(ctx: BtfTracePointContext) -> i32 {
    switch::<true>(&ctx);
    0
}

/// The same without a histogram: attached instead where the budget does not allow for one. A program of its own, so that the
/// other one pays nothing for the choice.
#[btf_tracepoint(function = "sched_switch")]
pub fn sched_switch_sums(ctx: BtfTracePointContext) -> i32 {
    switch::<false>(&ctx);
    0
}

#[inline(always)]
fn switch<const HISTOGRAM: bool>(ctx: &BtfTracePointContext) {
    // SAFETY: the tracepoint's arguments are (bool preempt, prev, next, and on newer kernels the state of prev).
    unsafe {
        let (preempt, prev, next): (u64, Kernel, Kernel) = (ctx.arg(0), ctx.arg(1), ctx.arg(2));
        let Some(cpu) = CPUS.get_ptr_mut(0) else { return };
        let last = read_volatile(addr_of!((*cpu).begin));
        let begun = timing::begin(last);
        let Some(departed) = DEPARTED.get_ptr_mut(0) else { return };
        let prev_pid: u32 = read(prev, &TASK_PID);
        let next_pid: u32 = read(next, &TASK_PID);
        let now: u64 = clock(next);

        write_volatile(addr_of_mut!((*cpu).end), now);
        compiler_barrier();
        close_interval(cpu, last, now, prev_pid == 0);
        let kind = if prev_pid == 0 {
            Switch::FromIdle
        } else {
            depart(departed, prev, prev_pid);
            // As the kernel itself counts: a task that was preempted, or is still runnable, did not want to leave.
            let state: u64 = if setting(&SCHED_SWITCH_HAS_STATE) == 1 {
                ctx.arg::<u64>(3) & 0xffff_ffff
            } else {
                u64::from(read::<u32>(prev, &TASK_STATE))
            };
            if preempt & 1 != 0 || state == 0 { Switch::Preempted } else { Switch::Voluntary }
        };
        (*cpu).switches[kind as usize] += 1;
        if next_pid != 0 {
            arrive::<HISTOGRAM>(cpu, departed, next, next_pid, now);
        }
        (*cpu).idle = u64::from(next_pid == 0);
        // Not by the time of the last pair, which lies in a cache line that nothing else of this needs.
        if (now ^ last) >> CLOCK_PAIR_BIT != 0 {
            (*cpu).monotonic_ns = bpf_ktime_get_ns();
            (*cpu).clock_ns = now;
        }
        compiler_barrier();
        write_volatile(addr_of_mut!((*cpu).begin), now);
        timing::end(begun, if HISTOGRAM { Program::SchedSwitch } else { Program::SchedSwitchSums });
    }
}

/// The clock of the run queue that `task` is on, in nanoseconds: just updated by the scheduler, so nothing to compute.
#[inline(always)]
unsafe fn clock(task: Kernel) -> u64 {
    // SAFETY: the chain is task_struct -> cfs_rq -> rq; every task has a cfs_rq, whatever its class.
    unsafe {
        let cfs_rq: Kernel = read(task, &TASK_CFS_RQ);
        let rq: Kernel = read(cfs_rq, &CFS_RQ_RQ);
        read(rq, &RQ_CLOCK)
    }
}

#[inline(always)]
unsafe fn close_interval(cpu: *mut Cpu, last: u64, now: u64, was_idle: bool) {
    // SAFETY: this CPU's own value, which nobody else writes.
    unsafe {
        if last == 0 {
            return;
        }
        if now < last {
            discard(cpu, Discard::ClockWentBack);
        } else if was_idle {
            (*cpu).idle_ns += now - last;
        } else {
            (*cpu).busy_ns += now - last;
        }
    }
}

/// Remembers the run delay of a task that leaves the CPU.
#[inline(always)]
unsafe fn depart(departed: *mut Departed, task: Kernel, pid: u32) {
    // SAFETY: a slot is one word; CPUs may race for it, and the tag says who won.
    unsafe {
        let slot = addr_of_mut!((*departed)[Departure::slot(pid) as usize]);
        write_volatile(slot, Departure::new(pid, read(task, &TASK_RUN_DELAY)).0);
    }
}

/// Counts the wait of a task that gets the CPU.
#[inline(always)]
unsafe fn arrive<const HISTOGRAM: bool>(cpu: *mut Cpu, departed: *mut Departed, task: Kernel, pid: u32, now: u64) {
    // SAFETY: this CPU's own value; `task` is a task_struct.
    unsafe {
        let queued: u64 = read(task, &TASK_LAST_QUEUED);
        if queued == 0 {
            return discard(cpu, Discard::NotQueued);
        }
        if now < queued {
            return discard(cpu, Discard::QueuedInFuture);
        }
        let earlier = earlier_legs(cpu, departed, task, pid);
        if earlier != 0 {
            (*cpu).migrated += 1;
        }
        let wait = now - queued + earlier;
        if HISTOGRAM {
            (*cpu).wait_ns += wait;
            let bucket = histogram::index(wait);
            if bucket < histogram::BUCKETS {
                (*cpu).buckets[bucket] += 1;
            }
        } else {
            (*cpu).plain_wait_ns += wait;
            (*cpu).plain_waits += 1;
        }
        if wait > setting(&LONG_WAIT_NS) {
            note_long_wait(cpu, task, pid, now, wait);
        }
    }
}

/// What this wait took on other CPUs before this one.
#[inline(always)]
unsafe fn earlier_legs(cpu: *mut Cpu, departed: *mut Departed, task: Kernel, pid: u32) -> u64 {
    // SAFETY: as in `arrive`.
    unsafe {
        let run_delay: u64 = read(task, &TASK_RUN_DELAY);
        if read::<u64>(task, &TASK_PCOUNT) == 0 {
            // It has never run, so all its delay is this wait; the slot may hold an older task of the same number.
            return run_delay;
        }
        let departure = Departure(read_volatile(addr_of!((*departed)[Departure::slot(pid) as usize])));
        match departure.run_delay_since(pid, run_delay) {
            Some(legs) => legs,
            // Not left a CPU since the programs were attached.
            None if departure.0 == 0 => 0,
            None => {
                discard(cpu, Discard::DepartureLost);
                0
            }
        }
    }
}

/// Records a long wait for user space to collect.
///
/// Not through a ring buffer: that takes a lock. The CPU's own value has room for the latest few, and is read anyway.
#[cold]
#[inline(never)]
unsafe fn note_long_wait(cpu: *mut Cpu, task: Kernel, pid: u32, now: u64, wait: u64) {
    if are_off() {
        return;
    }
    // SAFETY: as in `arrive`.
    unsafe {
        let sequence = (*cpu).long_wait_count + 1;
        (*cpu).long_wait_count = sequence;
        let slot = addr_of_mut!((*cpu).long_waits[sequence as usize % LONG_WAITS]);
        (*slot).sequence = sequence;
        (*slot).clock_ns = now;
        (*slot).wait_ns = wait;
        (*slot).pid = pid;
        (*slot).tgid = read(task, &TASK_TGID);
        (*slot).comm = read(task, &TASK_COMM);
    }
}

#[inline(always)]
unsafe fn discard(cpu: *mut Cpu, reason: Discard) {
    // SAFETY: this CPU's own value.
    unsafe { (*cpu).discards[reason as usize] += 1 }
}
