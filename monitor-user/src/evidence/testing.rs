//! A bad night for the tests: a backup saturates `loop0`, and a database waits for it.

use std::{collections::BTreeMap, sync::Arc};

use monitor_common::{
    block::{Operation as Kind, SizeClass},
    histogram::{BUCKETS, index},
};

use super::{Evidence, Subject, gather};
use crate::{
    alert::{Alert, Severity, State},
    histogram::Histogram,
    host::{Class, Disk, Filesystem, Memory, Pressure, Space},
    index::{Contribution, Index, Load, Mode, NodeIndex, Part, Signal, Standing, Stratum, Verdict},
    sample::{self, Block, Cpu, DeviceId, InFlight, Origin, Requests, Sample, Sched, Task},
    window::{Options, Window, derive},
};

pub const BACKUP: &str = "/system.slice/backup.service";
const SECOND: u64 = 1_000_000_000;
const MIB: u64 = 1 << 20;
const LOOP0: DeviceId = DeviceId { major: 7, minor: 0 };
const SDA: DeviceId = DeviceId { major: 8, minor: 0 };

/// So many times around each of these lengths.
fn times(lengths: &[(u64, u64)]) -> Histogram {
    let mut buckets = [0; BUCKETS];
    lengths.iter().for_each(|&(ns, count)| buckets[index(ns)] += count);
    Histogram::from_buckets(&buckets, lengths.iter().map(|(ns, count)| ns * count).sum())
}

/// `n` requests of 64 KiB, so long in the queue and in the device.
fn requests(device: DeviceId, operation: Kind, n: u64, queue_ns: u64, device_ns: u64) -> Requests {
    let mut classes = [sample::Class::default(); SizeClass::COUNT];
    classes[SizeClass::To64K as usize] =
        sample::Class { requests: n, bytes: n << 16, timed: n, queue_ns: n * queue_ns, device_ns: n * device_ns };
    let spread = |ns: u64| times(&[(ns / 2, n / 2), (ns * 3 / 2, n - n / 2)]);
    Requests {
        device,
        operation: operation as u8,
        classes,
        errors: Default::default(),
        queue: spread(queue_ns),
        device_time: spread(device_ns),
        total: spread(queue_ns + device_ns),
    }
}

fn merged(mut a: Requests, b: &Requests) -> Requests {
    for (a, b) in a.classes.iter_mut().zip(&b.classes) {
        a.requests += b.requests;
        a.bytes += b.bytes;
        a.timed += b.timed;
        a.queue_ns += b.queue_ns;
        a.device_ns += b.device_ns;
    }
    a.queue.merge(&b.queue);
    a.device_time.merge(&b.device_time);
    a.total.merge(&b.total);
    a
}

fn task(pid: u32, comm: &str, cgroup: u64, cpu_ms: u64, wait_ms: u64, mib: u64) -> Task {
    Task {
        pid,
        tgid: pid,
        comm: comm.into(),
        start_ns: 1,
        cgroup,
        cpu_ns: cpu_ms * 1_000_000,
        wait_ns: wait_ms * 1_000_000,
        write_bytes: mib * MIB,
        ..Task::default()
    }
}

