//! The disks on the landing page: those that did something in the window, one row for each operation.

use std::fmt::{self, Write as _};

use super::markup::{Text, or_dash};
use crate::{
    expose::budget::has_requests,
    host::{Class, Host},
    table::units,
    window::{Block, Device, Operation, Source},
};

/// More disks than this are only counted.
const SHOWN: usize = 16;
/// A request in flight for longer than this is worth a look, in seconds.
const OLD: f64 = 1.0;

pub(super) fn write(out: &mut String, block: &Block, host: &Host) -> fmt::Result {
    out.push_str("<h2>Disks</h2>");
    let mut devices: Vec<&Device> = block.devices.iter().collect();
    // Those that requests spent the most time on, in the order of their numbers.
    devices.sort_by(|a, b| weight(b).total_cmp(&weight(a)));
    let rest = devices.split_off(devices.len().min(SHOWN)).len();
    devices.sort_by_key(|device| device.device);
    if !devices.is_empty() {
        out.push_str(
            "<div class=wide><table><tr><th>disk<th class=n>mean time, T<th class=n>in flight<th class=n>oldest\
             <th>operation<th class=n>requests/s<th class=n>bytes/s<th class=n>mean<th class=n>p99<th class=n>queue p99\
             <th class=n>device p99<th class=n>errors",
        );
        devices.iter().try_for_each(|device| rows(out, device))?;
        out.push_str("</table></div>");
    }
    let active = |name: &str| block.devices.iter().any(|device| device.name == name);
    let disks = host.disks.values().filter(|disk| has_requests(disk) || disk.class == Class::Stacked && disk.size > 0);
    let idle = disks.filter(|disk| !active(&disk.name)).count();
    if rest > 0 {
        write!(out, "<p class=dim>{rest} more that did less.")?;
    }
    if idle > 0 || devices.is_empty() {
        write!(out, "<p class=dim>{idle} without a request in this window.")?;
    }
    Ok(())
}

fn rows(out: &mut String, device: &Device) -> fmt::Result {
    let source = if device.source == Source::Diskstats { " <span class=dim>(diskstats)</span>" } else { "" };
    let class = class_name(device.class);
    let old = if device.oldest.is_some_and(|oldest| oldest > OLD) { " bad" } else { "" };
    let span = device.operations.len().max(1);
    write!(
        out,
        "<tr><td rowspan={span}>{} <span class=dim>{class}</span>{source}<td class=n rowspan={span}>{}\
         <td class=n rowspan={span}>{}<td class=\"n{old}\" rowspan={span}>{}",
        Text(&device.name),
        or_dash(mean_time(device), units::time),
        device.in_flight,
        or_dash(device.oldest, units::time),
    )?;
    for (i, operation) in device.operations.iter().enumerate() {
        out.push_str(if i > 0 { "<tr>" } else { "" });
        cells(out, operation)?;
    }
    if device.operations.is_empty() {
        out.push_str("<td colspan=8 class=dim>nothing complete in this window");
    }
    Ok(())
}

fn cells(out: &mut String, operation: &Operation) -> fmt::Result {
    let failed =
        operation.errors.iter().map(|(error, count)| format!("{count} {error}")).collect::<Vec<_>>().join(", ");
    let p99 = |times: Option<crate::window::Times>| or_dash(times, |times| units::time(times.p99));
    write!(
        out,
        "<td>{}<td class=n>{}<td class=n>{}<td class=n>{}<td class=n>{}<td class=n>{}<td class=n>{}<td class=\"n bad\">{}",
        Text(&operation.operation),
        units::count(operation.requests_per_second),
        units::bytes(operation.bytes_per_second),
        or_dash(operation.mean_time, units::time),
        p99(operation.total),
        p99(operation.queue),
        p99(operation.device_time),
        Text(&failed),
    )
}

/// Mean over all operations whose times are known.
fn mean_time(device: &Device) -> Option<f64> {
    let timed = device.operations.iter().filter_map(|o| Some((o.requests as f64, o.mean_time?)));
    let (requests, spent) = timed.fold((0.0, 0.0), |(n, sum), (requests, mean)| (n + requests, sum + requests * mean));
    (requests > 0.0).then(|| spent / requests)
}

fn weight(device: &Device) -> f64 {
    let spent: f64 = device.operations.iter().map(|o| o.requests as f64 * o.mean_time.unwrap_or(0.0)).sum();
    spent + device.oldest.unwrap_or(0.0)
}

fn class_name(class: Class) -> &'static str {
    match class {
        Class::Rotational => "rotational",
        Class::Ssd => "SSD",
        Class::Nvme => "NVMe",
        Class::Virtual => "virtual",
        Class::Stacked => "stacked",
        Class::Unknown => "",
    }
}
