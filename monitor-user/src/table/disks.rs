//! The block devices: how much they did, and how long requests were in the queue and in the device.

use super::{
    section,
    text::{Line, Page, Tone, fit},
    units,
};
use crate::{
    host::Class,
    window::{Block, Device, Operation, Source, Times, Window},
};

/// More devices than this are added up.
const SHOWN: usize = 12;
const NAME: usize = 13;
const RATE: usize = 7;
const BYTES: usize = 9;
const TIME: usize = 7;
const GROUP_GAP: usize = 2;
/// From this width on the queue and the device have quantiles of their own.
const WIDE: usize = 100;

pub(super) fn print(page: &mut Page, window: &Window) {
    page.blank();
    let Some(block) = window.block.as_ref().filter(|block| !block.devices.is_empty()) else {
        let mut line = section(page, "DISKS");
        line.push(Tone::Dim, if window.block.is_some() { "no requests" } else { "no figures" });
        page.add(line);
        return;
    };
    head(page, block);
    let (shown, rest) = ranked(block);
    for device in shown {
        print_device(page, device);
    }
    if !rest.is_empty() {
        let add = |of: fn(&Operation) -> f64| rest.iter().flat_map(|d| &d.operations).map(of).sum::<f64>();
        let mut line = page.line();
        line.item(&[
            (Tone::Dim, &format!("and {} more devices: ", rest.len())),
            (Tone::Plain, &units::count(add(|operation| operation.requests_per_second))),
            (Tone::Dim, " requests/s, "),
            (Tone::Plain, &units::bytes(add(|operation| operation.bytes_per_second))),
            (Tone::Dim, "/s"),
        ]);
        page.add(line);
    }
}

/// The devices that requests spent the most time on, in the order of their numbers, and the rest.
fn ranked(block: &Block) -> (Vec<&Device>, Vec<&Device>) {
    let weight = |device: &Device| {
        let spent: f64 = device.operations.iter().map(|o| o.requests as f64 * o.mean_time.unwrap_or(0.0)).sum();
        spent + device.oldest.unwrap_or(0.0)
    };
    let mut devices: Vec<_> = block.devices.iter().collect();
    devices.sort_by(|a, b| weight(b).total_cmp(&weight(a)));
    let rest = devices.split_off(devices.len().min(SHOWN));
    devices.sort_by_key(|device| device.device);
    (devices, rest)
}

/// The groups of times and the columns in each.
fn groups(page: &Page) -> [(&'static str, &'static [&'static str]); 3] {
    if page.width >= WIDE {
        [("queue", &["mean", "p50", "p99"]), ("device", &["mean", "p50", "p99"]), ("total", &["mean", "p50", "p99"])]
    } else {
        [("queue", &["mean"]), ("device", &["mean"]), ("total", &["mean", "p50", "p99"])]
    }
}

fn head(page: &mut Page, block: &Block) {
    let mut line = section(page, "DISKS");
    let mean = block.mean_request_time.map(|t| format!("{} a request", units::time(t))).unwrap_or_default();
    line.push(Tone::Plain, &format!("{mean:<0$}", NAME + RATE + BYTES - super::LABEL));
    let mut names = page.line();
    names.push(Tone::Plain, &" ".repeat(NAME));
    names.cell(Tone::Dim, "req/s", RATE);
    names.cell(Tone::Dim, "B/s", BYTES);
    for (group, columns) in groups(page) {
        let width = columns.len() * TIME;
        let rule = if columns.len() == 1 {
            format!("{group:>width$}")
        } else {
            format!(" {group} {:─<1$}", "", width - group.len() - 2)
        };
        line.push(Tone::Dim, &format!("{}{rule}", " ".repeat(GROUP_GAP)));
        names.push(Tone::Plain, &" ".repeat(GROUP_GAP));
        columns.iter().for_each(|column| names.cell(Tone::Dim, column, TIME));
    }
    page.add(line);
    page.add(names);
}

fn print_device(page: &mut Page, device: &Device) {
    let mut line = page.line();
    line.push(Tone::Bold, &fit(&device.name, 32));
    line.push(Tone::Dim, &format!("  {}", device.class.name()));
    if device.in_flight > 0 {
        let oldest = device.oldest.map(|age| format!(", oldest {}", units::time(age))).unwrap_or_default();
        let tone = Tone::of(device.oldest.unwrap_or(0.0), 0.5, 5.0);
        line.item(&[(Tone::Plain, &units::count(device.in_flight as f64)), (Tone::Dim, " in flight"), (tone, &oldest)]);
    }
    if device.source == Source::Diskstats {
        line.item(&[(Tone::Dim, "(from diskstats: means only)")]);
    }
    page.add(line);
    for operation in &device.operations {
        print_operation(page, device, operation);
    }
}

fn print_operation(page: &mut Page, device: &Device, operation: &Operation) {
    let mut line = page.line();
    line.push(Tone::Plain, &format!("  {:<1$}", fit(&operation.operation, NAME - 2), NAME - 2));
    line.cell(Tone::Plain, &units::count(operation.requests_per_second), RATE);
    line.cell(Tone::Plain, &units::bytes(operation.bytes_per_second), BYTES);
    let of = [&operation.queue, &operation.device_time, &operation.total];
    for (times, (group, columns)) in of.into_iter().zip(groups(page)) {
        line.push(Tone::Plain, &" ".repeat(GROUP_GAP));
        for &column in columns {
            let mean = if group == "total" { operation.mean_time } else { None };
            let time = times.as_ref().map(|times| figure(times, column)).or(mean.filter(|_| column == "mean"));
            cell(&mut line, device.class, time);
        }
    }
    page.add(line);
    if !operation.errors.is_empty() {
        let mut line = page.line();
        line.push(Tone::Plain, &" ".repeat(NAME + 1));
        for (error, count) in &operation.errors {
            line.item(&[(Tone::Bad, &format!("{} failed: {error}", units::count(*count as f64)))]);
        }
        page.add(line);
    }
}

fn figure(times: &Times, column: &str) -> f64 {
    match column {
        "p50" => times.p50,
        "p99" => times.p99,
        _ => times.mean,
    }
}

fn cell(line: &mut Line, class: Class, time: Option<f64>) {
    // A disk that turns is slow by nature.
    let (warn, bad) = if class == Class::Rotational { (0.1, 1.0) } else { (0.02, 0.2) };
    match time {
        Some(time) => line.cell(Tone::of(time, warn, bad), &units::time(time), TIME),
        None => line.cell(Tone::Dim, "-", TIME),
    }
}
