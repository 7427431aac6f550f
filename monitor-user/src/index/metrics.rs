//! The indices and the baselines as metrics.
//!
//! In: the indices of the latest window that was judged, those of this node alone. Out: series. What has no verdict has no
//! series: an absent index is neither 0 nor 1.

use std::collections::BTreeMap;

use super::{Index, Mode, NodeIndex, Signal, Verdict, baseline::State};
use crate::metric::{Kind, Metric, OTHER, Series, View};

/// How many devices have a contribution of their own: those that matter most, either way.
const DEVICES: usize = 10;

/// The most series there are: for each signal six of both modes with a memory, the self-test, T and the baseline's; and the
/// contributions of block devices in both modes.
pub const SERIES: usize = Signal::COUNT * (2 * 6 + 2 + State::COUNT + 3) + 2 * (DEVICES + 1);

/// From [`crate::status::Snapshot::indices`] and [`crate::status::Snapshot::baselines`].
pub const METRICS: &[Metric] = &[
    Metric {
        name: "kpulse_performance_index",
        kind: Kind::Gauge,
        help: "P: how long requests (signal block) or waits for a CPU (run_queue) took in the latest window over how long \
               they usually take; 1 is as usual. mode says where the usual comes from: trailing (learned), pinned (by an \
               operator), instant-mean (the window itself: a self-test that reads 1).",
        labels: &["signal", "mode"],
        collect: |view, out| {
            for index in view.snapshot.indices.iter() {
                let Some(verdict) = &index.verdict else { continue };
                out.value(&[index.signal.name(), index.mode.name()], verdict.p);
            }
        },
    },
    Metric {
        name: "kpulse_performance_index_shift",
        kind: Kind::Gauge,
        help: "F: the median over the nodes of how much slower than usual each is.",
        labels: &["signal", "mode"],
        collect: |view, out| verdicts(view, out, |verdict| verdict.shift),
    },
    Metric {
        name: "kpulse_performance_index_unevenness",
        kind: Kind::Gauge,
        help: "S: P over F; above 1, some nodes are slower than the others. Always 1 on a node alone.",
        labels: &["signal", "mode"],
        collect: |view, out| verdicts(view, out, |verdict| verdict.unevenness),
    },
    Metric {
        name: "kpulse_performance_index_nodes",
        kind: Kind::Gauge,
        help: "N: the nodes in P.",
        labels: &["signal", "mode"],
        collect: |view, out| verdicts(view, out, |verdict| verdict.nodes as f64),
    },
    Metric {
        name: "kpulse_response_ratio",
        kind: Kind::Gauge,
        help: "r: this node's mean time in the latest window over what the same requests usually take.",
        labels: &["signal", "mode"],
        collect: |view, out| own(view, out, |node| node.ratio),
    },
    Metric {
        name: "kpulse_response_expected_seconds",
        kind: Kind::Gauge,
        help: "T_avg: the mean time in seconds that the requests of the latest window usually take.",
        labels: &["signal", "mode"],
        collect: |view, out| own(view, out, |node| node.expected_seconds),
    },
    Metric {
        name: "kpulse_response_seconds",
        kind: Kind::Gauge,
        help: "T: the mean time in seconds of this node's requests in the latest window.",
        labels: &["signal"],
        collect: |view, out| {
            // The same in every mode, but for requests that one of them does not know; the self-test knows all.
            for index in view.snapshot.indices.iter().filter(|index| index.mode == Mode::InstantMean) {
                let mean = index.nodes.first().and_then(|node| node.mean_seconds);
                mean.iter().for_each(|&mean| out.value(&[index.signal.name()], mean));
            }
        },
    },
    Metric {
        name: "kpulse_response_contribution",
        kind: Kind::Gauge,
        help: "What a device's requests add to P: all devices together add up to P - 1. The ten that matter most have a \
               series of their own, the rest is in other.",
        labels: &["signal", "mode", "device"],
        collect: |view, out| view.snapshot.indices.iter().for_each(|index| contributions(index, out)),
    },
    Metric {
        name: "kpulse_baseline_state",
        kind: Kind::Gauge,
        help: "1 for the state of the learned baseline, 0 for the others: learning (too little is known for a verdict), \
               ready, frozen (an alert on the signal is firing, nothing is learned).",
        labels: &["signal", "state"],
        collect: |view, out| {
            for baseline in &view.snapshot.baselines {
                for &state in State::ALL {
                    let is = f64::from(u8::from(baseline.state == state));
                    out.value(&[baseline.signal.name(), state.name()], is);
                }
            }
        },
    },
    Metric {
        name: "kpulse_baseline_pinned",
        kind: Kind::Gauge,
        help: "1 if an operator has pinned a baseline, 0 if not.",
        labels: &["signal"],
        collect: |view, out| {
            for baseline in &view.snapshot.baselines {
                out.value(&[baseline.signal.name()], f64::from(u8::from(baseline.pinned_ns.is_some())));
            }
        },
    },
    Metric {
        name: "kpulse_baseline_kinds",
        kind: Kind::Gauge,
        help: "Kinds of requests (device class, operation and size) whose usual time is known.",
        labels: &["signal"],
        collect: |view, out| {
            for baseline in &view.snapshot.baselines {
                out.value(&[baseline.signal.name()], baseline.known as f64);
            }
        },
    },
    Metric {
        name: "kpulse_baseline_refused_total",
        kind: Kind::Counter,
        help: "Intervals that were not learned from because their figures cannot be.",
        labels: &["signal"],
        collect: |view, out| {
            for baseline in &view.snapshot.baselines {
                out.value(&[baseline.signal.name()], baseline.refused as f64);
            }
        },
    },
];

