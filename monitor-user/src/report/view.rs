//! A report as a window, so that index, rules and evidence judge a node from afar as they do at home.
//!
//! In: a [`wire::Report`] or a sum of them, checked. Out: a [`Window`], what the index asks for, and the agent's own use. What a
//! report does not carry is absent: the waits of each CPU by itself.

mod block;
mod tasks;

pub use self::block::observe;
use super::wire;
use crate::{
    host::{Filesystem, Memory, Space},
    rules::Own,
    sample,
    window::{
        Cpu, NetworkRates, Options, PressureShares, Sched, Times, Window,
        host::{pressure_shares, shares},
        sched::utilization,
    },
};

/// The report as the node's own window over the same time. `options` as in [`crate::window::derive`]; a report names at most as
/// many tasks as it was built with.
pub fn window(report: &wire::Report, options: &Options) -> Window {
    let seconds = seconds(report);
    let host = report.host.as_ref();
    let shared = |of: &wire::Pressure| {
        let grown = crate::host::Pressure { some_ns: of.some_ns, full_ns: of.full_ns };
        let shares: PressureShares = pressure_shares(&grown, report.length_ns);
        (of.resource.clone(), shares)
    };
    let rates = |network: &wire::Network| {
        let rates = NetworkRates {
            receive_bytes_per_second: network.receive_bytes as f64 / seconds,
            transmit_bytes_per_second: network.transmit_bytes as f64 / seconds,
            errors: network.faults,
        };
        (network.name.clone(), rates)
    };
    Window {
        end_realtime_ns: report.end_ns,
        seconds,
        sched: report.sched.as_ref().map(|of| sched(of, seconds)),
        block: report.block.as_ref().map(|of| block::view(of, seconds)),
        tasks: report.tasks.as_ref().map(|of| tasks::view(of, options)),
        events: events(&report.events),
        cpu_modes: host.and_then(|host| shares(host.cpu_modes_ns.get(..8)?.try_into().ok()?)),
        pressure: host.iter().flat_map(|host| &host.pressure).map(shared).collect(),
        networks: host.iter().flat_map(|host| &host.networks).map(rates).collect(),
        memory: host.and_then(|host| host.memory).map(memory),
        load: host.and_then(|host| <[f64; 3]>::try_from(host.load.as_slice()).ok()),
        filesystems: host.iter().flat_map(|host| &host.filesystems).map(filesystem).collect(),
    }
}

/// What the agent used, as its own rules see it.
pub fn own(report: &wire::Report) -> Option<Own> {
    let own = report.own.as_ref()?;
    let cpus = |ns: Option<u64>| Some(ns? as f64 / 1e9 / seconds(report)).filter(|cpus: &f64| cpus.is_finite());
    Some(Own {
        cpu: cpus(own.cpu_ns),
        programs_cpu: cpus(own.programs_ns),
        resident_bytes: own.resident_bytes,
        map_bytes: own.map_bytes,
        collections_failed: own.collections_failed,
        agreement: own.agreement.iter().map(|of| (of.figure.clone(), of.ratio)).collect(),
        // Who reads this has got it.
        reports: None,
        steps: <[u32; 2]>::try_from(own.steps.as_slice()).ok().map(|steps| steps.map(|step| step as usize)),
        probes: own.probes.iter().map(|of| (of.probe.clone(), !of.off)).collect(),
    })
}

fn seconds(report: &wire::Report) -> f64 {
    report.length_ns as f64 / 1e9
}

/// The waits' distribution; absent without any.
fn times(histogram: &Option<wire::Histogram>) -> Option<Times> {
    Times::of(&histogram.as_ref()?.times().ok()?)
}

fn sched(of: &wire::Sched, seconds: f64) -> Sched {
    let add = |time: fn(&wire::Cpu) -> u64| crate::window::sum(of.cpus.iter().map(time));
    Sched {
        utilization: utilization(add(|cpu| cpu.busy_ns), add(|cpu| cpu.idle_ns)),
        switches_per_second: of.switches as f64 / seconds,
        preemptions_per_second: of.preemptions as f64 / seconds,
        wait: times(&of.wait),
        cpus: of
            .cpus
            .iter()
            .map(|cpu| Cpu {
                cpu: cpu.cpu,
                online: !cpu.offline,
                utilization: utilization(cpu.busy_ns, cpu.idle_ns),
                switches_per_second: cpu.switches as f64 / seconds,
                wait: None,
            })
            .collect(),
        discards: of.discards,
        plain_waits: of.plain_waits,
        plain_wait_seconds: of.plain_wait_ns as f64 / 1e9,
    }
}

fn events(events: &[wire::Events]) -> Option<sample::Events> {
    let mut out = sample::Events::default();
    for of in events {
        // A newer agent may know kinds that have no name here.
        if let (Some(seen), Some(dropped)) = (out.seen.get_mut(of.kind as usize), out.dropped.get_mut(of.kind as usize))
        {
            (*seen, *dropped) = (of.seen, of.dropped);
        }
    }
    (!events.is_empty()).then_some(out)
}

fn memory(memory: wire::Memory) -> Memory {
    let wire::Memory { total, free, available, buffers, cached, dirty, writeback, swap_total, swap_free } = memory;
    Memory { total, free, available, buffers, cached, dirty, writeback, swap_total, swap_free }
}

fn filesystem(of: &wire::Filesystem) -> Filesystem {
    let wire::Filesystem { size, free, available, files, files_free, .. } = *of;
    Filesystem {
        mount: of.mount.clone(),
        source: of.source.clone(),
        kind: of.kind.clone(),
        read_only: of.read_only,
        space: (!of.silent).then_some(Space { size, free, available, files, files_free }),
    }
}
