//! What the kernel's maps take on a machine of any size, computed from the layouts.
//!
//! Source: the `map_mem_usage` functions in the kernel's `kernel/bpf/{arraymap,hashtab,ringbuf}.c`, and for what an element of a hash
//! map really takes, `kernel/bpf/memalloc.c`.

use monitor_common::{
    block::{self, Operation, RESERVE_ENTRIES, SETS},
    events, sched, timing,
};

/// Devices whose statistics there is room for, each with all its operations on every CPU.
pub const DEVICES: usize = 128;
/// The most entries of the statistics.
const MOST_ENTRIES: usize = 1 << 18;

/// The kernel's own part of any map, and of one bucket and one element of a hash map.
const MAP: usize = 320;
const BUCKET: usize = 16;
const ELEMENT: usize = 48;
/// Free elements of this size that the allocator keeps for each CPU, at most.
const SPARE: usize = 6;
const PAGE: usize = 4096;

/// The ring buffers: of events, and of the programs' log as aya-log has it.
const RINGS: [usize; 2] = [64 << 10, 128 << 10];
/// Offsets and settings, and the tables of the bucket function.
const READ_ONLY: usize = 8 << 10;

/// Disks that are in use, and how.
#[derive(Clone, Copy, Debug)]
pub struct Devices {
    /// How many disks.
    pub disks: usize,
    /// Operations of each that complete on every CPU: reads and writes are 2. Flushes are a third where a file system
    /// makes them, but few CPUs see all disks' flushes.
    pub operations: usize,
}

/// Entries of the statistics that there is room for with this number of devices, at least one.
pub fn stats_entries(cpus: usize, devices: usize) -> u32 {
    (cpus * Operation::COUNT * devices).next_power_of_two().min(MOST_ENTRIES) as u32
}

/// Bytes of all maps together, the memory that holds them included.
pub fn map_bytes(cpus: usize, devices: Devices) -> u64 {
    let per_cpu = |value: usize| MAP + value * cpus;
    let array = |values: usize| MAP + values;
    let ring = |size: usize| size + 3 * PAGE + 8 * (3 + 2 * size / PAGE) + MAP;
    let element = (ELEMENT + size_of::<block::Key>() + size_of::<block::Stats>()).next_power_of_two();
    let entries = (cpus * devices.disks * devices.operations).min(stats_entries(cpus, DEVICES) as usize);
    let total = per_cpu(size_of::<sched::Cpu>())
        + array(sched::DEPARTURES as usize * size_of::<u64>())
        + array(size_of::<block::Stats>())
        + MAP
        + (RESERVE_ENTRIES as usize + cpus) * (ELEMENT + size_of::<block::Key>() + size_of::<block::Stats>())
        + array(SETS as usize * size_of::<block::Set>() + PAGE)
        + per_cpu(size_of::<block::Discards>())
        + MAP
        + stats_entries(cpus, DEVICES) as usize * BUCKET
        + (entries + cpus * SPARE) * element
        + per_cpu(size_of::<events::Counts>())
        + per_cpu(size_of::<timing::Times>())
        + RINGS.map(ring).into_iter().sum::<usize>()
        + array(READ_ONLY);
    total as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As docs/RELIABILITY.md has them.
    #[test]
    fn the_sizes_that_are_promised() {
        use crate::{probes::tasks::reader, sample};
        let kib = |bytes: usize| bytes as f64 / 1024.0;
        assert!(kib(size_of::<sched::Cpu>()) <= 2.75, "a CPU: {}", size_of::<sched::Cpu>());
        assert!(ELEMENT + size_of::<block::Key>() + size_of::<block::Stats>() <= 4096);
        assert_eq!(size_of::<block::Slot>() as u32 * block::WAYS as u32 * SETS, 64 * 8192);
        const { assert!(reader::PER_TASK <= 96) };
        // Its name is a piece of memory of its own.
        assert!(size_of::<sample::Task>() + 32 <= 200, "a task that is listed: {}", size_of::<sample::Task>());
        assert!((size_of::<sample::Task>() + 32) * reader::MOST <= 400 << 10);
    }

    /// The promise of the project, for reads and writes of 32 disks that complete on each of 128 CPUs.
    #[test]
    fn a_large_machine_with_many_busy_disks_takes_at_most_48_mib() {
        let bytes = map_bytes(128, Devices { disks: 32, operations: 2 });
        assert!(bytes <= 48 << 20, "{bytes}");
        // And the statistics are in it: they alone are half of it.
        assert!(bytes >= 128 * 32 * 2 * size_of::<block::Stats>() as u64, "{bytes}");
    }

    #[test]
    fn a_small_machine_takes_at_most_4_mib() {
        let bytes = map_bytes(2, Devices { disks: 4, operations: Operation::COUNT });
        assert!(bytes <= 4 << 20, "{bytes}");
    }

    #[test]
    fn what_no_request_uses_costs_nothing() {
        let idle = map_bytes(64, Devices { disks: 0, operations: 2 });
        assert_eq!(idle, map_bytes(64, Devices { disks: 200, operations: 0 }));
        assert!(idle < map_bytes(64, Devices { disks: 1, operations: 1 }));
    }

    #[test]
    fn there_is_no_more_than_there_is_room_for() {
        let all = Devices { disks: 100_000, operations: Operation::COUNT };
        assert_eq!(map_bytes(512, all), map_bytes(512, Devices { disks: 200_000, ..all }));
    }
}