/// Without the self-test, whose parts say nothing.
fn indices<'a>(view: &View<'a>) -> impl Iterator<Item = &'a Index> {
    view.snapshot.indices.iter().filter(|index| index.mode != Mode::InstantMean)
}

fn verdicts(view: &View, out: &mut Series, value: fn(&Verdict) -> f64) {
    for index in indices(view) {
        let Some(verdict) = &index.verdict else { continue };
        out.value(&[index.signal.name(), index.mode.name()], value(verdict));
    }
}

fn own(view: &View, out: &mut Series, value: fn(&NodeIndex) -> Option<f64>) {
    for index in indices(view) {
        let Some(value) = index.nodes.first().and_then(value) else { continue };
        out.value(&[index.signal.name(), index.mode.name()], value);
    }
}

/// Only of the modes with a memory, and of what has devices.
fn contributions(index: &Index, out: &mut Series) {
    if !matches!(index.mode, Mode::Trailing | Mode::Pinned) || index.signal != Signal::Block {
        return;
    }
    let mut devices = BTreeMap::<&str, f64>::new();
    for part in index.nodes.iter().flat_map(|node| &node.parts) {
        *devices.entry(&part.part.device).or_default() += part.contribution;
    }
    let mut devices: Vec<_> = devices.into_iter().collect();
    devices.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()));
    let rest = devices.split_off(devices.len().min(DEVICES));
    let rest = (!rest.is_empty()).then(|| (OTHER, rest.iter().map(|(_, contribution)| contribution).sum()));
    for (device, contribution) in devices.into_iter().chain(rest) {
        out.value(&[index.signal.name(), index.mode.name(), device], contribution);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        expose::{budget::Ledger, testing::node},
        status::Snapshot,
    };

    /// Every series, by name and labels.
    fn series(snapshot: Snapshot) -> Vec<(&'static str, Vec<String>, f64)> {
        let snapshot = std::sync::Arc::new(snapshot);
        let mut ledger = Ledger::new(2_000);
        ledger.observe(&snapshot);
        let view = ledger.view(&snapshot, 0);
        let mut all = Vec::new();
        for metric in METRICS {
            let mut series = Series::new(metric, 2_000);
            (metric.collect)(&view, &mut series);
            for found in series.finish(2_000).0 {
                let labels = found.get_label().iter().map(|label| label.value().to_owned()).collect();
                // One of them is 0.
                let value = found.get_gauge().get_value() + found.get_counter().get_value();
                all.push((metric.name, labels, value));
            }
        }
        all
    }

    fn of<'a>(all: &'a [(&'static str, Vec<String>, f64)], name: &str) -> Vec<(&'a [String], f64)> {
        all.iter().filter(|(of, ..)| *of == name).map(|(_, labels, value)| (&labels[..], *value)).collect()
    }

    #[test]
    fn contributions_of_a_crowd_of_disks_are_eleven_and_add_up() {
        let all = series(node(1, 40));
        let of_mode = |found: Vec<(&[String], f64)>, mode: &str| -> Vec<f64> {
            found.into_iter().filter(|(labels, _)| labels[0] == "block" && labels[1] == mode).map(|(_, v)| v).collect()
        };
        for mode in ["trailing", "pinned"] {
            let contributions = of_mode(of(&all, "kpulse_response_contribution"), mode);
            let p = of_mode(of(&all, "kpulse_performance_index"), mode)[0];
            assert_eq!(contributions.len(), DEVICES + 1);
            assert!((contributions.iter().sum::<f64>() - (p - 1.0)).abs() < 1e-9, "{contributions:?} and {p}");
        }
        assert!(all.len() <= SERIES, "{} of {SERIES}", all.len());
    }

    #[test]
    fn without_a_verdict_there_is_no_index_and_no_ratio() {
        let mut snapshot = node(1, 2);
        for index in std::sync::Arc::make_mut(&mut snapshot.indices) {
            *index =
                super::super::index(index.signal, index.mode, &[], &|_, _| None, &super::super::Options::default());
        }
        let all = series(snapshot);
        assert!(all.iter().all(|(name, ..)| name.starts_with("kpulse_baseline_")), "{all:?}");
        let states = of(&all, "kpulse_baseline_state");
        assert_eq!(states.iter().filter(|(_, value)| *value == 1.0).count(), 2);
        assert_eq!(states.len(), 2 * State::COUNT);
    }

    #[test]
    fn the_self_test_is_exported_as_p_alone() {
        let all = series(node(1, 3));
        let with =
            |name| of(&all, name).into_iter().filter(|(labels, _)| labels[1] == "instant-mean").collect::<Vec<_>>();
        assert!(with("kpulse_performance_index").iter().all(|(_, p)| *p == 1.0));
        assert_eq!(with("kpulse_performance_index").len(), 2);
        assert!(with("kpulse_response_ratio").is_empty());
    }
}
