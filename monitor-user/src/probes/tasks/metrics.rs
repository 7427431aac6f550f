//! The tasks probe: who used what.

use crate::metric::{Kind, Metric};

/// What the probe measures. Figures of single tasks are not among them: a pid is no label.
pub const METRICS: &[Metric] = &[Metric {
    name: "kpulse_tasks",
    kind: Kind::Gauge,
    help: "Tasks (threads) at the latest collection that asked for them.",
    labels: &[],
    collect: |view, out| view.snapshot.sample.tasks.iter().for_each(|tasks| out.value(&[], tasks.len() as f64)),
}];
