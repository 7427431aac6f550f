//! Block devices in a window, and T, the mean request time.
//!
//! In: the block requests and the disks of two samples. Out: [`Block`]. Devices whose requests the tracepoints saw come from
//! them; the others, or all where the probe is off, from `diskstats`.

use std::collections::{BTreeMap, HashMap};

use monitor_common::block::{Discard, Error, Operation as Kind};
use serde::{Deserialize, Serialize};

use super::{Refused, Times, both, diskstats, growth_of_all, sum};
use crate::{
    host::{Class, Host},
    sample::{self, DeviceId, Requests, Sample},
};

/// Block requests in a window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Block {
    /// T: the mean time of a request from start to completion in seconds, over all devices and operations of which it
    /// is known, passthrough and diskstats left out; absent without such a request.
    pub mean_request_time: Option<f64>,
    /// Each device that did something or has something in flight, by number.
    pub devices: Vec<Device>,
    /// Discarded since the window before.
    pub discards: u64,
    /// Pairs of device and operation whose counters had begun anew: the device went and came back. They count from 0.
    pub resets: u64,
    /// Requests were not told apart by size, at least for a part of the window: all are in the largest class.
    #[serde(default)]
    pub coarse: bool,
}

/// Where a device's figures come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The request tracepoints: every request, exactly.
    Requests,
    /// The kernel's diskstats: means only. For devices whose I/O never becomes a request (dm, md, zram), and for all
    /// where the block probe is off.
    Diskstats,
}

/// One device in a window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Device {
    /// The whole disk.
    pub device: DeviceId,
    /// The kernel's name; `major:minor` for one that has gone.
    pub name: String,
    /// Its class.
    pub class: Class,
    /// Where the figures come from.
    pub source: Source,
    /// Requests issued and not complete at the window's end.
    pub in_flight: u64,
    /// Age of the oldest of them in seconds; not known from diskstats.
    pub oldest: Option<f64>,
    /// By operation, those that completed a request.
    pub operations: Vec<Operation>,
}

/// One device and operation in a window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Operation {
    /// The name of a [`monitor_common::block::Operation`].
    pub operation: String,
    /// Requests completed.
    pub requests: u64,
    /// Requests completed a second.
    pub requests_per_second: f64,
    /// Bytes completed a second.
    pub bytes_per_second: f64,
    /// Mean time from start to completion in seconds; from diskstats, the only time there is.
    pub mean_time: Option<f64>,
    /// From start to issue.
    pub queue: Option<Times>,
    /// From issue to completion.
    pub device_time: Option<Times>,
    /// From start to completion.
    pub total: Option<Times>,
    /// Failed requests by the name of a [`monitor_common::block::Error`], those that happened.
    pub errors: BTreeMap<String, u64>,
    /// By size, in the order of [`monitor_common::block::SizeClass`]; empty from diskstats.
    pub classes: Vec<sample::Class>,
}

/// `None` if nothing is known of any disk.
pub(super) fn derive(earlier: &Sample, later: &Sample, seconds: f64) -> Result<Option<Block>, Refused> {
    let mut block = Block { mean_request_time: None, devices: Vec::new(), discards: 0, resets: 0, coarse: false };
    let probed = both(&earlier.block, &later.block);
    if let Some((from, to)) = probed {
        requests(&mut block, from, to, &later.host, seconds)?;
    } else if later.host.disks.is_empty() {
        return Ok(None);
    }
    diskstats::add(&mut block, &earlier.host, &later.host, probed.is_some(), seconds);
    block.devices.sort_by_key(|device| device.device);
    Ok(Some(block))
}

fn requests(
    block: &mut Block,
    earlier: &sample::Block,
    later: &sample::Block,
    host: &Host,
    seconds: f64,
) -> Result<(), Refused> {
    let Growth { requests, resets, discards } = growth_of_requests(earlier, later)?;
    (block.resets, block.discards) = (resets, discards);
    block.coarse = later.coarse > earlier.coarse;
    let mut devices = BTreeMap::<DeviceId, Device>::new();
    let (mut time_ns, mut timed) = (0u64, 0u64);
    for grown in &requests {
        if grown.operation != Kind::Passthrough as u8 {
            time_ns = time_ns.saturating_add(sum(grown.classes.iter().flat_map(|c| [c.queue_ns, c.device_ns])));
            timed = timed.saturating_add(sum(grown.classes.iter().map(|c| c.timed)));
        }
        let device = devices.entry(grown.device).or_insert_with(|| device(grown.device, host));
        device.operations.push(operation(grown, seconds));
    }
    for in_flight in &later.in_flight {
        let device = devices.entry(in_flight.device).or_insert_with(|| device(in_flight.device, host));
        device.in_flight = in_flight.requests;
        device.oldest = (in_flight.requests > 0).then_some(in_flight.oldest_ns as f64 / 1e9);
    }
    devices.retain(|_, device| device.in_flight > 0 || !device.operations.is_empty());
    block.mean_request_time = mean(time_ns, timed);
    block.devices = devices.into_values().collect();
    Ok(())
}

