//! The server's metrics: each once, as the agent's are.
//!
//! In: what is counted, the latest judgement, the store's status. Out: the text of a scrape. Of the nodes only `nodes.max_series` have
//! series of their own, the slowest first; the index and its quantiles are of all.

use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock, atomic::Ordering::Relaxed},
};

use bytes::Bytes;
use prometheus::{
    Encoder as _, Registry, TextEncoder,
    core::{Collector, Desc},
    proto::MetricFamily,
};

use super::{
    figures::{Figures, Outcome},
    judging::Verdicts,
};
use crate::{
    fleet::Standing,
    index::{Index, Mode, Verdict},
    metric::{Kind, Series},
    report::check::Reason,
    store,
};

/// Where the values come from.
pub struct View<'a> {
    /// What is counted.
    pub figures: &'a Figures,
    /// The latest judgement.
    pub verdicts: &'a Verdicts,
    /// How the store is.
    pub store: &'a store::Status,
    /// Nodes that are known.
    pub nodes: usize,
    /// Tokens that are valid.
    pub tokens: usize,
    /// How many nodes have series of their own.
    pub max_series: usize,
}

/// One metric of the server.
pub struct Metric {
    /// The full name.
    pub name: &'static str,
    /// The type.
    pub kind: Kind,
    /// What it says, with the unit.
    pub help: &'static str,
    /// Names of the labels.
    pub labels: &'static [&'static str],
    /// Takes the series.
    pub collect: fn(&View, &mut Series),
}

const fn metric(
    name: &'static str,
    kind: Kind,
    help: &'static str,
    labels: &'static [&'static str],
    collect: fn(&View, &mut Series),
) -> Metric {
    Metric { name, kind, help, labels, collect }
}

const INDEX: &[&str] = &["signal", "mode"];

