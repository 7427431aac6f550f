//! Samples for the tests of this module: a node with any number of CPUs, disks, interfaces and filesystems.

use std::collections::BTreeMap;

use monitor_common::{
    block::{Error, Operation, SizeClass},
    histogram::{BUCKETS, index},
};

use crate::{
    histogram::Histogram,
    host::{Class as DiskClass, CpuModes, Disk, Diskstats, Filesystem, Host, Memory, Network, Pressure, Space},
    index::{
        self as judged, Index, Load, Mode, Observation, Part, Signal, Stratum,
        baseline::{BaselineState, State},
    },
    sample::{Block, Cpu, DeviceId, Events, InFlight, Origin, Requests, Sample, Sched, Task},
    status::{Budget, Delivery, Journal, ProbeState, Program, RecorderStatus, Restraint, Snapshot, Status},
    window::{self, Device, Operation as DeviceOperation, TaskUse, Tasks, Times, Use, Window},
};

/// The disk with this number.
pub fn disk_id(n: u32) -> DeviceId {
    DeviceId { major: 8, minor: n * 16 }
}

/// A histogram of one time, `count` times.
pub fn times(ns: u64, count: u64) -> Histogram {
    let mut buckets = [0; BUCKETS];
    buckets[index(ns)] = count;
    Histogram::from_buckets(&buckets, ns * count)
}

/// Adds `count` requests of `bytes` each.
pub fn complete(r: &mut Requests, bytes: u32, count: u64) {
    let class = &mut r.classes[SizeClass::of(bytes) as usize];
    let (queue_ns, device_ns) = (u64::from(bytes) + 1_000, 20 * u64::from(bytes) + 50_000);
    class.requests += count;
    class.bytes += u64::from(bytes) * count;
    class.timed += count;
    class.queue_ns += queue_ns * count;
    class.device_ns += device_ns * count;
    r.queue.merge(&times(queue_ns, count));
    r.device_time.merge(&times(device_ns, count));
    r.total.merge(&times(queue_ns + device_ns, count));
}

/// No requests yet.
pub fn requests(device: DeviceId, operation: Operation) -> Requests {
    Requests {
        device,
        operation: operation as u8,
        classes: Default::default(),
        errors: Default::default(),
        queue: Histogram::default(),
        device_time: Histogram::default(),
        total: Histogram::default(),
    }
}

/// A CPU that has worked `n` times.
pub fn cpu(n: u64) -> Cpu {
    Cpu {
        online: true,
        busy_ns: n * 700_000,
        idle_ns: n * 300_000,
        switches: [n, 2 * n, 3 * n],
        wait: times(10_000, n),
        migrated: n / 2,
        long_waits: n / 3,
        discards: [0, n, 0, 1],
        ..Cpu::default()
    }
}

/// An interface that has moved `n` packets.
pub fn network(n: u64) -> Network {
    Network {
        receive_bytes: n * 100,
        receive_packets: n,
        transmit_bytes: n * 50,
        transmit_packets: n,
        ..Network::default()
    }
}

/// A disk of the host.
pub fn disk(name: &str, request_based: bool) -> Disk {
    let mut stats = Diskstats::default();
    stats.read.requests = 12;
    stats.read.bytes = 4096;
    stats.read.time_ns = 3_000_000;
    let class = if request_based { DiskClass::Ssd } else { DiskClass::Stacked };
    Disk { name: name.into(), class, size: 1 << 30, iostats: true, request_based, stats: Some(stats) }
}

