//! A node over time, from its reports: waits and requests as heat maps, the CPUs, queue against device.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
};

use monitor_common::histogram::{MIN_EXPONENT, PER_POWER};

use super::markup::or_dash;
use crate::{
    histogram::Histogram,
    report::wire::{self, Report},
    site::{
        chart::{
            axis,
            heat::{Column, Heat, key},
            lines::{Lines, Series},
            thin,
        },
        source::Span,
    },
    table::units,
};

/// The least and the greatest time on a heat map's axis, as powers of two of a second: 1 µs and 64 s.
const LOWEST: i32 = -20;
const HIGHEST: i32 = 6;
/// Powers of two that a heat map shows at least.
const LEAST_ROWS: i32 = 9;
/// The share of a step's times that is just seen: one of so many.
const FAINTEST: f64 = 1e-4;
/// The height of a heat map of CPUs in pixels, about, and of its rows.
const CPUS_HEIGHT: f64 = 150.0;

/// What happened in one step.
#[derive(Default)]
struct Step {
    from_ns: u64,
    to_ns: u64,
    wait: Histogram,
    total: Histogram,
    /// Busy and idle time of each CPU.
    cpus: BTreeMap<u32, (u64, u64)>,
    /// Requests whose times are known, and those times.
    timed: u64,
    queue_ns: u64,
    device_ns: u64,
}

pub(super) fn write(out: &mut String, reports: &[Report], span: Span) -> fmt::Result {
    let steps = steps(reports, &span);
    if steps.is_empty() {
        out.push_str("<p class=\"empty dim\">No report of this time is kept.");
        return Ok(());
    }
    out.push_str("<div class=charts>");
    times(out, "waits", "Waits for a CPU", "waits", span, &steps, |step| &step.wait)?;
    times(out, "requests", "Block requests", "requests", span, &steps, |step| &step.total)?;
    cpus(out, span, &steps)?;
    split(out, span, &steps)?;
    out.push_str("</div>");
    Ok(())
}

/// Reports by the step in which they end. A report of more than a step fills the steps before it.
fn steps(reports: &[Report], span: &Span) -> Vec<Step> {
    let mut out: BTreeMap<u64, Step> = BTreeMap::new();
    for report in reports {
        let Some(at) = span.step_of(report.end_ns) else { continue };
        let begin = report.end_ns.saturating_sub(report.length_ns).max(span.from_ns);
        // A report hardly ever begins where a step does: a hair's breadth is no step of its own.
        let first = span.step_of(begin.saturating_add(span.step_ns / 2)).unwrap_or(at).min(at);
        let step = out.entry(at).or_default();
        if step.to_ns == 0 {
            (step.from_ns, step.to_ns) = (span.from_ns + first * span.step_ns, span.end_of(at));
        }
        add(step, report);
    }
    out.into_values().collect()
}

fn add(step: &mut Step, report: &Report) {
    // A histogram that is none was refused on its way in.
    let merge = |into: &mut Histogram, times: &Option<wire::Histogram>| {
        times.iter().filter_map(|times| times.times().ok()).for_each(|times| into.merge(&times));
    };
    if let Some(sched) = &report.sched {
        merge(&mut step.wait, &sched.wait);
        for cpu in &sched.cpus {
            let sums = step.cpus.entry(cpu.cpu).or_default();
            *sums = (sums.0.saturating_add(cpu.busy_ns), sums.1.saturating_add(cpu.idle_ns));
        }
    }
    for operation in report.block.iter().flat_map(|block| &block.devices).flat_map(|device| &device.operations) {
        merge(&mut step.total, &operation.total);
        // From diskstats only the sum of both is known.
        for size in operation.sizes.iter().filter(|_| operation.total.is_some()) {
            step.timed = step.timed.saturating_add(size.timed);
            step.queue_ns = step.queue_ns.saturating_add(size.queue_ns);
            step.device_ns = step.device_ns.saturating_add(size.device_ns);
        }
    }
}

