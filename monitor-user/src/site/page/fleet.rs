//! The first page: what fires, P over time, and every node, worst first.

use std::fmt::{self, Write as _};

use super::{
    alerts,
    markup::{Text, or_dash},
    nodes, range,
    shell::{Here, Shell},
};
use crate::{
    alert::State,
    index::{Mode, Signal},
    site::{
        chart::lines::{Lines, Series},
        model::{AlertLine, Fleet, IndexNow, IndexPoint, Node, Page},
        params::Params,
        source::{Span, Unreadable},
    },
    table::units,
};

/// Alerts that are named on this page.
const NAMED: usize = 12;
/// From here on an index is worth a look, and worth getting up for.
pub(super) const LOOK: f64 = 1.5;
pub(super) const GET_UP: f64 = 3.0;

/// What the page shows.
pub struct View {
    pub now_ns: u64,
    pub fleet: Fleet,
    /// Those that are pending or fire, the worst first.
    pub alerts: Vec<AlertLine>,
    /// P of each signal over the span.
    pub series: Vec<(Signal, Result<Vec<IndexPoint>, Unreadable>)>,
    pub span: Span,
    pub nodes: Page<Node>,
    /// As they were given, for links.
    pub params: Params,
}

/// The page in HTML.
pub fn page(view: &View) -> String {
    let mut out = String::with_capacity(128 * 1024);
    // Writing into a string cannot fail.
    let _ = write(&mut out, view);
    out
}

fn write(out: &mut String, view: &View) -> fmt::Result {
    let firing = view.alerts.iter().filter(|alert| alert.state == State::Firing).count();
    let title = match firing {
        0 => "kpulse: fleet".to_owned(),
        n => format!("({n}) kpulse: fleet"),
    };
    let shell = Shell { title: &title, here: Here::Fleet, firing, live: true };
    shell.begin(out)?;
    out.push_str("<h1>Fleet</h1><p class=dim>");
    about(out, &view.fleet)?;
    alarm(out, &view.alerts, firing, view.now_ns)?;
    tiles(out, &view.fleet)?;
    out.push_str("<h2 id=index>Performance index <span class=dim>1 is as usual</span>");
    range::links(out, "/", &view.params)?;
    out.push_str("</h2><div class=charts>");
    view.series.iter().try_for_each(|(signal, points)| chart(out, view, *signal, points))?;
    out.push_str("</div>");
    nodes::write(out, &view.nodes, &view.params, view.now_ns)?;
    shell.end(out);
    Ok(())
}

fn about(out: &mut String, fleet: &Fleet) -> fmt::Result {
    let known = fleet.known();
    write!(out, "{known} node{}", if known == 1 { "" } else { "s" })?;
    for (presence, n) in fleet.nodes.iter().filter(|(_, n)| **n > 0) {
        let class = if presence == "reporting" { "dim" } else { "bad" };
        write!(out, " · <span class={class}>{n} {}</span>", Text(&presence.replace('_', " ")))?;
    }
    if fleet.at_ns > 0 {
        write!(out, " · judged {}", units::utc(fleet.at_ns))?;
    }
    Ok(())
}

fn alarm(out: &mut String, all: &[AlertLine], firing: usize, now_ns: u64) -> fmt::Result {
    if firing == 0 {
        let pending = all.len();
        let more = if pending > 0 { format!(", {pending} pending") } else { String::new() };
        return write!(out, "<p class=good>Nothing is firing<a class=dim href=\"/alerts\">{more}</a>.");
    }
    write!(out, "<h2>Firing <span class=dim>{firing}</span></h2>")?;
    let named = all.iter().filter(|alert| alert.state == State::Firing).take(NAMED);
    alerts::list(out, named, now_ns)?;
    if firing > NAMED {
        write!(out, "<p><a href=\"/alerts\">{} more</a>", firing - NAMED)?;
    }
    Ok(())
}

fn tiles(out: &mut String, fleet: &Fleet) -> fmt::Result {
    out.push_str("<h2 class=unseen>The last minute</h2><dl class=tiles>");
    for (signal, name) in [(Signal::Block, "P, block requests"), (Signal::RunQueue, "P, waits for a CPU")] {
        index_tile(out, name, fleet.index(signal))?;
    }
    for (times, name) in [(fleet.request, "request, p99"), (fleet.wait, "wait for a CPU, p99")] {
        write!(
            out,
            "<div><dt>{name}<dd>{}<div class=small>{}</div></div>",
            or_dash(times, |times| units::time(times.p99)),
            or_dash(times, |times| format!(
                "p50 {}, {} in all",
                units::time(times.p50),
                units::count(times.count as f64)
            ))
        )?;
    }
    out.push_str("</dl>");
    Ok(())
}

fn index_tile(out: &mut String, name: &str, index: Option<&IndexNow>) -> fmt::Result {
    let verdict = index.and_then(|index| index.verdict);
    let class = verdict.map_or("", |verdict| tone(verdict.p));
    write!(
        out,
        "<div><dt>{name}<dd{class}>{}<div class=small>",
        or_dash(verdict, |verdict| format!("{:.2}", verdict.p))
    )?;
    match (verdict, index) {
        (Some(verdict), _) => {
            write!(out, "F {:.2} × S {:.2}, N {}", verdict.shift, verdict.unevenness, verdict.nodes)?;
        }
        (None, Some(index)) => {
            let most = index.standings.iter().max_by_key(|(_, n)| **n);
            write!(out, "{}", or_dash(most, |(standing, n)| format!("{n} {}", standing.replace('_', " "))))?;
        }
        (None, None) => out.push_str("not judged yet"),
    }
    out.push_str("</div></div>");
    Ok(())
}

/// The class of a ratio to what is usual.
pub(super) fn tone(ratio: f64) -> &'static str {
    match ratio {
        _ if ratio >= GET_UP => " class=bad",
        _ if ratio >= LOOK => " class=warn",
        _ => "",
    }
}

fn chart(out: &mut String, view: &View, signal: Signal, points: &Result<Vec<IndexPoint>, Unreadable>) -> fmt::Result {
    let (id, title) = match signal {
        Signal::Block => ("block", "Block requests"),
        Signal::RunQueue => ("run-queue", "Waits for a CPU"),
    };
    let points = match points {
        Ok(points) => points,
        Err(error) => {
            return write!(
                out,
                "<figure class=chart><figcaption>{title}</figcaption><p class=alarm>{}</figure>",
                Text(&error.to_string())
            );
        }
    };
    let of = |figure: fn(&IndexPoint) -> f64| points.iter().map(|point| (point.at_ns, figure(point))).collect();
    let mode = view.fleet.index(signal).map_or(Mode::Trailing, |index| index.mode);
    Lines {
        id,
        title: &format!("{title}, {}", mode.name()),
        span: view.span,
        series: vec![
            Series { name: "P", about: "mean", class: "p", points: of(|point| point.verdict.p) },
            Series { name: "F", about: "whole fleet", class: "f", points: of(|point| point.verdict.shift) },
            Series { name: "S", about: "uneven", class: "s", points: of(|point| point.verdict.unevenness) },
        ],
        reference: Some((1.0, "as usual")),
        print: |value| format!("{value:.2}"),
    }
    .write(out)
}
