//! The CPUs: how busy, how long tasks waited for one, and the kernel's own sampled split by mode.

use super::{
    indented, put, section,
    text::{Page, Tone, bar},
    units,
};
use crate::window::{Cpu, Times, Window};

/// Up to here every CPU has a bar of its own.
const BARS: usize = 16;
const WAIT_COLUMN: usize = 9;

pub(super) fn print(page: &mut Page, window: &Window) {
    page.blank();
    let mut line = section(page, "CPU");
    let Some(sched) = &window.sched else {
        put(page, &mut line, &[(Tone::Warn, "no figures: the scheduler probe is off, `kpulse check` says why")]);
        page.add(line);
        modes(page, window);
        return;
    };
    if let Some(share) = sched.utilization {
        line.push(utilization_tone(share), &format!("{:<6}", units::percent(share)));
        line.push(utilization_tone(share), &bar(share, 20));
    }
    put(
        page,
        &mut line,
        &[
            (Tone::Plain, &units::count(sched.switches_per_second)),
            (Tone::Dim, " switches/s, "),
            (Tone::Plain, &units::count(sched.preemptions_per_second)),
            (Tone::Dim, " preempting"),
        ],
    );
    if let Some([one, five, fifteen]) = window.load {
        put(page, &mut line, &[(Tone::Dim, "load "), (Tone::Plain, &format!("{one:.2} {five:.2} {fifteen:.2}"))]);
    }
    page.add(line);
    match sched.cpus.len() {
        0 | 1 => {}
        2..=BARS => bars(page, &sched.cpus),
        _ => summary(page, &sched.cpus),
    }
    modes(page, window);
    wait(page, sched.wait.as_ref(), window.seconds);
}

fn utilization_tone(share: f64) -> Tone {
    Tone::of(share, 0.8, 0.95)
}

fn bars(page: &mut Page, cpus: &[Cpu]) {
    let mut line = indented(page);
    for cpu in cpus {
        let name = format!("cpu{:<3} ", cpu.cpu);
        let (tone, share) = match cpu.utilization {
            Some(share) if cpu.online => {
                (utilization_tone(share), format!("{:>5} {}", units::percent(share), bar(share, 7)))
            }
            _ => (Tone::Dim, format!("{:<13}", "offline")),
        };
        let cell = [(Tone::Dim, &name[..]), (tone, &share)];
        put(page, &mut line, &cell);
    }
    page.add(line);
}

fn summary(page: &mut Page, cpus: &[Cpu]) {
    let mut known: Vec<_> = cpus.iter().filter_map(|cpu| Some((cpu.utilization?, cpu.cpu))).collect();
    known.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    let (Some(max), Some(min)) = (known.first(), known.last()) else { return };
    let mut line = indented(page);
    for (name, share) in [("min ", min.0), ("median ", known[known.len() / 2].0), ("max ", max.0)] {
        put(page, &mut line, &[(Tone::Dim, name), (utilization_tone(share), &units::percent(share))]);
    }
    put(page, &mut line, &[(Tone::Dim, "busiest")]);
    for (share, cpu) in known.iter().take(4) {
        put(
            page,
            &mut line,
            &[(Tone::Dim, &format!("cpu{cpu} ")), (utilization_tone(*share), &units::percent(*share))],
        );
    }
    page.add(line);
}

fn modes(page: &mut Page, window: &Window) {
    let Some(modes) = &window.cpu_modes else { return };
    let mut line = indented(page);
    for (name, share) in [
        ("user ", modes.user),
        ("system ", modes.system),
        ("nice ", modes.nice),
        ("iowait ", modes.iowait),
        ("irq ", modes.irq),
        ("softirq ", modes.softirq),
        ("steal ", modes.steal),
    ] {
        if share >= 0.0005 || matches!(name, "user " | "system ") {
            let tone = if name == "steal " { Tone::of(share, 0.05, 0.2) } else { Tone::Plain };
            put(page, &mut line, &[(Tone::Dim, name), (tone, &units::percent(share))]);
        }
    }
    put(page, &mut line, &[(Tone::Dim, "(sampled by the kernel)")]);
    page.add(line);
}

fn wait(page: &mut Page, wait: Option<&Times>, seconds: f64) {
    page.blank();
    let mut head = section(page, "CPU WAIT");
    let Some(wait) = wait else {
        head.push(Tone::Dim, "no task waited for a CPU");
        page.add(head);
        return;
    };
    let mut line = indented(page);
    for (name, time) in [
        ("mean", wait.mean),
        ("p50", wait.p50),
        ("p90", wait.p90),
        ("p99", wait.p99),
        ("p99.9", wait.p999),
        ("max", wait.max),
    ] {
        head.cell(Tone::Dim, name, WAIT_COLUMN);
        line.cell(Tone::of(time, 0.01, 0.1), &units::time(time), WAIT_COLUMN);
    }
    head.cell(Tone::Dim, "waits/s", WAIT_COLUMN);
    line.cell(Tone::Plain, &units::count(wait.count as f64 / seconds), WAIT_COLUMN);
    page.add(head);
    page.add(line);
}
