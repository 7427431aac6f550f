//! Every field of a sample, in the order in which files have them. New fields come last in their struct: see
//! [`super::delta`].

use std::cmp::Ordering;

use super::{
    delta::{Delta, fields},
    list::{Key, Keyed},
    wire::{Input, Malformed, Output},
};
use crate::{
    device::DeviceId,
    host::{self, CpuModes, Disk, DiskOperation, Diskstats, Filesystem, Host, Memory, Network, Pressure, Space},
    sample::{AllTasks, Block, Class, Cpu, Events, InFlight, Origin, Requests, Sample, Sched, Task},
};

fields! {
    Sample { origin, monotonic_ns, realtime_ns, sched, block, tasks, events, host, all_tasks }
    Origin { boot_id, attached_ns }
    Sched { cpus }
    Cpu { online, busy_ns, idle_ns, switches, wait, migrated, long_waits, discards, plain_waits, plain_wait_ns }
    Block { requests, in_flight, discards, coarse }
    Requests { device, operation, classes, errors, queue, device_time, total }
    Class { requests, bytes, timed, queue_ns, device_ns }
    InFlight { device, requests, oldest_ns }
    Task {
        cpu_ns, wait_ns, voluntary, involuntary, read_bytes, write_bytes, pid, tgid, comm, start_ns, cgroup, waiting_ns,
        kernel,
    }
    AllTasks { count, began, ended, run_delay_ns }
    Events { seen, dropped }
    Host {
        hostname, kernel, boot_id, uptime_ns, online_cpus, cpu_modes, context_switches, memory, load, pressure, filesystems,
        networks, disks, failures, unsupported, cgroups, forks,
    }
    CpuModes { user, nice, system, idle, iowait, irq, softirq, steal }
    Memory { total, free, available, buffers, cached, dirty, writeback, swap_total, swap_free }
    Pressure { some_ns, full_ns }
    Filesystem { mount, source, kind, read_only, space }
    Space { size, free, available, files, files_free }
    Network {
        receive_bytes, receive_packets, receive_errors, receive_drops, transmit_bytes, transmit_packets, transmit_errors,
        transmit_drops,
    }
    DeviceId { major, minor }
    Disk { name, class, size, iostats, request_based, stats }
    Diskstats { read, write, discard, flush, in_flight, busy_ns, weighted_ns }
    DiskOperation { requests, bytes, time_ns }
}

/// The classes in the order of their numbers in a file: new ones come last.
const CLASSES: [host::Class; 6] = {
    use host::Class::*;
    [Unknown, Rotational, Ssd, Nvme, Virtual, Stacked]
};

impl Delta for host::Class {
    fn same(&self, now: &Self) -> bool {
        self == now
    }

    fn write(&mut self, now: &Self, out: &mut Output) {
        out.number(CLASSES.iter().position(|class| class == now).unwrap_or_default() as u64);
        *self = *now;
    }

    fn read(&mut self, input: &mut Input) -> Result<(), Malformed> {
        let class = usize::try_from(input.number()?).ok().and_then(|number| CLASSES.get(number));
        *self = *class.ok_or_else(|| input.malformed("a class of disks"))?;
        Ok(())
    }
}

impl Keyed for Task {
    fn order(&self, other: &Self) -> Ordering {
        (self.pid, self.start_ns).cmp(&(other.pid, other.start_ns))
    }

    /// Neighbours are threads of one process, of one name, begun at about the same time.
    fn fresh(before: Option<&Self>) -> Self {
        let Some(&Self { pid, tgid, start_ns, cgroup, ref comm, .. }) = before else { return Self::default() };
        let comm = if comm.len() < 16 { comm.clone() } else { String::new() };
        Self { pid, tgid, comm, start_ns, cgroup, ..Self::default() }
    }
}

impl Keyed for Requests {
    fn order(&self, other: &Self) -> Ordering {
        (self.device, self.operation).cmp(&(other.device, other.operation))
    }

    fn fresh(before: Option<&Self>) -> Self {
        Self { device: before.map(|before| before.device).unwrap_or_default(), ..Self::default() }
    }
}

impl Keyed for InFlight {
    fn order(&self, other: &Self) -> Ordering {
        self.device.cmp(&other.device)
    }

    fn fresh(before: Option<&Self>) -> Self {
        before.copied().unwrap_or_default()
    }
}

impl Keyed for Filesystem {
    fn order(&self, other: &Self) -> Ordering {
        self.mount.cmp(&other.mount)
    }

    fn fresh(_: Option<&Self>) -> Self {
        Self::default()
    }
}

/// The numbers of CPUs.
impl Keyed for u32 {
    fn order(&self, other: &Self) -> Ordering {
        self.cmp(other)
    }

    fn fresh(before: Option<&Self>) -> Self {
        before.copied().unwrap_or_default()
    }
}

impl Key for u32 {
    fn fresh(before: Option<&Self>) -> Self {
        before.copied().unwrap_or_default()
    }
}

/// The numbers of cgroups.
impl Key for u64 {
    fn fresh(before: Option<&Self>) -> Self {
        before.copied().unwrap_or_default()
    }
}

impl Key for DeviceId {
    fn fresh(before: Option<&Self>) -> Self {
        before.copied().unwrap_or_default()
    }
}

impl Key for String {
    fn fresh(_: Option<&Self>) -> Self {
        Self::new()
    }
}