/// Three samples a minute apart: the minute before, and the minute itself.
pub fn samples() -> [Sample; 3] {
    let quiet = |minute: u64| {
        vec![
            requests(LOOP0, Kind::Read, 600 * minute, 20_000, 1_900_000),
            requests(LOOP0, Kind::Write, 6_000 * minute, 100_000, 3_800_000),
            requests(SDA, Kind::Read, 1_200 * minute, 10_000, 90_000),
        ]
    };
    [0, 1, 2].map(|minute| {
        let mut block = Block { requests: quiet(minute), ..Block::default() };
        let storm = minute / 2;
        let mut tasks = vec![
            task(10, "postgres", 20, 900 * minute, 700 * minute + storm * 60_000, 8 * minute),
            task(11, "nginx", 30, 400 * minute, 300 * minute + storm * 3_000, minute),
        ];
        let mut busy_ns = 40 * SECOND * minute;
        let mut wait = times(&[(40_000, 20_000 * minute)]);
        if minute == 2 {
            let slow = requests(LOOP0, Kind::Write, 12_000, 4_000_000, 47_000_000);
            block.requests[1] = merged(block.requests[1].clone(), &slow);
            block.in_flight = vec![InFlight { device: LOOP0, requests: 32, oldest_ns: 2_300_000_000 }];
            tasks.extend((0..4).map(|n| task(4242 + n, "fio", 40, 27_000, 6_000, 190)));
            wait.merge(&times(&[(11_000_000, 4_000)]));
            busy_ns = 158 * SECOND;
        }
        let cpu = |n: u64| Cpu {
            online: true,
            busy_ns: busy_ns / 2 + n * minute * SECOND / 2,
            idle_ns: (120 * SECOND * minute).saturating_sub(busy_ns) / 2,
            wait: wait.clone(),
            switches: [30_000 * minute, 400 * minute, 29_000 * minute],
            ..Cpu::default()
        };
        let mut sample = Sample {
            origin: Origin::default(),
            monotonic_ns: (minute + 1) * 60 * SECOND,
            realtime_ns: 1_795_482_635 * SECOND + minute * 60 * SECOND,
            sched: Some(Sched { cpus: BTreeMap::from([(0, cpu(0)), (1, cpu(1))]) }),
            block: Some(block),
            tasks: Some(tasks),
            events: Some(sample::Events { seen: [0, 0, 0].map(|_: u64| minute / 2), dropped: [0; 3] }),
            host: Default::default(),
            all_tasks: None,
        };
        let host = &mut sample.host;
        host.cgroups = Arc::new(BTreeMap::from([
            (20, "/system.slice/postgresql.service".into()),
            (30, "/system.slice/nginx.service".into()),
            (40, BACKUP.into()),
        ]));
        let disk = |name: &str, class| Disk { name: name.into(), class, request_based: true, ..Disk::default() };
        host.disks = BTreeMap::from([(LOOP0, disk("loop0", Class::Stacked)), (SDA, disk("sda", Class::Ssd))]);
        let stalled = [0, 1, 39][minute as usize] * SECOND;
        host.pressure =
            BTreeMap::from([("io".into(), Pressure { some_ns: Some(stalled), full_ns: Some(stalled / 2) })]);
        host.memory = Some(Memory {
            total: 16 << 30,
            available: (8 - 3 * minute) << 30,
            swap_total: 2 << 30,
            swap_free: (2 - minute / 2) << 30,
            ..Memory::default()
        });
        host.filesystems = vec![Filesystem {
            mount: "/var".into(),
            source: "/dev/loop0".into(),
            kind: "ext4".into(),
            read_only: false,
            space: Some(Space {
                size: 100 << 30,
                free: 9 << 30,
                available: (8 - minute) << 30,
                files: 0,
                files_free: 0,
            }),
        }];
        sample
    })
}

/// The minute before, and the minute itself.
pub fn windows() -> (Window, Window) {
    windows_with(|_| {})
}

/// The same with other tasks in the minute itself.
pub fn windows_with(change: impl FnOnce(&mut Vec<Task>)) -> (Window, Window) {
    let [first, second, mut third] = samples();
    change(third.tasks.get_or_insert_default());
    let options = Options::default();
    (derive(&first, &second, &options).unwrap(), derive(&second, &third, &options).unwrap())
}

/// A thread of the kernel that wrote so many MiB.
pub fn kernel_thread(pid: u32, mib: u64) -> Task {
    Task { kernel: true, ..task(pid, "kworker/u8:2", 1, 0, 0, mib) }
}

/// An index over nodes, each with its name, its window, and how long its requests usually take.
pub fn index_of(signal: Signal, nodes: &[(&str, &Window)], usual: impl Fn(&Part) -> f64) -> Index {
    let observed: Vec<_> = nodes.iter().map(|(node, window)| (*node, parts(signal, window, &usual))).collect();
    let sums = |parts: &[Contribution]| {
        parts.iter().fold((0, 0.0, 0.0), |(n, seconds, expected), part| {
            (n + part.load.requests, seconds + part.load.seconds, expected + part.expected_seconds)
        })
    };
    let judged = observed.iter().filter(|(_, parts)| sums(parts).2 > 0.0).count();
    let node = |(node, parts): (&str, Vec<Contribution>)| {
        let (requests, seconds, expected) = sums(&parts);
        let has = expected > 0.0;
        let contribution = |part: Contribution| Contribution {
            contribution: (part.load.seconds - part.expected_seconds) / expected / judged as f64,
            ..part
        };
        let mut parts: Vec<_> = if has { parts.into_iter().map(contribution).collect() } else { Vec::new() };
        parts.sort_by(|a, b| b.contribution.total_cmp(&a.contribution));
        NodeIndex {
            node: node.into(),
            standing: if has { Standing::Judged } else { Standing::Idle },
            requests,
            mean_seconds: has.then(|| seconds / requests as f64),
            expected_seconds: has.then(|| expected / requests as f64),
            ratio: has.then(|| seconds / expected),
            contribution: has.then(|| (seconds / expected - 1.0) / judged as f64),
            left_out: Load::default(),
            parts,
        }
    };
    let nodes: Vec<NodeIndex> = observed.into_iter().map(node).collect();
    let mut ratios: Vec<f64> = nodes.iter().filter_map(|node| node.ratio).collect();
    ratios.sort_by(f64::total_cmp);
    let verdict = (judged > 0).then(|| {
        let (p, shift) = (ratios.iter().sum::<f64>() / judged as f64, ratios[ratios.len() / 2]);
        Verdict { p, shift, unevenness: p / shift, nodes: judged as u64 }
    });
    Index { signal, mode: Mode::Trailing, verdict, nodes }
}

