//! The evidence of an alert as tables: what adds up to P - 1, the times before and during, the machine.

use std::fmt::{self, Write as _};

use super::{
    alert_culprits,
    markup::{Text, or_dash},
};
use crate::{
    evidence::{
        Evidence, Focus,
        change::{Change, Quantiles},
        contributions::{IndexEvidence, Shares, because},
        disks::{DeviceEvidence, OperationEvidence},
        exact,
    },
    index::Signal,
    table::units,
};

/// From this age on a request in flight is worth a look, in seconds.
const OLD: f64 = 1.0;

/// One moment's evidence, under a title.
pub(super) fn write(out: &mut String, title: &str, evidence: &Evidence) -> fmt::Result {
    let (length, end) = (units::time(evidence.seconds), units::utc(evidence.end_realtime_ns));
    write!(out, "<h2>{title} <span class=dim>the {length} to {end}")?;
    if evidence.before_end_realtime_ns.is_some() {
        out.push_str(", next to the same before");
    }
    out.push_str("</span></h2>");
    let (first, others): (Vec<_>, Vec<_>) = evidence.indices.iter().partition(|index| index.signal == about(evidence));
    first.into_iter().try_for_each(|index| self::index(out, index))?;
    match &evidence.culprits {
        Some(culprits) => alert_culprits::write(out, culprits, evidence.focus)?,
        None => out.push_str("<p class=dim>Who used what is not known: the probe of the tasks is off."),
    }
    times(out, evidence)?;
    machine(out, evidence)?;
    others.into_iter().try_for_each(|index| self::index(out, index))
}

/// The signal that comes first.
fn about(evidence: &Evidence) -> Signal {
    if evidence.focus == Focus::Cpu { Signal::RunQueue } else { Signal::Block }
}

fn index(out: &mut String, index: &IndexEvidence) -> fmt::Result {
    let name = match index.signal {
        Signal::Block => "block requests",
        Signal::RunQueue => "waits for a CPU",
    };
    write!(out, "<h3>P of the {name}, {}</h3>", index.mode.name())?;
    let Some(verdict) = index.verdict else {
        return write!(out, "<p class=dim>Not known: {}.", index.standing.map_or("no node was heard", because));
    };
    let nodes = if verdict.nodes == 1 { "1 node".to_owned() } else { format!("{} nodes", verdict.nodes) };
    write!(
        out,
        "<p><strong>P = {:.2}</strong> <span class=dim>= F {:.2} × S {:.2}, over {nodes}; {} on average, usually {}</span>",
        verdict.p,
        verdict.shift,
        verdict.unevenness,
        or_dash(index.mean_seconds, units::time),
        or_dash(index.expected_seconds, units::time),
    )?;
    let total = verdict.p - 1.0;
    let what = if index.signal == Signal::Block { "device and operation" } else { "what" };
    shares(out, what, &index.by_request, total)?;
    let more = [
        ("node", &index.by_node),
        ("device", &index.by_device),
        ("operation", &index.by_operation),
        ("size", &index.by_size),
    ];
    let more = more.into_iter().filter(|(_, shares)| index.signal == Signal::Block && shares.iter().nth(1).is_some());
    let more: Vec<_> = more.collect();
    if !more.is_empty() {
        out.push_str("<details><summary>the same by ");
        out.push_str(&more.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", by "));
        out.push_str("</summary>");
        more.into_iter().try_for_each(|(name, list)| shares(out, name, list, total))?;
        out.push_str("</details>");
    }
    Ok(())
}

