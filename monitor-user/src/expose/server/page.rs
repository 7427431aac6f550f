//! The landing page: how the node is now, because of whom, and where to go. Without scripts and without anything from
//! elsewhere.
//!
//! In: a snapshot. Out: HTML, in which nothing from outside is markup.

mod alert;
mod alert_culprits;
mod alert_evidence;
mod alerts;
mod disks;
pub mod markup;

use std::fmt::{self, Write as _};

use self::markup::{Text, or_dash};
pub use self::{
    alert::{alert_body, alert_page, number},
    alerts::alerts_page,
};
use super::routes::ADDRESSES;
use crate::{
    host::Host,
    status::{Snapshot, Status},
    table::{Node, units},
    window::{TaskUse, Tasks, Use, Window},
};

/// What the agent's and the fleet's pages look like.
pub const STYLE: &str = include_str!("page/style.css");
/// Tasks in each list.
const TASKS: usize = 6;

/// The page in HTML. `not_ready` says why the figures cannot be relied on.
pub fn landing(snapshot: Option<&Snapshot>, not_ready: Option<&str>) -> String {
    let mut out = String::with_capacity(16 * 1024);
    // Writing into a string cannot fail.
    let _ = write(&mut out, snapshot, not_ready);
    out
}

fn write(out: &mut String, snapshot: Option<&Snapshot>, not_ready: Option<&str>) -> fmt::Result {
    let node = snapshot.map(|snapshot| Node::from(&snapshot.sample.host)).unwrap_or_default();
    let name = if node.hostname.is_empty() { "this node" } else { &node.hostname };
    write!(
        out,
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width, \
         initial-scale=1\"><meta http-equiv=refresh content=10><title>kpulse: {0}</title><style>{STYLE}</style>\
         <h1>{0}</h1>",
        Text(name)
    )?;
    if let Some(snapshot) = snapshot {
        about(out, &node, &snapshot.status)?;
    }
    if let Some(reason) = not_ready {
        write!(out, "<p class=alarm>Not ready: {}.", Text(reason))?;
    }
    if let Some(snapshot) = snapshot {
        alerts::line(out, &snapshot.alerts)?;
        match &snapshot.window {
            Some(window) => figures(out, window, &snapshot.sample.host)?,
            None => out.push_str("<p class=dim>The first window ends with the second collection."),
        }
        probes(out, &snapshot.status, &snapshot.sample.host)?;
    }
    out.push_str("<h2>Addresses</h2><table class=fit>");
    for (address, what) in ADDRESSES {
        write!(out, "<tr><td><a href=\"{address}\">{address}</a><td>{what}")?;
    }
    out.push_str("</table></html>\n");
    Ok(())
}

/// One line: what the node and the agent are.
fn about(out: &mut String, node: &Node, status: &Status) -> fmt::Result {
    write!(out, "<p class=dim>kpulse {}", Text(&status.version))?;
    if !node.kernel.is_empty() {
        write!(out, " · Linux {}", Text(&node.kernel))?;
    }
    if node.cpus > 0 {
        write!(out, " · {} CPU{}", node.cpus, if node.cpus == 1 { "" } else { "s" })?;
    }
    match node.uptime_seconds {
        Some(seconds) => write!(out, " · up {}", units::uptime(seconds)),
        None => Ok(()),
    }
}

fn figures(out: &mut String, window: &Window, host: &Host) -> fmt::Result {
    let length = units::time(window.seconds);
    write!(
        out,
        "<h2>Now <span class=dim>the {length} to {}</span></h2><dl class=tiles>",
        units::utc(window.end_realtime_ns)
    )?;
    let mut tile = |name: &str, value: String, more: String| {
        write!(out, "<div><dt>{name}<dd>{value}<div class=small>{}</div></div>", Text(&more))
    };
    let sched = window.sched.as_ref();
    let wait = sched.and_then(|sched| sched.wait);
    let switches = sched.map(|sched| format!("{} switches/s", units::count(sched.switches_per_second)));
    tile("CPU busy", or_dash(sched.and_then(|s| s.utilization), units::percent), switches.unwrap_or_default())?;
    tile(
        "wait for a CPU, p50",
        or_dash(wait, |wait| units::time(wait.p50)),
        or_dash(wait, |wait| format!("mean {}", units::time(wait.mean))),
    )?;
    tile(
        "wait for a CPU, p99",
        or_dash(wait, |wait| units::time(wait.p99)),
        or_dash(wait, |wait| format!("max {}", units::time(wait.max))),
    )?;
    if let Some(block) = &window.block {
        let rate: f64 = block.devices.iter().flat_map(|d| &d.operations).map(|o| o.requests_per_second).sum();
        let more = format!("{} requests/s", units::count(rate));
        tile("disk request, mean T", or_dash(block.mean_request_time, units::time), more)?;
    }
    if let Some(memory) = window.memory.filter(|memory| memory.total > 0) {
        let more = format!("of {}", units::bytes(memory.total as f64));
        tile("memory available", units::bytes(memory.available as f64), more)?;
    }
    if let Some([one, five, fifteen]) = window.load {
        tile("load", format!("{one:.2}"), format!("{five:.2} and {fifteen:.2} over 5 and 15 min"))?;
    }
    out.push_str("</dl>");
    if let Some(block) = &window.block {
        disks::write(out, block, host)?;
    }
    window.tasks.as_ref().map_or(Ok(()), |tasks_now| tasks(out, tasks_now))
}