/// What the request tracepoints saw between two samples.
pub(crate) struct Growth {
    /// Pairs of device and operation that completed anything.
    pub(crate) requests: Vec<Requests>,
    /// Pairs whose counters had begun anew.
    pub(crate) resets: u64,
    pub(crate) discards: u64,
}

pub(crate) fn growth_of_requests(earlier: &sample::Block, later: &sample::Block) -> Result<Growth, Refused> {
    let discards = growth_of_all(&earlier.discards, &later.discards, |i| {
        format!("the count of discarded request times ({})", Discard::ALL[i].name())
    })?;
    let mut growth = Growth { requests: Vec::new(), resets: 0, discards: sum(discards) };
    let bases: HashMap<_, _> = earlier.requests.iter().map(|r| ((r.device, r.operation), r)).collect();
    for to in &later.requests {
        let grown = match bases.get(&(to.device, to.operation)).map(|from| since(from, to)) {
            Some(Some(grown)) => grown,
            None => to.clone(),
            Some(None) => {
                growth.resets += 1;
                to.clone()
            }
        };
        if grown.classes.iter().any(|class| class.requests > 0 || class.bytes > 0) {
            growth.requests.push(grown);
        }
    }
    Ok(growth)
}

/// `None` if a counter went back.
fn since(from: &Requests, to: &Requests) -> Option<Requests> {
    let mut grown = to.clone();
    for (to, from) in grown.classes.iter_mut().zip(&from.classes) {
        to.requests = to.requests.checked_sub(from.requests)?;
        to.bytes = to.bytes.checked_sub(from.bytes)?;
        to.timed = to.timed.checked_sub(from.timed)?;
        to.queue_ns = to.queue_ns.checked_sub(from.queue_ns)?;
        to.device_ns = to.device_ns.checked_sub(from.device_ns)?;
    }
    for (to, from) in grown.errors.iter_mut().zip(&from.errors) {
        *to = to.checked_sub(*from)?;
    }
    grown.queue = to.queue.since(&from.queue).ok()?;
    grown.device_time = to.device_time.since(&from.device_time).ok()?;
    grown.total = to.total.since(&from.total).ok()?;
    Some(grown)
}

fn device(id: DeviceId, host: &Host) -> Device {
    let disk = host.disks.get(&id);
    Device {
        device: id,
        name: disk.map_or_else(|| id.to_string(), |disk| disk.name.clone()),
        class: disk.map_or(Class::Unknown, |disk| disk.class),
        source: Source::Requests,
        in_flight: 0,
        oldest: None,
        operations: Vec::new(),
    }
}

fn operation(grown: &Requests, seconds: f64) -> Operation {
    let requests = sum(grown.classes.iter().map(|c| c.requests));
    let time_ns = sum(grown.classes.iter().flat_map(|c| [c.queue_ns, c.device_ns]));
    let kind = Kind::ALL.get(usize::from(grown.operation));
    Operation {
        // A recording by a newer kpulse may hold operations that this one has no name for.
        operation: kind.map_or_else(|| format!("operation_{}", grown.operation), |kind| kind.name().into()),
        requests,
        requests_per_second: requests as f64 / seconds,
        bytes_per_second: sum(grown.classes.iter().map(|c| c.bytes)) as f64 / seconds,
        mean_time: mean(time_ns, sum(grown.classes.iter().map(|c| c.timed))),
        queue: Times::of(&grown.queue),
        device_time: Times::of(&grown.device_time),
        total: Times::of(&grown.total),
        errors: Error::ALL
            .iter()
            .zip(grown.errors)
            .filter(|&(_, count)| count > 0)
            .map(|(error, count)| (error.name().into(), count))
            .collect(),
        classes: grown.classes.to_vec(),
    }
}

/// In seconds.
pub(crate) fn mean(sum_ns: u64, count: u64) -> Option<f64> {
    (count > 0).then(|| sum_ns as f64 / 1e9 / count as f64)
}
