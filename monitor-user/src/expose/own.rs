//! The metrics of the agent itself.

use crate::{
    metric::{Kind, Metric, Series, View, seconds},
    status::Program,
};

/// Metrics from [`crate::status::Status`] and of the exposition. `kpulse_series` stands last: it counts
/// those before it.
pub const METRICS: &[Metric] = &[
    Metric {
        name: "kpulse_build_info",
        kind: Kind::Gauge,
        help: "Always 1; the version of the agent.",
        labels: &["version"],
        collect: |view, out| out.value(&[&view.snapshot.status.version], 1.0),
    },
    Metric {
        name: "kpulse_self_start_time_seconds",
        kind: Kind::Gauge,
        help: "When the agent began to count, in seconds since 1970. Counters before and after a change of it cannot be \
               compared.",
        labels: &[],
        collect: |view, out| out.value(&[], seconds(view.snapshot.sample.origin.attached_ns)),
    },
    Metric {
        name: "kpulse_probe_state",
        kind: Kind::Gauge,
        help: "1 if the probe measures, 0 if it is off; reason says why, or what it does without, and is empty if \
               nothing is missing.",
        labels: &["probe", "reason"],
        collect: |view, out| {
            for probe in &view.snapshot.status.probes {
                out.value(&[&probe.name, &probe.reason], f64::from(u8::from(probe.on)));
            }
        },
    },
    Metric {
        name: "kpulse_privileges",
        kind: Kind::Gauge,
        help: "1 if the agent is held to this since its programs were attached, 0 if not; state says what is left of user, \
               capabilities, new_privileges, files and system_calls, or why nothing was given up.",
        labels: &["restraint", "state"],
        collect: |view, out| {
            for restraint in &view.snapshot.status.restraints {
                out.value(&[&restraint.name, &restraint.state], f64::from(u8::from(restraint.in_force)));
            }
        },
    },
    Metric {
        name: "kpulse_self_cpu_seconds_total",
        kind: Kind::Counter,
        help: "CPU time of the agent's process in seconds; the programs in the kernel run in other tasks' time.",
        labels: &[],
        collect: |view, out| view.snapshot.status.cpu_ns.iter().for_each(|&ns| out.value(&[], seconds(ns))),
    },
    Metric {
        name: "kpulse_self_resident_bytes",
        kind: Kind::Gauge,
        help: "Resident memory of the agent's process in bytes.",
        labels: &[],
        collect: |view, out| view.snapshot.status.resident_bytes.iter().for_each(|&bytes| out.value(&[], bytes as f64)),
    },
    Metric {
        name: "kpulse_self_map_bytes",
        kind: Kind::Gauge,
        help: "Memory of the programs' maps in the kernel in bytes.",
        labels: &[],
        collect: |view, out| view.snapshot.status.map_bytes.iter().for_each(|&bytes| out.value(&[], bytes as f64)),
    },
    Metric {
        name: "kpulse_self_program_runs_total",
        kind: Kind::Counter,
        help: "Runs of a program in the kernel, while the kernel's BPF statistics were on.",
        labels: &["program"],
        collect: |view, out| programs(view, out, |p| p.runs.map(|n| n as f64)),
    },
    Metric {
        name: "kpulse_self_program_seconds_total",
        kind: Kind::Counter,
        help: "Run time of a program in the kernel in seconds, while the kernel's BPF statistics were on.",
        labels: &["program"],
        collect: |view, out| programs(view, out, |p| p.run_ns.map(seconds)),
    },
    Metric {
        name: "kpulse_self_program_missed_total",
        kind: Kind::Counter,
        help: "Runs of a program that the kernel skipped because it was running already on that CPU.",
        labels: &["program"],
        collect: |view, out| programs(view, out, |p| p.missed.map(|n| n as f64)),
    },
    Metric {
        name: "kpulse_read_failures",
        kind: Kind::Gauge,
        help: "Always 1: this part of /proc or /sys could not be read at the latest collection.",
        labels: &["part"],
        collect: |view, out| view.snapshot.sample.host.failures.keys().for_each(|part| out.value(&[part], 1.0)),
    },
    Metric {
        name: "kpulse_collection_seconds",
        kind: Kind::Gauge,
        help: "How long the latest collection took in seconds.",
        labels: &[],
        collect: |view, out| view.snapshot.status.collection_ns.iter().for_each(|&ns| out.value(&[], seconds(ns))),
    },
    Metric {
        name: "kpulse_self_agreement_ratio",
        kind: Kind::Gauge,
        help: "Our count over the kernel's own in the last five to ten minutes: context_switches (ctxt of /proc/stat), \
               run_delay (the waits by the books of all tasks, of intervals in which none ended), block_requests, \
               block_bytes and block_time (diskstats of disks with statistics). 1 is exact; a request that completes between \
               the two readings is no fault. Absent where the kernel counted too little to tell.",
        labels: &["figure"],
        collect: |view, out| {
            view.snapshot.status.agreement.iter().for_each(|(figure, ratio)| out.value(&[figure], *ratio));
        },
    },
    Metric {
        name: "kpulse_collections_failed_total",
        kind: Kind::Counter,
        help: "Collections that failed.",
        labels: &[],
        collect: |view, out| out.value(&[], view.snapshot.status.collections_failed as f64),
    },
    Metric {
        name: "kpulse_scrapes_total",
        kind: Kind::Counter,
        help: "Scrapes answered before this one was rendered. One rendering serves all scrapes between two \
               collections.",
        labels: &[],
        collect: |view, out| out.value(&[], view.exposition.scrapes as f64),
    },
    Metric {
        name: "kpulse_series_limit",
        kind: Kind::Gauge,
        help: "The most series a scrape may have (metrics.max_series).",
        labels: &[],
        collect: |view, out| out.value(&[], view.exposition.limit as f64),
    },
    Metric {
        name: "kpulse_series_dropped",
        kind: Kind::Gauge,
        help: "Series left out of this scrape: filesystems and disk infos beyond their share. Counters are never \
               left out but added up in other.",
        labels: &[],
        collect: |view, out| out.value(&[], view.exposition.dropped as f64),
    },
    Metric {
        name: "kpulse_series",
        kind: Kind::Gauge,
        help: "Series of this scrape, every bucket counted.",
        labels: &[],
        collect: |view, out| out.value(&[], (view.exposition.series + 1) as f64),
    },
];

fn programs(view: &View, out: &mut Series, value: fn(&Program) -> Option<f64>) {
    for program in &view.snapshot.status.programs {
        value(program).iter().for_each(|&value| out.value(&[&program.name], value));
    }
}
