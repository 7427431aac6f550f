//! The tasks probe: who used what.

use crate::metric::{Kind, Metric};

/// What the probe measures. Figures of single tasks are not among them: a pid is no label.
pub const METRICS: &[Metric] = &[Metric {
    name: "kpulse_tasks",
    kind: Kind::Gauge,
    help: "Tasks (threads) at the latest collection that asked for them.",
    labels: &[],
    collect: |view, out| {
        let sample = &view.snapshot.sample;
        let listed = sample.tasks.as_ref().map(|tasks| tasks.len() as u64);
        let count = sample.all_tasks.map(|all| all.count).or(listed);
        count.iter().for_each(|&count| out.value(&[], count as f64));
    },
}];
