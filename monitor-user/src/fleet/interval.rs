//! What is kept of one report: what it adds to the indices, in a form that takes little room, and the report itself as it came, for
//! the evidence of an alert.
//!
//! In: a [`wire::Report`]. Out: an [`Interval`], and the [`Observation`] of several of them.

use std::sync::Arc;

use bytes::Bytes;
use monitor_common::block::{Operation as Kind, SizeClass};

use crate::{
    host::Class,
    index::{Load, Observation, Part, Signal, Stratum},
    report::wire,
};

/// Waits have one stratum.
pub const WAITS: Stratum = Stratum { class: Class::Unknown, operation: 0, size: 0 };

/// Requests or waits, and their times added up. Nanoseconds, so that sums of them are exact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// How many.
    pub requests: u64,
    /// All their times.
    pub ns: u64,
}

/// What was done on one device in one stratum.
pub type Requests = (Arc<str>, Stratum, Done);

/// What a node did in one interval.
#[derive(Clone, Debug)]
pub struct Interval {
    /// When the report came, on the server's steady clock.
    pub at_ns: u64,
    /// Its length by the node's clock.
    pub length_ns: u64,
    /// Waits for a CPU; absent if the node does not measure them.
    pub waits: Option<Done>,
    /// Block requests by device and stratum; absent if the node does not measure them.
    pub block: Option<Box<[Requests]>>,
    /// The report as it came; empty once there was no more room.
    pub bytes: Bytes,
}

impl Done {
    /// Adds another.
    pub fn add(&mut self, other: Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.ns = self.ns.saturating_add(other.ns);
    }

    /// As indices take it.
    pub fn load(self) -> Load {
        Load { requests: self.requests, seconds: self.ns as f64 / 1e9 }
    }
}

impl Interval {
    /// Of a report that came at `at_ns`. Names of devices are shared with the interval before.
    pub fn of(report: &wire::Report, bytes: Bytes, at_ns: u64, before: Option<&Self>) -> Self {
        let waits = report.sched.as_ref().map(|sched| {
            let counts = sched.wait.iter().flat_map(|wait| &wait.counts);
            let requests = counts.fold(sched.plain_waits, |sum, n| sum.saturating_add(*n));
            let in_histogram = sched.wait.as_ref().map_or(0, |wait| wait.sum_ns);
            Done { requests, ns: sched.plain_wait_ns.saturating_add(in_histogram) }
        });
        let block = report.block.as_ref().and_then(|block| requests(block, before));
        Self { at_ns, length_ns: report.length_ns, waits, block, bytes }
    }

    /// Adds what was done to an observation of this signal. False if the node does not measure it.
    pub fn observe(&self, signal: Signal, into: &mut Vec<(Arc<str>, Stratum, Done)>) -> bool {
        match signal {
            Signal::RunQueue => {
                let Some(waits) = self.waits else { return false };
                if waits.requests > 0 {
                    add(into, &Arc::from(""), WAITS, waits);
                }
                true
            }
            Signal::Block => {
                let Some(block) = &self.block else { return false };
                block.iter().for_each(|(device, stratum, done)| add(into, device, *stratum, *done));
                true
            }
        }
    }
}

/// As [`crate::index::observe`] has it: what has no times of its own is left out.
fn requests(block: &wire::Block, before: Option<&Interval>) -> Option<Box<[Requests]>> {
    if block.coarse {
        return None;
    }
    let own = |device: &&wire::Device| device.source == wire::Source::Requests as i32;
    if !block.devices.is_empty() && !block.devices.iter().any(|device| own(&device)) {
        return None;
    }
    let known = |name: &str| {
        let parts = before.and_then(|before| before.block.as_ref());
        parts.into_iter().flatten().find(|(device, ..)| **device == *name).map(|(device, ..)| device.clone())
    };
    let mut out = Vec::new();
    for device in block.devices.iter().filter(own) {
        let class = class(device.class());
        let name = known(&device.name).unwrap_or_else(|| device.name.as_str().into());
        for operation in &device.operations {
            let Some(kind) = u8::try_from(operation.operation).ok().filter(|kind| is_timed(*kind)) else { continue };
            for size in operation.sizes.iter().filter(|size| size.timed > 0) {
                let Some(index) = u8::try_from(size.size).ok().filter(|size| usize::from(*size) < SizeClass::COUNT)
                else {
                    continue;
                };
                let stratum = Stratum { class, operation: kind, size: index };
                let done = Done { requests: size.timed, ns: size.queue_ns.saturating_add(size.device_ns) };
                out.push((name.clone(), stratum, done));
            }
        }
    }
    Some(out.into_boxed_slice())
}

fn is_timed(kind: u8) -> bool {
    usize::from(kind) < Kind::COUNT && kind != Kind::Passthrough as u8
}

/// A class as the host's readers have it.
pub fn class(class: wire::Class) -> Class {
    match class {
        wire::Class::Unknown => Class::Unknown,
        wire::Class::Rotational => Class::Rotational,
        wire::Class::Ssd => Class::Ssd,
        wire::Class::Nvme => Class::Nvme,
        wire::Class::Virtual => Class::Virtual,
        wire::Class::Stacked => Class::Stacked,
    }
}

/// A node has few parts: a walk is faster than a map.
fn add(into: &mut Vec<(Arc<str>, Stratum, Done)>, device: &Arc<str>, stratum: Stratum, done: Done) {
    match into.iter_mut().find(|(name, known, _)| *known == stratum && **name == **device) {
        Some((.., sum)) => sum.add(done),
        None => into.push((device.clone(), stratum, done)),
    }
}

/// As indices take it.
pub fn observation(parts: &[(Arc<str>, Stratum, Done)]) -> Observation {
    let part = |(device, stratum, done): &(Arc<str>, Stratum, Done)| {
        (Part { device: device.to_string(), stratum: *stratum }, done.load())
    };
    parts.iter().map(part).collect()
}
