//! The judge of a fleet: once an interval, what the last minute of all nodes says.
//!
//! In: the [`Registry`] and a time. Out: a [`Judgement`], with the alerts that changed and their evidence. It is the agent's own judge
//! in all but the window: the same index, rules, lifecycle and evidence, of N nodes.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use bytes::Bytes;

use super::{
    clock::Now,
    indices::Indices,
    node::NodeView,
    registry::Registry,
    totals::{Ring, Totals},
    window::{self, Span},
};
use crate::{
    alert::{Alert, State},
    evidence::{self, Evidence, Subject, contributions::IndexEvidence},
    index::{Index, Mode, NodeIndex, Signal, Verdict, baseline::Interval},
    judge::Book,
    report::{check, merge, view},
    rules::{Engine, Moment, Rule},
    window::{Options, Window},
};

/// Tasks and cgroups that evidence names.
const TOP_TASKS: usize = 10;
/// Alerts that change at once and are explained in full. A thousand nodes that fall ill together have one reason.
const EXPLAINED: usize = 100;
/// Pieces of evidence that are kept, of all alerts together.
const EVIDENCES: usize = 1000;

/// What was found at one moment.
#[derive(Clone, Debug, Default)]
pub struct Judgement {
    /// When, in nanoseconds since 1970.
    pub at_ns: u64,
    /// The indices over all nodes, by signal and mode.
    pub indices: Vec<Index>,
    /// Every node that is known, by name.
    pub nodes: Vec<NodeView>,
    /// The histograms of all nodes over the window.
    pub totals: Totals,
    /// Alerts that have changed their state, with their evidence.
    pub changes: Vec<Alert>,
    /// Names of nodes that were forgotten.
    pub forgotten: Vec<String>,
}

impl Judgement {
    /// The index of a signal in a mode, if any node measures the signal.
    pub fn index(&self, signal: Signal, mode: Mode) -> Option<&Index> {
        self.indices.iter().find(|index| index.signal == signal && index.mode == mode)
    }
}

/// See the module.
#[derive(Debug)]
pub struct Judge {
    /// The fleet's baselines.
    pub indices: Indices,
    span: Span,
    engine: Engine,
    book: Book,
    ring: Ring,
    /// The fleet at the last judgements, the oldest first.
    past: VecDeque<Window>,
    last_ns: Option<u64>,
}

impl Judge {
    /// A judge that has seen nothing yet. `fleet` is its name, a label of every alert; `known` are the alerts that were written down
    /// before a restart, over or not.
    pub fn new(fleet: &str, span: Span, indices: Indices, rules: Vec<Rule>, known: Vec<Alert>) -> Self {
        let labels = BTreeMap::from([("fleet".to_string(), fleet.to_string())]);
        let mut engine = Engine::new(rules, labels);
        engine.restore(known.clone());
        Self {
            indices,
            span,
            engine,
            book: Book::new(known, EVIDENCES),
            ring: Ring::default(),
            past: VecDeque::new(),
            last_ns: None,
        }
    }

    /// Takes up other rules; the alerts of rules that ask the same go on.
    pub fn reload(&mut self, rules: Vec<Rule>) {
        self.engine.reload(rules);
    }

    /// Every alert that is pending or fires, the newest first; then the last that ended.
    pub fn alerts(&self) -> Vec<Arc<Alert>> {
        self.book.alerts(self.engine.active())
    }

    /// Alerts for which there was no room at the latest judgement.
    pub fn suppressed(&self) -> usize {
        self.engine.work().suppressed
    }

    /// Looks at all nodes.
    pub fn judge(&mut self, registry: &Registry, now: Now) -> Judgement {
        let (of_fleet, of_nodes) = self.unusual();
        let turned = window::turn(registry, self.span, now, &of_nodes);
        let passed_ns = self.last_ns.map_or(0, |last| now.steady_ns.saturating_sub(last));
        self.last_ns = Some(now.steady_ns);
        let end_ns = now.wall_ns.saturating_sub(self.span.window.as_nanos() as u64);
        self.indices.learn(&turned.left, Interval { seconds: passed_ns as f64 / 1e9, end_ns }, &of_fleet);
        let indices = self.indices.of(&turned);
        let totals = self.ring.turn(turned.totals, self.span.intervals());
        let together = totals.window(now.wall_ns, self.span.window.as_secs_f64());
        let moment = Moment {
            now_ns: now.steady_ns,
            now_realtime_ns: now.wall_ns,
            window: &together,
            indices: &indices,
            own: None,
            fleet: Some(&turned.fleet),
        };
        let mut changes = self.engine.step(&moment);
        // The fleet one whole window ago.
        let before = self.past.front().filter(|_| self.past.len() == self.span.intervals()).cloned();
        let mut explainer =
            Explainer { registry, indices: &indices, mode: self.indices.mode(), fleet: BTreeMap::new() };
        for (number, alert) in changes.iter_mut().enumerate() {
            if matches!(alert.state, State::Pending | State::Firing) && number < EXPLAINED {
                let signal = self.engine.signal(&alert.rule).map_or("", |signal| signal.name);
                explainer.explain(alert, signal, &together, before.as_ref());
            }
            self.book.note(alert);
        }
        self.past.push_back(together);
        self.past.drain(..self.past.len().saturating_sub(self.span.intervals()));
        Judgement { at_ns: now.wall_ns, indices, nodes: turned.nodes, totals, changes, forgotten: turned.forgotten }
    }

