//! Signals of block devices. A disk that completed nothing has no times, and nobody knows any; that it completed nothing is
//! known.

use super::{Missing, Signal, Take, Unit, times};
use crate::{
    rules::moment::Moment,
    window::{Device, Operation, Source, Times},
};

/// Whether a disk that is not listed did nothing: the block probe measures, and its disks would be here.
fn seen(moment: &Moment) -> bool {
    moment.window.block.is_some() && !moment.own.is_some_and(|own| own.lacks("block"))
}

fn queue(operation: &Operation) -> Option<Times> {
    operation.queue
}

fn device_time(operation: &Operation) -> Option<Times> {
    operation.device_time
}

fn total(operation: &Operation) -> Option<Times> {
    operation.total
}

/// Over all operations but passthrough, weighed by their requests.
fn mean_of_device(device: &Device) -> Option<f64> {
    let (mut seconds, mut requests) = (0.0, 0.0);
    for operation in device.operations.iter().filter(|operation| operation.operation != "passthrough") {
        if let Some(mean) = operation.mean_time {
            seconds += mean * operation.requests as f64;
            requests += operation.requests as f64;
        }
    }
    (requests > 0.0).then(|| seconds / requests)
}

/// Nothing in flight is no age. The kernel's diskstats know none.
fn oldest(device: &Device) -> Option<f64> {
    (device.source == Source::Requests).then(|| device.oldest.unwrap_or(0.0))
}

pub(super) const SIGNALS: &[&[Signal]] = &[
    &[
        Signal::new(
            "node_request_mean_seconds",
            Unit::Seconds,
            Take::Node(|m| m.window.block.as_ref()?.mean_request_time),
            "T: mean time of a block request from start to completion, over all disks and operations but passthrough.",
        ),
        Signal::new(
            "disk_request_mean_seconds",
            Unit::Seconds,
            Take::Device(mean_of_device),
            "Mean time of a disk's requests from start to completion, over all operations but passthrough.",
        ),
        Signal::new(
            "block_in_flight",
            Unit::Count,
            Take::Device(|device| Some(device.in_flight as f64)),
            "Requests issued to a disk and not complete at the window's end.",
        )
        .or_zero(seen),
        Signal::new(
            "block_oldest_in_flight_seconds",
            Unit::Seconds,
            Take::Device(oldest),
            "Age of the oldest request in flight at the window's end; 0 if there is none. A hung disk completes nothing, and \
             shows here alone.",
        )
        .or_zero(seen),
        Signal::new(
            "block_requests_per_second",
            Unit::PerSecond,
            Take::Operation(|operation| Some(operation.requests_per_second)),
            "Requests completed a second.",
        )
        .or_zero(seen),
        Signal::new(
            "block_bytes_per_second",
            Unit::BytesPerSecond,
            Take::Operation(|operation| Some(operation.bytes_per_second)),
            "Bytes completed a second.",
        )
        .or_zero(seen),
        Signal {
            name: "block_errors",
            unit: Unit::Count,
            take: Take::Error,
            missing: Missing::Zero(seen),
            help: "Failed requests in the window, by error.",
        },
    ],
    &times!("block_queue", Take::Operation, queue, |o| Some(queue(o)?.mean), "the times from a request's start to its issue"),
    &times!("block_device", Take::Operation, device_time, |o| Some(device_time(o)?.mean), "the times from a request's issue to its completion"),
    &times!("block_request", Take::Operation, total, |o| o.mean_time, "the times from a request's start to its completion"),
];