fn parts(signal: Signal, window: &Window, usual: &impl Fn(&Part) -> f64) -> Vec<Contribution> {
    let mut out = Vec::new();
    let mut add = |part: Part, requests: u64, seconds: f64| {
        let expected_seconds = usual(&part) * requests as f64;
        out.push(Contribution { part, load: Load { requests, seconds }, expected_seconds, contribution: 0.0 });
    };
    if signal == Signal::RunQueue {
        let wait = window.sched.as_ref().and_then(|sched| sched.wait);
        let stratum = Stratum { class: Class::Unknown, operation: 0, size: 0 };
        wait.iter().for_each(|wait| add(Part { device: String::new(), stratum }, wait.count, wait.sum));
        return out;
    }
    for device in window.block.iter().flat_map(|block| &block.devices) {
        for operation in &device.operations {
            let kind = Kind::ALL.iter().position(|kind| kind.name() == operation.operation).unwrap_or(9) as u8;
            for (size, class) in operation.classes.iter().enumerate().filter(|(_, class)| class.timed > 0) {
                let stratum = Stratum { class: device.class, operation: kind, size: size as u8 };
                let seconds = (class.queue_ns as f64 + class.device_ns as f64) / 1e9;
                add(Part { device: device.name.clone(), stratum }, class.timed, seconds);
            }
        }
    }
    out
}

/// P of the bad night for both signals, held against what is usual in a quiet one.
pub fn indices() -> Vec<Index> {
    let (_, during) = windows();
    let usual = |part: &Part| match (&part.device[..], part.stratum.operation) {
        ("loop0", 0) => 0.000_8,
        ("loop0", _) => 0.003_9,
        ("sda", _) => 0.000_1,
        _ => 0.000_04,
    };
    [Signal::Block, Signal::RunQueue].map(|signal| index_of(signal, &[("db-7", &during)], usual)).to_vec()
}

/// What an alert is about.
pub fn subject(signal: &str, labels: &[(&str, &str)]) -> Subject {
    let labels = labels.iter().map(|&(name, value)| (name.into(), value.into())).collect();
    Subject { signal: signal.into(), labels, mode: Mode::Trailing }
}

/// The evidence of the bad night.
pub fn evidence(subject: &Subject) -> Evidence {
    let (before, during) = windows();
    gather(Some(&before), &during, &indices(), subject)
}

/// The alert of the bad night, firing.
pub fn alert() -> Alert {
    let subject = subject(
        "performance_index",
        &[("alertname", "BlockRequestsSlow"), ("signal", "block"), ("node", "db-7"), ("severity", "critical")],
    );
    let (before, during) = windows();
    let evidence = evidence(&subject);
    let pending = gather(None, &before, &indices(), &subject);
    let value = evidence.indices[0].verdict.map_or(0.0, |verdict| verdict.p);
    let mut annotations = evidence.annotations(&subject);
    annotations.insert("summary".into(), "Block requests take 9.0 times as long as usual".into());
    Alert {
        id: "00c0ffee00c0ffee".into(),
        rule: "BlockRequestsSlow".into(),
        labels: subject.labels.clone(),
        annotations,
        severity: Severity::Critical,
        state: State::Firing,
        pending_ns: before.end_realtime_ns,
        fired_ns: Some(during.end_realtime_ns),
        resolved_ns: None,
        value,
        threshold: 3.0,
        pending_evidence: Some(Arc::new(pending)),
        firing_evidence: Some(Arc::new(evidence)),
    }
}