    /// What is not as usual: signals on which an alert of the whole fleet fires, and nodes with an alert on a signal that fires or is
    /// pending. What they do is not learned: it would be the first minutes of every fault.
    fn unusual(&self) -> (Vec<Signal>, BTreeSet<(Signal, String)>) {
        let (mut of_fleet, mut of_nodes) = (Vec::new(), BTreeSet::new());
        for alert in self.engine.active() {
            let of_index = self.engine.signal(&alert.rule).is_some_and(|signal| signal.is_of_index());
            let named = alert.labels.get("signal");
            let signal = named.and_then(|name| Signal::ALL.iter().find(|signal| signal.name() == name));
            match (signal.filter(|_| of_index), alert.labels.get("node")) {
                (Some(&signal), Some(node)) => drop(of_nodes.insert((signal, node.clone()))),
                (Some(&signal), None) if alert.state == State::Firing => of_fleet.push(signal),
                _ => {}
            }
        }
        (of_fleet, of_nodes)
    }
}

/// What alerts of one judgement have in common.
struct Explainer<'a> {
    registry: &'a Registry,
    indices: &'a [Index],
    mode: Mode,
    /// The evidence of the whole fleet, by mode: the same for all its alerts.
    fleet: BTreeMap<&'static str, Vec<IndexEvidence>>,
}

impl Explainer<'_> {
    /// Adds what is known about the cause.
    fn explain(&mut self, alert: &mut Alert, signal: &str, fleet: &Window, before_fleet: Option<&Window>) {
        let subject = Subject::of(alert, signal, self.mode);
        let evidence = match alert.labels.get("node") {
            Some(node) => {
                let [before, during] = self.registry.reports(node).map(|reports| window_of(&reports));
                let own: Vec<Index> = self.indices.iter().filter_map(|index| own_index(index, node)).collect();
                match during {
                    Some(during) => evidence::gather(before.as_ref(), &during, &own, &subject),
                    // Nothing of it is of now.
                    None => Evidence { end_realtime_ns: fleet.end_realtime_ns, ..Evidence::default() },
                }
            }
            None => {
                let mode = subject.mode();
                let indices = self.fleet.entry(mode.name());
                let indices = indices.or_insert_with(|| evidence::contributions::gather(self.indices, mode));
                evidence::gather_with(before_fleet, fleet, indices.clone(), &subject)
            }
        };
        alert.annotations.extend(evidence.annotations(&subject));
        let kept = match alert.state {
            State::Pending => &mut alert.pending_evidence,
            _ => &mut alert.firing_evidence,
        };
        *kept = Some(Arc::new(evidence));
    }
}

/// The sum of these reports as a window; absent without any that can be read.
pub fn window_of(reports: &[Bytes]) -> Option<Window> {
    let mut reports = reports.iter().filter_map(|bytes| check::decode(bytes).ok());
    let mut sum = reports.next()?;
    reports.for_each(|report| merge::add(&mut sum, &report));
    Some(view::window(&sum, &Options { top_tasks: TOP_TASKS }))
}

/// One node's part of an index as an index of its own: its r, and what adds up to r - 1. The references are the fleet's.
fn own_index(index: &Index, name: &str) -> Option<Index> {
    let at = index.nodes.binary_search_by(|node| node.node.as_str().cmp(name)).ok()?;
    let node = &index.nodes[at];
    let verdict = node.ratio.map(|ratio| Verdict { p: ratio, shift: ratio, unevenness: 1.0, nodes: 1 });
    let count = index.verdict.map_or(1.0, |verdict| verdict.nodes as f64);
    let mut node = NodeIndex { contribution: node.ratio.map(|ratio| ratio - 1.0), ..node.clone() };
    node.parts.iter_mut().for_each(|part| part.contribution *= count);
    Some(Index { signal: index.signal, mode: index.mode, verdict, nodes: vec![node] })
}
