//! Metrics of the alerts, and of the recorder that keeps what led to them.

use crate::{
    alert::{Severity, State},
    metric::{Kind, Metric, Series, View, seconds},
    status::RecorderStatus,
};

/// Metrics from [`crate::status::Snapshot::alerts`] and the recorder's figures.
pub const METRICS: &[Metric] = &[
    Metric {
        name: "kpulse_alerts",
        kind: Kind::Gauge,
        help: "Alerts that are pending or firing, by severity.",
        labels: &["severity", "state"],
        collect: |view, out| {
            let states = [State::Pending, State::Firing];
            for (severity, state) in Severity::ALL.iter().flat_map(|severity| states.map(|state| (severity, state))) {
                let alerts = view.snapshot.alerts.iter();
                let count = alerts.filter(|alert| alert.severity == *severity && alert.state == state).count();
                out.value(&[severity.name(), state.name()], count as f64);
            }
        },
    },
    Metric {
        name: "kpulse_alerts_suppressed",
        kind: Kind::Gauge,
        help: "Alerts that should have begun at the latest judgement and had no room.",
        labels: &[],
        collect: |view, out| out.value(&[], view.snapshot.status.alerts_suppressed as f64),
    },
    Metric {
        name: "kpulse_recorder_bytes",
        kind: Kind::Gauge,
        help: "Memory of the flight recorder in bytes.",
        labels: &[],
        collect: |view, out| recorder(view, out, |recorder| recorder.bytes as f64),
    },
    Metric {
        name: "kpulse_recorder_seconds",
        kind: Kind::Gauge,
        help: "How far back the flight recorder reaches, in seconds.",
        labels: &[],
        collect: |view, out| recorder(view, out, |recorder| seconds(recorder.covers_ns)),
    },
    Metric {
        name: "kpulse_recorder_skipped_total",
        kind: Kind::Counter,
        help: "Samples that were too large for the flight recorder.",
        labels: &[],
        collect: |view, out| recorder(view, out, |recorder| recorder.skipped as f64),
    },
    Metric {
        name: "kpulse_recordings_total",
        kind: Kind::Counter,
        help: "Recordings that alerts had written to disk, saved or failed.",
        labels: &["result"],
        collect: |view, out| {
            if let Some(recorder) = view.snapshot.status.recorder {
                out.value(&["saved"], recorder.saved as f64);
                out.value(&["failed"], recorder.failed as f64);
            }
        },
    },
];

fn recorder(view: &View, out: &mut Series, figure: fn(&RecorderStatus) -> f64) {
    view.snapshot.status.recorder.iter().for_each(|recorder| out.value(&[], figure(recorder)));
}
