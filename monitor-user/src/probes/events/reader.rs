//! From the ring buffer's records to [`Happened`], and from the counts to [`sample::Events`].

use std::{fs, io, ptr};

use monitor_common::{
    block::{Error, Operation},
    events::{Event, Kind, UNKNOWN},
};

use crate::{
    kernel::load::EventMaps,
    probes::{block::reader::device_id, comm},
    sample::{DeviceId, Events},
};

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happened {
    /// What.
    pub kind: Kind,
    /// When, in nanoseconds of `CLOCK_MONOTONIC`.
    pub monotonic_ns: u64,
    /// The task: it issued the request, or was killed. 0 if unknown.
    pub pid: u32,
    /// The task's name; empty if it could not be found any more.
    pub comm: String,
    /// The request; absent for an event without one.
    pub request: Option<Request>,
}

/// The request of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The whole disk.
    pub device: DeviceId,
    /// Its first sector, 512 bytes each, where the request stood when it ended.
    pub sector: u64,
    /// Its size in bytes when it was issued.
    pub bytes: u32,
    /// What it does.
    pub operation: &'static str,
    /// Why it failed; absent for one that was only slow.
    pub error: Option<&'static str>,
    /// From start to issue, in nanoseconds.
    pub queue_ns: Option<u64>,
    /// From issue to completion, in nanoseconds.
    pub device_ns: Option<u64>,
}

/// Takes all records out of the ring buffer and reads the counts.
///
/// # Errors
///
/// Whatever the kernel says to the reading.
pub fn read(maps: &mut EventMaps) -> io::Result<(Vec<Happened>, Events)> {
    let mut happened = Vec::new();
    while let Some(record) = maps.ring.next() {
        happened.extend(self::record(&record));
    }
    let mut events = Events::default();
    for counts in maps.counts.read()? {
        for kind in 0..Kind::COUNT {
            events.seen[kind] += counts.seen[kind];
            events.dropped[kind] += counts.limited[kind] + counts.full[kind];
        }
    }
    Ok((happened, events))
}

/// What one record says; nothing if it is too short, or of a kind that nobody knows.
pub fn record(bytes: &[u8]) -> Option<Happened> {
    if bytes.len() < size_of::<Event>() {
        return None;
    }
    // SAFETY: the record is as long as an `Event`, which is valid for every bit pattern; it may lie anywhere.
    publish(&unsafe { ptr::read_unaligned(bytes.as_ptr().cast::<Event>()) })
}

fn publish(event: &Event) -> Option<Happened> {
    let kind = *Kind::ALL.get(usize::from(event.kind))?;
    let known = |ns: u64| (ns != UNKNOWN).then_some(ns);
    let request = || Request {
        device: device_id(event.device),
        sector: event.sector,
        bytes: event.bytes,
        operation: Operation::ALL.get(usize::from(event.operation)).map_or("unknown", |operation| operation.name()),
        error: (kind == Kind::BlockError)
            .then(|| Error::ALL.get(usize::from(event.error)).map_or("unknown", |error| error.name())),
        queue_ns: known(event.queue_ns),
        device_ns: known(event.device_ns),
    };
    let mut name = comm(&event.comm);
    if name.is_empty() && event.pid != 0 {
        // The record of a request has no name: the task may still be there to ask.
        name = fs::read_to_string(format!("/proc/{}/comm", event.pid))
            .map_or_else(|_| String::new(), |n| n.trim_end().into());
    }
    Some(Happened {
        kind,
        monotonic_ns: event.monotonic_ns,
        pid: event.pid,
        comm: name,
        request: (kind != Kind::OomKill).then(request),
    })
}
