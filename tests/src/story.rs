//! A node that does not exist, second by second: what its samples would be while it is well, while a disk is slow, while its
//! CPUs are fought for.
//!
//! In: a seed, the size of the machine, and what happens for how long. Out: samples whose counters only grow and agree with each
//! other: the tasks' times add up to the CPUs', the sizes of requests to the disks' own counters. The same seed gives the
//! same samples. The unit tests of `monitor-user` include this file too.

use std::collections::BTreeMap;

use kpulse::{
    device::DeviceId,
    histogram::Histogram,
    host::{
        Class as DiskClass, CpuModes, Disk, DiskOperation, Diskstats, Filesystem, Host, Memory, Network, Pressure,
        Space,
    },
    sample::{Block, Class, Cpu, Events, InFlight, Origin, Requests, Sample, Sched, Task},
};
use monitor_common::{
    block::{Operation, SizeClass},
    histogram::{BUCKETS, index},
};

const SECOND: u64 = 1_000_000_000;
const KIB: u64 = 1024;
/// 2026-11-23 00:00:00 UTC.
const BEGIN: u64 = 1_795_392_000 * SECOND;
/// The cgroup of the task that fills a disk or the CPUs.
pub const HOG_CGROUP: u64 = 666;
/// The disk that becomes slow.
pub const SLOW_DISK: DeviceId = DeviceId { major: 8, minor: 0 };

/// How large the machine is.
#[derive(Clone, Copy, Debug)]
pub struct Machine {
    /// CPUs.
    pub cpus: u32,
    /// Disks, `sda` and so on, each with reads and writes.
    pub disks: u32,
    /// Tasks, of which the first is the one that hogs.
    pub tasks: u32,
}

/// A small node.
pub const SMALL: Machine = Machine { cpus: 2, disks: 1, tasks: 120 };

/// What happens for a while.
#[derive(Clone, Copy, Debug)]
pub struct Chapter {
    /// For how long.
    pub seconds: u64,
    /// How many times slower than usual the requests of [`SLOW_DISK`] are, while the hog moves most of the bytes.
    pub disk_slowness: f64,
    /// How many times longer than usual tasks wait for a CPU, while the hog uses most of it.
    pub cpu_slowness: f64,
    /// How many times more than usual is done.
    pub load: f64,
}

impl Chapter {
    /// Nothing is wrong.
    pub fn healthy(seconds: u64) -> Self {
        Self { seconds, disk_slowness: 1.0, cpu_slowness: 1.0, load: 1.0 }
    }

    /// A disk is so many times slower.
    pub fn slow_disk(seconds: u64, times: f64) -> Self {
        Self { disk_slowness: times, ..Self::healthy(seconds) }
    }

    /// Waits for a CPU are so many times longer.
    pub fn slow_cpus(seconds: u64, times: f64) -> Self {
        Self { cpu_slowness: times, ..Self::healthy(seconds) }
    }
}

/// An hour: twenty minutes well, twenty with a disk ten times slower, twenty well.
pub fn hour_with_a_slow_disk(seed: u64) -> impl Iterator<Item = Sample> {
    let minutes = 20 * 60;
    tell(seed, SMALL, vec![Chapter::healthy(minutes), Chapter::slow_disk(minutes, 10.0), Chapter::healthy(minutes)])
}

/// One sample for each second of the chapters.
pub fn tell(seed: u64, machine: Machine, chapters: Vec<Chapter>) -> impl Iterator<Item = Sample> {
    let mut node = Node::new(seed, machine);
    let seconds = chapters.into_iter().flat_map(|chapter| (0..chapter.seconds).map(move |_| chapter));
    seconds.map(move |chapter| node.second(&chapter))
}

/// SplitMix64 (Steele, Lea, Flood 2014).
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// In 0..1.
    fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Around a mean, now and then some times as long: exponentially distributed.
    fn around(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.share()).ln()
    }

    /// About a number, by a tenth more or less.
    fn about(&mut self, number: f64) -> f64 {
        number * (0.9 + 0.2 * self.share())
    }
}

