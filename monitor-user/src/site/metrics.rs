//! What can be drawn over time: figures by name, of stored reports and of stored indices.
//!
//! In: a report, as it came or added up over a step. Out: values with their labels. All times are in seconds, shares between 0
//! and 1. What is not known has no value.

use monitor_common::{block::Operation as Kind, events::Kind as Event};

use crate::{
    histogram::Histogram,
    report::wire::{self, Report},
    site::model::IndexPoint,
};

/// Values with the values of their labels, in the order of [`OfNode::labels`].
pub type Values = Vec<(Vec<String>, f64)>;

/// A figure of a node.
pub struct OfNode {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub help: &'static str,
    /// Its labels beside `node`.
    pub labels: &'static [&'static str],
    /// Its values in a report.
    pub collect: fn(&Report) -> Values,
}

/// A figure of the fleet, with the labels `signal` and `mode`.
pub struct OfFleet {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub help: &'static str,
    /// Its value at one judgement.
    pub collect: fn(&IndexPoint) -> f64,
}

/// Figures of the fleet.
pub const OF_FLEET: &[OfFleet] = &[
    OfFleet { name: "p", help: "P, the mean of the nodes' r", collect: |point| point.verdict.p },
    OfFleet { name: "f", help: "F, the median of the nodes' r", collect: |point| point.verdict.shift },
    OfFleet { name: "s", help: "S = P / F", collect: |point| point.verdict.unevenness },
    OfFleet { name: "n", help: "N, the nodes with a verdict", collect: |point| point.verdict.nodes as f64 },
];

/// Figures of a node.
pub const OF_NODE: &[OfNode] = &[
    OfNode {
        name: "cpu_utilization",
        help: "Busy time over online time of all CPUs",
        labels: &[],
        collect: |report| {
            let cpus = report.sched.iter().flat_map(|sched| &sched.cpus);
            let (busy, idle) =
                cpus.fold((0.0, 0.0), |sum, cpu| (sum.0 + cpu.busy_ns as f64, sum.1 + cpu.idle_ns as f64));
            one(ratio(busy, busy + idle))
        },
    },
    OfNode {
        name: "cpu_utilization_by_cpu",
        help: "Busy time over online time of each CPU",
        labels: &["cpu"],
        collect: |report| {
            let cpus = report.sched.iter().flat_map(|sched| &sched.cpus);
            let share = |cpu: &wire::Cpu| ratio(cpu.busy_ns as f64, cpu.busy_ns as f64 + cpu.idle_ns as f64);
            cpus.filter_map(|cpu| Some((vec![cpu.cpu.to_string()], share(cpu)?))).collect()
        },
    },
    OfNode {
        name: "switches_per_second",
        help: "Context switches a second",
        labels: &[],
        collect: |report| one(report.sched.as_ref().and_then(|sched| ratio(sched.switches as f64, seconds(report)))),
    },
    OfNode {
        name: "wait_mean_seconds",
        help: "Wait for a CPU, mean",
        labels: &[],
        collect: |report| one(wait(report).and_then(|times| times.mean())),
    },
    OfNode {
        name: "wait_p50_seconds",
        help: "Wait for a CPU, median",
        labels: &[],
        collect: |r| wait_quantile(r, 0.5),
    },
    OfNode { name: "wait_p90_seconds", help: "Wait for a CPU, p90", labels: &[], collect: |r| wait_quantile(r, 0.9) },
    OfNode { name: "wait_p99_seconds", help: "Wait for a CPU, p99", labels: &[], collect: |r| wait_quantile(r, 0.99) },
    OfNode {
        name: "waits_per_second",
        help: "Waits for a CPU a second",
        labels: &[],
        collect: |report| one(wait(report).and_then(|times| ratio(times.count() as f64, seconds(report)))),
    },
    OfNode {
        name: "request_mean_seconds",
        help: "Block request, mean from start to completion",
        labels: BY_REQUEST,
        collect: |report| by_request(report, |_, sums| ratio(sums.queue_ns + sums.device_ns, sums.timed * 1e9)),
    },
    OfNode {
        name: "request_queue_mean_seconds",
        help: "Block request, mean in the queue",
        labels: BY_REQUEST,
        collect: |report| {
            by_request(report, |op, sums| op.queue.as_ref().and_then(|_| ratio(sums.queue_ns, sums.timed * 1e9)))
        },
    },
    OfNode {
        name: "request_device_mean_seconds",
        help: "Block request, mean in the device",
        labels: BY_REQUEST,
        collect: |report| {
            by_request(report, |op, sums| op.device.as_ref().and_then(|_| ratio(sums.device_ns, sums.timed * 1e9)))
        },
    },
    OfNode {
        name: "request_p50_seconds",
        help: "Block request, median",
        labels: BY_REQUEST,
        collect: |r| request_quantile(r, 0.5),
    },
    OfNode {
        name: "request_p99_seconds",
        help: "Block request, p99",
        labels: BY_REQUEST,
        collect: |r| request_quantile(r, 0.99),
    },
    OfNode {
        name: "requests_per_second",
        help: "Block requests completed a second",
        labels: BY_REQUEST,
        collect: |report| by_request(report, |_, sums| ratio(sums.requests, seconds(report))),
    },
    OfNode {
        name: "request_bytes_per_second",
        help: "Bytes completed a second",
        labels: BY_REQUEST,
        collect: |report| by_request(report, |_, sums| ratio(sums.bytes, seconds(report))),
    },
    OfNode {
        name: "request_errors",
        help: "Block requests that failed in the step",
        labels: BY_REQUEST,
        collect: |report| by_request(report, |op, _| Some(op.errors.iter().map(|it| it.count as f64).sum())),
    },
    OfNode {
        name: "requests_in_flight",
        help: "Block requests in flight at the end of the step",
        labels: &["device"],
        collect: |report| {
            let devices = report.block.iter().flat_map(|block| &block.devices);
            devices.map(|device| (vec![device.name.clone()], device.in_flight as f64)).collect()
        },
    },
    OfNode {
        name: "oldest_request_seconds",
        help: "Age of the oldest block request in flight at the end of the step",
        labels: &["device"],
        collect: |report| {
            let devices = report.block.iter().flat_map(|block| &block.devices).filter(|device| device.oldest_ns > 0);
            devices.map(|device| (vec![device.name.clone()], device.oldest_ns as f64 / 1e9)).collect()
        },
    },
    OfNode {
        name: "pressure_some",
        help: "Share of the time in which at least one task stood still for want of a resource",
        labels: &["resource"],
        collect: |report| {
            let share = |it: &wire::Pressure| Some((ratio(it.some_ns? as f64, report.length_ns as f64)?).min(1.0));
            let all = report.host.iter().flat_map(|host| &host.pressure);
            all.filter_map(|it| Some((vec![it.resource.clone()], share(it)?))).collect()
        },
    },
    OfNode {
        name: "memory_available_bytes",
        help: "Memory available at the end of the step",
        labels: &[],
        collect: |report| one(report.host.as_ref().and_then(|host| Some(host.memory?.available as f64))),
    },
    OfNode {
        name: "load1",
        help: "Load average over one minute",
        labels: &[],
        collect: |report| one(report.host.as_ref().and_then(|host| host.load.first().copied())),
    },
    OfNode {
        name: "network_receive_bytes_per_second",
        help: "Bytes received a second",
        labels: &["interface"],
        collect: |report| by_interface(report, |it| it.receive_bytes),
    },
    OfNode {
        name: "network_transmit_bytes_per_second",
        help: "Bytes sent a second",
        labels: &["interface"],
        collect: |report| by_interface(report, |it| it.transmit_bytes),
    },
    OfNode {
        name: "events",
        help: "Rare events in the step",
        labels: &["kind"],
        collect: |report| {
            let name = |kind: u32| Some(Event::ALL.get(kind as usize)?.name().to_owned());
            report.events.iter().filter_map(|it| Some((vec![name(it.kind)?], it.seen as f64))).collect()
        },
    },
];

