//! The events probe: rare things, each of them a line in the log.

use monitor_common::events::Kind as Event;

use crate::metric::{Kind, Metric};

/// What the probe measures.
pub const METRICS: &[Metric] = &[
    Metric {
        name: "kpulse_events_total",
        kind: Kind::Counter,
        help: "Rare events: block_error (a request failed), slow_request (one took longer than the threshold), oom_kill, \
               long_wait (a task waited for a CPU for longer than the threshold).",
        labels: &["kind"],
        collect: |view, out| {
            if let Some(events) = &view.snapshot.sample.events {
                for (kind, &count) in Event::ALL.iter().zip(&events.seen) {
                    out.value(&[kind.name()], count as f64);
                }
            }
            // The scheduler's own map holds the long waits, so they are counted even while this probe is off.
            if !view.cpus.is_empty() {
                out.value(&["long_wait"], view.cpus.iter().map(|c| c.cpu.long_waits).sum::<u64>() as f64);
            }
        },
    },
    Metric {
        name: "kpulse_events_dropped_total",
        kind: Kind::Counter,
        help: "Events counted in kpulse_events_total that have no line in the log: too many at once.",
        labels: &["kind"],
        collect: |view, out| {
            if let Some(events) = &view.snapshot.sample.events {
                for (kind, &count) in Event::ALL.iter().zip(&events.dropped) {
                    out.value(&[kind.name()], count as f64);
                }
            }
        },
    },
];
