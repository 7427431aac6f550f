//! The alerts: as a short list, as a page of all of them, and one with its evidence.

use std::fmt::{self, Write as _};

use super::{
    markup::{Link, Text, or_dash},
    shell::{Here, Shell},
};
use crate::{
    alert::{Alert, Severity, State},
    expose::page::{alert_body, number},
    site::{
        model::{AlertLine, Alerts},
        params::Params,
        source::Unreadable,
    },
    table::units,
};

/// Alerts on a page.
pub const LIMIT: usize = 100;
/// The parameters of the page.
pub const PARAMS: &[&str] = &["state", "severity", "node", "rule", "after"];

/// What the page of all alerts shows.
pub struct View {
    pub now_ns: u64,
    /// Those that are pending or fire, the worst first.
    pub active: Vec<AlertLine>,
    /// Those of the past, the latest first.
    pub past: Result<Alerts, Unreadable>,
    pub params: Params,
}

/// The page in HTML.
pub fn page(view: &View) -> String {
    let mut out = String::with_capacity(32 * 1024);
    // Writing into a string cannot fail.
    let _ = write(&mut out, view);
    out
}

/// One alert with its evidence. `firing` alerts there are in all.
pub fn alert(alert: &Alert, firing: usize) -> String {
    let mut out = String::with_capacity(64 * 1024);
    let title = format!("{} {}: kpulse", alert.state.name(), alert.rule);
    let live = matches!(alert.state, State::Pending | State::Firing);
    let shell = Shell { title: &title, here: Here::Alerts, firing, live };
    let mut write = || -> fmt::Result {
        shell.begin(&mut out)?;
        out.push_str("<p><a href=\"/alerts\">All alerts</a>");
        if let Some(node) = alert.labels.get("node") {
            write!(out, " · the node <a href=\"/nodes/{}\">{}</a>", Link(node), Text(node))?;
        }
        alert_body(&mut out, alert)
    };
    // Writing into a string cannot fail.
    let _ = write();
    shell.end(&mut out);
    out
}

/// The worst first, then the latest.
pub fn worst_first(alerts: &mut [AlertLine]) {
    alerts.sort_by_key(|alert| {
        let since = alert.fired_ns.unwrap_or(alert.pending_ns);
        (alert.state != State::Firing, std::cmp::Reverse((alert.severity, since)))
    });
}

/// A short list: how bad, what, where, since when.
pub(super) fn list<'a>(out: &mut String, alerts: impl Iterator<Item = &'a AlertLine>, now_ns: u64) -> fmt::Result {
    out.push_str("<ul class=firing>");
    for alert in alerts {
        let edge = match alert.severity {
            Severity::Critical => "critical-edge",
            Severity::Warning => "warning-edge",
            Severity::Info => "info-edge",
        };
        write!(out, "<li class={edge}><span>")?;
        state(out, alert)?;
        out.push_str("</span><span class=what>");
        name(out, alert)?;
        if let Some(node) = &alert.node {
            write!(out, " on <a href=\"/nodes/{}\">{}</a>", Link(node), Text(node))?;
        }
        if !alert.summary.is_empty() {
            write!(out, "<br>{}", Text(&alert.summary))?;
        }
        let since = alert.fired_ns.unwrap_or(alert.pending_ns);
        let age = units::time(now_ns.saturating_sub(since) as f64 / 1e9);
        write!(out, "</span><span class=since title=\"since {}\">for {age}</span></li>", units::utc(since))?;
    }
    out.push_str("</ul>");
    Ok(())
}

/// The name, with the address of its evidence if the server has it.
fn name(out: &mut String, alert: &AlertLine) -> fmt::Result {
    match &alert.id {
        Some(id) => write!(out, "<a href=\"/alerts/{}\"><b>{}</b></a>", Link(id), Text(&alert.rule)),
        None => write!(out, "<b>{}</b> <span class=dim>(its agent’s)</span>", Text(&alert.rule)),
    }
}

