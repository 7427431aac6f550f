//! Block devices. They have the most series, so a device gives up its parts one after another:
//!
//! | a device and operation has | when there is room for it and for |
//! |---|---|
//! | all three histograms, figures by size and by error | the request times of every other disk |
//! | the histogram of the request time, counters (`size="other"`), errors | the counters of every other disk, but these get a quarter at most |
//! | counters (`size="other"`), errors | nothing else |
//! | nothing | - |
//!
//! What it does not have is in `device="other"`, which tells only reads and writes apart, and neither sizes nor errors.
//! A size or an error that shows later takes its series when it shows. Without room the size is in `size="other"` of its
//! device and the error in `device="other"`; a few series are kept for errors. A new operation of a device takes what
//! there is room for, at most what the device has otherwise.
//!
//! The figures stay where they are, in the snapshot; kept here is who has which series.

use std::{
    borrow::Cow,
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use monitor_common::block::Operation;

use crate::{
    host::Disk,
    metric::{HISTOGRAM_SERIES, InFlightView, OTHER, RequestsView},
    sample::{Block, DeviceId, Requests},
    status::Snapshot,
};

use super::{
    pair::{CLASS_SERIES, Detail, Folded, Pair, TIMES, all_sizes, went_back},
    pool::Pool,
};

/// The operations that `device="other"` tells apart.
const OTHER_OPERATIONS: [&str; 3] = [Operation::Read.name(), Operation::Write.name(), OTHER];
/// In flight and the oldest of them.
const GAUGES: usize = 2;
/// The most that `device="other"` can have: with every operation one series of errors.
pub const OTHER_SERIES: usize = GAUGES + OTHER_OPERATIONS.len() * (TIMES * HISTOGRAM_SERIES + CLASS_SERIES + 1);
/// What a device with three operations and four sizes of each has.
pub const FULL_SERIES: usize = GAUGES + 3 * (Detail::Full.series() + 4 * CLASS_SERIES);
/// Kept for errors: which disk fails must be told when there is no room for anything else.
pub const ERRORS: usize = 16;

/// Whether requests are to be expected of a disk. Loop devices are there in numbers, most of them empty.
pub fn expected(disk: &Disk) -> bool {
    disk.request_based && disk.size > 0
}

/// What a device has in this detail, its errors so far included; one that has done nothing yet will read and write.
fn with(now: &Operations, detail: Detail) -> usize {
    GAUGES + errors(now) + now.len().max(2) * detail.series()
}

/// Series of errors.
fn errors(now: &Operations) -> usize {
    now.values().map(|r| r.errors.iter().filter(|count| **count > 0).count()).sum()
}

/// All devices of the request tracepoints.
#[derive(Debug, Default)]
pub struct Devices {
    members: BTreeMap<DeviceId, Member>,
    /// What those counted that left `device="other"`, or began anew in it.
    base: [Option<Folded>; OTHER_OPERATIONS.len()],
    /// The pool at the beginning.
    initial: Option<usize>,
    /// The latest snapshot with block requests.
    latest: Option<Arc<Snapshot>>,
}

#[derive(Debug)]
struct Member {
    label: String,
    detail: Detail,
    pairs: BTreeMap<usize, Pair>,
}

/// What one sample says, by device and operation.
type Now<'a> = BTreeMap<DeviceId, Operations<'a>>;
type Operations<'a> = BTreeMap<usize, &'a Requests>;

impl Devices {
    /// Takes up what the tracepoints saw.
    pub fn observe(&mut self, snapshot: &Arc<Snapshot>, pool: &mut Pool) {
        if snapshot.sample.block.is_none() {
            return;
        }
        let earlier = self.latest.replace(Arc::clone(snapshot));
        let (before, now) = (index(earlier.as_deref()), index(Some(snapshot)));
        self.fold_ended(&before, &now, pool);
        let disks = &snapshot.sample.host.disks;
        let known = disks.values().filter(|disk| expected(disk)).count().max(now.len());
        let initial = *self.initial.get_or_insert(pool.free());
        let own = self.own()[0];

        let (old, mut new): (Vec<_>, Vec<_>) = now.into_iter().partition(|(id, _)| self.members.contains_key(id));
        let mut reserve = Reserve::new(initial);
        new.iter().for_each(|(_, now)| reserve.add(now));
        (own + new.len()..known).for_each(|_| reserve.add(&Operations::new()));
        for (id, now) in old {
            if let Some(member) = self.members.get_mut(&id) {
                member.update(&now, pool, reserve);
            }
        }
        new.sort_by_cached_key(|(id, now)| (Reverse(weight(now, disks.get(id))), *id));
        for (id, now) in new {
            reserve.remove(&now);
            let detail = reserve.most(now.len().max(1), GAUGES + errors(&now), Detail::Full, pool);
            if detail != Detail::Folded {
                pool.take(GAUGES);
            }
            let mut member = Member { label: format!("{}:{}", id.major, id.minor), detail, pairs: BTreeMap::new() };
            member.update(&now, pool, reserve);
            self.members.insert(id, member);
        }
        self.label(disks);
    }

    /// Series of what vanished end, and those of what began anew begin anew; only what was in `device="other"` stays there.
    fn fold_ended(&mut self, before: &Now, now: &Now, pool: &mut Pool) {
        let base = &mut self.base;
        self.members.retain(|id, member| {
            let (before, now) = (before.get(id), now.get(id));
            let lower = |(operation, before): (&usize, &&Requests)| {
                now.and_then(|now| now.get(operation)).is_none_or(|now| went_back(now, before))
            };
            // One counter that went back means another device: all its counters began anew.
            if before.is_some_and(|before| before.iter().any(lower)) {
                for (&operation, r) in before.into_iter().flatten() {
                    if let Some(pair) = member.pairs.get(&operation) {
                        pair.fold(r, &mut base[column(operation)]);
                    }
                }
            }
            if now.is_none() {
                pool.give(member.series());
            }
            now.is_some()
        });
    }

    /// A device that has left keeps its name while its figures are there, unless another has taken the name.
    fn label(&mut self, disks: &BTreeMap<DeviceId, Disk>) {
        let names: BTreeSet<&str> = disks.values().map(|disk| disk.name.as_str()).collect();
        for (id, member) in &mut self.members {
            match disks.get(id) {
                Some(disk) if disk.name != member.label => member.label.clone_from(&disk.name),
                None if names.contains(member.label.as_str()) => member.label = format!("{}:{}", id.major, id.minor),
                _ => {}
            }
        }
    }

    /// How many devices have series of their own, how many of them a histogram of the request time, and how many all
    /// histograms.
    pub fn own(&self) -> [usize; 3] {
        [Detail::Counters, Detail::RequestTime, Detail::Full]
            .map(|least| self.members.values().filter(|member| member.detail >= least).count())
    }

    /// Every device and operation with series of its own, then `other`. The snapshot is the one observed last.
    pub fn requests<'a>(&'a self, snapshot: &'a Snapshot) -> Vec<RequestsView<'a>> {
        let mut out = Vec::new();
        if snapshot.sample.block.is_none() {
            return out;
        }
        let mut other = self.base.clone();
        for (id, operations) in index(Some(snapshot)) {
            let Some(member) = self.members.get(&id) else { continue };
            for (operation, r) in operations {
                let Some(pair) = member.pairs.get(&operation) else { continue };
                pair.fold(r, &mut other[column(operation)]);
                if pair.is_own() {
                    out.push(RequestsView {
                        device: &member.label,
                        operation: Operation::ALL[operation].name(),
                        classes: pair.classes(r),
                        errors: pair.errors(r),
                        times: pair.times(r),
                    });
                }
            }
        }
        let other = other.into_iter().zip(OTHER_OPERATIONS).filter_map(|(folded, name)| Some((folded?, name)));
        out.extend(other.map(|(folded, operation)| RequestsView {
            device: OTHER,
            operation,
            classes: vec![(OTHER, folded.class)],
            errors: if folded.errors > 0 { vec![(OTHER, folded.errors)] } else { Vec::new() },
            times: folded.times.map(|time| Some(Cow::Owned(time))),
        }));
        out
    }

    /// What is in flight by device, then `other`: their sum and their oldest.
    pub fn in_flight(&self, block: &Block) -> Vec<InFlightView<'_>> {
        let by_device: BTreeMap<_, _> = block.in_flight.iter().map(|f| (f.device, f)).collect();
        let mut out = Vec::new();
        let mut other: Option<InFlightView> = None;
        for (id, member) in &self.members {
            let (requests, oldest_ns) = by_device.get(id).map_or((0, 0), |f| (f.requests, f.oldest_ns));
            if member.detail == Detail::Folded {
                let sum = other.get_or_insert(InFlightView { device: OTHER, requests: 0, oldest_ns: 0 });
                sum.requests += requests;
                sum.oldest_ns = sum.oldest_ns.max(oldest_ns);
            } else {
                out.push(InFlightView { device: &member.label, requests, oldest_ns });
            }
        }
        out.extend(other);
        out
    }
}