const BY_REQUEST: &[&str] = &["device", "operation"];

/// What the size classes of an operation add up to.
#[derive(Default)]
struct Sums {
    requests: f64,
    bytes: f64,
    timed: f64,
    queue_ns: f64,
    device_ns: f64,
}

fn one(value: Option<f64>) -> Values {
    value.map(|value| (Vec::new(), value)).into_iter().collect()
}

fn ratio(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| part / whole)
}

fn seconds(report: &Report) -> f64 {
    report.length_ns as f64 / 1e9
}

/// The waits of a report. What is no histogram was refused on its way in.
fn wait(report: &Report) -> Option<Histogram> {
    report.sched.as_ref()?.wait.as_ref()?.times().ok()
}

fn wait_quantile(report: &Report, q: f64) -> Values {
    one(wait(report).and_then(|times| times.quantile(q)))
}

fn request_quantile(report: &Report, q: f64) -> Values {
    by_request(report, |operation, _| operation.total.as_ref()?.times().ok()?.quantile(q))
}

fn by_request(report: &Report, of: impl Fn(&wire::Operation, &Sums) -> Option<f64>) -> Values {
    let mut out = Vec::new();
    for device in report.block.iter().flat_map(|block| &block.devices) {
        for operation in &device.operations {
            let sums = operation.sizes.iter().fold(Sums::default(), |sums, size| Sums {
                requests: sums.requests + size.requests as f64,
                bytes: sums.bytes + size.bytes as f64,
                timed: sums.timed + size.timed as f64,
                queue_ns: sums.queue_ns + size.queue_ns as f64,
                device_ns: sums.device_ns + size.device_ns as f64,
            });
            let kind = Kind::ALL.get(operation.operation as usize).map_or("unknown", |kind| kind.name());
            let value = of(operation, &sums);
            out.extend(value.map(|value| (vec![device.name.clone(), kind.to_owned()], value)));
        }
    }
    out
}

fn by_interface(report: &Report, of: fn(&wire::Network) -> u64) -> Values {
    let all = report.host.iter().flat_map(|host| &host.networks);
    all.filter_map(|it| Some((vec![it.name.clone()], ratio(of(it) as f64, seconds(report))?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::{Source as _, source::Span, tests::story::Story};

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = OF_NODE.iter().map(|it| it.name).chain(OF_FLEET.iter().map(|it| it.name)).collect();
        let n = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), n);
    }

    #[test]
    fn every_figure_has_values_with_all_their_labels() {
        let story = Story::new(7);
        let span = Span { from_ns: story.now_ns() - 3_600_000_000_000, to_ns: story.now_ns(), step_ns: 10_000_000_000 };
        let reports = story.reports("db-03", span).unwrap();
        for metric in OF_NODE {
            let values: Values = reports.iter().flat_map(metric.collect).collect();
            assert!(!values.is_empty(), "{} has no value", metric.name);
            for (labels, value) in values {
                assert!(value.is_finite() && value >= 0.0, "{}: {value}", metric.name);
                assert_eq!(labels.len(), metric.labels.len(), "{}", metric.name);
            }
        }
    }
}
