//! The metrics of the reports to the server, from [`crate::status::Shipping`].

use crate::{
    metric::{Kind, Metric, Series, View},
    status::Shipping,
};

/// Series: seven, and one for each reason; none without a server.
pub const METRICS: &[Metric] = &[
    Metric {
        name: "kpulse_report_waiting",
        kind: Kind::Gauge,
        help: "Reports that the server has not got yet.",
        labels: &[],
        collect: |view, out| each(view, out, |shipping| Some(shipping.waiting as f64)),
    },
    Metric {
        name: "kpulse_report_waiting_bytes",
        kind: Kind::Gauge,
        help: "What the reports that wait take on disk in bytes.",
        labels: &[],
        collect: |view, out| each(view, out, |shipping| Some(shipping.waiting_bytes as f64)),
    },
    Metric {
        name: "kpulse_report_oldest_seconds",
        kind: Kind::Gauge,
        help: "How long ago the oldest interval ended whose report the server has not got yet; absent if it has all.",
        labels: &[],
        collect: |view, out| {
            let now_ns = view.snapshot.sample.realtime_ns;
            each(view, out, |shipping| Some(now_ns.saturating_sub(shipping.oldest_ns?) as f64 / 1e9));
        },
    },
    Metric {
        name: "kpulse_report_acknowledged_total",
        kind: Kind::Counter,
        help: "Reports that the server has stored.",
        labels: &[],
        collect: |view, out| each(view, out, |shipping| Some(shipping.acknowledged as f64)),
    },
    Metric {
        name: "kpulse_report_acknowledged_timestamp_seconds",
        kind: Kind::Gauge,
        help: "When the server last said that it has stored something, in seconds since 1970; absent if it never did.",
        labels: &[],
        collect: |view, out| each(view, out, |shipping| Some(shipping.acknowledged_ns? as f64 / 1e9)),
    },
    Metric {
        name: "kpulse_report_failed_attempts_total",
        kind: Kind::Counter,
        help: "Attempts to send reports that came to nothing and are made again.",
        labels: &[],
        collect: |view, out| each(view, out, |shipping| Some(shipping.failed as f64)),
    },
    Metric {
        name: "kpulse_report_refused_total",
        kind: Kind::Counter,
        help: "Reports that the server refused for good, by its reason.",
        labels: &["reason"],
        collect: |view, out| {
            for (reason, &count) in view.snapshot.status.shipping.iter().flat_map(|shipping| &shipping.refused) {
                out.value(&[reason], count as f64);
            }
        },
    },
    Metric {
        name: "kpulse_report_lost_total",
        kind: Kind::Counter,
        help: "Reports that the server will never get: no_room (server.spool_bytes was reached first), too_old \
               (server.spool_age) or damaged (on disk). Since the spool was made.",
        labels: &["reason"],
        collect: |view, out| {
            for (reason, &count) in view.snapshot.status.shipping.iter().flat_map(|shipping| &shipping.lost) {
                out.value(&[reason], count as f64);
            }
        },
    },
    Metric {
        name: "kpulse_report_spool_durable",
        kind: Kind::Gauge,
        help: "1 if reports that wait are on disk, 0 if they are in memory alone and would not survive the agent's end.",
        labels: &[],
        collect: |view, out| each(view, out, |shipping| Some(f64::from(u8::from(shipping.trouble.is_none())))),
    },
];

fn each(view: &View, out: &mut Series, value: impl Fn(&Shipping) -> Option<f64>) {
    view.snapshot.status.shipping.iter().filter_map(value).for_each(|value| out.value(&[], value));
}