/// Every metric.
pub const METRICS: &[Metric] = &[
    metric(
        "kpulse_fleet_performance_index",
        Kind::Gauge,
        "P over all nodes; absent without a verdict.",
        INDEX,
        |view, out| each_verdict(view, out, |verdict| verdict.p),
    ),
    metric("kpulse_fleet_performance_index_shift", Kind::Gauge, "F, the median over the nodes.", INDEX, |view, out| {
        each_verdict(view, out, |verdict| verdict.shift)
    }),
    metric("kpulse_fleet_performance_index_unevenness", Kind::Gauge, "S, P over F.", INDEX, |view, out| {
        each_verdict(view, out, |verdict| verdict.unevenness)
    }),
    metric("kpulse_fleet_performance_index_nodes", Kind::Gauge, "N, the nodes in P.", INDEX, |view, out| {
        each_verdict(view, out, |verdict| verdict.nodes as f64)
    }),
    metric(
        "kpulse_fleet_response_ratio",
        Kind::Gauge,
        "r of a node in the mode trailing, the slowest nodes first, at most nodes.max_series of them for each signal.",
        &["signal", "node"],
        |view, out| {
            for index in view.verdicts.judgement.indices.iter().filter(|index| index.mode == Mode::Trailing) {
                let worst = worst(index, view.max_series);
                worst.into_iter().for_each(|(node, ratio)| out.value(&[index.signal.name(), node], ratio));
            }
        },
    ),
    metric(
        "kpulse_fleet_nodes",
        Kind::Gauge,
        "Nodes that are known: up, down, or catching_up (what comes of them is of the past).",
        &["state"],
        |view, out| {
            for standing in Standing::ALL {
                let nodes = view.verdicts.judgement.nodes.iter().filter(|node| node.standing == standing).count();
                out.value(&[standing.name()], nodes as f64);
            }
        },
    ),
    metric(
        "kpulse_fleet_run_queue_wait_seconds",
        Kind::Gauge,
        "Quantiles of the waits for a CPU of all nodes together over the window.",
        &["quantile"],
        |view, out| {
            let waits = view.verdicts.judgement.totals.waits.iter().map(super::super::fleet::totals::Sum::histogram);
            waits.for_each(|waits| quantiles(&waits, &mut |quantile, value| out.value(&[quantile], value)));
        },
    ),
    metric(
        "kpulse_fleet_block_request_seconds",
        Kind::Gauge,
        "Quantiles of the block requests of all nodes together over the window, from start to completion.",
        &["class", "operation", "quantile"],
        |view, out| {
            for (class, operation, times) in view.verdicts.judgement.totals.requests() {
                let mut put = |quantile: &str, value| out.value(&[class.name(), operation.name(), quantile], value);
                quantiles(&times, &mut put);
            }
        },
    ),
    metric(
        "kpulse_fleet_alerts",
        Kind::Gauge,
        "Alerts of the fleet that are pending or firing.",
        &["state"],
        |view, out| {
            use crate::alert::State;
            for state in [State::Pending, State::Firing] {
                let alerts = view.verdicts.alerts.iter().filter(|alert| alert.state == state).count();
                out.value(&[state.name()], alerts as f64);
            }
        },
    ),
    metric(
        "kpulse_fleet_alerts_suppressed",
        Kind::Gauge,
        "Alerts for which there was no room at the latest judgement.",
        &[],
        |view, out| out.value(&[], view.verdicts.suppressed as f64),
    ),
    metric(
        "kpulse_fleet_batches_total",
        Kind::Counter,
        "Requests that brought reports, by what became of them.",
        &["outcome"],
        |view, out| {
            for &outcome in Outcome::ALL {
                out.value(&[outcome.name()], view.figures.batches[outcome as usize].load(Relaxed) as f64);
            }
        },
    ),
    metric(
        "kpulse_fleet_reports_stored_total",
        Kind::Counter,
        "Reports that were acknowledged: they are on disk.",
        &[],
        |view, out| out.value(&[], view.figures.stored.load(Relaxed) as f64),
    ),
    metric(
        "kpulse_fleet_reports_known_total",
        Kind::Counter,
        "Reports that were there already: they came again because their acknowledgement was lost.",
        &[],
        |view, out| out.value(&[], view.store.known as f64),
    ),
    metric(
        "kpulse_fleet_reports_refused_total",
        Kind::Counter,
        "Reports that were refused for good, by reason.",
        &["reason"],
        |view, out| {
            for &reason in Reason::ALL {
                out.value(&[reason.name()], view.figures.refused[reason as usize].load(Relaxed) as f64);
            }
        },
    ),
    metric(
        "kpulse_fleet_reports_lost",
        Kind::Gauge,
        "Reports that nodes had to drop before the server had them, as those that are known have said since it began.",
        &[],
        |view, out| out.value(&[], view.verdicts.judgement.nodes.iter().map(|node| node.lost).sum::<u64>() as f64),
    ),
    metric(
        "kpulse_fleet_received_bytes_total",
        Kind::Counter,
        "Bytes of bodies with reports, as they came.",
        &[],
        |view, out| out.value(&[], view.figures.bytes.load(Relaxed) as f64),
    ),
    metric(
        "kpulse_fleet_acknowledgement_seconds",
        Kind::Histogram,
        "From the head of a request to its acknowledgement, with the reports on disk.",
        &[],
        |view, out| out.histogram(&[], &view.figures.acknowledged.histogram()),
    ),
    metric(
        "kpulse_fleet_judgement_seconds",
        Kind::Histogram,
        "How long a judgement of all nodes took.",
        &[],
        |view, out| out.histogram(&[], &view.figures.judged.histogram()),
    ),
    metric("kpulse_fleet_connections", Kind::Gauge, "Connections that are open.", &[], |view, out| {
        out.value(&[], view.figures.connections.load(Relaxed) as f64)
    }),
    metric(
        "kpulse_fleet_strangers_closed_total",
        Kind::Counter,
        "Connections that were closed because nobody said in time who it was.",
        &[],
        |view, out| out.value(&[], view.figures.strangers.load(Relaxed) as f64),
    ),
    metric(
        "kpulse_fleet_handshakes_failed_total",
        Kind::Counter,
        "Connections on which TLS came to nothing: plain text, an expired certificate, an unknown authority.",
        &[],
        |view, out| out.value(&[], view.figures.handshakes_failed.load(Relaxed) as f64),
    ),
    metric(
        "kpulse_fleet_reloads_total",
        Kind::Counter,
        "Times that certificates or tokens had changed and were read again.",
        &[],
        |view, out| out.value(&[], view.figures.reloads.load(Relaxed) as f64),
    ),
    metric("kpulse_fleet_tokens", Kind::Gauge, "Tokens that are valid.", &[], |view, out| {
        out.value(&[], view.tokens as f64)
    }),
    metric("kpulse_fleet_store_queue_reports", Kind::Gauge, "Reports that wait for the disk.", &[], |view, out| {
        out.value(&[], view.store.queue.reports as f64)
    }),
    metric(
        "kpulse_fleet_store_working",
        Kind::Gauge,
        "1 while the store takes reports, 0 while the disk refuses.",
        &[],
        |view, out| out.value(&[], f64::from(u8::from(view.store.trouble.is_none()))),
    ),
    metric("kpulse_fleet_store_commits_total", Kind::Counter, "Transactions of the store.", &[], |view, out| {
        out.value(&[], view.store.commits as f64)
    }),
    metric("kpulse_fleet_store_commit_seconds_total", Kind::Counter, "The time they took.", &[], |view, out| {
        out.value(&[], view.store.commit_ns as f64 / 1e9)
    }),
    metric(
        "kpulse_fleet_store_log_bytes",
        Kind::Gauge,
        "Bytes of the store's write-ahead log in use: it begins anew once all of it is in the database.",
        &[],
        |view, out| out.value(&[], view.store.log_bytes as f64),
    ),
    metric("kpulse_fleet_store_bytes", Kind::Gauge, "Bytes of the database.", &[], |view, out| {
        out.value(&[], view.store.file_bytes as f64)
    }),
    metric(
        "kpulse_fleet_notifications_queued",
        Kind::Gauge,
        "Changes of alerts that a target has not got yet.",
        &["kind", "target"],
        |view, out| {
            for delivery in &view.verdicts.delivery {
                out.value(&[&delivery.kind, &delivery.target], delivery.queued as f64);
            }
        },
    ),
    metric(
        "kpulse_fleet_notifications_delivered_total",
        Kind::Counter,
        "Changes of alerts that a target has got.",
        &["kind", "target"],
        |view, out| {
            for delivery in &view.verdicts.delivery {
                out.value(&[&delivery.kind, &delivery.target], delivery.delivered as f64);
            }
        },
    ),
    metric("kpulse_fleet_resident_bytes", Kind::Gauge, "Resident memory of the server.", &[], |_, out| {
        usage().into_iter().for_each(|(_, resident)| out.value(&[], resident as f64))
    }),
    metric("kpulse_fleet_cpu_seconds_total", Kind::Counter, "CPU time of the server.", &[], |_, out| {
        usage().into_iter().for_each(|(cpu_ns, _)| out.value(&[], cpu_ns as f64 / 1e9))
    }),
    metric("kpulse_fleet_build_info", Kind::Gauge, "The server's version, and 1.", &["version"], |_, out| {
        out.value(&[env!("CARGO_PKG_VERSION")], 1.0)
    }),
];

