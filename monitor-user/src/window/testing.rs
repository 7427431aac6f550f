//! Generated samples: any that a recording could hold, and series of samples as a node yields them.

use std::collections::BTreeMap;

use monitor_common::{block, events, histogram, sched};
use proptest::{collection::vec, option, prelude::*};

use crate::{
    histogram::Histogram,
    host::{CpuModes, Disk, DiskOperation, Diskstats, Host, Network, Pressure},
    sample::*,
};

/// Numbers that are alike often, so that counters go back, stand still and grow.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![4 => 0u64..8, 2 => 0u64..2_000_000_000, 1 => Just(u64::MAX)]
}

fn histogram(number: impl Strategy<Value = u64>) -> impl Strategy<Value = Histogram> {
    (vec((0..histogram::BUCKETS, 0u64..5), 0..4), number).prop_map(|(times, sum_ns)| {
        let mut buckets = [0; histogram::BUCKETS];
        times.into_iter().for_each(|(bucket, count)| buckets[bucket] += count);
        Histogram::from_buckets(&buckets, sum_ns)
    })
}

prop_compose! {
    fn cpu(numbers: BoxedStrategy<u64>)(
        online: bool,
        n in vec(numbers.clone(), 13),
        wait in histogram(numbers),
    ) -> Cpu {
        Cpu {
            online, busy_ns: n[0], idle_ns: n[1], switches: [n[2], n[3], n[4]], wait, migrated: n[5], long_waits: n[6],
            discards: [n[7], n[8], n[9], n[10]], plain_waits: n[11], plain_wait_ns: n[12],
        }
    }
}

fn device() -> impl Strategy<Value = DeviceId> {
    (7u32..9, 0u32..2).prop_map(|(major, minor)| DeviceId { major, minor })
}

prop_compose! {
    fn requests(numbers: BoxedStrategy<u64>)(
        device in device(),
        operation in 0u8..6,
        n in vec(numbers.clone(), 5 * block::SizeClass::COUNT),
        errors in vec(numbers.clone(), block::Error::COUNT),
        times in vec(histogram(numbers), 3),
    ) -> Requests {
        let class = |i| Class {
            requests: n[5 * i], bytes: n[5 * i + 1], timed: n[5 * i + 2], queue_ns: n[5 * i + 3], device_ns: n[5 * i + 4],
        };
        let [queue, device_time, total] = <[_; 3]>::try_from(times).unwrap();
        Requests {
            device, operation, classes: std::array::from_fn(class), errors: errors.try_into().unwrap(), queue, device_time,
            total,
        }
    }
}

prop_compose! {
    fn task(numbers: BoxedStrategy<u64>)(
        pid in 1u32..9, start_ns in 0u64..3, comm in "[a-c\n]{0,3}", cgroup in 0u64..4, kernel: bool, n in vec(numbers, 7),
    ) -> Task {
        Task {
            pid, tgid: pid, comm, start_ns, cgroup, kernel, cpu_ns: n[0], wait_ns: n[1], waiting_ns: n[6], read_bytes: n[2],
            write_bytes: n[3], voluntary: n[4], involuntary: n[5],
        }
    }
}

prop_compose! {
    fn host(numbers: BoxedStrategy<u64>)(
        n in vec(numbers.clone(), 8),
        load in option::of([0.0..99.0f64, 0.0..99.0f64, 0.0..99.0f64]),
        pressure in option::of((option::of(numbers.clone()), option::of(numbers.clone()))),
        network in option::of(vec(numbers.clone(), 8)),
        disks in vec((device(), any::<bool>(), option::of(vec(numbers, 15))), 0..3),
    ) -> Host {
        let operation = |n: &[u64]| DiskOperation { requests: n[0], bytes: n[1], time_ns: n[2] };
        Host {
            cpu_modes: Some(CpuModes {
                user: n[0], nice: n[1], system: n[2], idle: n[3], iowait: n[4], irq: n[5], softirq: n[6], steal: n[7],
            }),
            load,
            pressure: pressure.map(|(some_ns, full_ns)| ("io".into(), Pressure { some_ns, full_ns })).into_iter().collect(),
            networks: network.map(|n| ("eth0".into(), Network {
                receive_bytes: n[0], receive_packets: n[1], receive_errors: n[2], receive_drops: n[3],
                transmit_bytes: n[4], transmit_packets: n[5], transmit_errors: n[6], transmit_drops: n[7],
            })).into_iter().collect(),
            disks: disks.into_iter().map(|(id, request_based, n)| (id, Disk {
                name: "disk".into(),
                request_based,
                stats: n.map(|n| Diskstats {
                    read: operation(&n), write: operation(&n[3..]), discard: operation(&n[6..]), flush: operation(&n[9..]),
                    in_flight: n[12], busy_ns: n[13], weighted_ns: n[14],
                }),
                ..Disk::default()
            })).collect(),
            ..Host::default()
        }
    }
}

