//! Makes every CPU switch once, so that its books are open from the start.
//!
//! A CPU that runs one task, or none, for minutes does not pass `sched_switch`; until it does, nobody knows whether it is
//! busy. A short-lived thread that moves itself to each CPU makes it pass. Nobody waits for these threads: one that is
//! starved by a real-time task comes to its end when the CPU switches by itself.

use std::{io, mem, thread};

/// Begins a thread for each of `cpus`. Gives what could not be done.
pub fn prime(cpus: &[u32]) -> Vec<io::Error> {
    let begin = |cpu: &u32| {
        let cpu = *cpu as usize;
        thread::Builder::new()
            .name(format!("prime/{cpu}"))
            .stack_size(64 * 1024)
            .spawn(move || {
                // SAFETY: a set of plain bits of this thread's own; a number beyond the set is refused by the kernel.
                unsafe {
                    let mut set: libc::cpu_set_t = mem::zeroed();
                    if cpu < libc::CPU_SETSIZE as usize {
                        libc::CPU_SET(cpu, &mut set);
                        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set);
                    }
                }
            })
            .map(drop)
    };
    cpus.iter().filter_map(|cpu| begin(cpu).err()).collect()
}