/// The state in a box, in the colour of how bad it is, with how bad it is for those who see no colour.
fn state(out: &mut String, alert: &AlertLine) -> fmt::Result {
    let class = match (alert.state, alert.severity) {
        (State::Firing, Severity::Critical) => " critical",
        (State::Firing, _) => " warning",
        _ => "",
    };
    let text = if alert.state == State::Firing { alert.severity.name() } else { alert.state.name() };
    write!(out, "<span class=\"state{class}\">{text}</span>")
}

fn write(out: &mut String, view: &View) -> fmt::Result {
    let firing = view.active.iter().filter(|alert| alert.state == State::Firing).count();
    let title = format!("kpulse: alerts, {firing} firing");
    let shell = Shell { title: &title, here: Here::Alerts, firing, live: true };
    shell.begin(out)?;
    out.push_str("<h1>Alerts</h1><h2>Now</h2>");
    if view.active.is_empty() {
        out.push_str("<p class=good>No alert is pending or firing.");
    } else {
        list(out, view.active.iter(), view.now_ns)?;
    }
    out.push_str("<h2 id=past>All, the latest first</h2>");
    form(out, &view.params)?;
    match &view.past {
        Ok(past) => table(out, past, &view.params)?,
        Err(error) => write!(out, "<p class=alarm>{}", Text(&error.to_string()))?,
    }
    shell.end(out);
    Ok(())
}

fn form(out: &mut String, params: &Params) -> fmt::Result {
    let value = |name: &str| params.text(name).unwrap_or_default().to_owned();
    write!(
        out,
        "<form method=get action=\"/alerts\" role=search aria-label=Alerts><label>node<input type=search name=node \
         value=\"{}\"></label><label>rule<input type=search name=rule value=\"{}\"></label>",
        Text(&value("node")),
        Text(&value("rule"))
    )?;
    for (label, name, choices) in [
        ("state", "state", State::ALL.iter().map(|state| state.name()).collect::<Vec<_>>()),
        ("at least", "severity", Severity::ALL.iter().map(|severity| severity.name()).collect()),
    ] {
        write!(out, "<label>{label}<select name={name}><option value=\"\">any")?;
        for choice in choices {
            let selected = if choice == value(name) { " selected" } else { "" };
            write!(out, "<option{selected}>{choice}")?;
        }
        out.push_str("</select></label>");
    }
    out.push_str("<button>Show</button></form>");
    Ok(())
}

fn table(out: &mut String, past: &Alerts, params: &Params) -> fmt::Result {
    if past.items.is_empty() {
        out.push_str("<p class=dim>None is kept.");
        return Ok(());
    }
    out.push_str(
        "<div class=wide tabindex=0 role=region aria-labelledby=past><table><tr><th scope=col>state<th scope=col>alert<th \
         scope=col>node<th scope=col>began<th scope=col class=n>lasted<th scope=col class=n>value<th scope=col>severity",
    );
    for alert in &past.items {
        out.push_str("<tr><td>");
        let state = alert.state.name();
        write!(out, "<span class=state>{state}</span><th scope=row class=long>")?;
        name(out, alert)?;
        let lasted = alert.resolved_ns.map(|end| end.saturating_sub(alert.pending_ns) as f64 / 1e9);
        let node = alert.node.as_deref().unwrap_or_default();
        write!(
            out,
            "<td class=name><a href=\"/nodes/{}\">{}</a><td class=name>{}<td class=n>{}<td class=n>{}<td>{}",
            Link(node),
            Text(node),
            units::utc(alert.pending_ns),
            or_dash(lasted, units::time),
            or_dash(alert.value, number),
            alert.severity.name()
        )?;
    }
    out.push_str("</table></div><nav class=pages aria-label=\"Pages of alerts\">");
    for (place, text) in [(params.text("after").map(|_| ""), "the latest"), (past.next.as_deref(), "the earlier ones")]
    {
        if let Some(place) = place {
            let query = params.with("after", place).query().replace('&', "&amp;");
            write!(out, "<a href=\"/alerts?{}#past\">{text}</a>", query)?;
        }
    }
    out.push_str("</nav>");
    Ok(())
}