impl Member {
    fn update(&mut self, now: &Operations, pool: &mut Pool, reserve: Reserve) {
        // First every operation, then their sizes: these must not keep the next one from its histograms.
        for &operation in now.keys() {
            self.pairs.entry(operation).or_insert_with(|| {
                let detail = reserve.most(1, 0, self.detail, pool);
                pool.take(detail.series());
                Pair::new(detail)
            });
        }
        for (operation, pair) in &mut self.pairs {
            if let Some(r) = now.get(operation) {
                pair.update(r, pool, reserve.of(Detail::Full));
            }
        }
    }

    fn series(&self) -> usize {
        let gauges = if self.detail == Detail::Folded { 0 } else { GAUGES };
        gauges + self.pairs.values().map(Pair::series).sum::<usize>()
    }
}

/// What must be left for other disks without series of their own.
#[derive(Clone, Copy, Debug)]
struct Reserve {
    request_times: usize,
    counters: usize,
    initial: usize,
}

impl Reserve {
    /// For none, of a pool that held so many.
    fn new(initial: usize) -> Self {
        Self { request_times: 0, counters: 0, initial }
    }

    /// For one more.
    fn add(&mut self, now: &Operations) {
        self.request_times += with(now, Detail::RequestTime);
        self.counters += with(now, Detail::Counters);
    }