/// A node in full: nothing is absent, every disk reads and writes with three sizes.
pub fn node(cpus: u32, disks: u32) -> Snapshot {
    let mut block = Block { discards: [3, 0, 1, 0, 0, 0], ..Block::default() };
    let mut host = host();
    for n in 0..disks {
        host.disks.insert(disk_id(n), disk(&format!("sd{n}"), true));
        for operation in [Operation::Read, Operation::Write] {
            let mut r = requests(disk_id(n), operation);
            [4096, 16384, 1 << 20].iter().for_each(|&bytes| complete(&mut r, bytes, u64::from(n) + 10));
            r.errors[Error::Medium as usize] = u64::from(n % 2);
            block.requests.push(r);
        }
        block.in_flight.push(InFlight { device: disk_id(n), requests: 2, oldest_ns: 4_000_000 + u64::from(n) });
    }
    host.disks.insert(DeviceId { major: 253, minor: 0 }, disk("dm-0", false));
    host.online_cpus = Some((0..cpus).collect());
    let sample = Sample {
        origin: Origin { boot_id: "b".into(), attached_ns: 1 },
        monotonic_ns: 5_000_000_000,
        realtime_ns: 1_700_000_000_000_000_000,
        sched: Some(Sched { cpus: (0..cpus).map(|n| (n, cpu(u64::from(n) + 100))).collect() }),
        block: Some(block),
        tasks: Some(vec![Task::default(); 7]),
        events: Some(Events { seen: [4, 5, 6], dropped: [1, 0, 0] }),
        host,
        all_tasks: None,
    };
    Snapshot {
        sample: sample.into(),
        window: None,
        indices: indices(disks).into(),
        baselines: baselines(),
        status: status(),
        alerts: Vec::new(),
    }
}

/// Requests of every disk, each slower than the one before, and waits, in every mode that a node alone has.
fn indices(disks: u32) -> Vec<Index> {
    let part = |n: u32| {
        let stratum = Stratum { class: DiskClass::Ssd, operation: Operation::Read as u8, size: 1 };
        (Part { device: format!("sd{n}"), stratum }, Load { requests: 1_000, seconds: f64::from(n + 1) })
    };
    let done: Observation = (0..disks.max(1)).map(part).collect();
    let options = judged::Options::default();
    let of = |signal| {
        let index = |&mode: &Mode| judged::index(signal, mode, &[("node", &done)], &|_, _| Some(1e-3), &options);
        Mode::ALL.iter().map(index).collect::<Vec<_>>()
    };
    [of(Signal::Block), of(Signal::RunQueue)].concat()
}

fn baselines() -> Vec<BaselineState> {
    let state = |signal, state, pinned_ns| BaselineState {
        signal,
        scope: String::new(),
        state,
        known: 3,
        learning: 1,
        pinned_ns,
        refused: 2,
    };
    vec![state(Signal::Block, State::Ready, Some(7)), state(Signal::RunQueue, State::Frozen, None)]
}

fn host() -> Host {
    let space = Space { size: 1 << 40, free: 1 << 39, available: 1 << 38, files: 1000, files_free: 900 };
    let filesystem = |mount: &str, space| Filesystem {
        mount: mount.into(),
        source: "/dev/sd0".into(),
        kind: "ext4".into(),
        read_only: false,
        space,
    };
    let pressure = Pressure { some_ns: Some(1_500_000_000), full_ns: Some(500_000_000) };
    Host {
        hostname: Some("node \"one\"\\".into()),
        kernel: Some("6.18.0".into()),
        boot_id: Some("b".into()),
        uptime_ns: Some(1_234_500_000_000),
        online_cpus: None,
        cpu_modes: Some(CpuModes { user: 1, nice: 2, system: 3, idle: 4, iowait: 5, irq: 6, softirq: 7, steal: 8 }),
        context_switches: Some(123_456),
        forks: Some(4_321),
        memory: Some(Memory { total: 1 << 34, available: 1 << 33, ..Memory::default() }),
        load: Some([0.5, 1.25, 2.0]),
        pressure: ["cpu", "memory", "io"].into_iter().map(|name| (name.to_owned(), pressure)).collect(),
        filesystems: vec![filesystem("/", Some(space)), filesystem("/mnt/a b\n", None)],
        networks: BTreeMap::from([("lo".to_owned(), network(5)), ("eth0".to_owned(), network(500))]),
        disks: BTreeMap::new(),
        cgroups: Default::default(),
        failures: BTreeMap::from([("networks".to_owned(), "permission denied".to_owned())]),
        unsupported: BTreeMap::new(),
    }
}

fn budget() -> Budget {
    Budget {
        programs_limit: 0.005,
        process_limit: 0.005,
        programs_share: Some(0.002),
        process_share: Some(0.001),
        programs: vec![("sched_switch".into(), 0.004)],
        timed_share: 0.01,
        timed_by: 0,
        unmeasured: Some("the kernel does not time the programs".into()),
        step: 1,
        process_step: 0,
        moves: [[2, 1], [0, 0]],
        open_files: Some(70),
        threads: Some(3),
    }
}

