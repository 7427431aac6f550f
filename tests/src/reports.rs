//! Reports of nodes that do not exist, for the server's store: of a usual size, quickly made.

use std::time::Duration;

use kpulse::{
    report::wire,
    store::{Incoming, Limits},
};
use prost::Message as _;

/// Between two reports of a node.
pub const STEP_NS: u64 = 10_000_000_000;
/// When the first of them begin: a full hour.
pub const BEGIN_NS: u64 = 1_800_000_000_000_000_000;
/// Different shapes of a report.
const SHAPES: u64 = 16;

/// Limits of a store that adds up at once and keeps every single report, however many of them a fast machine stores.
pub fn limits() -> Limits {
    const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
    Limits { full: YEAR, roll_up: Duration::ZERO, ..Limits::default() }
}

/// Nodes that report in turn.
pub struct Fleet {
    senders: Vec<wire::Sender>,
    shapes: Vec<Vec<u8>>,
    /// The number of the next report, counted over all nodes.
    next: u64,
}

impl Fleet {
    /// So many nodes, whose next report is this one, counted from 0 over all of them.
    pub fn new(nodes: u64, next: u64) -> Self {
        Self {
            senders: (0..nodes).map(sender).collect(),
            shapes: (0..SHAPES).map(|seed| shape(seed).encode_to_vec()).collect(),
            next,
        }
    }

    /// The number of the next report.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// The next reports.
    pub fn take(&mut self, count: u64) -> Vec<Incoming> {
        let from = self.next;
        self.next += count;
        (from..self.next).map(|number| self.report(number)).collect()
    }

    /// The report of this number: of one node after the other, and then again.
    pub fn report(&self, number: u64) -> Incoming {
        let nodes = self.senders.len() as u64;
        let sender = &self.senders[(number % nodes) as usize];
        let sequence = number / nodes + 1;
        // Nodes do not report all at once.
        let end_ns = BEGIN_NS + sequence * STEP_NS - number % nodes * (STEP_NS / nodes);
        let mut bytes = self.shapes[(number % SHAPES) as usize].clone();
        // A message behind another adds its fields to it.
        let rest = wire::Report { sequence, end_ns, ..wire::Report::default() };
        rest.encode_raw(&mut bytes);
        Incoming {
            node: sender.node.clone(),
            sender: sender.clone(),
            sequence,
            end_ns,
            received_ns: end_ns,
            bytes: bytes.into(),
        }
    }
}

fn sender(number: u64) -> wire::Sender {
    wire::Sender {
        node: format!("node-{number:05}"),
        machine: number.to_le_bytes().to_vec(),
        boot_id: format!("00000000-0000-4000-8000-{number:012x}"),
        instance: 1_700_000_000_000_000_000 + number,
        agent_version: "0.1.0".into(),
    }
}

/// A node of eight CPUs and two disks, of which one does much.
fn shape(seed: u64) -> wire::Report {
    let random = |n: u64| (seed + 1).wrapping_mul(n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    let times = |first: u32, buckets: u64| {
        Some(wire::Histogram {
            sum_ns: random(buckets) * 1_000,
            gaps: (0..buckets).map(|n| if n == 0 { first } else { 1 }).collect(),
            counts: (0..buckets).map(|n| 1 + random(n) % 900).collect(),
        })
    };
    let operation = |operation: u32, buckets: u64| wire::Operation {
        operation,
        sizes: (0..3)
            .map(|size| wire::Size {
                size,
                requests: 50 + random(7) % 500,
                bytes: 4_096 * random(8),
                timed: 50 + random(7) % 500,
                queue_ns: random(9) * 100,
                device_ns: random(10) * 1_000,
            })
            .collect(),
        queue: times(60, buckets / 2),
        device: times(90, buckets),
        total: times(92, buckets),
        errors: Vec::new(),
    };
    let device = |name: &str, number: u32, operations| wire::Device {
        name: name.into(),
        number,
        class: wire::Class::Nvme.into(),
        operations,
        ..wire::Device::default()
    };
    let cpus = (0..8).map(|cpu| wire::Cpu {
        cpu,
        busy_ns: random(11) * 500,
        idle_ns: STEP_NS - random(11) * 500,
        switches: random(12) % 9_000,
        offline: false,
    });
    wire::Report {
        length_ns: STEP_NS,
        sched: Some(wire::Sched {
            cpus: cpus.collect(),
            wait: times(40, 60),
            switches: 40_000 + random(1) % 9_000,
            preemptions: random(2) % 900,
            ..wire::Sched::default()
        }),
        block: Some(wire::Block {
            devices: vec![
                device("nvme0n1", 259 << 20, vec![operation(0, 30), operation(1, 36)]),
                device("nvme1n1", 259 << 20 | 1, vec![operation(1, 12)]),
            ],
            ..wire::Block::default()
        }),
        host: Some(wire::Host {
            cpu_modes_ns: (0..8).map(|mode| random(20 + mode) * 1_000).collect(),
            pressure: ["cpu", "io", "memory"]
                .map(|resource| wire::Pressure {
                    resource: resource.into(),
                    some_ns: Some(random(30) * 100),
                    full_ns: Some(random(31)),
                })
                .to_vec(),
            memory: Some(wire::Memory {
                total: 64 << 30,
                free: 3 << 30,
                available: 40 << 30,
                ..wire::Memory::default()
            }),
            load: vec![1.5, 1.25, 1.0],
            ..wire::Host::default()
        }),
        ..wire::Report::default()
    }
}