fn each_verdict(view: &View, out: &mut Series, value: fn(&Verdict) -> f64) {
    for index in &view.verdicts.judgement.indices {
        if let Some(verdict) = &index.verdict {
            out.value(&[index.signal.name(), index.mode.name()], value(verdict));
        }
    }
}

/// The nodes with the highest r, the highest first.
fn worst(index: &Index, most: usize) -> Vec<(&str, f64)> {
    let mut nodes: Vec<(&str, f64)> =
        index.nodes.iter().filter_map(|node| Some((node.node.as_str(), node.ratio?))).collect();
    nodes.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(b.0)));
    nodes.truncate(most);
    nodes
}

fn quantiles(histogram: &crate::histogram::Histogram, put: &mut dyn FnMut(&str, f64)) {
    for (name, q) in [("0.5", 0.5), ("0.9", 0.9), ("0.99", 0.99), ("0.999", 0.999)] {
        histogram.quantile(q).into_iter().for_each(|value| put(name, value));
    }
}

/// CPU time and resident memory of this process.
fn usage() -> Option<(u64, u64)> {
    static OWN: RwLock<Option<crate::host::self_stats::SelfStats>> = RwLock::new(None);
    let mut own = OWN.write().unwrap_or_else(PoisonError::into_inner);
    let usage = own.get_or_insert_with(crate::host::self_stats::SelfStats::new).usage().ok()?;
    Some((usage.cpu_ns, usage.rss_bytes))
}