/// The power of two, in fractions, of a time in seconds.
fn power(seconds: f64) -> f64 {
    if seconds > 0.0 { seconds.log2() } else { f64::from(LOWEST) }
}

/// The powers of two that the times lie in.
fn rows(steps: &[Step], of: fn(&Step) -> &Histogram) -> (i32, i32) {
    let (mut low, mut high) = (HIGHEST, LOWEST);
    for (index, _) in steps.iter().flat_map(|step| of(step).iter()) {
        let row = row(index);
        (low, high) = (low.min(row), high.max(row + 1));
    }
    let low = low.clamp(LOWEST, HIGHEST - LEAST_ROWS);
    (low, high.clamp(low + LEAST_ROWS, HIGHEST))
}

/// The power of two at the lower end of a bucket's row.
fn row(index: usize) -> i32 {
    (index.saturating_sub(1) / PER_POWER) as i32 + MIN_EXPONENT
}

fn times(
    out: &mut String,
    id: &str,
    title: &str,
    what: &str,
    span: Span,
    steps: &[Step],
    of: fn(&Step) -> &Histogram,
) -> fmt::Result {
    let (low, high) = rows(steps, of);
    let mut columns = Vec::new();
    let mut over = [Vec::new(), Vec::new()];
    let mut table = format!(
        "<div class=wide tabindex=0><table><tr><th scope=col>UTC<th scope=col class=n>{what}<th scope=col class=n>p50<th \
         scope=col class=n>p90<th scope=col class=n>p99<th scope=col class=n>max"
    );
    let known: Vec<&Step> = steps.iter().filter(|step| of(step).count() > 0).collect();
    for step in &known {
        let times = of(step);
        let count = times.count() as f64;
        let mut cells = vec![0u64; (high - low) as usize];
        for (index, n) in times.iter() {
            let cell = &mut cells[(row(index).clamp(low, high - 1) - low) as usize];
            *cell = cell.saturating_add(n);
        }
        // One of ten is as much lighter than all as one of a hundred is than one of ten: the few that are slow are seen.
        let depth = |n: u64| if n == 0 { 0.0 } else { (1.0 - (n as f64 / count).ln() / FAINTEST.ln()).max(0.05) };
        let [p50, p99] = [0.5, 0.99].map(|q| times.quantile(q).unwrap_or_default());
        let at = (step.from_ns / 2).saturating_add(step.to_ns / 2);
        over.iter_mut().zip([p50, p99]).for_each(|(line, q)| line.push((at, power(q) - f64::from(low))));
        columns.push(Column {
            from_ns: step.from_ns,
            to_ns: step.to_ns,
            cells: cells.into_iter().map(depth).collect(),
            note: format!("{} {what}, p50 {}, p99 {}", units::count(count), units::time(p50), units::time(p99)),
        });
    }
    for i in thin(known.len()) {
        let times = of(known[i]);
        let quantile = |q| or_dash(times.quantile(q), units::time);
        write!(
            table,
            "<tr><th scope=row>{}<td class=n>{}<td class=n>{}<td class=n>{}<td class=n>{}<td class=n>{}",
            axis::clock(known[i].to_ns, &span),
            units::count(times.count() as f64),
            quantile(0.5),
            quantile(0.9),
            quantile(0.99),
            or_dash(times.max(), units::time)
        )?;
    }
    table.push_str("</table></div>");
    let latest = known.last().map(|step| of(step));
    let say = |q| or_dash(latest.and_then(|times| times.quantile(q)), units::time);
    let description = format!(
        "How long {what} took, from {} to {} UTC, by length from below. At the end half took up to {}, 99 of 100 up to {}.",
        axis::clock(span.from_ns, &span),
        axis::clock(span.to_ns, &span),
        say(0.5),
        say(0.99)
    );
    let labels = (low..=high).filter(|power| (power - low) % 3 == 0);
    let [p50, p99] = over;
    Heat {
        id,
        title,
        legend: &format!("{} 1 of 10,000 to all · lines: p50, p99 (dashed)", key()),
        description,
        span,
        columns,
        rows: (high - low) as usize,
        row_height: (CPUS_HEIGHT / f64::from(high - low)).clamp(7.0, 14.0).round(),
        labels: labels.map(|power| (f64::from(power - low), units::time(f64::from(power).exp2()))).collect(),
        overlay: vec![("p50", p50), ("p99", p99)],
        table,
    }
    .write(out)
}

