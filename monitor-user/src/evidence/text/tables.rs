//! The tables of an alert's evidence: what adds up to P - 1, times before and during, the machine, and who.

use super::super::{
    Evidence, Focus,
    change::{Change, Quantiles},
    contributions::{IndexEvidence, Share, because},
    culprits::Ranking,
    exact,
};
use crate::{
    index::Signal,
    table::{
        LABEL, indented, put, section,
        text::{Line, Page, Tone, bar, fit},
        units,
    },
};

/// The widest column of names.
const NAME: usize = 36;
const FIGURE: usize = 10;
/// A figure before and during.
const CHANGE: usize = 17;
const BAR: usize = 20;
/// Tasks in each list.
const TASKS: usize = 4;

/// Begins a line with a name, cut at its end, in what `columns` leave of the page.
fn row(page: &Page, tone: Tone, name: &str, columns: usize) -> Line {
    let width = room(page, columns);
    let mut line = indented(page);
    line.push(tone, &format!("{:<width$}", fit(name, width)));
    line
}

fn room(page: &Page, columns: usize) -> usize {
    page.width.saturating_sub(LABEL + columns).min(NAME)
}

pub fn indices(page: &mut Page, evidence: &Evidence) {
    let wanted = |index: &&IndexEvidence| match evidence.focus {
        Focus::Block => index.signal == Signal::Block,
        Focus::Cpu => index.signal == Signal::RunQueue,
        _ => false,
    };
    for index in evidence.indices.iter().filter(wanted) {
        page.blank();
        let mut line = section(page, "INDEX");
        let Some(verdict) = index.verdict else {
            let why = index.standing.map_or("no node was heard", because);
            put(page, &mut line, &[(Tone::Dim, "P is not known: "), (Tone::Plain, why)]);
            page.add(line);
            continue;
        };
        let p = format!("P {:.2}", verdict.p);
        let parts = format!(" = F {:.2} × S {:.2} over {} node", verdict.shift, verdict.unevenness, verdict.nodes);
        let plural = if verdict.nodes == 1 { "" } else { "s" };
        let mode = format!("{plural}, {}", index.mode.name());
        put(page, &mut line, &[(Tone::Bold, &p), (Tone::Plain, &parts), (Tone::Dim, &mode)]);
        page.add(line);
        let shares = if verdict.nodes > 1 { &index.by_node } else { &index.by_request };
        let total = format!("P − 1 = {}", exact::signed(hundredths(verdict.p - 1.0)));
        let mut line = row(page, Tone::Dim, &total, 5 * FIGURE);
        for heading in ["adds", "share", "requests", "mean", "usually"] {
            line.cell(Tone::Dim, heading, FIGURE);
        }
        page.add(line);
        contributions(page, &shares.iter().collect::<Vec<_>>());
    }
}

fn contributions(page: &mut Page, shares: &[&Share]) {
    let contributions: Vec<f64> = shares.iter().map(|share| share.contribution).collect();
    let (adds, parts) = (exact::steps(&contributions, 0.01), exact::per_mille(&contributions));
    for ((share, adds), part) in shares.iter().zip(adds).zip(parts) {
        let mut line = row(page, Tone::Plain, &share.name, 5 * FIGURE);
        line.cell(Tone::Plain, &exact::signed(adds), FIGURE);
        line.cell(Tone::Dim, &exact::percent(part), FIGURE);
        line.cell(Tone::Plain, &units::count(share.requests as f64), FIGURE);
        line.cell(Tone::Plain, &or_dash(share.mean()), FIGURE);
        line.cell(Tone::Dim, &or_dash(share.expected_mean()), FIGURE);
        page.add(line);
    }
}

pub fn changes(page: &mut Page, evidence: &Evidence) {
    let mut rows = vec![("wait for a CPU".to_owned(), evidence.cpus.wait)];
    for device in &evidence.disks.devices {
        for operation in &device.operations {
            rows.push((format!("{} {}", device.device, operation.operation), operation.total));
            rows.push(("  in the queue".into(), operation.queue));
            rows.push(("  in the device".into(), operation.device_time));
        }
    }
    rows.retain(|(_, times)| !times.is_unknown());
    if rows.is_empty() {
        return;
    }
    page.blank();
    let mut line = section(page, "TIMES");
    line.push(Tone::Dim, &format!("{:<1$}", "before → during", room(page, 3 * CHANGE)));
    for heading in ["p50", "p90", "p99"] {
        line.cell(Tone::Dim, heading, CHANGE);
    }
    page.add(line);
    for (name, times) in rows {
        let mut line = row(page, Tone::Plain, &name, 3 * CHANGE);
        let figures: [fn(Quantiles) -> f64; 3] = [|q| q.p50, |q| q.p90, |q| q.p99];
        for figure in figures {
            let of = |times: Option<Quantiles>| or_dash(times.map(figure));
            line.cell(Tone::Plain, &format!("{} → {:>6}", of(times.before), of(times.during)), CHANGE);
        }
        page.add(line);
    }
}