fn status() -> Status {
    let probe = |name: &str, on, reason: &str| ProbeState { name: name.into(), on, reason: reason.into() };
    let program = |name: &str, runs| Program { name: name.into(), runs, run_ns: runs.map(|n| n * 60), missed: Some(0) };
    Status {
        restraints: vec![Restraint { name: "capabilities".into(), state: "none".into(), in_force: true }],
        version: "0.1.0".into(),
        interval_ns: 1_000_000_000,
        probes: vec![probe("sched", true, ""), probe("block", false, "the field request.start_time_ns is missing")],
        cpu_ns: Some(80_000_000),
        resident_bytes: Some(9 << 20),
        map_bytes: Some(3 << 20),
        programs: vec![program("sched_switch", Some(1000)), program("block_rq_complete", None)],
        collection_ns: Some(350_000),
        collections_failed: 1,
        budget: Some(budget()),
        agreement: vec![("context_switches".into(), 0.9999)],
        delivery: ["webhook", "alertmanager"].map(delivery).into(),
        journal: Some(Journal { trouble: None, bytes: 4096 }),
        alerts_suppressed: 1,
        shipping: Some(crate::status::Shipping {
            server: "https://server:9467".into(),
            waiting: 1,
            waiting_bytes: 2,
            oldest_ns: Some(1),
            acknowledged: 3,
            acknowledged_ns: Some(4),
            failed: 5,
            refused: [("future".into(), 6)].into(),
            lost: [("no_room".into(), 7)].into(),
            ..Default::default()
        }),
        recorder: Some(RecorderStatus {
            samples: 600,
            bytes: 600_000,
            covers_ns: 600_000_000_000,
            skipped: 0,
            saved: 2,
            failed: 1,
        }),
    }
}

fn delivery(kind: &str) -> Delivery {
    Delivery {
        kind: kind.into(),
        target: "http://127.0.0.1:9093".into(),
        queued: 2,
        oldest_ns: Some(1_699_999_990_000_000_000),
        delivered: 5,
        failed: 3,
        dropped: BTreeMap::from([("rejected".into(), 1)]),
    }
}

/// A window with one disk: 42 % busy, waits of 120 µs, requests of 3.5 ms.
pub fn window() -> Window {
    let times = |p99| Times { count: 100, sum: 1.0, mean: p99 / 2.0, p99, ..Times::default() };
    let operation = DeviceOperation {
        operation: Operation::Read.name().into(),
        requests: 100,
        requests_per_second: 100.0,
        bytes_per_second: 4e6,
        mean_time: Some(0.0035),
        queue: Some(times(0.001)),
        device_time: Some(times(0.004)),
        total: Some(times(0.005)),
        errors: BTreeMap::new(),
        classes: Vec::new(),
    };
    let device = Device {
        device: disk_id(0),
        name: "sd0".into(),
        class: DiskClass::Ssd,
        source: window::Source::Requests,
        in_flight: 1,
        oldest: None,
        operations: vec![operation],
    };
    Window {
        sched: Some(window::Sched {
            utilization: Some(0.42),
            switches_per_second: 1000.0,
            preemptions_per_second: 10.0,
            wait: Some(times(0.000_12)),
            cpus: Vec::new(),
            discards: 0,
            plain_waits: 0,
            plain_wait_seconds: 0.0,
        }),
        block: Some(window::Block {
            mean_request_time: Some(0.0035),
            devices: vec![device],
            discards: 0,
            resets: 0,
            coarse: false,
        }),
        tasks: Some(tasks()),
        ..Window::empty(1_700_000_000_000_000_000, 1.0)
    }
}

fn tasks() -> Tasks {
    let used = Use { cpu_ns: 300_000_000, wait_ns: 20_000_000, read_bytes: 4096, write_bytes: 1 << 20, switches: 9 };
    let one = TaskUse { pid: 4242, tgid: 4242, comm: "stress".into(), cgroup: 1, used, ..TaskUse::default() };
    let list = vec![one];
    Tasks { count: 7, by_cpu: list.clone(), by_wait: list.clone(), by_bytes: list, total: used, ..Tasks::default() }
}
