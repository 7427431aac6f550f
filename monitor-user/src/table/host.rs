//! Pressure, memory and network in a line each; nearly full filesystems, rare events and what was not counted only if
//! there are any.

use monitor_common::events::Kind;

use super::{
    put, section,
    text::{Page, Tone, fit},
    units,
};
use crate::window::Window;

/// No more interfaces and no more filesystems than this are shown: the busiest, the fullest.
const SHOWN: usize = 6;
/// Filesystems at least this full are shown.
const FULL: f64 = 0.9;

pub(super) fn print(page: &mut Page, window: &Window) {
    page.blank();
    pressure(page, window);
    memory(page, window);
    network(page, window);
    space(page, window);
    events(page, window);
    not_counted(page, window);
}

fn pressure(page: &mut Page, window: &Window) {
    if window.pressure.is_empty() {
        return;
    }
    let mut line = section(page, "PRESSURE");
    for (resource, shares) in &window.pressure {
        let Some(share) = shares.some.or(shares.full) else { continue };
        let all = match shares.full {
            Some(full) if shares.some.is_some() && full >= 0.0005 => format!(" (all tasks {})", units::percent(full)),
            _ => String::new(),
        };
        let tone = Tone::of(share, 0.2, 0.6);
        put(
            page,
            &mut line,
            &[(Tone::Dim, &format!("{} ", fit(resource, 12))), (tone, &units::percent(share)), (Tone::Plain, &all)],
        );
    }
    page.add(line);
}

fn memory(page: &mut Page, window: &Window) {
    let Some(memory) = &window.memory else { return };
    let bytes = |bytes: u64| units::bytes(bytes as f64);
    let used = 1.0 - memory.available as f64 / memory.total.max(1) as f64;
    let mut line = section(page, "MEMORY");
    put(
        page,
        &mut line,
        &[
            (Tone::of(used, 0.9, 0.96), &bytes(memory.available)),
            (Tone::Dim, " available of "),
            (Tone::Plain, &bytes(memory.total)),
        ],
    );
    put(page, &mut line, &[(Tone::Dim, "cached "), (Tone::Plain, &bytes(memory.cached))]);
    put(
        page,
        &mut line,
        &[(Tone::Dim, "dirty "), (Tone::Plain, &bytes(memory.dirty.saturating_add(memory.writeback)))],
    );
    if memory.swap_total > 0 {
        let swapped = memory.swap_total.saturating_sub(memory.swap_free);
        let tone = Tone::of(swapped as f64 / memory.swap_total as f64, 0.5, 0.9);
        put(
            page,
            &mut line,
            &[
                (Tone::Dim, "swap "),
                (tone, &bytes(swapped)),
                (Tone::Dim, " of "),
                (Tone::Plain, &bytes(memory.swap_total)),
            ],
        );
    }
    page.add(line);
}

fn network(page: &mut Page, window: &Window) {
    if window.networks.is_empty() {
        return;
    }
    let mut interfaces: Vec<_> = window.networks.iter().collect();
    let moved = |rates: &crate::window::NetworkRates| rates.receive_bytes_per_second + rates.transmit_bytes_per_second;
    interfaces.sort_by(|(_, a), (_, b)| moved(b).total_cmp(&moved(a)));
    let mut line = section(page, "NETWORK");
    for (name, rates) in interfaces.into_iter().take(SHOWN) {
        let errors = match rates.errors {
            0 => String::new(),
            errors => format!(", {} errors or drops", units::count(errors as f64)),
        };
        put(
            page,
            &mut line,
            &[
                (Tone::Plain, &fit(name, 15)),
                (Tone::Dim, " in "),
                (Tone::Plain, &units::bytes(rates.receive_bytes_per_second)),
                (Tone::Dim, "/s out "),
                (Tone::Plain, &units::bytes(rates.transmit_bytes_per_second)),
                (Tone::Dim, "/s"),
                (Tone::Warn, &errors),
            ],
        );
    }
    page.add(line);
}

fn space(page: &mut Page, window: &Window) {
    let full = window.filesystems.iter().filter_map(|filesystem| {
        let space = filesystem.space.filter(|space| space.size > 0 && !filesystem.read_only)?;
        let used = 1.0 - space.available as f64 / space.size as f64;
        (used >= FULL).then_some((used, &filesystem.mount, space.available))
    });
    let mut full: Vec<_> = full.collect();
    if full.is_empty() {
        return;
    }
    full.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut line = section(page, "FULL");
    for (used, mount, left) in full.into_iter().take(SHOWN) {
        put(
            page,
            &mut line,
            &[
                (Tone::Plain, &fit(mount, 30)),
                (Tone::of(used, FULL, 0.97), &format!(" {}", units::percent(used))),
                (Tone::Dim, ", left "),
                (Tone::Plain, &units::bytes(left as f64)),
            ],
        );
    }
    page.add(line);
}

fn events(page: &mut Page, window: &Window) {
    let Some(events) = window.events.filter(|events| events.seen.iter().any(|&count| count > 0)) else { return };
    let mut line = section(page, "EVENTS");
    for (kind, count) in Kind::ALL.iter().zip(events.seen).filter(|&(_, count)| count > 0) {
        let tone = if *kind == Kind::SlowRequest { Tone::Warn } else { Tone::Bad };
        put(
            page,
            &mut line,
            &[(Tone::Dim, &format!("{} ", kind.name().replace('_', " "))), (tone, &units::count(count as f64))],
        );
    }
    page.add(line);
}

fn not_counted(page: &mut Page, window: &Window) {
    let of = |count: Option<u64>, what: &'static str| (count.unwrap_or(0), what);
    let discarded = [
        of(window.sched.as_ref().map(|sched| sched.discards), "CPU times"),
        of(window.block.as_ref().map(|block| block.discards), "request times"),
        of(window.tasks.as_ref().map(|tasks| tasks.resets), "tasks"),
    ];
    if discarded.iter().all(|&(count, _)| count == 0) {
        return;
    }
    let mut line = section(page, "DISCARDED");
    for (count, what) in discarded.into_iter().filter(|&(count, _)| count > 0) {
        put(page, &mut line, &[(Tone::Dim, &format!("{what} ")), (Tone::Plain, &units::count(count as f64))]);
    }
    page.add(line);
}
