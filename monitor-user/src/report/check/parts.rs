//! Each part of a report against what can be.

use super::{
    super::{limits, wire},
    Reason,
};
use crate::window::sum;

type Checked = Result<(), (Reason, String)>;

/// Busy and idle time of a CPU may be longer than the interval by as much: its own clock, and a probe that began within.
const CPU_SLACK_NS: u64 = 1_000_000_000;

pub(super) fn check(report: &wire::Report) -> Checked {
    if let Some(of) = &report.sched {
        sched(of, report.length_ns)?;
    }
    for device in report.block.iter().flat_map(|block| &block.devices) {
        self::device(device)?;
    }
    if let Some(of) = &report.block {
        numbers("the block requests", &[of.discards, of.resets])?;
        let operations: usize = of.devices.iter().map(|device| device.operations.len()).sum();
        at_most(operations, limits::OPERATIONS, "pairs of device and operation", Reason::TooManyStrata)?;
    }
    if let Some(of) = &report.host {
        host(of)?;
    }
    if let Some(of) = &report.tasks {
        tasks(of)?;
    }
    for of in &report.events {
        numbers("the events", &[of.seen, of.dropped])?;
    }
    if let Some(of) = &report.own {
        own(of)?;
    }
    for of in &report.alerts {
        name("an alert", &[&of.id, &of.rule])?;
        text("an alert", &[&of.summary])?;
    }
    if let Some(of) = &report.metadata {
        name("the metadata", &[&of.kernel, &of.agent_version])?;
        text("the metadata", &[&of.url])?;
    }
    Ok(())
}

fn sched(of: &wire::Sched, length_ns: u64) -> Checked {
    at_most(of.cpus.len(), limits::CPUS, "CPUs", Reason::TooManyCpus)?;
    for cpu in &of.cpus {
        let online_ns = cpu.busy_ns.saturating_add(cpu.idle_ns);
        if online_ns > length_ns.saturating_mul(2).saturating_add(CPU_SLACK_NS) {
            let detail = format!("CPU {} was online for {online_ns} ns of {length_ns} ns", cpu.cpu);
            return Err((Reason::CounterImpossible, detail));
        }
        numbers("a CPU", &[cpu.switches])?;
    }
    numbers("the scheduler", &[of.switches, of.preemptions, of.discards, of.plain_waits, of.plain_wait_ns])?;
    histogram("the waits for a CPU", &of.wait)
}

fn device(of: &wire::Device) -> Checked {
    name("a device", &[&of.name])?;
    numbers("a device", &[of.in_flight, of.oldest_ns])?;
    at_most(of.operations.len(), limits::KINDS, "operations of a device", Reason::TooManyStrata)?;
    for operation in &of.operations {
        at_most(operation.sizes.len(), limits::KINDS, "sizes of an operation", Reason::TooManyStrata)?;
        for size in &operation.sizes {
            numbers("requests", &[size.requests, size.bytes, size.timed, size.queue_ns, size.device_ns])?;
        }
        for times in [&operation.queue, &operation.device, &operation.total] {
            histogram("the times of requests", times)?;
        }
        for error in &operation.errors {
            numbers("errors", &[error.count])?;
        }
    }
    Ok(())
}

fn host(of: &wire::Host) -> Checked {
    at_most(of.cpu_modes_ns.len(), limits::FEW, "CPU modes", Reason::TooManyParts)?;
    numbers("the CPU modes", &of.cpu_modes_ns)?;
    for pressure in &of.pressure {
        name("a pressure", &[&pressure.resource])?;
        numbers("a pressure", &[pressure.some_ns.unwrap_or(0), pressure.full_ns.unwrap_or(0)])?;
    }
    if let Some(m) = &of.memory {
        numbers("memory", &[m.total, m.free, m.available, m.buffers, m.cached, m.dirty, m.writeback])?;
        numbers("swap", &[m.swap_total, m.swap_free])?;
    }
    at_most(of.load.len(), limits::FEW, "load averages", Reason::TooManyParts)?;
    of.load.iter().try_for_each(|&load| finite("a load average", load))?;
    for filesystem in &of.filesystems {
        text("a filesystem", &[&filesystem.mount, &filesystem.source])?;
        name("a filesystem", &[&filesystem.kind])?;
    }
    for network in &of.networks {
        name("an interface", &[&network.name])?;
        let wire::Network { receive_bytes, transmit_bytes, receive_packets, transmit_packets, faults, .. } = *network;
        numbers("an interface", &[receive_bytes, transmit_bytes, receive_packets, transmit_packets, faults])?;
    }
    Ok(())
}