prop_compose! {
    fn sample_of(numbers: BoxedStrategy<u64>)(
        attached_ns in prop_oneof![9 => Just(0), 1 => Just(1u64)],
        monotonic_ns in prop_oneof![9 => 1u64..10_000_000_000, 1 => any::<u64>()],
        realtime_ns: u64,
        cpus in option::of(vec((0u32..4, cpu(numbers.clone())), 0..4)),
        requests in option::of(vec(requests(numbers.clone()), 0..4)),
        in_flight in vec((device(), numbers.clone(), any::<u64>()), 0..2),
        tasks in option::of(vec(task(numbers.clone()), 0..8)),
        seen in option::of(vec(numbers.clone(), events::Kind::COUNT)),
        discards in vec(numbers.clone(), block::Discard::COUNT),
        host in host(numbers),
    ) -> Sample {
        Sample {
            origin: Origin { boot_id: "boot".into(), attached_ns },
            monotonic_ns,
            realtime_ns,
            sched: cpus.map(|cpus| Sched { cpus: cpus.into_iter().collect() }),
            block: requests.map(|requests| Block {
                requests,
                in_flight: in_flight.into_iter().map(|(device, requests, oldest_ns)| InFlight {
                    device, requests, oldest_ns,
                }).collect(),
                discards: discards.try_into().unwrap(),
                coarse: attached_ns,
            }),
            tasks,
            events: seen.map(|seen| Events { seen: seen.try_into().unwrap(), dropped: Default::default() }),
            host,
            all_tasks: (attached_ns == 0)
                .then_some(AllTasks { count: realtime_ns, began: 3, ended: 2, run_delay_ns: monotonic_ns }),
        }
    }
}

/// Whatever can be written down, plausible or not.
pub fn any_sample() -> impl Strategy<Value = Sample> {
    sample_of(number().boxed())
}

/// A sample, and samples after it whose counters have grown as a node's do: CPUs, devices and tasks appear, none goes.
pub fn series(length: usize) -> impl Strategy<Value = Vec<Sample>> {
    full_series(length).prop_map(|mut series| {
        series.iter_mut().for_each(|sample| (sample.events, sample.host) = (None, Host::default()));
        series
    })
}

/// The same with events, and with what /proc and /sys count.
pub fn full_series(length: usize) -> impl Strategy<Value = Vec<Sample>> {
    vec(sample_of((0u64..1_000_000).boxed()), length).prop_map(|steps| {
        let mut series = Vec::<Sample>::new();
        for mut step in steps {
            step.origin.attached_ns = 0;
            step.monotonic_ns = series.last().map_or(1, |s| s.monotonic_ns) + 1_000_000_000;
            let sched = step.sched.get_or_insert_default();
            let block = step.block.get_or_insert_default();
            let tasks = step.tasks.get_or_insert_default();
            tasks.sort_by_key(|task| (task.pid, task.start_ns));
            tasks.dedup_by_key(|task| (task.pid, task.start_ns));
            block.requests.sort_by_key(|r| (r.device, r.operation));
            block.requests.dedup_by_key(|r| (r.device, r.operation));
            if let Some(base) = series.last() {
                grow_sched(sched, base.sched.as_ref().unwrap());
                grow_block(block, base.block.as_ref().unwrap());
                grow_tasks(tasks, base.tasks.as_ref().unwrap());
                add(&mut step.events.get_or_insert_default().seen, &base.events.as_ref().unwrap().seen);
                grow_host(&mut step.host, &base.host);
            }
            step.events.get_or_insert_default();
            // They count what is listed.
            step.all_tasks = None;
            series.push(step);
        }
        series
    })
}

fn add<const N: usize>(to: &mut [u64; N], from: &[u64; N]) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
}

