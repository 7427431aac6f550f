//! One node: what is wrong, how it is now, how it was, its disks, and because of whom.

use std::fmt::{self, Write as _};

use monitor_common::events::Kind;

use super::{
    alerts, devices, fleet,
    markup::{Link, Text, or_dash},
    nodes, past, range,
    shell::{Here, Shell},
};
use crate::{
    alert::State,
    expose::page::{number, tasks},
    index::Signal,
    report::wire::Report,
    site::{
        model::{AgentUse, Judged, NodeDetail, Presence},
        params::Params,
        source::{Span, Unreadable},
    },
    table::units,
    window::{Tasks, Window, sum},
};

/// The parameters of the page.
pub const PARAMS: &[&str] = &["range"];

/// What the page shows.
pub struct View {
    pub now_ns: u64,
    pub node: NodeDetail,
    /// Alerts that fire in the whole fleet.
    pub firing: usize,
    pub span: Span,
    /// The node's past.
    pub reports: Result<Vec<Report>, Unreadable>,
    /// Who used what, the latest that is known, and when its interval ended.
    pub tasks: Option<(u64, Tasks)>,
    pub params: Params,
}

/// The page in HTML.
pub fn page(view: &View) -> String {
    let mut out = String::with_capacity(256 * 1024);
    // Writing into a string cannot fail.
    let _ = write(&mut out, view);
    out
}

fn write(out: &mut String, view: &View) -> fmt::Result {
    let detail = &view.node;
    let node = &detail.node;
    let title = format!("{}: kpulse", node.name);
    let shell = Shell { title: &title, here: Here::Elsewhere, firing: view.firing, live: true };
    shell.begin(out)?;
    write!(out, "<p><a href=\"/\">Fleet</a><h1>{} {}</h1>", nodes::dot(node.presence), Text(&node.name))?;
    about(out, detail, view.now_ns)?;
    if node.presence != Presence::Reporting {
        let ago = units::time(view.now_ns.saturating_sub(node.heard_ns) as f64 / 1e9);
        let why = match node.presence {
            Presence::Conflict => "Another machine reports under this name.",
            Presence::CatchingUp => "What this node reports is of the past: it sends what had to wait.",
            _ => "No report comes from this node.",
        };
        write!(out, "<p class=alarm>{why} The latest came {ago} ago.")?;
    }
    if !detail.alerts.is_empty() {
        out.push_str("<h2>Alerts</h2>");
        alerts::list(out, detail.alerts.iter(), view.now_ns)?;
    }
    tiles(out, detail)?;
    write!(out, "<h2 id=past>Over time")?;
    range::links(out, &format!("/nodes/{}", Link(&node.name)), &view.params)?;
    out.push_str("</h2>");
    match &view.reports {
        Ok(reports) => past::write(out, reports, view.span)?,
        Err(error) => write!(out, "<p class=alarm>{}", Text(&error.to_string()))?,
    }
    if let Some(block) = detail.window.as_ref().and_then(|window| window.block.as_ref()) {
        devices::write(out, block)?;
    }
    who(out, view)?;
    if let Some(window) = &detail.window {
        machine(out, window)?;
    }
    if let Ok(reports) = &view.reports {
        events(out, reports)?;
    }
    agent(out, detail)?;
    shell.end(out);
    Ok(())
}

/// One line: what the node is.
fn about(out: &mut String, detail: &NodeDetail, now_ns: u64) -> fmt::Result {
    let node = &detail.node;
    let mut facts = Vec::new();
    facts.extend(node.kernel.as_ref().map(|kernel| format!("Linux {}", Text(kernel))));
    facts.extend(node.cpus.map(|n| format!("{n} CPU{}", if n == 1 { "" } else { "s" })));
    facts.extend(node.memory_bytes.map(|bytes| format!("{} of memory", units::bytes(bytes as f64))));
    facts.extend(detail.uptime_seconds.map(|seconds| format!("up {}", units::uptime(seconds))));
    facts.push(format!("heard {} ago", units::time(now_ns.saturating_sub(node.heard_ns) as f64 / 1e9)));
    // An address from outside is a link only if it can be nothing but an address.
    let url = detail.url.as_ref().filter(|url| url.starts_with("http://") || url.starts_with("https://"));
    facts.extend(url.map(|url| format!("<a href=\"{}\" rel=noreferrer>its agent’s own page</a>", Text(url))));
    write!(out, "<p class=dim>{}", facts.join(" · "))
}

