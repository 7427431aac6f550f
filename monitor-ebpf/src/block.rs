//! Block requests: their times, sizes and errors, and what is in flight.
//!
//! `block_rq_complete` finds in the request itself when it was made and, where the queue keeps statistics, when it was
//! issued. `block_rq_issue` keeps a slot for the rest: the issue time where the kernel keeps none, and the age of what
//! is still in flight.
//!
//! A request is counted when it is complete, as the kernel's own diskstats does it (`blk_account_io_done` in
//! `block/blk-mq.c`): the tracepoint also fires for each part of a request that completes in parts, and once more for a
//! write that went through the flush machinery. Those add their bytes and nothing else.

mod request;

use core::ptr::{addr_of_mut, null_mut, read_volatile};

use aya_ebpf::{
    EbpfContext as _,
    helpers::generated::{bpf_get_current_pid_tgid, bpf_get_smp_processor_id, bpf_ktime_get_ns},
    macros::{btf_tracepoint, map},
    maps::{Array, HashMap, PerCpuArray},
    programs::BtfTracePointContext,
};
use aya_log_ebpf::warn;
use monitor_common::{
    block::{
        Bucket, Class, Discard, Discards, Error, KERNEL_KEEPS_ISSUE_TIME, Key, Operation, RESERVE_ENTRIES, SETS, Set,
        SizeClass, Slot, Stats, WAYS,
    },
    events::{Event, Kind, UNKNOWN},
    histogram,
    timing::Program,
};

use self::request::{disk, error, operation};
use crate::{
    events::emit,
    kernel::{Kernel, forget, has, offsets, read, setting},
    timing,
};

offsets! {
    REQUEST_CMD_FLAGS,
    REQUEST_RQ_FLAGS,
    REQUEST_DATA_LEN,
    REQUEST_SECTOR,
    REQUEST_START_TIME,
    REQUEST_IO_START_TIME,
}

/// Which argument of `block_rq_issue` is the request: 0, or 1 on kernels that pass the queue first.
#[unsafe(no_mangle)]
static BLOCK_ISSUE_ARG: u32 = 0;
/// The bit `RQF_FLUSH_SEQ` of `rq_flags`: the request is inside the flush machinery.
#[unsafe(no_mangle)]
static FLUSH_SEQUENCE_FLAG: u32 = 1 << 4;
/// The bit `RQF_IO_STAT` of `rq_flags`: the kernel keeps books on the request.
#[unsafe(no_mangle)]
static ACCOUNTED_FLAG: u32 = 1 << 13;
/// Requests that took longer are reported one by one, in nanoseconds.
#[unsafe(no_mangle)]
static SLOW_REQUEST_NS: u64 = u64::MAX;

#[map(name = "BLOCK_STATS")]
static STATS: HashMap<Key, Stats> = HashMap::with_max_entries(1, aya_ebpf::bindings::BPF_F_NO_PREALLOC);

/// Takes the entries for which the kernel has no memory at this moment: it keeps a few pieces of this size ready on each
/// CPU, from 6.1 on one at first, and gets more only when the interrupt under way is over. Preallocated, so this never waits.
#[map(name = "BLOCK_RESERVE")]
static RESERVE: HashMap<Key, Stats> = HashMap::with_max_entries(RESERVE_ENTRIES, 0);

/// What a new entry of the statistics begins with: too large for the stack.
#[map(name = "BLOCK_ZERO")]
static ZERO: Array<Stats> = Array::with_max_entries(1, 0);

#[map(name = "BLOCK_IN_FLIGHT")]
static IN_FLIGHT: Array<Set> = Array::with_max_entries(SETS, aya_ebpf::bindings::BPF_F_MMAPABLE);

#[map(name = "BLOCK_DISCARDS")]
static DISCARDS: PerCpuArray<Discards> = PerCpuArray::with_max_entries(1, 0);