/// Who used what: tasks by CPU time, by waiting, by bytes.
///
/// # Errors
///
/// Never: writing into a string cannot fail.
pub fn tasks(out: &mut String, tasks: &Tasks) -> fmt::Result {
    let time = |ns: u64| units::time(ns as f64 / 1e9);
    let bytes = |bytes: u64| units::bytes(bytes as f64);
    write!(out, "<h2>Tasks <span class=dim>{} in all</span></h2><div class=columns>", tasks.count)?;
    list(out, "CPU time", &tasks.by_cpu, tasks.cpu_ns(), |used| used.cpu_ns, time)?;
    list(out, "waited for a CPU", &tasks.by_wait, tasks.wait_ns(), |used| used.wait_ns, time)?;
    list(out, "read and written", &tasks.by_bytes, tasks.total.bytes(), Use::bytes, bytes)?;
    out.push_str("</div>");
    Ok(())
}

fn list(
    out: &mut String,
    title: &str,
    tasks: &[TaskUse],
    total: u64,
    measure: fn(&Use) -> u64,
    print: fn(u64) -> String,
) -> fmt::Result {
    write!(
        out,
        "<div><h3>{title}</h3><table><tr><th>task<th class=n>pid<th class=n>{}<th class=n>share",
        print(total)
    )?;
    for task in tasks.iter().take(TASKS) {
        let (used, all) = (measure(&task.used), total.max(1));
        write!(
            out,
            "<tr><td>{}<td class=\"n dim\">{}<td class=n>{}<td class=\"n dim\">{}",
            Text(&task.comm),
            task.pid,
            print(used),
            units::percent(used as f64 / all as f64)
        )?;
    }
    if tasks.is_empty() {
        out.push_str("<tr><td colspan=4 class=dim>nobody");
    }
    out.push_str("</table></div>");
    Ok(())
}

fn probes(out: &mut String, status: &Status, host: &Host) -> fmt::Result {
    out.push_str("<h2>Probes</h2><table class=fit>");
    for probe in &status.probes {
        let (class, state) = if probe.on { ("good", "on") } else { ("bad", "off") };
        let reason =
            if probe.on && probe.reason.is_empty() { "measures everything it is made for" } else { &probe.reason };
        write!(out, "<tr><td>{}<td class={class}>{state}<td>{}", Text(&probe.name), Text(reason))?;
    }
    for (part, reason) in &host.failures {
        write!(out, "<tr><td>{}<td class=bad>unread<td>{}", Text(part), Text(reason))?;
    }
    out.push_str("</table>");
    let own = [
        status.cpu_ns.map(|ns| format!("{} of CPU time so far", units::time(ns as f64 / 1e9))),
        status.resident_bytes.map(|bytes| format!("{} resident", units::bytes(bytes as f64))),
        status.map_bytes.map(|bytes| format!("{} of maps in the kernel", units::bytes(bytes as f64))),
        status.collection_ns.map(|ns| format!("{} for the latest collection", units::time(ns as f64 / 1e9))),
    ];
    let own: Vec<String> = own.into_iter().flatten().collect();
    write!(out, "<p class=dim>The agent itself: {}.", own.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expose::testing::{node, window};

    #[test]
    fn the_page_shows_figures_tasks_probes_and_every_address() {
        let mut snapshot = node(2, 1);
        snapshot.window = Some(window());
        let html = landing(Some(&snapshot), None);
        let kernel = "Linux 6.18.0 · 2 CPUs · up 20m";
        for text in [kernel, "42.0%", "3.50ms", "120µs", "sd0", "the field request.start_time_ns is missing", "stress"]
        {
            assert!(html.contains(text), "{text} is missing in {html}");
        }
        ADDRESSES.iter().for_each(|(address, _)| assert!(html.contains(&format!("href=\"{address}\"")), "{address}"));
        assert!(!html.contains("Not ready"));
    }

    #[test]
    fn nothing_from_outside_becomes_markup() {
        const EVIL: &str = "<b>x\"'&";
        let mut snapshot = node(1, 1);
        let host = &mut std::sync::Arc::make_mut(&mut snapshot.sample).host;
        (host.hostname, host.kernel) = (Some(EVIL.into()), Some(EVIL.into()));
        host.failures.insert(EVIL.into(), EVIL.into());
        snapshot.status.version = EVIL.into();
        snapshot.status.probes.iter_mut().for_each(|p| (p.name, p.reason) = (EVIL.into(), EVIL.into()));
        let mut now = window();
        let block = now.block.as_mut().unwrap();
        for device in &mut block.devices {
            device.name = EVIL.into();
            device.operations[0].operation = EVIL.into();
            device.operations[0].errors.insert(EVIL.into(), 1);
        }
        let tasks = now.tasks.as_mut().unwrap();
        for list in [&mut tasks.by_cpu, &mut tasks.by_wait, &mut tasks.by_bytes] {
            list[0].comm = EVIL.into();
        }
        snapshot.window = Some(now);
        let html = landing(Some(&snapshot), Some(EVIL));
        assert!(!html.contains("<b>") && !html.contains(EVIL), "{html}");
        // Title and heading, kernel, version, reason, failure twice, probes' names and reasons, disk, operation, error, tasks.
        assert_eq!(html.matches("&lt;b&gt;x&quot;&#39;&amp;").count(), 2 + 1 + 1 + 1 + 2 + 4 + 3 + 3);
    }

    #[test]
    fn before_the_first_snapshot_the_page_says_so() {
        let html = landing(None, Some("the first collection is not complete"));
        assert!(html.contains("this node") && html.contains("Not ready: the first collection is not complete."));
    }
}
