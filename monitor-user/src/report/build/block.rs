//! The block devices of a report.
//!
//! In: the block requests and the disks of two samples. Out: [`wire::Block`], the devices by number.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use super::super::{
    limits::{self, clip},
    wire,
};
use crate::{
    device::DeviceId,
    host::{Class, Host, device_name},
    sample::{self, Requests, Sample},
    window::{
        Refused,
        block::{Growth, growth_of_requests},
        both, diskstats,
    },
};

/// `None` if nothing is known of any disk.
pub(super) fn build(earlier: &Sample, later: &Sample) -> Result<Option<wire::Block>, Refused> {
    let probed = both(&earlier.block, &later.block);
    let mut out = wire::Block::default();
    let mut devices = BTreeMap::new();
    if let Some((from, to)) = probed {
        requests(&mut out, &mut devices, from, to, &later.host)?;
    } else if later.host.disks.is_empty() {
        return Ok(None);
    }
    let known: BTreeSet<DeviceId> = devices.keys().copied().collect();
    for grown in diskstats::growth(&earlier.host, &later.host, probed.is_some(), |id| known.contains(&id)) {
        out.resets = out.resets.saturating_add(grown.resets);
        let mut device = device(grown.id, &later.host, wire::Source::Diskstats);
        device.in_flight = grown.in_flight;
        device.operations = grown.operations.iter().map(|(kind, of)| all_sizes(*kind as u32, of)).collect();
        devices.insert(grown.id, device);
    }
    devices.retain(|_, device| device.in_flight > 0 || !device.operations.is_empty());
    out.devices = devices.into_values().collect();
    keep_the_busiest(&mut out.devices);
    Ok(Some(out))
}

fn requests(
    out: &mut wire::Block,
    devices: &mut BTreeMap<DeviceId, wire::Device>,
    from: &sample::Block,
    to: &sample::Block,
    host: &Host,
) -> Result<(), Refused> {
    let Growth { requests, resets, discards } = growth_of_requests(from, to)?;
    (out.resets, out.discards, out.coarse) = (resets, discards, to.coarse > from.coarse);
    let new = |id| move || device(id, host, wire::Source::Requests);
    for grown in &requests {
        devices.entry(grown.device).or_insert_with(new(grown.device)).operations.push(operation(grown));
    }
    for in_flight in &to.in_flight {
        let device = devices.entry(in_flight.device).or_insert_with(new(in_flight.device));
        device.in_flight = in_flight.requests;
        device.oldest_ns = if in_flight.requests > 0 { in_flight.oldest_ns } else { 0 };
    }
    Ok(())
}

fn device(id: DeviceId, host: &Host, source: wire::Source) -> wire::Device {
    let class = host.disks.get(&id).map_or(Class::Unknown, |disk| disk.class);
    wire::Device {
        name: clip(&device_name(&host.disks, id), limits::NAME_BYTES),
        number: number(id),
        class: wire::Class::from(class).into(),
        source: source.into(),
        ..wire::Device::default()
    }
}

fn operation(grown: &Requests) -> wire::Operation {
    let classes = (0..).zip(grown.classes).filter(|(_, class)| *class != sample::Class::default());
    wire::Operation {
        operation: grown.operation.into(),
        sizes: classes
            .map(|(size, class)| wire::Size {
                size,
                requests: class.requests,
                bytes: class.bytes,
                timed: class.timed,
                queue_ns: class.queue_ns,
                device_ns: class.device_ns,
            })
            .collect(),
        queue: wire::Histogram::of(&grown.queue),
        device: wire::Histogram::of(&grown.device_time),
        total: wire::Histogram::of(&grown.total),
        errors: (0..)
            .zip(grown.errors)
            .filter(|&(_, count)| count > 0)
            .map(|(error, count)| wire::Errors { error, count })
            .collect(),
    }
}

fn all_sizes(operation: u32, of: &crate::host::DiskOperation) -> wire::Operation {
    let (requests, bytes) = (of.requests, of.bytes);
    let size = wire::Size { size: 0, requests, bytes, timed: requests, queue_ns: 0, device_ns: of.time_ns };
    wire::Operation { operation, sizes: vec![size], ..wire::Operation::default() }
}

fn keep_the_busiest(devices: &mut Vec<wire::Device>) {
    let operations: usize = devices.iter().map(|device| device.operations.len()).sum();
    if devices.len() <= limits::DEVICES && operations <= limits::OPERATIONS {
        return;
    }
    let requests = |device: &wire::Device| -> u64 {
        crate::window::sum(device.operations.iter().flat_map(|of| &of.sizes).map(|size| size.requests))
    };
    devices.sort_by_key(|device| (Reverse(requests(device)), device.number));
    devices.truncate(limits::DEVICES);
    let mut room = limits::OPERATIONS;
    devices.retain(|device| {
        let fits = device.operations.len() <= room;
        room -= if fits { device.operations.len() } else { 0 };
        fits
    });
    devices.sort_by_key(|device| device.number);
}

/// As the kernel's `dev_t`.
fn number(DeviceId { major, minor }: DeviceId) -> u32 {
    major << 20 | (minor & 0xf_ffff)
}

impl From<Class> for wire::Class {
    fn from(class: Class) -> Self {
        match class {
            Class::Rotational => Self::Rotational,
            Class::Ssd => Self::Ssd,
            Class::Nvme => Self::Nvme,
            Class::Virtual => Self::Virtual,
            Class::Stacked => Self::Stacked,
            Class::Unknown => Self::Unknown,
        }
    }
}
