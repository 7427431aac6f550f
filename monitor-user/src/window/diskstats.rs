//! Devices in a window of which only the kernel's diskstats are known.
//!
//! In: the disks of two samples. Out: [`Device`]s with rates and mean times, marked [`Source::Diskstats`].
//! Source: the kernel's `Documentation/admin-guide/iostats.rst` and `diskstats_show` in `block/genhd.c`.

use std::collections::BTreeMap;

use super::block::{Block, Device, Operation, Source, mean};
use crate::host::{DiskOperation, Diskstats, Host};

/// The kernel prints times as milliseconds in 32 bits: they wrap after 50 days of requests.
const TIME_WRAPS_NS: u64 = (1 << 32) * 1_000_000;

/// Adds the disks that have no figures yet: those that are not made of requests, or all that did something if the
/// block probe is off.
pub(super) fn add(block: &mut Block, earlier: &Host, later: &Host, probed: bool, seconds: f64) {
    // A disk that is new has begun in the window, but not if no disk could be read before.
    if earlier.disks.is_empty() {
        return;
    }
    for (&id, disk) in &later.disks {
        let Some(to) = disk.stats else { continue };
        if (probed && disk.request_based) || block.devices.iter().any(|device| device.device == id) {
            continue;
        }
        let from = match earlier.disks.get(&id) {
            None => Diskstats::default(),
            Some(disk) => match disk.stats {
                Some(from) => from,
                None => continue,
            },
        };
        let mut operations = Vec::new();
        for (name, from, to) in [
            ("read", from.read, to.read),
            ("write", from.write, to.write),
            ("flush", from.flush, to.flush),
            ("discard", from.discard, to.discard),
        ] {
            let grown = since(from, to).unwrap_or_else(|| {
                block.resets += 1;
                to
            });
            if grown.requests > 0 || grown.bytes > 0 {
                operations.push(operation(name, grown, seconds));
            }
        }
        if to.in_flight > 0 || !operations.is_empty() {
            block.devices.push(Device {
                device: id,
                name: disk.name.clone(),
                class: disk.class,
                source: Source::Diskstats,
                in_flight: to.in_flight,
                oldest: None,
                operations,
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