/// Times by length, in full.
#[derive(Clone, Debug)]
struct Times {
    buckets: [u64; BUCKETS],
    sum_ns: u64,
}

impl Times {
    const NONE: Self = Self { buckets: [0; BUCKETS], sum_ns: 0 };

    fn add(&mut self, ns: u64) {
        self.buckets[index(ns)] += 1;
        self.sum_ns += ns;
    }

    fn histogram(&self) -> Histogram {
        Histogram::from_buckets(&self.buckets, self.sum_ns)
    }
}

/// Requests of one disk and operation.
#[derive(Clone, Debug)]
struct Flow {
    device: DeviceId,
    operation: Operation,
    classes: [Class; SizeClass::COUNT],
    times: [Times; 3],
}

#[derive(Debug)]
struct Node {
    random: Random,
    seconds: u64,
    cpus: Vec<(Cpu, Times)>,
    flows: Vec<Flow>,
    tasks: Vec<Task>,
    disks: BTreeMap<DeviceId, Disk>,
    modes: CpuModes,
    pressure_ns: [u64; 2],
    moved: Network,
}

impl Node {
    fn new(seed: u64, machine: Machine) -> Self {
        let ids: Vec<_> = (0..machine.disks).map(|n| DeviceId { major: 8, minor: 16 * n }).collect();
        let flow = |device, operation| Flow {
            device,
            operation,
            classes: Default::default(),
            times: [Times::NONE; 3].clone(),
        };
        let flows = ids.iter().flat_map(|&id| [flow(id, Operation::Read), flow(id, Operation::Write)]).collect();
        Self {
            random: Random(seed),
            seconds: 0,
            cpus: vec![(Cpu { online: true, ..Cpu::default() }, Times::NONE); machine.cpus as usize],
            flows,
            tasks: (0..machine.tasks).map(task).collect(),
            disks: ids.into_iter().enumerate().map(|(n, id)| (id, disk(n))).collect(),
            modes: CpuModes::default(),
            pressure_ns: [0; 2],
            moved: Network::default(),
        }
    }

    fn second(&mut self, chapter: &Chapter) -> Sample {
        self.seconds += 1;
        let waited = self.run_cpus(chapter);
        let moved = self.move_blocks(chapter);
        self.moved.receive_bytes += self.random.about(20_000.0 * chapter.load) as u64;
        self.moved.receive_packets += self.random.about(40.0 * chapter.load) as u64;
        self.run_tasks(chapter, waited, moved);
        self.sample(chapter)
    }

    /// Gives the busy time, the waiting time and the switches of the second.
    fn run_cpus(&mut self, chapter: &Chapter) -> [u64; 3] {
        let contended = chapter.cpu_slowness > 1.0;
        let (mut busy_all, mut waits_all, mut switches_all) = (0, 0, 0);
        for (cpu, waits) in &mut self.cpus {
            let share = if contended { 0.97 } else { self.random.about(0.2 * chapter.load).min(0.95) };
            let busy = (share * SECOND as f64) as u64;
            cpu.busy_ns += busy;
            cpu.idle_ns += SECOND - busy;
            let switches = self.random.about(150.0 * chapter.load) as u64;
            let before = waits.sum_ns;
            (0..switches).for_each(|_| waits.add(self.random.around(8_000.0 * chapter.cpu_slowness) as u64));
            cpu.wait = waits.histogram();
            cpu.switches[0] += switches - switches / 10;
            cpu.switches[1] += switches / 10;
            cpu.switches[2] += switches / 2;
            cpu.migrated += switches / 50;
            self.modes.user += busy * 2 / 3;
            self.modes.system += busy - busy * 2 / 3;
            self.modes.idle += SECOND - busy;
            busy_all += busy;
            waits_all += waits.sum_ns - before;
            switches_all += switches + switches / 2;
        }
        self.pressure_ns[0] += (waits_all / self.cpus.len().max(1) as u64).min(SECOND);
        [busy_all, waits_all, switches_all]
    }

