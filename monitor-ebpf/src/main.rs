//! kpulse's programs: they run in the kernel, on its own tracepoints.
//!
//! - [`sched`]: `sched_switch`
//! - [`block`]: `block_rq_issue` and `block_rq_complete`
//! - [`tasks`]: an iterator over all tasks, run when user space reads
//! - [`events`]: the ring buffer of rare things, and `mark_victim`
//! - [`kernel`]: where the fields of the kernel's structs are
//! - [`timing`]: some runs of these programs are timed by themselves
//!
//! The rules of this crate: no map that takes a lock and no helper that does on the scheduler's path; every difference of
//! two times is checked, and one that would be negative is discarded and counted.
#![no_std]
#![no_main]
// For an empty barrier only, see `kernel::compiler_barrier`.
#![feature(asm_experimental_arch)]

mod block;
mod events;
mod kernel;
mod sched;
mod tasks;
mod timing;

/// Never reached: the programs are built so that no panic is left in them, or the verifier would refuse them.
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
