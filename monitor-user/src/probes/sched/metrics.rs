//! The scheduler probe: what each CPU did, and how long its tasks waited for it.

use monitor_common::sched::{Discard, Switch};

use crate::{
    histogram::Histogram,
    metric::{Kind, Metric, seconds},
};

/// What the probe measures.
pub const METRICS: &[Metric] = &[
    Metric {
        name: "kpulse_cpu_busy_seconds_total",
        kind: Kind::Counter,
        help: "Time in tasks other than the idle task in seconds, measured from switch to switch. What a hypervisor takes while a \
               task runs is in it.",
        labels: &["cpu"],
        collect: |view, out| view.cpus.iter().for_each(|c| out.value(&[&c.label], seconds(c.cpu.busy_ns))),
    },
    Metric {
        name: "kpulse_cpu_idle_seconds_total",
        kind: Kind::Counter,
        help: "Time in the idle task in seconds, measured from switch to switch.",
        labels: &["cpu"],
        collect: |view, out| view.cpus.iter().for_each(|c| out.value(&[&c.label], seconds(c.cpu.idle_ns))),
    },
    Metric {
        name: "kpulse_cpu_online",
        kind: Kind::Gauge,
        help: "1 if the CPU is online, 0 if not; for other, how many are online.",
        labels: &["cpu"],
        collect: |view, out| view.cpus.iter().for_each(|c| out.value(&[&c.label], c.online as f64)),
    },
    Metric {
        name: "kpulse_context_switches_total",
        kind: Kind::Counter,
        help: "Switches from one task to another: voluntary (the task slept or ended), preempted (it could have run on), \
               from_idle (there was none before).",
        labels: &["cpu", "kind"],
        collect: |view, out| {
            for c in &view.cpus {
                for (kind, &count) in Switch::ALL.iter().zip(&c.cpu.switches) {
                    out.value(&[&c.label, kind.name()], count as f64);
                }
            }
        },
    },
    Metric {
        name: "kpulse_run_queue_wait_seconds",
        kind: Kind::Histogram,
        help: "Time in seconds that tasks waited for a CPU before they got one, on all CPUs, moves between CPUs while \
               waiting included.",
        labels: &[],
        collect: |view, out| {
            if !view.cpus.is_empty() {
                let mut all = Histogram::default();
                view.cpus.iter().for_each(|c| all.merge(&c.cpu.wait));
                out.histogram(&[], &all);
            }
        },
    },
    Metric {
        name: "kpulse_cpu_run_queue_wait_seconds_total",
        kind: Kind::Counter,
        help: "Time in seconds that tasks waited before they got this CPU.",
        labels: &["cpu"],
        collect: |view, out| view.cpus.iter().for_each(|c| out.value(&[&c.label], seconds(c.cpu.waits_ns()))),
    },
    Metric {
        name: "kpulse_cpu_run_queue_waits_total",
        kind: Kind::Counter,
        help: "Waits of tasks that got this CPU.",
        labels: &["cpu"],
        collect: |view, out| view.cpus.iter().for_each(|c| out.value(&[&c.label], c.cpu.waits() as f64)),
    },
    Metric {
        name: "kpulse_run_queue_migrated_waits_total",
        kind: Kind::Counter,
        help: "Waits in which the task was moved from one CPU's run queue to another's.",
        labels: &[],
        collect: |view, out| {
            if !view.cpus.is_empty() {
                out.value(&[], view.cpus.iter().map(|c| c.cpu.migrated).sum::<u64>() as f64);
            }
        },
    },
    Metric {
        name: "kpulse_sched_discarded_total",
        kind: Kind::Counter,
        help: "Times that were not counted, by reason: clock_went_back (an interval is in neither busy nor idle time), \
               queued_in_future and not_queued (a wait is not in the histogram), departure_lost (earlier legs of a wait on \
               other CPUs may be missing from it).",
        labels: &["reason"],
        collect: |view, out| {
            if view.cpus.is_empty() {
                return;
            }
            for (i, reason) in Discard::ALL.iter().enumerate() {
                out.value(&[reason.name()], view.cpus.iter().map(|c| c.cpu.discards[i]).sum::<u64>() as f64);
            }
        },
    },
];
