//! Which devices and operations: rates, throughput, what is in flight, and the time in the queue and in the device, before
//! and during.
//!
//! In: the block requests of two windows. Out: [`Disks`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    Subject,
    change::{Change, Quantiles},
    names,
};
use crate::{
    host::Class,
    window::{Block, Device, Operation, Source, Times},
};

/// Devices that are shown; the rest is in `other`.
pub const DEVICES: usize = 4;
/// Operations of a device that are shown. There are as many kinds.
const OPERATIONS: usize = 5;

/// The block devices concerned. Shares of `devices` and of `other` add up to 1 if there was any request whose time is known.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Disks {
    /// The device that the alert is about, then those that add the most to P - 1, then those that requests spent the most
    /// time on.
    pub devices: Vec<DeviceEvidence>,
    /// All others.
    pub other: Option<OtherDevices>,
}

/// One device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct DeviceEvidence {
    /// Its name.
    pub device: String,
    /// Its class.
    pub class: Class,
    /// Where the figures come from.
    pub source: Source,
    /// Requests issued and not complete at the window's end.
    pub in_flight: u64,
    /// Age of the oldest of them in seconds.
    pub oldest: Option<f64>,
    /// By operation, those on which requests spent the most time first.
    pub operations: Vec<OperationEvidence>,
}

/// One device and operation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct OperationEvidence {
    /// Its name.
    pub operation: String,
    /// Share of the time of all requests of the node, 0 to 1.
    pub share: f64,
    /// Requests completed a second.
    pub requests_per_second: Change<f64>,
    /// Bytes completed a second.
    pub bytes_per_second: Change<f64>,
    /// Mean time from start to completion in seconds: all there is of devices that are known from diskstats.
    pub mean: Change<f64>,
    /// From start to issue.
    pub queue: Change<Quantiles>,
    /// From issue to completion.
    pub device_time: Change<Quantiles>,
    /// From start to completion.
    pub total: Change<Quantiles>,
    /// Failed requests in the window by the name of the error.
    pub errors: BTreeMap<String, u64>,
}

/// Everything that is not shown by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct OtherDevices {
    /// Devices that are not shown.
    pub devices: u64,
    /// Requests completed a second.
    pub requests_per_second: f64,
    /// Bytes completed a second.
    pub bytes_per_second: f64,
    /// Share of the time of all requests of the node, 0 to 1.
    pub share: f64,
}

impl DeviceEvidence {
    /// The figures of the operation with this name.
    pub fn operation(&self, name: &str) -> Option<&OperationEvidence> {
        self.operations.iter().find(|operation| operation.operation == name)
    }
}

/// `contribution` says what the device with this name adds to P - 1.
pub fn gather(
    before: Option<&Block>,
    during: Option<&Block>,
    subject: &Subject,
    contribution: impl Fn(&str) -> f64,
) -> Disks {
    let Some(block) = during else { return Disks::default() };
    let all: f64 = block.devices.iter().flat_map(|device| &device.operations).map(spent).sum();
    let share = |operation: &Operation| if all > 0.0 { spent(operation) / all } else { 0.0 };
    let concerned = |device: &Device| subject.label("device") == Some(&device.name);
    let weight = |device: &Device| device.operations.iter().map(spent).sum::<f64>() + device.oldest.unwrap_or(0.0);
    let mut ranked: Vec<&Device> = block.devices.iter().collect();
    ranked.sort_by(|a, b| {
        let by_index = || contribution(&b.name).total_cmp(&contribution(&a.name));
        let by_time = || weight(b).total_cmp(&weight(a));
        concerned(b).cmp(&concerned(a)).then_with(by_index).then_with(by_time).then_with(|| a.device.cmp(&b.device))
    });
    let mut other = OtherDevices::default();
    let mut leave_out = |operation: &Operation| {
        other.requests_per_second += operation.requests_per_second;
        other.bytes_per_second += operation.bytes_per_second;
        other.share += share(operation);
    };
    let mut devices = Vec::new();
    let left = ranked.split_off(ranked.len().min(DEVICES));
    for device in ranked {
        let earlier = before.and_then(|block| block.devices.iter().find(|d| d.device == device.device));
        let mut operations: Vec<&Operation> = device.operations.iter().collect();
        operations.sort_by(|a, b| spent(b).total_cmp(&spent(a)).then_with(|| a.operation.cmp(&b.operation)));
        operations.split_off(operations.len().min(OPERATIONS)).into_iter().for_each(&mut leave_out);
        let evidence = |operation: &&Operation| {
            let same = |d: &'_ &Device| d.operations.iter().position(|o| o.operation == operation.operation);
            let earlier = earlier.as_ref().and_then(|d| d.operations.get(same(d)?));
            of(earlier, operation, share(operation))
        };
        devices.push(DeviceEvidence {
            device: names::name(&device.name),
            class: device.class,
            source: device.source,
            in_flight: device.in_flight,
            oldest: device.oldest,
            operations: operations.iter().map(evidence).collect(),
        });
    }
    left.iter().flat_map(|device| &device.operations).for_each(leave_out);
    other.devices = left.len() as u64;
    Disks { devices, other: (other != OtherDevices::default()).then_some(other) }
}

fn of(before: Option<&Operation>, during: &Operation, share: f64) -> OperationEvidence {
    let quantiles = |times: fn(&Operation) -> Option<Times>| {
        Change::of(before, Some(during), |operation| times(operation).map(Quantiles::from))
    };
    OperationEvidence {
        operation: names::name(&during.operation),
        share,
        requests_per_second: Change::of(before, Some(during), |o| Some(o.requests_per_second)),
        bytes_per_second: Change::of(before, Some(during), |o| Some(o.bytes_per_second)),
        mean: Change::of(before, Some(during), |o| o.mean_time),
        queue: quantiles(|o| o.queue),
        device_time: quantiles(|o| o.device_time),
        total: quantiles(|o| o.total),
        errors: during.errors.clone(),
    }
}

/// Time of all its requests in seconds.
fn spent(operation: &Operation) -> f64 {
    operation.requests as f64 * operation.mean_time.unwrap_or(0.0)
}