fn tasks(of: &wire::Tasks) -> Checked {
    let used = |used: Option<wire::Use>| {
        let wire::Use { cpu_ns, wait_ns, read_bytes, write_bytes, switches } = used.unwrap_or_default();
        numbers("what tasks used", &[cpu_ns, wait_ns, read_bytes, write_bytes, switches])
    };
    for task in &of.top {
        name("a task", &[&task.comm])?;
        text("a task", &[&task.cgroup])?;
        used(task.used)?;
    }
    for group in &of.cgroups {
        text("a cgroup", &[&group.path])?;
        used(group.used)?;
    }
    used(of.total)?;
    used(of.kernel)?;
    numbers("tasks that ended", &[of.ended_cpu_ns.unwrap_or(0), of.ended_wait_ns.unwrap_or(0)])
}

fn own(of: &wire::Own) -> Checked {
    let known = [of.cpu_ns, of.programs_ns, of.resident_bytes, of.map_bytes, Some(of.collections_failed)];
    numbers("the agent", &known.map(|number| number.unwrap_or(0)))?;
    for agreement in &of.agreement {
        name("an agreement", &[&agreement.figure])?;
        finite("an agreement", agreement.ratio)?;
    }
    for probe in &of.probes {
        name("a probe", &[&probe.probe])?;
        text("a probe", &[&probe.reason])?;
    }
    Ok(())
}

fn histogram(what: &str, of: &Option<wire::Histogram>) -> Checked {
    let Some(of) = of else { return Ok(()) };
    let impossible = |detail: String| Err((Reason::HistogramImpossible, format!("{what}: {detail}")));
    if of.gaps.len() != of.counts.len() {
        return impossible(format!("{} buckets have {} counts", of.gaps.len(), of.counts.len()));
    }
    if of.gaps.iter().skip(1).any(|&gap| gap == 0) {
        return impossible("a bucket is there twice".into());
    }
    if let Err(error) = of.check() {
        return impossible(error.to_string());
    }
    numbers(what, &[of.sum_ns, sum(of.counts.iter().copied())])
}

fn numbers(what: &str, numbers: &[u64]) -> Checked {
    match numbers.iter().find(|&&number| number >= limits::NUMBER) {
        Some(number) => Err((Reason::CounterImpossible, format!("{what}: {number} is no count of one interval"))),
        None => Ok(()),
    }
}

fn finite(what: &str, number: f64) -> Checked {
    match number.is_finite() && number >= 0.0 {
        true => Ok(()),
        false => Err((Reason::NotFinite, format!("{what} is {number}"))),
    }
}

fn name(what: &str, texts: &[&str]) -> Checked {
    short(what, texts, limits::NAME_BYTES)
}

fn text(what: &str, texts: &[&str]) -> Checked {
    short(what, texts, limits::TEXT_BYTES)
}

fn short(what: &str, texts: &[&str], most: usize) -> Checked {
    match texts.iter().find(|text| text.len() > most) {
        Some(text) => {
            Err((Reason::TooLong, format!("{what} has a text of {} bytes: at most {most} are taken", text.len())))
        }
        None => Ok(()),
    }
}

fn at_most(count: usize, most: usize, what: &str, reason: Reason) -> Checked {
    if count > most { Err((reason, format!("it has {count} {what}: at most {most} are taken"))) } else { Ok(()) }
}