#[btf_tracepoint(function = "block_rq_issue")]
pub fn block_rq_issue(ctx: BtfTracePointContext) -> i32 {
    // SAFETY: the argument is a request.
    unsafe {
        let request: Kernel =
            if setting(&BLOCK_ISSUE_ARG) == 1 { argument(&ctx, 1) as Kernel } else { argument(&ctx, 0) as Kernel };
        let begun = timed(request);
        issue(request);
        timing::end(begun, Program::BlockRqIssue);
    }
    0
}

#[inline(always)]
unsafe fn issue(request: Kernel) {
    // SAFETY: `request` is a request.
    unsafe {
        let number = number(request);
        let Some(slots) = slots(number) else { return };
        let start = start(request);
        let mut slot = own(slots, number, read(request, &REQUEST_START_TIME));
        let own = !slot.is_null();
        if !own {
            slot = free(slots, number);
        }
        if own && (*slot).start_ns != 0 && (start == 0 || (*slot).start_ns == start) {
            // Issued again after a requeue: its time in the queue goes on until now, and its size was larger then.
            if (*slot).issue_ns != 0 {
                (*slot).issue_ns = bpf_ktime_get_ns();
            }
            return;
        }
        let kept = own && (*slot).flags & KERNEL_KEEPS_ISSUE_TIME != 0 && start != 0;
        let issue = if kept { 0 } else { bpf_ktime_get_ns() };
        (*slot).issue_ns = issue;
        (*slot).device = disk(request).unwrap_or(0);
        (*slot).bytes = read(request, &REQUEST_DATA_LEN);
        (*slot).pid = bpf_get_current_pid_tgid() as u32;
        (*slot).flags = 0;
        (*slot).request = number;
        (*slot).start_ns = if start != 0 { start } else { issue };
    }
}

#[btf_tracepoint(function = "block_rq_complete")]
pub fn block_rq_complete(ctx: BtfTracePointContext) -> i32 {
    completed::<true, true>(&ctx, Program::BlockRqComplete)
}

/// The same without size classes: all requests are in the largest one. This one and the next are attached instead where the
/// budget does not allow for more; the first pays nothing for the choice.
#[btf_tracepoint(function = "block_rq_complete")]
pub fn block_rq_complete_sizeless(ctx: BtfTracePointContext) -> i32 {
    completed::<false, true>(&ctx, Program::BlockRqCompleteSizeless)
}

/// The same without size classes and histograms.
#[btf_tracepoint(function = "block_rq_complete")]
pub fn block_rq_complete_sums(ctx: BtfTracePointContext) -> i32 {
    completed::<false, false>(&ctx, Program::BlockRqCompleteSums)
}

#[inline(always)]
fn completed<const SIZES: bool, const HISTOGRAMS: bool>(ctx: &BtfTracePointContext, program: Program) -> i32 {
    // SAFETY: the arguments are (request, status, bytes completed).
    unsafe {
        let request = argument(ctx, 0) as Kernel;
        let begun = timed(request);
        complete::<SIZES, HISTOGRAMS>(ctx, request, argument(ctx, 1) as i32, argument(ctx, 2) as u32);
        timing::end(begun, program);
    }
    0
}

/// Begins to time one run in many. Requests differ in the time at which they were made, and where the kernel keeps none, in
/// their place.
#[inline(always)]
unsafe fn timed(request: Kernel) -> u64 {
    // SAFETY: `request` is a request.
    unsafe {
        let time: u64 = read(request, &REQUEST_START_TIME);
        timing::begin(time.wrapping_add(read(request, &REQUEST_SECTOR)))
    }
}