    /// Gives the bytes read and written in the second.
    fn move_blocks(&mut self, chapter: &Chapter) -> [u64; 2] {
        let mut moved = [0; 2];
        let mut stalled = 0;
        for flow in &mut self.flows {
            let slow = if flow.device == SLOW_DISK { chapter.disk_slowness } else { 1.0 };
            let n = self.random.about(if flow.operation == Operation::Read { 60.0 } else { 30.0 } * chapter.load);
            let mut added = DiskOperation::default();
            for _ in 0..n as u64 {
                // Three in four are small; what is written is written by the disk's cache.
                let bytes = if self.random.share() < 0.75 { 4 * KIB } else { 64 * KIB };
                let usual = if flow.operation == Operation::Read { 90_000.0 } else { 40_000.0 };
                let queue = self.random.around(6_000.0 * slow) as u64;
                let device = self.random.around((usual + bytes as f64 / 2.0) * slow) as u64;
                let class = &mut flow.classes[SizeClass::of(bytes as u32) as usize];
                class.requests += 1;
                class.timed += 1;
                class.bytes += bytes;
                class.queue_ns += queue;
                class.device_ns += device;
                flow.times.iter_mut().zip([queue, device, queue + device]).for_each(|(times, ns)| times.add(ns));
                added.requests += 1;
                added.bytes += bytes;
                added.time_ns += queue + device;
            }
            moved[usize::from(flow.operation == Operation::Write)] += added.bytes;
            stalled += added.time_ns;
            if let Some(stats) = self.disks.get_mut(&flow.device).and_then(|disk| disk.stats.as_mut()) {
                let to = if flow.operation == Operation::Read { &mut stats.read } else { &mut stats.write };
                to.requests += added.requests;
                to.bytes += added.bytes;
                to.time_ns += added.time_ns / 1_000_000 * 1_000_000;
                stats.busy_ns += added.time_ns.min(SECOND / 2) / 1_000_000 * 1_000_000;
                stats.weighted_ns += added.time_ns / 1_000_000 * 1_000_000;
            }
        }
        self.pressure_ns[1] += stalled.min(SECOND) / 2;
        moved
    }

    /// Deals out what the CPUs and the disks did: most of it to the hog while it is at work, and the rest to the few that run.
    fn run_tasks(&mut self, chapter: &Chapter, [busy, waited, switches]: [u64; 3], [read, written]: [u64; 2]) {
        let ran: Vec<usize> =
            (1..self.tasks.len()).filter(|&n| self.random.share() < if n < 25 { 0.5 } else { 0.04 }).collect();
        let hog = |at_work: bool, all: u64| if at_work { all / 10 * 8 } else { 0 };
        let (disk, cpu) = (chapter.disk_slowness > 1.0, chapter.cpu_slowness > 1.0);
        let hogged = [hog(cpu, busy), hog(cpu, waited) / 8, hog(cpu, switches), hog(disk, read), hog(disk, written)];
        let used = [busy, waited, switches, read, written];
        let rest: [u64; 5] = std::array::from_fn(|i| used[i] - hogged[i]);
        let count = ran.len() as u64;
        let Some((first, others)) = self.tasks.split_first_mut() else { return };
        charge(first, hogged);
        for (nth, n) in ran.into_iter().enumerate() {
            // The first that runs takes what cannot be divided.
            let part = |all: u64| all / count + if nth == 0 { all % count } else { 0 };
            charge(&mut others[n - 1], rest.map(part));
        }
        if count == 0 {
            charge(first, rest);
        }
    }

