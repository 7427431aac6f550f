//! Block devices. They have the most series, so a device gives up its parts one after another:
//!
//! | a device and operation has | when |
//! |---|---|
//! | histograms, figures by size and by error | there is room for them and for the counters of every other disk |
//! | counters (`size="other"`), errors; its histograms are in `device="other"` | there is room for them |
//! | nothing: all is in `device="other"` | otherwise |
//!
//! A size or an error that shows later takes its series when it shows. Without room the size is in `size="other"` of its
//! device and the error in `error="other"` of `device="other"`, which names neither sizes nor errors. A new operation of
//! a device takes what there is room for, at most what the device has otherwise.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use monitor_common::block::Operation;

use crate::{
    host::Disk,
    metric::{InFlightView, OTHER, RequestsView},
    sample::{Block, DeviceId},
};

use super::{
    members::Totals,
    pair::{CLASS_SERIES, Detail, Pair, PairTotals, TIMES_SERIES},
    pool::Pool,
};

/// In flight and the oldest of them.
const GAUGES: usize = 2;
/// The most that `device="other"` can have.
pub const OTHER_SERIES: usize = GAUGES + Operation::COUNT * (TIMES_SERIES + CLASS_SERIES + 1);
/// What a device with three operations and four sizes of each has.
pub const FULL_SERIES: usize = GAUGES + 3 * (TIMES_SERIES + 4 * CLASS_SERIES + CLASS_SERIES);
/// What a device that reads and writes has without histograms and sizes.
const COUNTERS_SERIES: usize = GAUGES + 2 * CLASS_SERIES;

/// All devices of the request tracepoints.
#[derive(Debug, Default)]
pub struct Devices {
    members: BTreeMap<DeviceId, Member>,
    gone: [Option<PairTotals>; Operation::COUNT],
    /// The pool at the beginning.
    initial: Option<usize>,
}

#[derive(Debug)]
struct Member {
    label: String,
    detail: Detail,
    pairs: BTreeMap<usize, Pair>,
}

/// What one sample says of one device, by operation.
type Now = BTreeMap<usize, PairTotals>;

impl Devices {
    /// Takes up what the tracepoints saw.
    pub fn observe(&mut self, block: &Block, disks: &BTreeMap<DeviceId, Disk>, pool: &mut Pool) {
        let mut now: BTreeMap<DeviceId, Now> = block.in_flight.iter().map(|f| (f.device, Now::new())).collect();
        for r in block.requests.iter().filter(|r| usize::from(r.operation) < Operation::COUNT) {
            now.entry(r.device).or_default().insert(r.operation.into(), r.into());
        }
        let initial = *self.initial.get_or_insert(pool.free());
        self.remove_vanished(&now, pool);
        let known = disks.len().max(now.len());
        let reserve = |own: usize| (known.saturating_sub(own) * COUNTERS_SERIES).min(initial / 2);
        let mut own = self.own().0;

        let (mut new, mut old) = (Vec::new(), Vec::new());
        for (id, now) in now {
            if self.members.contains_key(&id) { old.push((id, now)) } else { new.push((id, now)) }
        }
        for (id, now) in old {
            if let Some(member) = self.members.get_mut(&id) {
                member.update(now, pool, reserve(own));
            }
        }
        new.sort_by_cached_key(|(id, now)| (std::cmp::Reverse(requests(now)), *id));
        for (id, now) in new {
            let detail = first_detail(&now, pool, reserve(own + 1));
            own += usize::from(detail != Detail::Folded);
            let mut member = Member { label: format!("{}:{}", id.major, id.minor), detail, pairs: BTreeMap::new() };
            member.update(now, pool, reserve(own));
            self.members.insert(id, member);
        }
        self.label(disks);
    }