#[inline(always)]
unsafe fn complete<const SIZES: bool, const HISTOGRAMS: bool>(
    ctx: &BtfTracePointContext,
    request: Kernel,
    status: i32,
    done: u32,
) {
    // SAFETY: `request` is a request.
    unsafe {
        let Some(device) = disk(request) else {
            discard(Discard::NoDisk);
            return;
        };
        let time: u64 = read(request, &REQUEST_START_TIME);
        let operation = forget::<7>(operation(read(request, &REQUEST_CMD_FLAGS)) as u64, time) as u8;
        let Some(stats) = stats(device, operation) else {
            if discard(Discard::TableFull) == 1 {
                warn!(ctx, "no room for the statistics of device {}: its requests are in no figure", device);
            }
            return;
        };
        let number = number(request);
        let Some(slots) = slots(number) else { return };
        let mut slot = own(slots, number, time);
        let start = start(request);
        if !slot.is_null() && (start != 0 && (*slot).start_ns != start || (*slot).start_ns == 0) {
            // Left from another life of the request, perhaps one whose end nobody saw.
            (*slot).start_ns = 0;
            slot = null_mut();
        }
        let bytes = if slot.is_null() { done } else { (*slot).bytes };
        let class = if SIZES { SizeClass::of(bytes) } else { SizeClass::Larger };
        let class = forget::<7>(class as u64, time) as usize;
        if class >= SizeClass::COUNT {
            return;
        }
        let class = addr_of_mut!((*stats).classes[class]);
        (*class).bytes += u64::from(done);
        // The flush request itself carries the flag, too.
        let in_sequence = operation != Operation::Flush as u8
            && read::<u32>(request, &REQUEST_RQ_FLAGS) & setting(&FLUSH_SEQUENCE_FLAG) != 0;
        if in_sequence || done < read(request, &REQUEST_DATA_LEN) {
            return;
        }
        (*class).requests += 1;

        let now = bpf_ktime_get_ns();
        let times = times(request, slot, operation, start, bytes, now);
        count::<HISTOGRAMS>(stats, class, &times);

        let error = error(status).map(|error| forget::<15>(error as u64, time) as u8);
        if let Some(error) = error
            && usize::from(error) < Error::COUNT
        {
            (*stats).errors[usize::from(error)] = (*stats).errors[usize::from(error)].wrapping_add(1);
        }
        let longest = if times.total != UNKNOWN { times.total } else { times.device };
        let slow = longest != UNKNOWN && longest > setting(&SLOW_REQUEST_NS);
        if error.is_some() || slow {
            report(request, slot, device, operation, error, &times, bytes, now);
        }
        if !slot.is_null() {
            (*slot).flags = if times.kept { KERNEL_KEEPS_ISSUE_TIME } else { 0 };
            (*slot).start_ns = 0;
        }
    }
}

/// The kernel's start time of a request, 0 if it keeps none.
///
/// Since 6.13 the kernel sets it only together with the flag, and what stands there without it is left from the last
/// life of the same memory. Before, it cleared the field. The flush machinery's own request always has one.
#[inline(always)]
unsafe fn start(request: Kernel) -> u64 {
    // SAFETY: `request` is a request.
    unsafe {
        let accounted = read::<u32>(request, &REQUEST_RQ_FLAGS) & setting(&ACCOUNTED_FLAG) != 0;
        let flush = operation(read(request, &REQUEST_CMD_FLAGS)) as u8 == Operation::Flush as u8;
        if accounted || flush { read(request, &REQUEST_START_TIME) } else { 0 }
    }
}

/// The times of a request in nanoseconds, [`UNKNOWN`] where they are. The queue time is known only if all three are.
struct Times {
    queue: u64,
    device: u64,
    total: u64,
    /// Whether the kernel itself kept the issue time.
    kept: bool,
}

