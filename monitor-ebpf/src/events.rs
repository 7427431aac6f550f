//! Rare things, one record each, through a ring buffer: limited in rate on each CPU, and whatever is dropped is counted.

use aya_ebpf::{
    bindings::BPF_RB_NO_WAKEUP,
    helpers::generated::bpf_ktime_get_ns,
    macros::{btf_tracepoint, map},
    maps::{Array, PerCpuArray, RingBuf},
    programs::BtfTracePointContext,
};
use monitor_common::events::{Counts, Event, Kind, UNKNOWN};

use crate::{
    kernel::{Kernel, read, setting},
    sched::{TASK_COMM, TASK_PID},
};

/// How many records one CPU may write in a second.
#[unsafe(no_mangle)]
static EVENTS_PER_SECOND: u64 = 32;
/// 1 if `mark_victim` passes the task, 0 if it passes its pid.
#[unsafe(no_mangle)]
static MARK_VICTIM_HAS_TASK: u32 = 0;

#[map(name = "EVENTS")]
static EVENTS: RingBuf = RingBuf::with_byte_size(64 * 1024, 0);

#[map(name = "EVENT_COUNTS")]
static COUNTS: PerCpuArray<Counts> = PerCpuArray::with_max_entries(1, 0);

/// 1 while nothing is to be reported. Read on the rare paths only: the others pay nothing for it.
#[map(name = "EVENTS_OFF")]
static OFF: Array<u32> = Array::with_max_entries(1, 0);

/// Whether user space has turned the reports off.
#[inline(always)]
pub fn are_off() -> bool {
    OFF.get(0).is_some_and(|off| *off != 0)
}

/// Writes the record, unless this CPU has written too many in this second or the buffer is full. User space looks into the
/// buffer at its own pace: nobody is woken here.
#[cold]
#[inline(never)]
pub fn emit(event: &Event, kind: Kind) {
    if are_off() {
        return;
    }
    let Some(counts) = COUNTS.get_ptr_mut(0) else { return };
    // SAFETY: this CPU's own value.
    unsafe {
        (*counts).seen[kind as usize] += 1;
        let second = event.monotonic_ns / 1_000_000_000;
        if (*counts).second != second {
            (*counts).second = second;
            (*counts).in_second = 0;
        }
        if (*counts).in_second >= setting(&EVENTS_PER_SECOND) {
            (*counts).limited[kind as usize] += 1;
            return;
        }
        match EVENTS.reserve::<Event>(0) {
            Some(mut entry) => {
                entry.write(*event);
                entry.submit(u64::from(BPF_RB_NO_WAKEUP));
                (*counts).in_second += 1;
            }
            None => (*counts).full[kind as usize] += 1,
        }
    }
}

#[btf_tracepoint(function = "mark_victim")]
pub fn mark_victim(ctx: BtfTracePointContext) -> i32 {
    // SAFETY: the tracepoint passes the task that will be killed, or on older kernels its pid.
    unsafe {
        let (pid, comm) = if setting(&MARK_VICTIM_HAS_TASK) == 1 {
            let task: Kernel = ctx.arg(0);
            (read(task, &TASK_PID), read(task, &TASK_COMM))
        } else {
            (ctx.arg::<u64>(0) as u32, [0; 16])
        };
        let event = Event {
            monotonic_ns: bpf_ktime_get_ns(),
            sector: 0,
            queue_ns: UNKNOWN,
            device_ns: UNKNOWN,
            device: 0,
            bytes: 0,
            pid,
            kind: Kind::OomKill as u8,
            operation: 0,
            error: 0,
            padding: 0,
            comm,
        };
        emit(&event, Kind::OomKill);
    }
    0
}
