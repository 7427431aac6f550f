//! One node: what it is made of, and what it reports of an interval. Sizes and figures are like those of real nodes.

use std::time::Duration;

use super::{random::Random, shape::times};
use crate::report::wire::*;

const GIB: u64 = 1 << 30;

/// A disk and how it usually is.
struct Disk {
    name: String,
    number: u32,
    class: Class,
    /// Requests a second, and how long one usually takes in nanoseconds.
    rate: f64,
    device_ns: f64,
}

/// See the module.
pub struct Node {
    /// Who it is.
    pub sender: Sender,
    random: Random,
    sequence: u64,
    slow: f64,
    cpus: u32,
    memory: u64,
    disks: Vec<Disk>,
    uptime_ns: u64,
    interval: Duration,
}

impl Node {
    /// The node with this number, from 1. The same seed gives the same node; each start is another instance of its agent.
    pub fn new(seed: u64, prefix: &str, number: usize, slow: f64, interval: Duration) -> Self {
        let mut random = Random::new(seed, number as u64);
        let cpus = random.one_of(&[2, 2, 4, 4, 8, 8, 16, 32]);
        let kinds: [(&str, Class, u32, f64, f64); 4] = [
            ("nvme0n1", Class::Nvme, 259 << 20, 400.0, 90_000.0),
            ("sda", Class::Ssd, 8 << 20, 150.0, 250_000.0),
            ("vda", Class::Virtual, 252 << 20, 120.0, 400_000.0),
            ("sdb", Class::Rotational, 8 << 20 | 16, 40.0, 6_000_000.0),
        ];
        let first = random.one_of(&[0, 1, 2]);
        let places: &[usize] = if random.uniform() < 0.3 { &[first, 3] } else { &[first] };
        let disks = places.iter().map(|&place| {
            let (name, class, number, rate, device_ns) = kinds[place];
            let (rate, device_ns) = (rate * random.about(0.7), device_ns * random.about(0.15));
            Disk { name: name.into(), number, class, rate, device_ns }
        });
        let disks = disks.collect();
        let (a, b) = (random.next(), random.next());
        let sender = Sender {
            node: format!("{prefix}{number:05}"),
            machine: [a.to_le_bytes(), b.to_le_bytes()].concat(),
            boot_id: format!("{:08x}-0000-4000-8000-{:012x}", a as u32, b & 0xffff_ffff_ffff),
            instance: crate::collect::realtime_ns(),
            agent_version: env!("CARGO_PKG_VERSION").into(),
        };
        let memory = u64::from(cpus) * 4 * GIB;
        let uptime_ns = random.next() % 10_000_000_000_000_000;
        Self { sender, random, sequence: 0, slow, cpus, memory, disks, uptime_ns, interval }
    }

    /// What happened in the interval that ends now.
    pub fn report(&mut self, end_ns: u64, length_ns: u64) -> Report {
        self.sequence += 1;
        self.uptime_ns += length_ns;
        let seconds = length_ns as f64 / 1e9;
        let busy = 0.1 + 0.4 * self.random.uniform();
        let cpus: Vec<Cpu> = (0..self.cpus).map(|cpu| self.cpu(cpu, length_ns, busy)).collect();
        let switches = cpus.iter().map(|cpu| cpu.switches).sum();
        let wait = times(switches / 2, 6_000.0 * self.slow, &mut self.random);
        let disks = std::mem::take(&mut self.disks);
        let devices = disks.iter().map(|disk| self.device(disk, seconds)).collect();
        self.disks = disks;
        Report {
            sequence: self.sequence,
            end_ns,
            length_ns,
            sched: Some(Sched { cpus, wait, switches, preemptions: switches / 20, ..Sched::default() }),
            block: Some(Block { devices, ..Block::default() }),
            host: Some(self.host(length_ns, busy)),
            events: (0..3).map(|kind| Events { kind, seen: 0, dropped: 0 }).collect(),
            own: Some(Own {
                cpu_ns: Some(length_ns / 500),
                resident_bytes: Some(14 << 20),
                map_bytes: Some(3 << 20),
                agreement: ["context_switches", "block_requests", "block_bytes"]
                    .map(|figure| Agreement { figure: figure.into(), ratio: 1.0 })
                    .into(),
                probes: ["sched", "block", "tasks", "events"]
                    .map(|probe| Probe { probe: probe.into(), ..Probe::default() })
                    .into(),
                ..Own::default()
            }),
            metadata: (self.sequence % 100 == 1).then(|| self.metadata()),
            ..Report::default()
        }
    }