fn grow_sched(step: &mut Sched, base: &Sched) {
    for (&number, base) in &base.cpus {
        let cpu = step.cpus.entry(number).or_default();
        cpu.busy_ns += base.busy_ns;
        cpu.idle_ns += base.idle_ns;
        cpu.plain_waits += base.plain_waits;
        cpu.plain_wait_ns += base.plain_wait_ns;
        cpu.wait.merge(&base.wait);
        add::<{ sched::Switch::COUNT }>(&mut cpu.switches, &base.switches);
        add(&mut cpu.discards, &base.discards);
    }
}

fn grow_block(step: &mut Block, base: &Block) {
    add(&mut step.discards, &base.discards);
    step.coarse += base.coarse;
    let mut pairs: BTreeMap<_, _> = step.requests.drain(..).map(|r| ((r.device, r.operation), r)).collect();
    for base in &base.requests {
        let Some(pair) = pairs.get_mut(&(base.device, base.operation)) else {
            pairs.insert((base.device, base.operation), base.clone());
            continue;
        };
        for (to, from) in pair.classes.iter_mut().zip(&base.classes) {
            to.requests += from.requests;
            to.bytes += from.bytes;
            to.timed += from.timed;
            to.queue_ns += from.queue_ns;
            to.device_ns += from.device_ns;
        }
        add(&mut pair.errors, &base.errors);
        pair.queue.merge(&base.queue);
        pair.device_time.merge(&base.device_time);
        pair.total.merge(&base.total);
    }
    step.requests = pairs.into_values().collect();
}

/// What can be read at first can be read later, and nothing else: a part that cannot be read yet is not one that is new.
fn grow_host(step: &mut Host, base: &Host) {
    step.pressure.retain(|resource, _| base.pressure.contains_key(resource));
    step.networks.retain(|_, _| !base.networks.is_empty());
    step.disks.retain(|_, _| !base.disks.is_empty());
    if let (Some(to), Some(from)) = (&mut step.cpu_modes, &base.cpu_modes) {
        to.user += from.user;
        to.idle += from.idle;
        to.steal += from.steal;
        (to.nice, to.system, to.iowait) = (from.nice, from.system, from.iowait);
        (to.irq, to.softirq) = (from.irq, from.softirq);
    }
    let more = |to: Option<u64>, from: Option<u64>| from.map(|from| from + to.unwrap_or(0));
    for (resource, from) in &base.pressure {
        let to = step.pressure.entry(resource.clone()).or_default();
        *to = Pressure { some_ns: more(to.some_ns, from.some_ns), full_ns: more(to.full_ns, from.full_ns) };
    }
    for (name, from) in &base.networks {
        let to = step.networks.entry(name.clone()).or_default();
        to.receive_bytes += from.receive_bytes;
        to.transmit_bytes += from.transmit_bytes;
        to.receive_packets += from.receive_packets;
        to.transmit_packets += from.transmit_packets;
        to.receive_errors += from.receive_errors;
        to.receive_drops += from.receive_drops;
        to.transmit_errors += from.transmit_errors;
        to.transmit_drops += from.transmit_drops;
    }
    for (&id, from) in &base.disks {
        let to = step.disks.entry(id).or_insert_with(|| Disk { stats: None, ..from.clone() });
        let grown = to.stats.unwrap_or_default();
        to.request_based = from.request_based;
        to.stats = from.stats.map(|mut stats| {
            for (to, grown) in [
                (&mut stats.read, grown.read),
                (&mut stats.write, grown.write),
                (&mut stats.discard, grown.discard),
                (&mut stats.flush, grown.flush),
            ] {
                to.requests += grown.requests;
                to.bytes += grown.bytes;
                to.time_ns += grown.time_ns;
            }
            Diskstats { in_flight: grown.in_flight, ..stats }
        });
    }
}

fn grow_tasks(step: &mut Vec<Task>, base: &[Task]) {
    for base in base {
        match step.iter_mut().find(|task| (task.pid, task.start_ns) == (base.pid, base.start_ns)) {
            None => step.push(base.clone()),
            Some(task) => {
                task.cpu_ns += base.cpu_ns;
                task.wait_ns += base.wait_ns;
                task.read_bytes += base.read_bytes;
                task.write_bytes += base.write_bytes;
                task.voluntary += base.voluntary;
                task.involuntary += base.involuntary;
            }
        }
    }
}