fn cpus(out: &mut String, span: Span, steps: &[Step]) -> fmt::Result {
    let mut all: Vec<u32> = steps.iter().flat_map(|step| step.cpus.keys().copied()).collect();
    all.sort_unstable();
    all.dedup();
    if all.is_empty() {
        return Ok(());
    }
    let n = all.len();
    let share = |&(busy, idle): &(u64, u64)| {
        let online = busy as f64 + idle as f64;
        (online > 0.0).then(|| busy as f64 / online)
    };
    let mean = |step: &Step| {
        let sum = step.cpus.values().fold((0u64, 0u64), |a, b| (a.0.saturating_add(b.0), a.1.saturating_add(b.1)));
        share(&sum)
    };
    let column = |step: &Step| Column {
        from_ns: step.from_ns,
        to_ns: step.to_ns,
        // The first CPU is at the top.
        cells: all.iter().rev().map(|cpu| step.cpus.get(cpu).and_then(share).unwrap_or(0.0)).collect(),
        note: format!("{} busy", or_dash(mean(step), units::percent)),
    };
    let mut table = String::from(
        "<div class=wide tabindex=0><table><tr><th scope=col>CPU<th scope=col class=n>busy at the end<th scope=col class=n>at most<th scope=col class=n>on average",
    );
    for cpu in &all {
        let shares: Vec<f64> = steps.iter().filter_map(|step| step.cpus.get(cpu).and_then(share)).collect();
        let most = shares.iter().copied().reduce(f64::max);
        let average = (!shares.is_empty()).then(|| shares.iter().sum::<f64>() / shares.len() as f64);
        let [last, most, average] = [shares.last().copied(), most, average].map(|x| or_dash(x, units::percent));
        write!(table, "<tr><th scope=row>cpu{cpu}<td class=n>{last}<td class=n>{most}<td class=n>{average}")?;
    }
    table.push_str("</table></div>");
    let every = n.div_ceil(10);
    let row_height = (CPUS_HEIGHT / n as f64).clamp(2.0, 24.0).round();
    let label = |(i, cpu): (usize, &u32)| (n as f64 - i as f64 - 0.5, format!("cpu{cpu}"));
    Heat {
        id: "cpus",
        title: "CPUs busy",
        legend: &format!("{} 0 to 100 %", key()),
        description: format!(
            "How busy each of {n} CPUs was, the first at the top. At the end all together {}.",
            or_dash(steps.last().and_then(mean), units::percent)
        ),
        span,
        columns: steps.iter().filter(|step| !step.cpus.is_empty()).map(column).collect(),
        rows: n,
        row_height,
        labels: all.iter().enumerate().step_by(every).map(label).collect(),
        overlay: Vec::new(),
        table,
    }
    .write(out)
}

/// Mean time of a request in the queue and in the device.
fn split(out: &mut String, span: Span, steps: &[Step]) -> fmt::Result {
    let of = |sum: fn(&Step) -> u64| {
        let timed = steps.iter().filter(|step| step.timed > 0);
        timed.map(|step| (step.to_ns, sum(step) as f64 / 1e9 / step.timed as f64)).collect()
    };
    Lines {
        id: "split",
        title: "A request on average",
        span,
        series: vec![
            Series { name: "in the queue", about: "", class: "f", points: of(|step| step.queue_ns) },
            Series { name: "in the device", about: "", class: "p", points: of(|step| step.device_ns) },
        ],
        reference: None,
        print: units::time,
    }
    .write(out)
}