    fn remove_vanished(&mut self, now: &BTreeMap<DeviceId, Now>, pool: &mut Pool) {
        let gone = &mut self.gone;
        self.members.retain(|id, member| {
            let stays = now.contains_key(id);
            if !stays {
                for (&operation, pair) in &member.pairs {
                    gone[operation].get_or_insert_default().add(&pair.totals());
                }
                pool.give(member.series());
            }
            stays
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

    /// How many devices have series of their own, and how many of them histograms.
    pub fn own(&self) -> (usize, usize) {
        let count = |least: fn(Detail) -> bool| self.members.values().filter(|member| least(member.detail)).count();
        (count(|detail| detail != Detail::Folded), count(|detail| detail == Detail::Full))
    }

    /// Every device and operation with series of its own, then `other`.
    pub fn requests(&self) -> Vec<RequestsView<'_>> {
        let mut out = Vec::new();
        let mut other = self.gone.clone();
        for member in self.members.values() {
            for (&operation, pair) in &member.pairs {
                let totals = pair.totals();
                if pair.detail == Detail::Folded {
                    other[operation].get_or_insert_default().add(&totals);
                    continue;
                }
                let mut folded = PairTotals::default();
                let errors = pair.errors(&totals, &mut folded.errors);
                let classes = pair.classes(&totals);
                let times = match totals {
                    _ if pair.detail == Detail::Counters => {
                        folded.times.clone_from(&totals.times);
                        None
                    }
                    Cow::Borrowed(totals) => Some(Cow::Borrowed(&totals.times)),
                    Cow::Owned(totals) => Some(Cow::Owned(totals.times)),
                };
                if pair.detail == Detail::Counters || folded.errors.iter().any(|&count| count > 0) {
                    other[operation].get_or_insert_default().add(&folded);
                }
                let operation = Operation::ALL[operation].name();
                out.push(RequestsView { device: &member.label, operation, classes, errors, times });
            }
        }
        let other = other.into_iter().zip(Operation::ALL).filter_map(|(totals, operation)| Some((totals?, operation)));
        out.extend(other.map(|(totals, operation)| {
            let failed = totals.errors.iter().sum();
            RequestsView {
                device: OTHER,
                operation: operation.name(),
                classes: vec![(OTHER, totals.all_sizes())],
                errors: if failed > 0 { vec![(OTHER, failed)] } else { Vec::new() },
                times: Some(Cow::Owned(totals.times)),
            }
        }));
        out
    }

    /// What is in flight by device, then `other`: their sum and their oldest.
    pub fn in_flight(&self, block: &Block) -> Vec<InFlightView<'_>> {
        let mut out = Vec::new();
        let mut other: Option<InFlightView> = None;
        for (id, member) in &self.members {
            let found = block.in_flight.iter().find(|f| f.device == *id);
            let (requests, oldest_ns) = found.map_or((0, 0), |f| (f.requests, f.oldest_ns));
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
    fn update(&mut self, mut now: Now, pool: &mut Pool, reserve: usize) {
        // One counter that went back means another device: all its counters began anew.
        if self.pairs.iter().any(|(operation, pair)| pair.went_back(now.get(operation))) {
            self.pairs.values_mut().for_each(Pair::restart);
        }
        for (operation, pair) in &mut self.pairs {
            if let Some(now) = now.remove(operation) {
                pair.update(now, pool, reserve);
            }
        }
        for (operation, now) in now {
            let detail = match self.detail {
                Detail::Full if pool.take_above(reserve, Detail::Full.series()) => Detail::Full,
                Detail::Full | Detail::Counters if pool.take(Detail::Counters.series()) => Detail::Counters,
                _ => Detail::Folded,
            };
            let mut pair = Pair::new(detail);
            pair.update(now, pool, reserve);
            self.pairs.insert(operation, pair);
        }
    }

    fn series(&self) -> usize {
        let gauges = if self.detail == Detail::Folded { 0 } else { GAUGES };
        gauges + self.pairs.values().map(Pair::series).sum::<usize>()
    }
}

/// What there is room for. Takes the gauges, not yet what the operations need.
fn first_detail(now: &Now, pool: &mut Pool, reserve: usize) -> Detail {
    let operations = now.len().max(1);
    let fits = |pool: &mut Pool, detail: Detail, reserve: usize| {
        let need = operations * detail.series();
        pool.take_above(reserve + need, GAUGES)
    };
    if fits(pool, Detail::Full, reserve) {
        Detail::Full
    } else if fits(pool, Detail::Counters, 0) {
        Detail::Counters
    } else {
        Detail::Folded
    }
}

fn requests(now: &Now) -> u64 {
    now.values().flat_map(|totals| &totals.classes).map(|class| class.requests).sum()
}
