//! The sum of two reports of one node: what happened in both intervals, and how it was at the end of the later one.
//!
//! Counts, times and histograms add up exactly, so a minute made of reports is the minute that the node itself would have
//! reported. Of tasks only the first are known, and so the first of the sum may not be the true first. Where a part was not
//! known in one of the intervals, the sum holds what is known of the other.

mod tasks;

use std::collections::BTreeMap;

use super::{times, wire};

/// Adds the next report. `later` ended after all that `into` holds.
pub fn add(into: &mut wire::Report, later: &wire::Report) {
    into.sequence = 0;
    into.end_ns = later.end_ns;
    into.length_ns = into.length_ns.saturating_add(later.length_ns);
    both(&mut into.sched, &later.sched, sched);
    both(&mut into.block, &later.block, block);
    // Nothing in flight that is not in flight at the end.
    if later.block.is_none() {
        into.block.iter_mut().for_each(|block| ended(&mut block.devices));
    }
    both(&mut into.host, &later.host, host);
    both(&mut into.tasks, &later.tasks, tasks::add);
    by_key(
        &mut into.events,
        &later.events,
        |event| event.kind,
        |into, later| {
            plus(&mut into.seen, later.seen);
            plus(&mut into.dropped, later.dropped);
        },
    );
    both(&mut into.own, &later.own, own);
    into.alerts.clone_from(&later.alerts);
    if later.metadata.is_some() {
        into.metadata.clone_from(&later.metadata);
    }
}

/// Adds to what may be absent.
fn both<T: Clone>(into: &mut Option<T>, later: &Option<T>, add: fn(&mut T, &T)) {
    match (into, later) {
        (_, None) => {}
        (Some(into), Some(later)) => add(into, later),
        (into, Some(later)) => *into = Some(later.clone()),
    }
}

fn plus(into: &mut u64, later: u64) {
    *into = into.saturating_add(later);
}

fn plus_known(into: &mut Option<u64>, later: Option<u64>) {
    *into = match (*into, later) {
        (Some(into), Some(later)) => Some(into.saturating_add(later)),
        (into, later) => later.or(into),
    };
}

/// Adds to those with the same key, and keeps the others. The result is in the order of the keys.
fn by_key<T: Clone, K: Ord>(into: &mut Vec<T>, later: &[T], key: impl Fn(&T) -> K, add: impl Fn(&mut T, &T)) {
    // Nearly always both sides have the same things in the same order.
    if into.len() == later.len() && into.iter().zip(later).all(|(a, b)| key(a) == key(b)) {
        into.iter_mut().zip(later).for_each(|(into, later)| add(into, later));
        return;
    }
    let mut places: BTreeMap<K, T> = std::mem::take(into).into_iter().map(|of| (key(&of), of)).collect();
    for later in later {
        match places.get_mut(&key(later)) {
            Some(into) => add(into, later),
            None => drop(places.insert(key(later), later.clone())),
        }
    }
    *into = places.into_values().collect();
}

fn sched(into: &mut wire::Sched, later: &wire::Sched) {
    by_key(
        &mut into.cpus,
        &later.cpus,
        |cpu| cpu.cpu,
        |into, later| {
            plus(&mut into.busy_ns, later.busy_ns);
            plus(&mut into.idle_ns, later.idle_ns);
            plus(&mut into.switches, later.switches);
            into.offline = later.offline;
        },
    );
    // One that is in the earlier report alone was offline throughout the later.
    if into.cpus.len() > later.cpus.len() {
        let online = |cpu: u32| later.cpus.iter().any(|later| later.cpu == cpu);
        into.cpus.iter_mut().filter(|cpu| !online(cpu.cpu)).for_each(|cpu| cpu.offline = true);
    }
    times::add(&mut into.wait, &later.wait);
    plus(&mut into.switches, later.switches);
    plus(&mut into.preemptions, later.preemptions);
    plus(&mut into.discards, later.discards);
    plus(&mut into.plain_waits, later.plain_waits);
    plus(&mut into.plain_wait_ns, later.plain_wait_ns);
}

fn block(into: &mut wire::Block, later: &wire::Block) {
    ended(&mut into.devices);
    by_key(
        &mut into.devices,
        &later.devices,
        |device| device.number,
        |into, later| {
            into.name.clone_from(&later.name);
            (into.class, into.source) = (later.class, later.source);
            (into.in_flight, into.oldest_ns) = (later.in_flight, later.oldest_ns);
            by_key(&mut into.operations, &later.operations, |of| of.operation, operation);
        },
    );
    into.devices.retain(|device| device.in_flight > 0 || !device.operations.is_empty());
    plus(&mut into.discards, later.discards);
    plus(&mut into.resets, later.resets);
    into.coarse |= later.coarse;
}

fn ended(devices: &mut [wire::Device]) {
    devices.iter_mut().for_each(|device| (device.in_flight, device.oldest_ns) = (0, 0));
}

fn operation(into: &mut wire::Operation, later: &wire::Operation) {
    by_key(
        &mut into.sizes,
        &later.sizes,
        |size| size.size,
        |into, later| {
            plus(&mut into.requests, later.requests);
            plus(&mut into.bytes, later.bytes);
            plus(&mut into.timed, later.timed);
            plus(&mut into.queue_ns, later.queue_ns);
            plus(&mut into.device_ns, later.device_ns);
        },
    );
    times::add(&mut into.queue, &later.queue);
    times::add(&mut into.device, &later.device);
    times::add(&mut into.total, &later.total);
    by_key(&mut into.errors, &later.errors, |of| of.error, |into, later| plus(&mut into.count, later.count));
}

fn host(into: &mut wire::Host, later: &wire::Host) {
    if into.cpu_modes_ns.len() < later.cpu_modes_ns.len() {
        into.cpu_modes_ns.resize(later.cpu_modes_ns.len(), 0);
    }
    into.cpu_modes_ns.iter_mut().zip(&later.cpu_modes_ns).for_each(|(into, later)| plus(into, *later));
    by_key(
        &mut into.pressure,
        &later.pressure,
        |of| of.resource.clone(),
        |into, later| {
            plus_known(&mut into.some_ns, later.some_ns);
            plus_known(&mut into.full_ns, later.full_ns);
        },
    );
    into.memory = later.memory;
    into.load.clone_from(&later.load);
    into.filesystems.clone_from(&later.filesystems);
    by_key(
        &mut into.networks,
        &later.networks,
        |of| of.name.clone(),
        |into, later| {
            plus(&mut into.receive_bytes, later.receive_bytes);
            plus(&mut into.transmit_bytes, later.transmit_bytes);
            plus(&mut into.receive_packets, later.receive_packets);
            plus(&mut into.transmit_packets, later.transmit_packets);
            plus(&mut into.faults, later.faults);
        },
    );
    into.uptime_ns = later.uptime_ns;
}

fn own(into: &mut wire::Own, later: &wire::Own) {
    plus_known(&mut into.cpu_ns, later.cpu_ns);
    plus_known(&mut into.programs_ns, later.programs_ns);
    (into.resident_bytes, into.map_bytes) = (later.resident_bytes, later.map_bytes);
    plus(&mut into.collections_failed, later.collections_failed);
    into.agreement.clone_from(&later.agreement);
    into.probes.clone_from(&later.probes);
    into.steps.clone_from(&later.steps);
}