#[inline(always)]
unsafe fn times(request: Kernel, slot: *mut Slot, operation: u8, start: u64, bytes: u32, now: u64) -> Times {
    // SAFETY: `request` is a request, `slot` its slot in the map.
    unsafe {
        let kernels: u64 = if has(&REQUEST_IO_START_TIME) { read(request, &REQUEST_IO_START_TIME) } else { 0 };
        let kept = kernels != 0;
        let issue = match kept {
            // The kernel reads its clock once for a batch of submissions: a request that another task made meanwhile is
            // younger than the time that the batch's task writes on it.
            true => kernels.max(start),
            false if slot.is_null() => 0,
            false => (*slot).issue_ns,
        };
        let mut times = Times { queue: UNKNOWN, device: UNKNOWN, total: UNKNOWN, kept };
        if issue == 0 {
            if bytes == 0 && operation == Operation::Write as u8 {
                // Its time is that of the flush it asked for, which is counted as a flush.
                discard(Discard::NotIssued);
                return times;
            }
            discard(Discard::IssueLost);
        } else if now < issue || issue < start {
            discard(Discard::ClockWentBack);
            return times;
        } else {
            times.device = now - issue;
        }
        if start == 0 {
            discard(Discard::NoStartTime);
        } else if now < start {
            discard(Discard::ClockWentBack);
        } else {
            times.total = now - start;
            if issue != 0 {
                times.queue = issue - start;
            }
        }
        times
    }
}

/// Counts the times that are known.
#[inline(always)]
unsafe fn count<const HISTOGRAMS: bool>(stats: *mut Stats, class: *mut Class, times: &Times) {
    // SAFETY: this CPU's own value.
    unsafe {
        let mut least = 0;
        if HISTOGRAMS && times.device != UNKNOWN {
            let index = histogram::index(times.device);
            if let Some(bucket) = bucket(stats, index) {
                (*bucket).device = (*bucket).device.wrapping_add(1);
                // Only here: one that failed this check and then passed another like it cannot be, but the verifier of 5.10
                // does not see that, and refuses what it would be used for.
                least = index;
            }
        }
        if HISTOGRAMS
            && times.total != UNKNOWN
            && let Some(bucket) = bucket(stats, histogram::index_from(least, times.total))
        {
            (*bucket).total = (*bucket).total.wrapping_add(1);
        }
        if times.queue != UNKNOWN {
            (*class).timed += 1;
            (*class).queue_ns += times.queue;
            (*class).device_ns += times.device;
            if HISTOGRAMS && let Some(bucket) = bucket(stats, histogram::index_from(0, times.queue)) {
                (*bucket).queue = (*bucket).queue.wrapping_add(1);
            }
        } else {
            alone(class, times);
        }
    }
}

/// Sums up a time of which the other is not known.
#[cold]
#[inline(never)]
unsafe fn alone(class: *mut Class, times: &Times) {
    // SAFETY: this CPU's own value.
    unsafe {
        if times.device != UNKNOWN {
            (*class).lone_device_ns += times.device;
        } else if times.total != UNKNOWN {
            (*class).lone_total_ns += times.total;
        }
    }
}

/// The check is for the verifier.
#[inline(always)]
unsafe fn bucket(stats: *mut Stats, index: usize) -> Option<*mut Bucket> {
    // SAFETY: this CPU's own value.
    (index < histogram::BUCKETS).then(|| unsafe { addr_of_mut!((*stats).buckets[index]) })
}

#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "inlined: it is the end of one program")]
unsafe fn report(
    request: Kernel,
    slot: *mut Slot,
    device: u32,
    operation: u8,
    error: Option<u8>,
    times: &Times,
    bytes: u32,
    now: u64,
) {
    let kind = if error.is_some() { Kind::BlockError } else { Kind::SlowRequest };
    // SAFETY: as in `times`.
    let (sector, pid) = unsafe { (read(request, &REQUEST_SECTOR), if slot.is_null() { 0 } else { (*slot).pid }) };
    let event = Event {
        monotonic_ns: now,
        sector,
        queue_ns: times.queue,
        device_ns: times.device,
        device,
        bytes,
        pid,
        kind: kind as u8,
        operation,
        error: error.unwrap_or(0),
        padding: 0,
        comm: [0; 16],
    };
    emit(&event, kind);
}

