//! What is seen of a node at a glance: a few figures of its latest report, for a list of all nodes.

use crate::{histogram::Histogram, report::wire};

/// Absent where the node does not measure it. A list of ten thousand nodes has them all, so they are small.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Glance {
    /// Busy time over online time of its CPUs.
    pub utilization: Option<f32>,
    /// 99th percentile of its waits for a CPU, in seconds.
    pub wait_p99: Option<f32>,
    /// 99th percentile of its block requests, in seconds.
    pub request_p99: Option<f32>,
    /// Alerts of its agent that fire.
    pub firing: u32,
}

impl Glance {
    /// Of one report.
    pub fn of(report: &wire::Report) -> Self {
        let p99 = |times: Histogram| times.quantile(0.99).map(|seconds| seconds as f32);
        let mut requests = Histogram::default();
        let operations = report.block.iter().flat_map(|block| &block.devices).flat_map(|device| &device.operations);
        // What is no histogram was refused on its way in.
        operations.filter_map(|of| of.total.as_ref()?.times().ok()).for_each(|times| requests.merge(&times));
        let sched = report.sched.as_ref();
        let cpus = sched.iter().flat_map(|sched| &sched.cpus);
        let (busy, all) = cpus.fold((0.0, 0.0), |(busy, all), cpu| {
            (busy + cpu.busy_ns as f64, all + cpu.busy_ns as f64 + cpu.idle_ns as f64)
        });
        Self {
            utilization: (all > 0.0).then(|| (busy / all) as f32),
            wait_p99: sched.and_then(|sched| sched.wait.as_ref()?.times().ok()).and_then(p99),
            request_p99: p99(requests),
            firing: report.alerts.iter().filter(|alert| alert.firing).count() as u32,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_report_does_not_hold_is_absent_and_disks_are_together() {
        assert_eq!(Glance::of(&wire::Report::default()), Glance::default());
        let times = |bucket, n| Some(wire::Histogram { sum_ns: 1, gaps: vec![bucket], counts: vec![n] });
        let device = |total| wire::Device {
            operations: vec![wire::Operation { total, ..wire::Operation::default() }],
            ..wire::Device::default()
        };
        let cpu = wire::Cpu { busy_ns: 1, idle_ns: 3, ..wire::Cpu::default() };
        let glance = Glance::of(&wire::Report {
            sched: Some(wire::Sched { cpus: vec![cpu, cpu], wait: times(80, 5), ..wire::Sched::default() }),
            // 2 of 100 are slow.
            block: Some(wire::Block {
                devices: vec![device(times(80, 98)), device(times(160, 2))],
                ..wire::Block::default()
            }),
            alerts: vec![wire::ActiveAlert { firing: true, ..Default::default() }, wire::ActiveAlert::default()],
            ..wire::Report::default()
        });
        assert_eq!((glance.utilization, glance.firing), (Some(0.25), 1));
        assert!(glance.request_p99 > Some(0.01) && glance.wait_p99 < Some(1e-4), "{glance:?}");
    }
}