    fn sample(&self, chapter: &Chapter) -> Sample {
        let mean_ns = 100_000.0 * chapter.disk_slowness;
        let in_flight = self.disks.keys().map(|&device| {
            let slow = device == SLOW_DISK && chapter.disk_slowness > 1.0;
            InFlight {
                device,
                requests: if slow { 8 } else { 0 },
                oldest_ns: if slow { 3 * mean_ns as u64 } else { 0 },
            }
        });
        let requests = self.flows.iter().map(|flow| {
            let [queue, device_time, total] = flow.times.each_ref().map(Times::histogram);
            let (device, operation, classes) = (flow.device, flow.operation as u8, flow.classes);
            Requests { device, operation, classes, errors: Default::default(), queue, device_time, total }
        });
        let cpus = self.cpus.iter().enumerate().map(|(n, (cpu, _))| (n as u32, cpu.clone()));
        Sample {
            origin: Origin { boot_id: "5707a2e1-0000-4000-8000-000000000000".into(), attached_ns: BEGIN },
            monotonic_ns: 1_000 * SECOND + self.seconds * SECOND,
            realtime_ns: BEGIN + self.seconds * SECOND,
            sched: Some(Sched { cpus: cpus.collect() }),
            block: Some(Block {
                requests: requests.collect(),
                in_flight: in_flight.filter(|it| it.requests > 0).collect(),
                ..Block::default()
            }),
            tasks: Some(self.tasks.clone()),
            events: Some(Events::default()),
            host: self.host(),
            all_tasks: None,
        }
    }

    fn host(&self) -> Host {
        let total = 8 * KIB * KIB * KIB;
        let used = (self.seconds % 600) * 65_536;
        let space = Space {
            size: 100 << 30,
            free: (60 << 30) - self.seconds * 4096,
            available: (55 << 30) - self.seconds * 4096,
            files: 1 << 20,
            files_free: 1 << 19,
        };
        let root = Filesystem {
            mount: "/".into(),
            source: "/dev/sda1".into(),
            kind: "ext4".into(),
            read_only: false,
            space: Some(space),
        };
        let stalled = |ns| Pressure { some_ns: Some(ns), full_ns: Some(ns / 2) };
        let pressure = [("cpu", self.pressure_ns[0]), ("io", self.pressure_ns[1]), ("memory", 0)];
        Host {
            hostname: Some("story".into()),
            kernel: Some("6.18.0".into()),
            boot_id: Some("5707a2e1-0000-4000-8000-000000000000".into()),
            uptime_ns: Some(1_000 * SECOND + self.seconds * SECOND),
            online_cpus: Some((0..self.cpus.len() as u32).collect()),
            cpu_modes: Some(self.modes),
            context_switches: Some(self.cpus.iter().flat_map(|(cpu, _)| cpu.switches).sum()),
            memory: Some(Memory { total, available: total / 2 - used, free: total / 4 - used, ..Memory::default() }),
            load: Some([0.4, 0.3, 0.2]),
            pressure: pressure.into_iter().map(|(name, ns)| (name.to_owned(), stalled(ns))).collect(),
            filesystems: vec![root],
            networks: BTreeMap::from([("eth0".to_owned(), self.moved)]),
            disks: self.disks.clone(),
            ..Host::default()
        }
    }
}

fn task(n: u32) -> Task {
    let pid = n + 100;
    let (comm, cgroup) =
        if n == 0 { ("hog".into(), HOG_CGROUP) } else { (format!("worker-{}", n % 20), u64::from(n % 7) + 10) };
    Task { pid, tgid: pid, comm, cgroup, start_ns: SECOND + u64::from(n) * 1_000_000, ..Task::default() }
}

fn charge(task: &mut Task, [busy, waited, switches, read, written]: [u64; 5]) {
    task.cpu_ns += busy;
    task.wait_ns += waited;
    task.voluntary += switches;
    task.read_bytes += read;
    task.write_bytes += written;
}

fn disk(n: usize) -> Disk {
    let letter = |n: usize| char::from(b'a' + (n % 26) as u8);
    let name = if n < 26 { format!("sd{}", letter(n)) } else { format!("sd{}{}", letter(n / 26 - 1), letter(n)) };
    Disk {
        name,
        class: DiskClass::Ssd,
        size: 100 << 30,
        iostats: true,
        request_based: true,
        stats: Some(Diskstats::default()),
    }
}