/// Statistics of this CPU, made on first use. One that had to begin in the reserve goes on in its proper place as soon as
/// there is memory for it; user space adds the two.
#[inline(always)]
unsafe fn stats(device: u32, operation: u8) -> Option<*mut Stats> {
    // SAFETY: a helper without arguments.
    let cpu = unsafe { bpf_get_smp_processor_id() } as u16;
    let key = Key { device, cpu, operation, padding: 0 };
    if let Some(stats) = STATS.get_ptr_mut(key) {
        return Some(stats);
    }
    let stats = begin(&key);
    if stats.is_null() { None } else { Some(stats) }
}

/// Makes new statistics; null if there is no room.
#[cold]
#[inline(never)]
fn begin(key: &Key) -> *mut Stats {
    let Some(zero) = ZERO.get(0) else { return null_mut() };
    let _ = STATS.insert(key, zero, u64::from(aya_ebpf::bindings::BPF_NOEXIST));
    if let Some(stats) = STATS.get_ptr_mut(key) {
        return stats;
    }
    if RESERVE.get_ptr_mut(key).is_none() {
        let _ = RESERVE.insert(key, zero, u64::from(aya_ebpf::bindings::BPF_NOEXIST));
    }
    RESERVE.get_ptr_mut(key).unwrap_or(null_mut())
}

/// A number that stands for the request's address. The verifier forbids computing with an address, but the distance to
/// another one is a number, and one's own constants lie still.
#[inline(always)]
fn number(request: Kernel) -> u64 {
    (request as u64).wrapping_sub(&raw const BLOCK_ISSUE_ARG as u64)
}

/// The place of a request in the in-flight table.
#[inline(always)]
fn slots(request: u64) -> Option<*mut [Slot; WAYS]> {
    // Requests lie side by side in memory, so the middle bits differ; multiplying spreads them (Fibonacci hashing).
    let hash = (request >> 6).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let set = IN_FLIGHT.get_ptr_mut((hash >> (64 - SETS.ilog2())) as u32)?;
    // SAFETY: the map's value is a `Set`.
    Some(unsafe { addr_of_mut!((*set).slots) })
}

/// The request's own slot, in use or left from its last life; null if it has none. (An option would be more than a
/// pointer, and the verifier refuses a copy of the part that is never set.)
#[inline(always)]
unsafe fn own(slots: *mut [Slot; WAYS], request: u64, time: u64) -> *mut Slot {
    // SAFETY: the place is in the map.
    unsafe {
        for way in 0..WAYS {
            if read_volatile(&raw const (*slots)[way].request) == request {
                return addr_of_mut!((*slots)[forget::<{ WAYS as u64 - 1 }>(way as u64, time) as usize]);
            }
        }
    }
    null_mut()
}

/// A slot that nobody uses, or if there is none, one to take from another request.
#[inline(always)]
unsafe fn free(slots: *mut [Slot; WAYS], request: u64) -> *mut Slot {
    // SAFETY: the place is in the map.
    unsafe {
        for way in 0..WAYS {
            let slot = addr_of_mut!((*slots)[way]);
            if read_volatile(&raw const (*slot).start_ns) == 0 {
                return slot;
            }
        }
        addr_of_mut!((*slots)[(request as usize >> 8) % WAYS])
    }
}

/// Counts and gives the new count.
#[cold]
#[inline(never)]
fn discard(reason: Discard) -> u64 {
    match DISCARDS.get_ptr_mut(0) {
        // SAFETY: this CPU's own value.
        Some(discards) => unsafe {
            (*discards)[reason as usize] += 1;
            (*discards)[reason as usize]
        },
        None => 0,
    }
}

/// One argument of the tracepoint. Volatile: the verifier wants each read at a constant place, and the compiler must not
/// turn two of them into one at a place it computes.
#[inline(always)]
unsafe fn argument(ctx: &BtfTracePointContext, n: usize) -> u64 {
    // SAFETY: the tracepoint has more than `n` arguments of 8 bytes each.
    unsafe { read_volatile(ctx.as_ptr().cast::<u64>().add(n)) }
}