fn tiles(out: &mut String, detail: &NodeDetail) -> fmt::Result {
    out.push_str("<h2 class=unseen>The last minute</h2><dl class=tiles>");
    for (signal, name) in [(Signal::Block, "r, block requests"), (Signal::RunQueue, "r, waits for a CPU")] {
        ratio_tile(out, name, detail.node.judged(signal))?;
    }
    let window = detail.window.as_ref();
    let mut tile = |name: &str, value: String, more: String| {
        write!(out, "<div><dt>{name}<dd>{value}<div class=small>{more}</div></div>")
    };
    let sched = window.and_then(|window| window.sched.as_ref());
    let switches = sched.map(|sched| format!("{} switches/s", units::count(sched.switches_per_second)));
    tile("CPU busy", or_dash(sched.and_then(|s| s.utilization), units::percent), switches.unwrap_or_default())?;
    let wait = sched.and_then(|sched| sched.wait);
    tile(
        "wait for a CPU, p99",
        or_dash(wait, |wait| units::time(wait.p99)),
        or_dash(wait, |wait| format!("p50 {}", units::time(wait.p50))),
    )?;
    if let Some(memory) = window.and_then(|window| window.memory).filter(|memory| memory.total > 0) {
        let more = format!("of {}", units::bytes(memory.total as f64));
        tile("memory available", units::bytes(memory.available as f64), more)?;
    }
    if let Some([one, five, fifteen]) = window.and_then(|window| window.load) {
        tile("load", format!("{one:.2}"), format!("{five:.2} and {fifteen:.2} over 5 and 15 min"))?;
    }
    out.push_str("</dl>");
    Ok(())
}

fn ratio_tile(out: &mut String, name: &str, judged: Option<&Judged>) -> fmt::Result {
    let ratio = judged.and_then(|judged| judged.ratio);
    write!(out, "<div><dt>{name}<dd{}>", ratio.map_or("", fleet::tone))?;
    match (judged, ratio) {
        (Some(judged), Some(ratio)) => write!(
            out,
            "{ratio:.2}<div class=small>{}, usually {}",
            or_dash(judged.mean_seconds, units::time),
            or_dash(judged.expected_seconds, units::time)
        )?,
        (Some(judged), None) => write!(out, "–<div class=small>{}", nodes::standing(judged.standing))?,
        (None, _) => out.push_str("–<div class=small>not judged yet"),
    }
    out.push_str("</div></div>");
    Ok(())
}

fn who(out: &mut String, view: &View) -> fmt::Result {
    match &view.tasks {
        Some((end_ns, of)) => {
            tasks(out, of)?;
            write!(out, "<p class=dim>In the interval that ended {}.", units::utc(*end_ns))
        }
        None => {
            let usual = "A node sends its tasks while an alert about it is pending or fires; none did in this time.";
            write!(out, "<h2>Tasks</h2><p class=dim>{usual}")
        }
    }
}