    /// For one less.
    fn remove(&mut self, now: &Operations) {
        self.request_times -= with(now, Detail::RequestTime);
        self.counters -= with(now, Detail::Counters);
    }

    /// By whoever gets this much.
    fn of(self, detail: Detail) -> usize {
        ERRORS
            + match detail {
                Detail::Full => self.request_times,
                Detail::RequestTime => self.counters.min(self.initial / 4),
                Detail::Counters | Detail::Folded => 0,
            }
    }

    /// The most that so many operations can have, if the device takes some more besides.
    fn most(self, operations: usize, besides: usize, limit: Detail, pool: &Pool) -> Detail {
        let fits = |detail: &Detail| pool.free() >= self.of(*detail) + besides + operations * detail.series();
        let down = [Detail::Full, Detail::RequestTime, Detail::Counters];
        down.into_iter().filter(|detail| *detail <= limit).find(fits).unwrap_or(Detail::Folded)
    }
}

fn index(snapshot: Option<&Snapshot>) -> Now<'_> {
    let mut out = Now::new();
    let Some(block) = snapshot.and_then(|snapshot| snapshot.sample.block.as_ref()) else { return out };
    out.extend(block.in_flight.iter().map(|f| (f.device, Operations::new())));
    for r in block.requests.iter().filter(|r| usize::from(r.operation) < Operation::COUNT) {
        out.entry(r.device).or_default().insert(r.operation.into(), r);
    }
    out
}

/// Where an operation is in [`OTHER_OPERATIONS`].
fn column(operation: usize) -> usize {
    operation.min(OTHER_OPERATIONS.len() - 1)
}

/// Requests that it has completed, as far as anyone knows.
fn weight(now: &Operations, disk: Option<&Disk>) -> u64 {
    let stats = disk.and_then(|disk| disk.stats).map_or(0, |s| s.read.requests.saturating_add(s.write.requests));
    now.values().fold(stats, |sum, r| sum.saturating_add(all_sizes(r).requests))
}
