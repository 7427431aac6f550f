//! The disks of a node in the last minute: for each operation, how long its requests were in the queue and how long in the
//! device.

use std::fmt::{self, Write as _};

use super::markup::{Text, or_dash};
use crate::{
    table::units,
    window::{Block, Device, Operation, Source},
};

/// Disks that are shown: those that requests spent the most time on.
const SHOWN: usize = 16;
/// A request in flight for longer than this is worth a look, in seconds.
const OLD: f64 = 1.0;

pub(super) fn write(out: &mut String, block: &Block) -> fmt::Result {
    out.push_str(
        "<h2 id=devices>Disks <span class=dim>the last minute: <span class=key></span> in the queue <span class=\"key \
         device\"></span> in the device</span></h2>",
    );
    let mut devices: Vec<&Device> = block.devices.iter().collect();
    devices.sort_by(|a, b| weight(b).total_cmp(&weight(a)).then_with(|| a.name.cmp(&b.name)));
    if devices.is_empty() {
        out.push_str("<p class=dim>No request in the last minute.");
        return Ok(());
    }
    out.push_str(
        "<div class=\"wide sticky\" tabindex=0 role=region aria-labelledby=devices><table><tr><th scope=col>disk<th \
         scope=col>operation<th scope=col class=n>requests/s<th scope=col class=n>bytes/s<th scope=col class=n>mean<th \
         scope=col><span class=unseen>queue against device</span><th scope=col class=n>queue<th scope=col class=n>device<th \
         scope=col class=n>p99<th scope=col class=n>in flight<th scope=col class=n>oldest<th scope=col class=n>errors",
    );
    let longest = devices.iter().flat_map(|device| &device.operations).filter_map(|o| o.mean_time).fold(0.0, f64::max);
    devices.iter().take(SHOWN).try_for_each(|device| rows(out, device, longest))?;
    out.push_str("</table></div>");
    match devices.len().saturating_sub(SHOWN) {
        0 => Ok(()),
        rest => write!(out, "<p class=dim>{rest} more that did less."),
    }
}

fn rows(out: &mut String, device: &Device, longest: f64) -> fmt::Result {
    let old = if device.oldest.is_some_and(|oldest| oldest > OLD) { "n bad" } else { "n" };
    let class = serde_json::to_value(device.class).ok().and_then(|class| class.as_str().map(str::to_owned));
    let class = class.filter(|class| class != "unknown").unwrap_or_default();
    let source = if device.source == Source::Diskstats { " diskstats" } else { "" };
    let about = |out: &mut String| {
        write!(out, "<tr><th scope=row class=name>{} <span class=dim>{class}{source}</span>", Text(&device.name))
    };
    let flight = |out: &mut String| {
        write!(out, "<td class=n>{}<td class=\"{old}\">{}", device.in_flight, or_dash(device.oldest, units::time))
    };
    if device.operations.is_empty() {
        about(out)?;
        out.push_str("<td colspan=8 class=dim>nothing complete in the last minute");
        flight(out)?;
        out.push_str("<td>");
    }
    for operation in &device.operations {
        about(out)?;
        times(out, operation, longest)?;
        flight(out)?;
        let errors: Vec<String> = operation.errors.iter().map(|(error, n)| format!("{n} {}", Text(error))).collect();
        write!(out, "<td class=\"n bad\">{}", errors.join(", "))?;
    }
    Ok(())
}

fn times(out: &mut String, operation: &Operation, longest: f64) -> fmt::Result {
    let mean = |times: Option<crate::window::Times>| times.map(|times| times.mean);
    let (queue, device) = (mean(operation.queue), mean(operation.device_time));
    write!(
        out,
        "<td>{}<td class=n>{}<td class=n>{}<td class=n>{}<td>",
        Text(&operation.operation),
        units::count(operation.requests_per_second),
        units::bytes(operation.bytes_per_second),
        or_dash(operation.mean_time, units::time),
    )?;
    if let (Some(queue), Some(device)) = (queue, device) {
        split(out, queue, device, longest.max(queue + device))?;
    }
    write!(
        out,
        "<td class=n>{}<td class=n>{}<td class=n>{}",
        or_dash(queue, units::time),
        or_dash(device, units::time),
        or_dash(operation.total, |times| units::time(times.p99)),
    )
}

/// A bar of two parts, as long as both are beside the longest.
fn split(out: &mut String, queue: f64, device: f64, longest: f64) -> fmt::Result {
    let width = |seconds: f64| if longest > 0.0 { (seconds / longest * 100.0).clamp(0.0, 100.0) } else { 0.0 };
    let (queue, device) = (width(queue), width(device));
    write!(
        out,
        "<svg class=split height=12 viewBox=\"0 0 100 12\" preserveAspectRatio=none aria-hidden=true><rect class=queue \
         width={queue:.1} height=12 /><rect class=device x={queue:.1} width={device:.1} height=12 /></svg>"
    )
}

fn weight(device: &Device) -> f64 {
    let spent: f64 = device.operations.iter().map(|o| o.requests as f64 * o.mean_time.unwrap_or(0.0)).sum();
    spent + device.oldest.unwrap_or(0.0)
}
