//! Windows of machines that are not here, for tests and benchmarks: any number of disks, all of them busy, and any number of rules.

use std::collections::BTreeMap;

use monitor_common::block::Operation as Kind;

use super::{
    engine::Engine,
    matcher::Matcher,
    rule::{Compare, Condition, Rule, Whence},
    signal::{Domain, Signal, Unit, signals},
};
use crate::{
    alert::Severity,
    device::DeviceId,
    host::{Class, Filesystem, Memory, Space},
    index::{self, Index, Load, Mode, NodeIndex, Standing, Verdict},
    pattern::Patterns,
    sample::Events,
    window::{
        Block, Cpu, CpuModeShares, Device, NetworkRates, Operation, PressureShares, Sched, Source, Times, Window,
    },
};

/// A minute of a node with that many disks, each with five operations. `step` makes the figures differ from window to window.
pub fn window(disks: u32, step: u64) -> Window {
    let wobble = 1.0 + (step % 7) as f64 / 100.0;
    let cpu = |cpu| Cpu {
        cpu,
        online: true,
        utilization: Some(0.4 * wobble),
        switches_per_second: 3000.0 * wobble,
        wait: Some(times(20e-6 * wobble)),
    };
    let space = Space { size: 1 << 40, free: 1 << 39, available: 1 << 39, files: 1 << 24, files_free: 1 << 23 };
    Window {
        end_realtime_ns: 1_700_000_000_000_000_000 + step * 10_000_000_000,
        sched: Some(Sched {
            utilization: Some(0.4 * wobble),
            switches_per_second: 24_000.0 * wobble,
            preemptions_per_second: 300.0 * wobble,
            wait: Some(times(20e-6 * wobble)),
            cpus: (0..8).map(cpu).collect(),
            discards: 0,
            plain_waits: 0,
            plain_wait_seconds: 0.0,
        }),
        block: Some(Block {
            mean_request_time: Some(2e-3 * wobble),
            devices: (0..disks).map(|disk| device(disk, wobble)).collect(),
            discards: 0,
            resets: 0,
            coarse: false,
        }),
        events: Some(Events::default()),
        cpu_modes: Some(CpuModeShares { user: 0.3, system: 0.1, idle: 0.6, ..CpuModeShares::default() }),
        pressure: BTreeMap::from([("io".into(), PressureShares { some: Some(0.01), full: Some(0.0) })]),
        networks: BTreeMap::from([(
            "eth0".into(),
            NetworkRates { receive_bytes_per_second: 1e6, ..NetworkRates::default() },
        )]),
        memory: Some(Memory { total: 1 << 36, available: 1 << 35, ..Memory::default() }),
        load: Some([3.0, 2.0, 1.0]),
        filesystems: vec![Filesystem {
            mount: "/".into(),
            source: "/dev/nvme0n1p1".into(),
            kind: "ext4".into(),
            read_only: false,
            space: Some(space),
        }],
        ..Window::empty(0, 60.0)
    }
}

/// An index of each signal in the mode `trailing` with this P, of one node.
pub fn indices(p: f64) -> Vec<Index> {
    let index = |&signal: &index::Signal| Index {
        signal,
        mode: Mode::Trailing,
        verdict: Some(Verdict { p, shift: p, unevenness: 1.0, nodes: 1 }),
        nodes: vec![NodeIndex {
            node: "a".into(),
            standing: Standing::Judged,
            requests: 1000,
            mean_seconds: Some(2e-3 * p),
            expected_seconds: Some(2e-3),
            ratio: Some(p),
            contribution: Some(p - 1.0),
            left_out: Load::default(),
            parts: Vec::new(),
        }],
    };
    index::Signal::ALL.iter().map(index).collect()
}

/// Times around this mean.
fn times(mean: f64) -> Times {
    Times {
        count: 1000,
        sum: mean * 1000.0,
        mean,
        p50: mean * 0.8,
        p90: mean * 2.0,
        p99: mean * 5.0,
        p999: mean * 9.0,
        max: mean * 10.0,
    }
}

fn device(disk: u32, wobble: f64) -> Device {
    let operation = |kind: &Kind| {
        let mean = (1.0 + f64::from(disk) / 100.0) * 1e-3 * wobble;
        Operation {
            operation: kind.name().into(),
            requests: 1000,
            requests_per_second: 1000.0 / 60.0,
            bytes_per_second: 65_536.0,
            mean_time: Some(mean),
            queue: Some(times(mean / 10.0)),
            device_time: Some(times(mean * 0.9)),
            total: Some(times(mean)),
            errors: BTreeMap::new(),
            classes: Vec::new(),
        }
    };
    let mut operations: Vec<Operation> = Kind::ALL.iter().map(operation).collect();
    operations.sort_by(|a, b| a.operation.cmp(&b.operation));
    Device {
        device: DeviceId { major: 259, minor: disk },
        name: format!("nvme{disk}n1"),
        class: Class::Nvme,
        source: Source::Requests,
        in_flight: 3,
        oldest: Some(1e-3 * wobble),
        operations,
    }
}

/// The same window with a first disk so slow that every rule of [`engine`] about disks in general has something to compare.
pub fn slow_window(disks: u32, step: u64) -> Window {
    let mut window = window(disks, step);
    if let Some(disk) = window.block.as_mut().and_then(|block| block.devices.first_mut()) {
        for operation in &mut disk.operations {
            operation.mean_time = Some(SLOW);
            (operation.queue, operation.device_time, operation.total) =
                (Some(times(SLOW)), Some(times(SLOW)), Some(times(SLOW)));
        }
    }
    window
}

/// Seconds.
const SLOW: f64 = 7200.0;

/// An engine with that many rules over all times of disks, operations and CPUs. Two in three are for one disk of two hundred. All
/// hold for the slow disk of [`slow_window`], and for nine in ten a second condition does not: looked for, and not found.
pub fn engine(rules: usize) -> Engine {
    let signals: Vec<&Signal> = signals().filter(|signal| signal.unit == Unit::Seconds && of_machine(signal)).collect();
    let condition = |signal, matchers, threshold| Condition {
        signal,
        matchers,
        compare: Compare::Above,
        threshold,
        clear: threshold / 2.0,
    };
    let rule = |n: usize| {
        let signal = signals[n % signals.len()];
        let one_disk = signal.labels().contains(&"device") && !n.is_multiple_of(3);
        let pattern = format!("nvme{}n1", n % 200);
        let matchers = match one_disk {
            true => vec![Matcher { label: "device".into(), values: Patterns::parse(&pattern) }],
            false => Vec::new(),
        };
        let busy = Signal::find("block_in_flight").filter(|_| !n.is_multiple_of(10));
        Rule {
            name: format!("Rule{n}"),
            condition: condition(signal, matchers, 3600.0),
            and: busy.map(|busy| condition(busy, Vec::new(), 1e6)).into_iter().collect(),
            for_ns: 60_000_000_000,
            keep_firing_ns: 0,
            resolve_absent_ns: None,
            severity: Severity::Warning,
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            enabled: true,
            silenced: false,
            why: String::new(),
            whence: Whence::Builtin,
        }
    };
    Engine::new((0..rules).map(rule).collect(), BTreeMap::from([("node".into(), "a".into())]))
}

fn of_machine(signal: &Signal) -> bool {
    use Domain::{Cpu, Device, Node, Operation};
    matches!(signal.take.domain(), Node | Cpu | Device | Operation)
}
