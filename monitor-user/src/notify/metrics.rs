//! The metrics of the delivery of alerts, from [`crate::status::Delivery`].

use crate::{
    metric::{Kind, Metric, Series, View},
    status::Delivery,
};

const TARGET: &[&str] = &["kind", "target"];

/// Series: at most seven for each target (`DELIVERY_SERIES` in the budget), and two.
pub const METRICS: &[Metric] = &[
    Metric {
        name: "kpulse_notifications_queued",
        kind: Kind::Gauge,
        help: "Changes of alerts (firing, resolved) that a target has not got yet.",
        labels: TARGET,
        collect: |view, out| each(view, out, |target| Some(target.queued as f64)),
    },
    Metric {
        name: "kpulse_notifications_oldest_seconds",
        kind: Kind::Gauge,
        help: "How long ago the oldest change happened that a target has not got yet; absent if it has all.",
        labels: TARGET,
        collect: |view, out| {
            let now_ns = view.snapshot.sample.realtime_ns;
            each(view, out, |target| Some(now_ns.saturating_sub(target.oldest_ns?) as f64 / 1e9));
        },
    },
    Metric {
        name: "kpulse_notifications_delivered_total",
        kind: Kind::Counter,
        help: "Changes of alerts that a target has got.",
        labels: TARGET,
        collect: |view, out| each(view, out, |target| Some(target.delivered as f64)),
    },
    Metric {
        name: "kpulse_notifications_failed_attempts_total",
        kind: Kind::Counter,
        help: "Attempts to deliver that came to nothing and are made again.",
        labels: TARGET,
        collect: |view, out| each(view, out, |target| Some(target.failed as f64)),
    },
    Metric {
        name: "kpulse_notifications_dropped_total",
        kind: Kind::Counter,
        help: "Changes of alerts that a target will never get: rejected (it refused them), no_room (notify.queue_bytes was \
               reached first) or unreadable (the journal was damaged).",
        labels: &["kind", "target", "reason"],
        collect: |view, out| {
            for Delivery { kind, target, dropped, .. } in &view.snapshot.status.delivery {
                dropped.iter().for_each(|(reason, &count)| out.value(&[kind, target, reason], count as f64));
            }
        },
    },
    Metric {
        name: "kpulse_notifications_journal_durable",
        kind: Kind::Gauge,
        help: "1 if the states of alerts are on disk, 0 if they are in memory alone and would not survive the agent's end.",
        labels: &[],
        collect: |view, out| {
            let journal = view.snapshot.status.journal.iter();
            journal.for_each(|journal| out.value(&[], f64::from(u8::from(journal.trouble.is_none()))));
        },
    },
    Metric {
        name: "kpulse_notifications_journal_bytes",
        kind: Kind::Gauge,
        help: "What the journal of alerts takes on disk in bytes.",
        labels: &[],
        collect: |view, out| {
            view.snapshot.status.journal.iter().for_each(|journal| out.value(&[], journal.bytes as f64));
        },
    },
];

fn each(view: &View, out: &mut Series, value: impl Fn(&Delivery) -> Option<f64>) {
    for target in &view.snapshot.status.delivery {
        value(target).iter().for_each(|&value| out.value(&[&target.kind, &target.target], value));
    }
}