    fn cpu(&mut self, cpu: u32, length_ns: u64, busy: f64) -> Cpu {
        let busy_ns = (length_ns as f64 * busy * self.random.about(0.5)).min(length_ns as f64) as u64;
        let switches = (length_ns as f64 / 1e9 * 800.0 * self.random.about(0.5)) as u64;
        Cpu { cpu, busy_ns, idle_ns: length_ns - busy_ns, switches, offline: false }
    }

    fn device(&mut self, disk: &Disk, seconds: f64) -> Device {
        let operations = [(0u32, 0.4, 1.0), (1, 0.55, 1.3), (2, 0.05, 2.0)];
        let operation = |(operation, share, longer): (u32, f64, f64)| {
            let random = &mut self.random;
            let requests = (disk.rate * share * seconds * random.about(0.3)) as u64;
            let middle_ns = disk.device_ns * longer * self.slow * random.about(0.05);
            let device = times(requests, middle_ns, random);
            let queue = times(requests, middle_ns / 20.0, random);
            let total = times(requests, middle_ns * 1.05, random);
            let sum = |times: &Option<Histogram>| times.as_ref().map_or(0, |times| times.sum_ns);
            let (queue_ns, device_ns) = (sum(&queue), sum(&device));
            let sizes = if operation == 2 {
                vec![(0, 1.0, 0)]
            } else {
                vec![(1, 0.6, 4096), (2, 0.3, 16_384), (4, 0.1, 131_072)]
            };
            let size = |(size, part, bytes): (u32, f64, u64)| {
                let of = |whole: u64| (whole as f64 * part) as u64;
                let requests = of(requests);
                Size {
                    size,
                    requests,
                    bytes: requests * bytes,
                    timed: requests,
                    queue_ns: of(queue_ns),
                    device_ns: of(device_ns),
                }
            };
            let sizes = sizes.into_iter().map(size).filter(|size| size.requests > 0).collect();
            Operation { operation, sizes, queue, device, total, errors: Vec::new() }
        };
        Device {
            name: disk.name.clone(),
            number: disk.number,
            class: disk.class.into(),
            source: Source::Requests.into(),
            operations: operations.map(operation).into_iter().filter(|of| !of.sizes.is_empty()).collect(),
            ..Device::default()
        }
    }

    fn host(&mut self, length_ns: u64, busy: f64) -> Host {
        let all_ns = length_ns * u64::from(self.cpus);
        let user = (all_ns as f64 * busy * 0.7) as u64;
        let system = (all_ns as f64 * busy * 0.3) as u64;
        let stalled = |of: f64| Some((length_ns as f64 * of) as u64);
        let pressure = ["cpu", "io", "memory"].map(|resource| Pressure {
            resource: resource.into(),
            some_ns: stalled(0.02),
            full_ns: stalled(0.005),
        });
        let used = (self.memory as f64 * (0.3 + 0.3 * self.random.uniform())) as u64;
        let filesystem = |mount: &str, source: &str, size: u64| Filesystem {
            mount: mount.into(),
            source: source.into(),
            kind: "ext4".into(),
            size,
            free: size / 2,
            available: size / 2,
            files: size >> 14,
            files_free: size >> 15,
            ..Filesystem::default()
        };
        let bytes = (1e6 * self.random.about(0.9)) as u64;
        Host {
            cpu_modes_ns: vec![user, 0, system, all_ns - user - system, 0, 0, 0, 0],
            pressure: pressure.into(),
            memory: Some(Memory {
                total: self.memory,
                free: (self.memory - used) / 2,
                available: self.memory - used,
                cached: (self.memory - used) / 3,
                dirty: 1 << 20,
                ..Memory::default()
            }),
            load: vec![busy * f64::from(self.cpus); 3],
            filesystems: vec![filesystem("/", "/dev/root", 100 * GIB), filesystem("/var", "/dev/var", 400 * GIB)],
            networks: ["eth0", "lo"]
                .map(|name| Network {
                    name: name.into(),
                    receive_bytes: bytes,
                    transmit_bytes: bytes / 2,
                    receive_packets: bytes / 900,
                    transmit_packets: bytes / 1500,
                    faults: 0,
                })
                .into(),
            uptime_ns: self.uptime_ns,
        }
    }

    fn metadata(&self) -> Metadata {
        Metadata {
            kernel: "6.12.0-simulated".into(),
            cpus: self.cpus,
            memory_bytes: self.memory,
            agent_version: env!("CARGO_PKG_VERSION").into(),
            interval_ns: self.interval.as_nanos() as u64,
            url: String::new(),
        }
    }
}