/// The text of a scrape.
///
/// # Errors
///
/// A definition is not valid: a mistake in the program, which a test finds.
pub fn render(view: &View) -> prometheus::Result<Bytes> {
    let registry = Registry::new();
    registry.register(Box::new(Scrape::of(view)?))?;
    let mut text = Vec::with_capacity(64 * 1024);
    TextEncoder::new().encode(&registry.gather(), &mut text)?;
    Ok(text.into())
}

/// What the registry of the `prometheus` crate checks and sorts.
struct Scrape {
    descs: Vec<Desc>,
    families: Vec<MetricFamily>,
}

impl Scrape {
    fn of(view: &View) -> prometheus::Result<Self> {
        let (mut descs, mut families) = (Vec::new(), Vec::new());
        for metric in METRICS {
            let labels = metric.labels.iter().map(|&label| label.to_owned()).collect();
            descs.push(Desc::new(metric.name.to_owned(), metric.help.to_owned(), labels, HashMap::new())?);
            let mut series = Series::of(metric.name, metric.kind, metric.labels, usize::MAX);
            (metric.collect)(view, &mut series);
            families.push(metric.kind.family(metric.name, metric.help, series.finish(usize::MAX).0));
        }
        Ok(Self { descs, families })
    }
}

impl Collector for Scrape {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        self.families.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::{Options, Signal, index};

    #[test]
    fn a_scrape_is_valid_and_names_the_slowest_nodes_only() {
        let load = |seconds| {
            let part = crate::index::Part { device: String::new(), stratum: crate::fleet::interval::WAITS };
            crate::index::Observation::from([(part, crate::index::Load { requests: 1_000, seconds })])
        };
        let (slow, usual) = (load(5.0), load(1.0));
        let nodes = [("<script>\n\"", &usual), ("b", &slow), ("c", &usual)];
        let of = index(Signal::RunQueue, Mode::Trailing, &nodes, &|_, _| Some(1e-3), &Options::default());
        let judgement = crate::fleet::Judgement { indices: vec![of], ..Default::default() };
        let verdicts = Verdicts { judgement: judgement.into(), ..Verdicts::default() };
        let (figures, store) = (Figures::default(), store::Status::default());
        figures.count(Outcome::Conflict);
        let view = View { figures: &figures, verdicts: &verdicts, store: &store, nodes: 3, tokens: 0, max_series: 2 };
        let text = String::from_utf8(render(&view).unwrap().to_vec()).unwrap();
        let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("kpulse_fleet_response_ratio{")).collect();
        let of = |node: &str| lines.iter().find(|line| line.contains(node)).and_then(|line| line.rsplit(' ').next());
        assert_eq!(
            (lines.len(), of(r#"node="b""#), of(r#"node="<script>\n\"""#)),
            (2, Some("5"), Some("1")),
            "{lines:?}"
        );
        assert!(text.contains(r#"kpulse_fleet_batches_total{outcome="name_conflict"} 1"#), "{text}");
        let p = text.lines().find(|line| line.starts_with("kpulse_fleet_performance_index{"));
        assert!(p.is_some_and(|line| line.contains("} 2.33")), "{text}");
    }
}
