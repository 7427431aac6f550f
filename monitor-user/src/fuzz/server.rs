//! The server without sockets and without a disk: from bytes that came to what it would show.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use prost::Message as _;

use crate::{
    alert::Alert,
    fleet::{Judge, Limits, Now, Registry, indices::Indices, judge::window_of, window::Span as Judged},
    index::{Mode, Options as IndexOptions, Signal, Verdict, baseline::Learning},
    report::{check, merge, view, wire},
    rules::{Rule, Set, load_for},
    server::ingest,
    site::{
        self, Source,
        metrics::{OF_FLEET, OF_NODE},
        model::{AgentUse, AlertLine, Fleet, IndexPoint, Node, NodeDetail, Presence},
        source::{AlertPage, Span, Unreadable},
    },
    store::{After, AlertFilter},
    window::Options,
};

/// What an agent of version 1 sent: what is asked for is there.
const BATCH: &[u8] = include_bytes!("../report/fixtures/v1.bin");
const NAME: &str = "node-7";
const SECOND: u64 = 1_000_000_000;
const INTERVAL: Duration = Duration::from_secs(10);

/// Takes a body up as the server does, and makes everything of it that the server makes of reports.
pub fn take(body: &[u8], packed: bool) {
    let (down_after, forget_after) = (Duration::from_secs(30), Duration::from_secs(3600));
    let registry = Registry::new(Limits { nodes: 2, down_after, forget_after });
    let Some((reports, now)) = ingest::take_anything(&registry, body, packed) else { return };
    let mut judge = judge();
    // The last judgements have the reports behind them.
    for ago in [0, 10, 20, 80, 4000] {
        let at = |ns: u64| ns.saturating_add(ago * SECOND);
        judge.judge(&registry, Now { steady_ns: at(now.steady_ns), wall_ns: at(now.wall_ns) });
    }
    let bytes: Vec<bytes::Bytes> = reports.iter().map(|report| report.encode_to_vec().into()).collect();
    let _ = window_of(&bytes);
    // A batch that comes twice is new where the store has lost it.
    let mut all = reports.iter().chain(&reports);
    let Some(mut sum) = all.next().cloned() else { return };
    all.for_each(|report| merge::add(&mut sum, report));
    let _ = check::decode(&sum.encode_to_vec().into());
    for report in reports.iter().take(2).chain([&sum]) {
        let _ = view::window(report, &Options::default());
        let _ = view::own(report);
        Signal::ALL.iter().for_each(|&signal| drop(view::observe(signal, report)));
    }
    let shown = Shown { now_ns: now.wall_ns, reports, sum };
    for range in ["15m", "30d"] {
        site::ask_anything(&shown, NAME, &format!("range={range}"));
    }
    for metric in OF_NODE {
        site::ask_anything(&shown, "", &format!("metric={}&node={NAME}&from=-1h", metric.name));
    }
}

/// Asks for every page and every answer of a server with one node.
pub fn ask(bytes: &[u8]) {
    static SHOWN: OnceLock<Option<Shown>> = OnceLock::new();
    let shown = SHOWN.get_or_init(|| {
        let batch = wire::Batch::decode(BATCH).ok()?;
        let sum = batch.reports.first()?.clone();
        Some(Shown { now_ns: sum.end_ns.saturating_add(SECOND), reports: batch.reports, sum })
    });
    let Some(shown) = shown else { return };
    let text = String::from_utf8_lossy(bytes);
    let (segment, query) = text.split_once('?').unwrap_or((NAME, &text));
    let segment = if segment.is_empty() { NAME } else { segment };
    site::ask_anything(shown, segment, query);
    // Few inputs name a figure; with one, the times and the step are read.
    if !query.contains("metric=") {
        let figures = [format!("metric={}", OF_FLEET[0].name), format!("metric={}&node={NAME}", OF_NODE[0].name)];
        figures.iter().for_each(|figure| site::ask_anything(shown, segment, &format!("{figure}&{query}")));
    }
}

fn judge() -> Judge {
    static RULES: OnceLock<Vec<Rule>> = OnceLock::new();
    let rules = RULES.get_or_init(|| load_for(Set::Fleet, None).unwrap_or_default());
    let learning = Learning::default();
    let indices = Indices::new(Mode::Trailing, IndexOptions { min_requests: 1 }, learning, Default::default());
    let span = Judged { interval: INTERVAL, window: 6 * INTERVAL };
    Judge::new("fuzz", span, indices, rules.clone(), Vec::new())
}

/// A server with one node.
struct Shown {
    now_ns: u64,
    reports: Vec<wire::Report>,
    /// Of all reports.
    sum: wire::Report,
}

impl Source for Shown {
    fn now_ns(&self) -> u64 {
        self.now_ns
    }

    fn fleet(&self) -> Fleet {
        let window = view::window(&self.sum, &Options::default());
        Fleet { at_ns: self.now_ns, wait: window.sched.and_then(|sched| sched.wait), ..Fleet::default() }
    }

    fn nodes(&self) -> Vec<Node> {
        self.node(NAME).map(|detail| detail.node).into_iter().collect()
    }

    fn node(&self, name: &str) -> Option<NodeDetail> {
        let report = self.reports.last().filter(|_| name == NAME)?;
        let metadata = report.metadata.clone().unwrap_or_default();
        let window = view::window(&self.sum, &Options::default());
        let node = Node {
            name: NAME.into(),
            presence: Presence::Reporting,
            heard_ns: self.now_ns,
            block: None,
            run_queue: None,
            utilization: window.sched.as_ref().and_then(|sched| sched.utilization),
            wait_p99: window.sched.as_ref().and_then(|sched| Some(sched.wait.as_ref()?.p99)),
            request_p99: None,
            cpus: Some(metadata.cpus),
            memory_bytes: Some(metadata.memory_bytes),
            kernel: Some(metadata.kernel),
            agent_version: Some(metadata.agent_version),
            firing: report.alerts.len() as u64,
        };
        Some(NodeDetail {
            node,
            boot_id: "boot".into(),
            instance: 1,
            sequence: report.sequence,
            lost: 0,
            uptime_seconds: report.host.as_ref().map(|host| host.uptime_ns / SECOND),
            url: Some(metadata.url),
            agent: report.own.as_ref().map(|own| AgentUse::of(own, report.length_ns)),
            alerts: report.alerts.iter().map(|alert| AlertLine::of_agent(NAME, alert)).collect(),
            window: Some(window),
        })
    }

    fn active_alerts(&self) -> Vec<Arc<Alert>> {
        Vec::new()
    }

    fn alerts(&self, _: &AlertFilter, after: Option<&After>, _: usize) -> Result<AlertPage, Unreadable> {
        Ok(AlertPage { items: Vec::new(), next: after.cloned() })
    }

    fn alert(&self, _: &str) -> Result<Option<Arc<Alert>>, Unreadable> {
        Ok(None)
    }

    fn index_series(&self, _: Signal, _: Option<Mode>, span: Span) -> Result<Vec<IndexPoint>, Unreadable> {
        let verdict = Verdict { p: 1.5, shift: 1.25, unevenness: 1.2, nodes: 1 };
        let at = [span.end_of(0), span.to_ns];
        Ok(at.map(|at_ns| IndexPoint { at_ns, verdict }).into())
    }

    fn reports(&self, node: &str, span: Span) -> Result<Vec<wire::Report>, Unreadable> {
        let of_it = if node == NAME { self.reports.as_slice() } else { &[] };
        Ok(of_it.iter().filter(|report| span.step_of(report.end_ns).is_some()).cloned().collect())
    }
}