/// CPUs, pressure and memory, as they were and as they are.
pub fn machine(page: &mut Page, evidence: &Evidence) {
    page.blank();
    let cpus = &evidence.cpus;
    let share = |share: f64| units::percent(share);
    let bytes = |bytes: u64| units::bytes(bytes as f64);
    let mut figures = vec![("CPU", "busy".to_owned(), changed(cpus.utilization, share))];
    figures.extend(cpus.busiest.iter().map(|cpu| ("CPU", format!("cpu{}", cpu.cpu), changed(cpu.utilization, share))));
    figures.push(("CPU", "steal".into(), changed(cpus.steal, share)));
    let pressure = evidence.pressure.iter();
    figures.extend(pressure.map(|(resource, p)| ("PRESSURE", resource.clone(), changed(p.some, share))));
    if let Some(memory) = &evidence.memory {
        figures.push(("MEMORY", "available".into(), changed(memory.available, bytes)));
        figures.push(("MEMORY", "swap".into(), changed(memory.swap_used, bytes).filter(|_| memory.swap_total > 0)));
    }
    for space in &evidence.filesystems {
        figures.push(("SPACE", fit(&space.mount, 30), changed(space.available, bytes)));
    }
    for (kind, count) in &evidence.events {
        figures.push(("EVENTS", kind.replace('_', " "), Some(units::count(*count as f64))));
    }
    figures.retain(|(_, _, change)| change.is_some());
    for figures in figures.chunk_by(|a, b| a.0 == b.0) {
        let mut line = section(page, figures.first().map_or("", |figure| figure.0));
        for (_, name, change) in figures {
            let change = change.as_deref().unwrap_or_default();
            put(page, &mut line, &[(Tone::Dim, &format!("{name} ")), (Tone::Plain, change)]);
        }
        page.add(line);
    }
}

fn changed<T>(change: Change<T>, print: impl Fn(T) -> String) -> Option<String> {
    match (change.before.map(&print), change.during.map(&print)) {
        (Some(before), Some(during)) => Some(format!("{before} → {during}")),
        (None, Some(during)) => Some(during),
        _ => None,
    }
}

pub fn culprits(page: &mut Page, evidence: &Evidence) {
    let Some(culprits) = &evidence.culprits else { return };
    let time = |ns: u64| units::time(ns as f64 / 1e9);
    let bytes = |bytes: u64| units::bytes(bytes as f64);
    let cpu = ("CPU TIME", &culprits.cpu_ns, time as fn(u64) -> String);
    let wait = ("WAITED", &culprits.wait_ns, time as fn(u64) -> String);
    let moved = ("BYTES", &culprits.bytes, bytes as fn(u64) -> String);
    let order = if evidence.focus == Focus::Cpu { [cpu, wait, moved] } else { [moved, cpu, wait] };
    for (name, ranking, print) in order {
        ranked(page, name, ranking, print);
    }
}

fn ranked(page: &mut Page, name: &str, ranking: &Ranking, print: fn(u64) -> String) {
    if ranking.total == 0 {
        return;
    }
    page.blank();
    let mut line = section(page, name);
    put(page, &mut line, &[(Tone::Bold, &print(ranking.total)), (Tone::Dim, " by cgroup")]);
    page.add(line);
    list(page, &ranking.by_cgroup(), print);
    let mut line = indented(page);
    line.push(Tone::Dim, "by task");
    page.add(line);
    list(page, &ranking.by_task(TASKS), print);
}

/// Rows that add up to the total, in amounts and in shares.
fn list(page: &mut Page, rows: &[(String, u64)], print: fn(u64) -> String) {
    let amounts: Vec<f64> = rows.iter().map(|row| row.1 as f64).collect();
    for ((name, amount), share) in rows.iter().zip(exact::per_mille(&amounts)) {
        let columns = 2 * FIGURE + 2 + BAR;
        let mut line = row(page, Tone::Plain, &end(name, room(page, columns)), columns);
        line.cell(Tone::Plain, &print(*amount), FIGURE);
        line.cell(Tone::Plain, &exact::percent(share), FIGURE);
        line.push(Tone::Dim, "  ");
        line.push(Tone::Dim, &bar(share as f64 / 1e3, BAR));
        page.add(line);
    }
}

/// The end of a name that is too long: of a path it says the most.
fn end(name: &str, width: usize) -> String {
    let over = name.chars().count().saturating_sub(width);
    if over == 0 { name.to_owned() } else { std::iter::once('…').chain(name.chars().skip(over + 1)).collect() }
}

fn hundredths(x: f64) -> i64 {
    (x * 100.0).round() as i64
}

fn or_dash(seconds: Option<f64>) -> String {
    seconds.map_or_else(|| "-".into(), units::time)
}
