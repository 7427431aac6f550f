//! Devices in a window of which only the kernel's diskstats are known.
//!
//! In: the disks of two samples. Out: [`Device`]s with rates and mean times, marked [`Source::Diskstats`].
//! Source: the kernel's `Documentation/admin-guide/iostats.rst` and `diskstats_show` in `block/genhd.c`.

use std::collections::{BTreeMap, BTreeSet};

use monitor_common::block::Operation as Kind;

use super::block::{Block, Device, Operation, Source, mean};
use crate::{
    device::DeviceId,
    host::{Disk, DiskOperation, Diskstats, Host},
};

/// The kernel prints times as milliseconds in 32 bits: they wrap after 50 days of requests.
const TIME_WRAPS_NS: u64 = (1 << 32) * 1_000_000;

/// What the kernel counted of one disk between two samples.
pub(crate) struct Growth<'a> {
    pub(crate) id: DeviceId,
    pub(crate) disk: &'a Disk,
    /// At the end.
    pub(crate) in_flight: u64,
    /// Operations that completed anything.
    pub(crate) operations: Vec<(Kind, DiskOperation)>,
    /// Operations whose counters had begun anew.
    pub(crate) resets: u64,
}

/// The disks that the tracepoints do not see: those that are not made of requests, or all if the block probe is off. `known`
/// are those that have figures already.
pub(crate) fn growth<'a>(
    earlier: &'a Host,
    later: &'a Host,
    probed: bool,
    known: impl Fn(DeviceId) -> bool,
) -> impl Iterator<Item = Growth<'a>> {
    // A disk that is new has begun in the window, but not if no disk could be read before.
    let disks = (!earlier.disks.is_empty()).then_some(&later.disks);
    disks.into_iter().flatten().filter_map(move |(&id, disk)| {
        let to = disk.stats?;
        if (probed && disk.request_based) || known(id) {
            return None;
        }
        let from = match earlier.disks.get(&id) {
            None => Diskstats::default(),
            Some(disk) => disk.stats?,
        };
        let mut grown = Growth { id, disk, in_flight: to.in_flight, operations: Vec::new(), resets: 0 };
        for (kind, from, to) in [
            (Kind::Read, from.read, to.read),
            (Kind::Write, from.write, to.write),
            (Kind::Flush, from.flush, to.flush),
            (Kind::Discard, from.discard, to.discard),
        ] {
            let operation = since(from, to).unwrap_or_else(|| {
                grown.resets += 1;
                to
            });
            if operation.requests > 0 || operation.bytes > 0 {
                grown.operations.push((kind, operation));
            }
        }
        Some(grown)
    })
}

/// Adds the disks that have no figures yet.
pub(super) fn add(block: &mut Block, earlier: &Host, later: &Host, probed: bool, seconds: f64) {
    let known: BTreeSet<DeviceId> = block.devices.iter().map(|device| device.device).collect();
    for grown in growth(earlier, later, probed, |id| known.contains(&id)) {
        block.resets += grown.resets;
        if grown.in_flight > 0 || !grown.operations.is_empty() {
            block.devices.push(Device {
                device: grown.id,
                name: grown.disk.name.clone(),
                class: grown.disk.class,
                source: Source::Diskstats,
                in_flight: grown.in_flight,
                oldest: None,
                operations: grown.operations.iter().map(|(kind, of)| operation(kind.name(), *of, seconds)).collect(),
            });
        }
    }
}

/// `None` if a counter went back: the disk went and came back.
fn since(from: DiskOperation, to: DiskOperation) -> Option<DiskOperation> {
    let time_ns = to.time_ns.checked_sub(from.time_ns).or_else(|| {
        // As serial numbers do it: less than half way round is forward.
        to.time_ns.checked_add(TIME_WRAPS_NS)?.checked_sub(from.time_ns).filter(|&ns| ns < TIME_WRAPS_NS / 2)
    })?;
    Some(DiskOperation {
        requests: to.requests.checked_sub(from.requests)?,
        bytes: to.bytes.checked_sub(from.bytes)?,
        time_ns,
    })
}

fn operation(name: &str, grown: DiskOperation, seconds: f64) -> Operation {
    Operation {
        operation: name.into(),
        requests: grown.requests,
        requests_per_second: grown.requests as f64 / seconds,
        bytes_per_second: grown.bytes as f64 / seconds,
        mean_time: mean(grown.time_ns, grown.requests),
        queue: None,
        device_time: None,
        total: None,
        errors: BTreeMap::new(),
        classes: Vec::new(),
    }
}
