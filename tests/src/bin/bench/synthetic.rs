//! Samples of machines that are not here: any number of CPUs, disks and tasks, all of them busy.

use std::collections::BTreeMap;

use kpulse::{
    histogram::Histogram,
    host::{Class as DiskClass, Disk, Diskstats, Host},
    sample::{Block, Class, Cpu, DeviceId, InFlight, Origin, Requests, Sample, Sched, Task},
};
use monitor_common::{block::SizeClass, histogram::BUCKETS};

/// How large the machine is.
#[derive(Clone, Copy, Debug)]
pub struct Machine {
    /// CPUs.
    pub cpus: u32,
    /// Disks, each with reads and writes.
    pub disks: u32,
    /// Tasks.
    pub tasks: u32,
}

/// The machine at a time in seconds; its counters grow with it.
pub fn sample(machine: Machine, seconds: u64) -> Sample {
    let ids = (0..machine.disks).map(|n| DeviceId { major: 259, minor: n });
    let in_flight = ids.clone().map(|device| InFlight { device, requests: 3, oldest_ns: 400_000 }).collect();
    let requests =
        ids.clone().flat_map(|device| [requests(device, 0, seconds), requests(device, 1, seconds)]).collect();
    let host = Host {
        online_cpus: Some((0..machine.cpus).collect()),
        disks: ids.map(|id| (id, disk(id.minor, seconds))).collect(),
        ..Host::default()
    };
    Sample {
        origin: Origin { boot_id: "synthetic".into(), attached_ns: 1 },
        monotonic_ns: seconds * 1_000_000_000,
        realtime_ns: seconds * 1_000_000_000,
        sched: Some(Sched { cpus: (0..machine.cpus).map(|n| (n, cpu(n, seconds))).collect::<BTreeMap<_, _>>() }),
        block: Some(Block { requests, in_flight, ..Block::default() }),
        tasks: Some((1..=machine.tasks).map(|pid| task(pid, seconds)).collect()),
        events: None,
        host,
        all_tasks: None,
    }
}

/// Times around a middle, as real ones are: 60 buckets are not empty.
fn times(middle: usize, each: u64) -> Histogram {
    let mut buckets = [0; BUCKETS];
    buckets[middle - 30..middle + 30].fill(each);
    Histogram::from_buckets(&buckets, each * 60 * 100_000)
}

fn cpu(n: u32, seconds: u64) -> Cpu {
    Cpu {
        online: true,
        busy_ns: seconds * 600_000_000 + u64::from(n),
        idle_ns: seconds * 400_000_000,
        switches: [seconds * 3000, seconds * 200, seconds * 2800],
        wait: times(80, seconds * 50),
        migrated: seconds * 20,
        ..Cpu::default()
    }
}

fn requests(device: DeviceId, operation: u8, seconds: u64) -> Requests {
    let n = seconds * 1000;
    let class = Class { requests: n, bytes: n * 4096, timed: n, queue_ns: n * 9_000, device_ns: n * 90_000 };
    Requests {
        device,
        operation,
        classes: [class; SizeClass::COUNT],
        errors: Default::default(),
        queue: times(80, n / 10),
        device_time: times(110, n / 10),
        total: times(112, n / 10),
    }
}

fn disk(n: u32, seconds: u64) -> Disk {
    let mut stats = Diskstats::default();
    stats.read.requests = seconds * 6000;
    stats.read.bytes = seconds * 6000 * 4096;
    Disk {
        name: format!("nvme{n}n1"),
        class: DiskClass::Nvme,
        size: 1 << 40,
        iostats: true,
        request_based: true,
        stats: Some(stats),
    }
}

fn task(pid: u32, seconds: u64) -> Task {
    let n = u64::from(pid) * seconds;
    Task {
        pid,
        tgid: pid - pid % 8,
        comm: format!("worker-{}", pid % 50),
        start_ns: 1,
        cgroup: u64::from(pid % 40),
        kernel: false,
        cpu_ns: n * 1000,
        wait_ns: n * 100,
        waiting_ns: 0,
        read_bytes: n,
        write_bytes: n * 2,
        voluntary: n,
        involuntary: n / 9,
    }
}