/// A table whose rows add up to its last one, in what they add and in their shares.
fn shares(out: &mut String, name: &str, shares: &Shares, total: f64) -> fmt::Result {
    write!(
        out,
        "<div class=wide><table><tr><th>{name}<th class=n>adds<th class=n>share<th class=n>mean<th class=n>usually<th class=n>requests"
    )?;
    let contributions: Vec<f64> = shares.iter().map(|share| share.contribution).collect();
    let (adds, parts) = (exact::steps(&contributions, 0.01), exact::per_mille(&contributions));
    let sum = adds.iter().fold(0i64, |sum, &x| sum.saturating_add(x));
    for ((share, adds), part) in shares.iter().zip(adds).zip(parts) {
        write!(
            out,
            "<tr><td class=long>{}<td class=n>{}<td class=\"n dim\">{}<td class=n>{}<td class=\"n dim\">{}<td class=\"n dim\">{}",
            Text(&share.name),
            exact::signed(adds),
            exact::percent(part),
            or_dash(share.mean(), units::time),
            or_dash(share.expected_mean(), units::time),
            units::count(share.requests as f64),
        )?;
    }
    let whole = if total == 0.0 { "–" } else { "100%" };
    write!(
        out,
        "<tr class=total><td>P − 1<td class=n>{}<td class=n>{whole}<td><td><td></table></div>",
        exact::signed(sum),
    )
}

fn times(out: &mut String, evidence: &Evidence) -> fmt::Result {
    out.push_str(
        "<h3>Times <span class=dim><span class=key></span> in the queue <span class=\"key device\"></span> in the device\
         </span></h3><div class=wide><table><tr><th>what<th>when<th class=n>mean<th><th class=n>p50<th class=n>p90\
         <th class=n>p99<th class=n>number",
    );
    let wait = evidence.cpus.wait;
    rows(out, "wait for a CPU", wait, |_, _| None)?;
    for device in &evidence.disks.devices {
        for operation in &device.operations {
            let name = format!("{} {}", device.device, operation.operation);
            let known = !operation.total.is_unknown();
            if known {
                rows(out, &name, operation.total, |times, during| bar(operation, times, during))?;
            } else {
                let means = [("before", operation.mean.before), ("during", operation.mean.during)];
                for (i, (when, mean)) in means.into_iter().enumerate() {
                    let name = if i == 0 { name.as_str() } else { "" };
                    let mean = or_dash(mean, units::time);
                    write!(
                        out,
                        "<tr><td class=long>{}<td class=dim>{when}<td class=n>{mean}<td colspan=5 class=dim>diskstats",
                        Text(name)
                    )?;
                }
            }
        }
    }
    out.push_str("</table></div>");
    evidence.disks.devices.iter().try_for_each(|device| disk(out, device))?;
    match evidence.disks.other {
        Some(other) if other.devices > 0 => write!(
            out,
            "<p class=dim>{} other disks: {} of the requests’ time, {} requests/s, {}/s.",
            other.devices,
            units::percent(other.share),
            units::count(other.requests_per_second),
            units::bytes(other.bytes_per_second),
        ),
        _ => Ok(()),
    }
}

/// Two rows, before and during.
fn rows(
    out: &mut String,
    name: &str,
    change: Change<Quantiles>,
    bar: impl Fn(Quantiles, bool) -> Option<String>,
) -> fmt::Result {
    if change.is_unknown() {
        return Ok(());
    }
    for (when, times) in [("before", change.before), ("during", change.during)] {
        let (name, dim) = if when == "before" { (name, " dim") } else { ("", "") };
        write!(out, "<tr><td class=long>{}<td class=dim>{when}", Text(name))?;
        let Some(times) = times else {
            out.push_str("<td class=n>–<td><td class=n>–<td class=n>–<td class=n>–<td class=n>–");
            continue;
        };
        write!(
            out,
            "<td class=\"n{dim}\">{}<td>{}<td class=\"n{dim}\">{}<td class=\"n{dim}\">{}<td class=\"n{dim}\">{}<td class=\"n dim\">{}",
            units::time(times.mean),
            bar(times, when == "during").unwrap_or_default(),
            units::time(times.p50),
            units::time(times.p90),
            units::time(times.p99),
            units::count(times.count as f64),
        )?;
    }
    Ok(())
}

