//! Programs that kpulse is compared with; they exist in the tests only.
//!
//! - [`empty`]: nothing, on each of kpulse's tracepoints and each of the naive ones: what the kernel itself takes to run a program
//! - [`naive_sched`], [`naive_block`]: the usual way, a hash map of times that is written when something begins and read
//!   when it ends. Not made worse than it must be: preallocated maps, BTF tracepoints, direct loads, per-CPU histograms,
//!   kpulse's own bucket function.
//!
//! Where the kernel's fields are is set as for kpulse's programs, under the same names.
#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]

mod empty;
#[path = "../../../monitor-ebpf/src/kernel.rs"]
#[expect(dead_code, reason = "what only kpulse's own programs use")]
mod kernel;
mod naive_block;
mod naive_sched;

/// Never reached, as in kpulse's programs.
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
