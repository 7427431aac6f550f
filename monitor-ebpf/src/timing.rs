//! Some runs of a program are timed by the program itself: what it costs is known without any privilege.

use aya_ebpf::{helpers::generated::bpf_ktime_get_ns, macros::map, maps::PerCpuArray};
use monitor_common::timing::{LONGEST_NS, Program, Times, is_timed};

#[map(name = "TIMES")]
static TIMES: PerCpuArray<Times> = PerCpuArray::with_max_entries(1, 0);

/// The time now if this run is to be timed, else 0. `number` differs from run to run.
#[inline(always)]
pub fn begin(number: u64) -> u64 {
    // SAFETY: a helper without arguments.
    if is_timed(number) { unsafe { bpf_ktime_get_ns() } } else { 0 }
}

/// Ends what [`begin`] gave.
#[inline(always)]
pub fn end(begun: u64, program: Program) {
    if begun != 0 {
        count(begun, program as u32);
    }
}

#[cold]
#[inline(never)]
fn count(begun: u64, program: u32) {
    // SAFETY: a helper without arguments.
    let spent = unsafe { bpf_ktime_get_ns() }.wrapping_sub(begun);
    let program = program as usize;
    if program < Program::COUNT
        && let Some(times) = TIMES.get_ptr_mut(0)
    {
        // SAFETY: this CPU's own value.
        unsafe { (*times).ns[program] += if spent < LONGEST_NS { spent } else { LONGEST_NS } };
    }
}