/// Queue against device: as long as the mean is, next to the longer of before and during.
fn bar(operation: &OperationEvidence, times: Quantiles, during: bool) -> Option<String> {
    let of = |change: Change<Quantiles>| if during { change.during } else { change.before };
    let (queue, device) = (of(operation.queue)?.mean, of(operation.device_time)?.mean);
    let longest = [operation.total.before, operation.total.during].into_iter().flatten();
    let longest = longest.map(|times| times.mean).fold(times.mean, f64::max).max(queue + device);
    let width = |seconds: f64| if longest > 0.0 { (seconds / longest * 100.0).clamp(0.0, 100.0) } else { 0.0 };
    let (queue, device) = (width(queue), width(device));
    Some(format!(
        "<svg class=bar viewBox=\"0 0 100 8\" preserveAspectRatio=none aria-hidden=true><rect class=queue width={queue:.1} \
         height=8 /><rect class=device x={queue:.1} width={device:.1} height=8 /></svg>"
    ))
}

/// What a device did beside its times.
fn disk(out: &mut String, device: &DeviceEvidence) -> fmt::Result {
    write!(out, "<p class=dim>{} ({}):", Text(&device.device), device.class.name())?;
    for (i, operation) in device.operations.iter().enumerate() {
        write!(
            out,
            "{} {} {} requests/s, {}/s, {} of the requests’ time",
            if i > 0 { ";" } else { "" },
            Text(&operation.operation),
            changed(operation.requests_per_second, units::count),
            changed(operation.bytes_per_second, units::bytes),
            units::percent(operation.share),
        )?;
        for (error, count) in &operation.errors {
            write!(out, ", <span class=bad>{count} failed: {}</span>", Text(error))?;
        }
    }
    if device.in_flight > 0 {
        let class = if device.oldest.is_some_and(|oldest| oldest > OLD) { "bad" } else { "dim" };
        let oldest = or_dash(device.oldest, units::time);
        write!(out, "; <span class={class}>{} in flight, the oldest for {oldest}</span>", device.in_flight)?;
    }
    out.push('.');
    Ok(())
}

fn machine(out: &mut String, evidence: &Evidence) -> fmt::Result {
    let (cpus, bytes) = (&evidence.cpus, |bytes: u64| units::bytes(bytes as f64));
    let mut figures = vec![("CPUs busy".to_owned(), changed(cpus.utilization, units::percent))];
    figures
        .extend(cpus.busiest.iter().map(|cpu| (format!("cpu{}", cpu.cpu), changed(cpu.utilization, units::percent))));
    figures.push(("steal".into(), changed(cpus.steal, units::percent)));
    for (resource, pressure) in &evidence.pressure {
        figures.push((format!("{resource} pressure"), changed(pressure.some, units::percent)));
    }
    if let Some(memory) = &evidence.memory {
        figures.push((format!("available of {}", bytes(memory.total)), changed(memory.available, bytes)));
        if memory.swap_total > 0 {
            figures.push((format!("swap of {}", bytes(memory.swap_total)), changed(memory.swap_used, bytes)));
        }
    }
    for space in &evidence.filesystems {
        figures.push((format!("left on {}", space.mount), changed(space.available, bytes)));
    }
    for (kind, count) in &evidence.events {
        figures.push((kind.replace('_', " "), units::count(*count as f64)));
    }
    figures.retain(|(_, figure)| figure != "–");
    out.push_str("<h3>The machine</h3><table class=fit>");
    figures
        .iter()
        .try_for_each(|(name, figure)| write!(out, "<tr><td class=long>{}<td class=n>{figure}", Text(name)))?;
    out.push_str("</table>");
    Ok(())
}

/// `before → during`, or what is known of it.
fn changed<T>(change: Change<T>, print: impl Fn(T) -> String) -> String {
    match (change.before.map(&print), change.during.map(&print)) {
        (Some(before), Some(during)) => format!("{before} → {during}"),
        (None, Some(during)) => during,
        (Some(before), None) => format!("{before} → –"),
        (None, None) => "–".into(),
    }
}
