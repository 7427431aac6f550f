//! The block devices of a report as those of a window, and what the index asks of a report.

use monitor_common::block::{Error, Operation as Kind, SizeClass};

use super::{super::wire, times};
use crate::{
    device::DeviceId,
    host,
    index::{Load, Observation, Part, Signal, Stratum},
    sample,
    window::{Block, Device, Operation, Source, block::mean, sum},
};

/// What the report says of a signal: the same as [`crate::index::observe`] says of the report's window, without making one.
pub fn observe(signal: Signal, report: &wire::Report) -> Option<Observation> {
    match signal {
        Signal::Block => requests(report.block.as_ref()?),
        Signal::RunQueue => {
            let sched = report.sched.as_ref()?;
            let stratum = Stratum { class: host::Class::Unknown, operation: 0, size: 0 };
            let mut load = Load { requests: sched.plain_waits, seconds: sched.plain_wait_ns as f64 / 1e9 };
            if let Some(wait) = &sched.wait {
                let requests = sum(wait.counts.iter().copied());
                // Without a wait there is no time.
                let ns = if requests > 0 { wait.sum_ns } else { 0 };
                load.add(Load { requests, seconds: ns as f64 / 1e9 });
            }
            let part = Part { device: String::new(), stratum };
            Some((load.requests > 0).then_some((part, load)).into_iter().collect())
        }
    }
}

fn requests(block: &wire::Block) -> Option<Observation> {
    if block.coarse {
        return None;
    }
    let seen = |device: &&wire::Device| device.source() == wire::Source::Requests;
    if !block.devices.is_empty() && !block.devices.iter().any(|device| seen(&device)) {
        return None;
    }
    let mut out = Observation::new();
    for device in block.devices.iter().filter(seen) {
        for operation in &device.operations {
            let Ok(kind) = u8::try_from(operation.operation) else { continue };
            if usize::from(kind) >= Kind::COUNT || kind == Kind::Passthrough as u8 {
                continue;
            }
            for size in operation.sizes.iter().filter(|of| of.timed > 0 && (of.size as usize) < SizeClass::COUNT) {
                let stratum = Stratum { class: class(device), operation: kind, size: size.size as u8 };
                let part = Part { device: device.name.clone(), stratum };
                out.entry(part).or_default().add(Load { requests: size.timed, seconds: time_ns(size) as f64 / 1e9 });
            }
        }
    }
    Some(out)
}

pub(super) fn view(of: &wire::Block, seconds: f64) -> Block {
    let (mut sum_ns, mut timed) = (0u64, 0u64);
    let seen = of.devices.iter().filter(|device| device.source() == wire::Source::Requests);
    let operations = seen.flat_map(|device| &device.operations);
    for size in operations.filter(|of| of.operation != Kind::Passthrough as u32).flat_map(|of| &of.sizes) {
        sum_ns = sum_ns.saturating_add(time_ns(size));
        timed = timed.saturating_add(size.timed);
    }
    Block {
        mean_request_time: mean(sum_ns, timed),
        devices: of.devices.iter().map(|of| device(of, seconds)).collect(),
        discards: of.discards,
        resets: of.resets,
        coarse: of.coarse,
    }
}

fn device(of: &wire::Device, seconds: f64) -> Device {
    let source = match of.source() {
        wire::Source::Requests => Source::Requests,
        wire::Source::Diskstats => Source::Diskstats,
    };
    Device {
        device: DeviceId { major: of.number >> 20, minor: of.number & 0xf_ffff },
        name: of.name.clone(),
        class: class(of),
        source,
        in_flight: of.in_flight,
        oldest: (of.in_flight > 0 && source == Source::Requests).then_some(of.oldest_ns as f64 / 1e9),
        operations: of.operations.iter().map(|of| operation(of, source, seconds)).collect(),
    }
}

fn operation(of: &wire::Operation, source: Source, seconds: f64) -> Operation {
    let add = |figure: fn(&wire::Size) -> u64| sum(of.sizes.iter().map(figure));
    let kind = Kind::ALL.get(of.operation as usize);
    let error = |of: &wire::Errors| {
        let name = Error::ALL.get(of.error as usize);
        (name.map_or_else(|| format!("error_{}", of.error), |error| error.name().into()), of.count)
    };
    Operation {
        // A newer agent may report operations that have no name here.
        operation: kind.map_or_else(|| format!("operation_{}", of.operation), |kind| kind.name().into()),
        requests: add(|size| size.requests),
        requests_per_second: add(|size| size.requests) as f64 / seconds,
        bytes_per_second: add(|size| size.bytes) as f64 / seconds,
        mean_time: mean(add(time_ns), add(|size| size.timed)),
        queue: times(&of.queue),
        device_time: times(&of.device),
        total: times(&of.total),
        errors: of.errors.iter().map(error).collect(),
        classes: if source == Source::Requests { classes(&of.sizes) } else { Vec::new() },
    }
}

fn classes(sizes: &[wire::Size]) -> Vec<sample::Class> {
    let mut out = vec![sample::Class::default(); SizeClass::COUNT];
    for &wire::Size { size, requests, bytes, timed, queue_ns, device_ns } in sizes {
        if let Some(class) = out.get_mut(size as usize) {
            *class = sample::Class { requests, bytes, timed, queue_ns, device_ns };
        }
    }
    out
}

fn time_ns(size: &wire::Size) -> u64 {
    size.queue_ns.saturating_add(size.device_ns)
}

fn class(of: &wire::Device) -> host::Class {
    match of.class() {
        wire::Class::Rotational => host::Class::Rotational,
        wire::Class::Ssd => host::Class::Ssd,
        wire::Class::Nvme => host::Class::Nvme,
        wire::Class::Virtual => host::Class::Virtual,
        wire::Class::Stacked => host::Class::Stacked,
        wire::Class::Unknown => host::Class::Unknown,
    }
}