fn machine(out: &mut String, window: &Window) -> fmt::Result {
    out.push_str("<h2>The machine <span class=dim>the last minute</span></h2><div class=columns>");
    if !window.pressure.is_empty() {
        out.push_str(
            "<div><h3>Pressure</h3><table><tr><th scope=col>resource<th scope=col class=n>some<th scope=col class=n>all tasks",
        );
        for (resource, pressure) in &window.pressure {
            let [some, full] = [pressure.some, pressure.full].map(|share| or_dash(share, units::percent));
            write!(out, "<tr><th scope=row>{}<td class=n>{some}<td class=n>{full}", Text(resource))?;
        }
        out.push_str("</table></div>");
    }
    if !window.filesystems.is_empty() {
        out.push_str(
            "<div><h3>Filesystems</h3><table><tr><th scope=col>mount<th scope=col class=n>left<th scope=col class=n>of",
        );
        for filesystem in window.filesystems.iter().take(8) {
            let space = filesystem.space.as_ref();
            let [left, size] = [space.map(|s| s.available), space.map(|s| s.size)];
            let [left, size] = [left, size].map(|bytes| or_dash(bytes, |bytes| units::bytes(bytes as f64)));
            write!(
                out,
                "<tr><th scope=row class=long>{}<td class=n>{left}<td class=\"n dim\">{size}",
                Text(&filesystem.mount)
            )?;
        }
        out.push_str("</table></div>");
    }
    if !window.networks.is_empty() {
        out.push_str(
            "<div><h3>Network</h3><table><tr><th scope=col>interface<th scope=col class=n>in/s<th scope=col class=n>out/s<th \
             scope=col class=n>faults",
        );
        for (name, rates) in window.networks.iter().take(8) {
            write!(
                out,
                "<tr><th scope=row>{}<td class=n>{}<td class=n>{}<td class=n>{}",
                Text(name),
                units::bytes(rates.receive_bytes_per_second),
                units::bytes(rates.transmit_bytes_per_second),
                rates.errors
            )?;
        }
        out.push_str("</table></div>");
    }
    out.push_str("</div>");
    Ok(())
}

fn events(out: &mut String, reports: &[Report]) -> fmt::Result {
    out.push_str("<h2>Events <span class=dim>in the time shown above</span></h2>");
    let of = |kind: usize| {
        reports.iter().filter_map(move |report| {
            let n = sum(report.events.iter().filter(|it| it.kind as usize == kind).map(|it| it.seen));
            (n > 0).then_some((report.end_ns, n))
        })
    };
    let mut any = false;
    for (i, kind) in Kind::ALL.iter().enumerate() {
        let Some((last, _)) = of(i).next_back() else { continue };
        if !any {
            out.push_str(
                "<table class=fit><tr><th scope=col>event<th scope=col class=n>how often<th scope=col>the latest",
            );
        }
        any = true;
        let n = sum(of(i).map(|(_, n)| n));
        write!(out, "<tr><th scope=row>{}<td class=n>{n}<td>by {}", kind.name().replace('_', " "), units::utc(last))?;
    }
    out.push_str(if any {
        "</table>"
    } else {
        "<p class=dim>None: no failed request, no slow request, no task killed for memory."
    });
    Ok(())
}

fn agent(out: &mut String, detail: &NodeDetail) -> fmt::Result {
    out.push_str("<h2>Its agent</h2><p class=dim>");
    let node = &detail.node;
    let own = detail.agent.clone().unwrap_or_default();
    let mut facts = Vec::new();
    facts.extend(node.agent_version.as_ref().map(|version| format!("kpulse {}", Text(version))));
    facts.extend(own.cpu.map(|share| format!("{} of a CPU", units::percent(share))));
    facts.extend(own.resident_bytes.map(|bytes| format!("{} resident", units::bytes(bytes as f64))));
    facts.extend(own.map_bytes.map(|bytes| format!("{} of maps in the kernel", units::bytes(bytes as f64))));
    facts.push(format!("report {} since {}", detail.sequence, units::utc(detail.instance)));
    if detail.lost > 0 {
        facts.push(format!("<span class=bad>{} reports lost on the node</span>", detail.lost));
    }
    out.push_str(&facts.join(" · "));
    impaired(out, &own)
}

fn impaired(out: &mut String, own: &AgentUse) -> fmt::Result {
    if !own.impaired.is_empty() {
        out.push_str("<table class=fit><tr><th scope=col>probe<th scope=col>what is missing");
        for (probe, reason) in &own.impaired {
            write!(out, "<tr><th scope=row>{}<td>{}", Text(probe), Text(reason))?;
        }
        out.push_str("</table>");
    }
    if !own.agreement.is_empty() {
        out.push_str("<p class=dim>Our count over the kernel’s own: ");
        let each = own.agreement.iter().map(|(figure, ratio)| format!("{} {}", Text(figure), number(*ratio)));
        out.push_str(&each.collect::<Vec<_>>().join(", "));
    }
    Ok(())
}

/// How many of these fire.
pub fn firing<'a>(alerts: impl Iterator<Item = &'a crate::alert::Alert>) -> usize {
    alerts.filter(|alert| alert.state == State::Firing).count()
}
