//! The judge: from one sample after another to what is wrong. It ties window, index, rules and evidence together.
//!
//! In: every [`Sample`]. Out, once an interval: a [`Judgement`] of the window that ends now. Pure: the time is the samples' own,
//! so a recording gives the same judgements every time.
//!
//! The window is as long as several intervals and slides by one. A baseline learns only from intervals that have left it: what is
//! judged is never part of what it is judged by.

mod book;
#[cfg(test)]
mod tests;

use std::{collections::VecDeque, sync::Arc, time::Duration};

pub use self::book::{Book, ENDED};
use crate::{
    alert::{Alert, State},
    config::Config,
    evidence::{self, Subject},
    index::{self, Index, Indexer, Mode},
    rules::{Engine, Moment, Own, Rule, signal::Signal},
    sample::Sample,
    status::Status,
    window::{self, Refused, Window},
};

/// Evidence names as many, however few the user wants to see elsewhere.
const TOP_TASKS: usize = 10;
/// Pieces of evidence that are kept, of all alerts together: some 2 MiB, at most 6.4.
const EVIDENCES: usize = 100;

/// How the judge looks at samples.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The node's name, a label of every alert.
    pub node: String,
    /// The time from one judgement to the next.
    pub interval: Duration,
    /// The length of the window that is judged: several intervals.
    pub window: Duration,
    /// The mode of the index that evidence explains.
    pub mode: Mode,
    /// How many tasks and cgroups a window names.
    pub top_tasks: usize,
}

impl Settings {
    /// As configured, for the node with this name.
    pub fn of(config: &Config, node: String) -> Self {
        Self {
            node,
            // There is nothing to judge more often than samples come.
            interval: config.judge.interval.max(config.interval),
            window: config.judge.window.max(config.interval),
            mode: config.index.mode,
            top_tasks: config.tasks.top.max(TOP_TASKS),
        }
    }

    /// How many intervals make a window.
    fn intervals(&self) -> usize {
        self.window.as_nanos().div_ceil(self.interval.as_nanos().max(1)).max(1) as usize
    }
}

/// What was found at one moment.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// The window that was judged.
    pub window: Window,
    /// How it compares with what is usual, by signal and mode.
    pub indices: Vec<Index>,
    /// Alerts that have changed their state, with their evidence: for the journal, and then for whoever has to know.
    pub changes: Vec<Alert>,
}

/// A sample at the end of an interval, and the agent's own figures then.
#[derive(Debug)]
struct Edge {
    sample: Arc<Sample>,
    status: Option<Arc<Status>>,
}

/// See the module.
#[derive(Debug)]
pub struct Judge {
    /// The node's baselines.
    pub indexer: Indexer,
    settings: Settings,
    engine: Engine,
    book: Book,
    /// Ends of intervals, oldest first: those of the window that is judged and of the one before it.
    edges: VecDeque<Edge>,
}

impl Judge {
    /// A judge that has seen nothing yet. `known` are the alerts that were written down before a restart, over or not.
    pub fn new(settings: Settings, indexer: Indexer, rules: Vec<Rule>, known: Vec<Alert>) -> Self {
        let node = [("node".to_string(), settings.node.clone())].into();
        let mut engine = Engine::new(rules, node);
        engine.restore(known.clone());
        Self { indexer, settings, engine, book: Book::new(known, EVIDENCES), edges: VecDeque::new() }
    }

    /// Takes up other rules and settings; the alerts of rules that ask the same go on.
    pub fn reload(&mut self, config: &Config, rules: Vec<Rule>) {
        self.settings = Settings::of(config, std::mem::take(&mut self.settings.node));
        self.engine.reload(rules);
    }

    /// Every alert that is pending or fires, with current values, the newest first; then the last that ended.
    pub fn alerts(&self) -> Vec<Arc<Alert>> {
        self.book.alerts(self.engine.active())
    }

    /// Takes up what somebody else has added to the annotations of an alert that changed: it stays with it to its end.
    pub fn note(&mut self, alert: &mut Alert) {
        self.book.note(alert);
    }

    /// Alerts for which there was no room at the latest judgement.
    pub fn suppressed(&self) -> usize {
        self.engine.work().suppressed
    }

    /// Whether this sample ends an interval, or begins all. A sample that is a little early is nearer to the end than the next one.
    pub fn is_due(&self, sample: &Sample) -> bool {
        let other = self.edges.back().is_some_and(|last| sample.origin != last.sample.origin);
        other || self.is_due_at(sample.monotonic_ns)
    }

    /// Whether a sample taken at this time, on `CLOCK_MONOTONIC` in nanoseconds, ends an interval or begins all.
    pub fn is_due_at(&self, monotonic_ns: u64) -> bool {
        let Some(last) = self.edges.back() else { return true };
        let passed_ns = monotonic_ns.saturating_sub(last.sample.monotonic_ns);
        let interval_ns = self.settings.interval.as_nanos();
        u128::from(passed_ns) >= interval_ns - interval_ns / 20
    }

    /// Looks at the next sample; `status` is of interest only where [`Self::is_due`]. A judgement comes with the first sample
    /// of each interval, once a whole window has been seen.
    ///
    /// # Errors
    ///
    /// If the sample has no difference to the ones before: it is a new beginning.
    pub fn see(&mut self, sample: &Arc<Sample>, status: Option<Arc<Status>>) -> Result<Option<Judgement>, Refused> {
        if !self.is_due(sample) {
            return Ok(None);
        }
        self.edges.push_back(Edge { sample: sample.clone(), status });
        if self.edges.len() == 1 {
            return Ok(None);
        }
        let judged = self.judge();
        if judged.is_err() {
            self.edges.drain(..self.edges.len() - 1);
        }
        judged
    }

    fn judge(&mut self) -> Result<Option<Judgement>, Refused> {
        let intervals = self.settings.intervals();
        while self.edges.len() > 2 * intervals + 1 {
            self.edges.pop_front();
        }
        let now = self.edges.len() - 1;
        // The latest interval alone, so that a sample that has no difference is found at once.
        self.derive(now - 1, now, 0)?;
        let Some(begin) = now.checked_sub(intervals) else { return Ok(None) };
        if let Some(left) = begin.checked_sub(1) {
            let interval = self.derive(left, begin, 0)?;
            let firing = self.firing();
            self.indexer.learn(&interval, &firing);
        }
        let window = self.derive(begin, now, self.settings.top_tasks)?;
        let indices = self.indexer.indices(&window);
        let own = self.own(begin, now, window.seconds);
        let sample = &self.edges[now].sample;
        let moment = Moment {
            now_ns: sample.monotonic_ns,
            now_realtime_ns: sample.realtime_ns,
            window: &window,
            indices: &indices,
            own: own.as_ref(),
            fleet: None,
        };
        let mut changes = self.engine.step(&moment);
        if !changes.is_empty() {
            let before = begin.checked_sub(intervals).map(|before| self.derive(before, begin, 0)).transpose()?;
            for (number, alert) in changes.iter_mut().enumerate() {
                self.explain(alert, number < EVIDENCES, before.as_ref(), &window, &indices);
            }
        }
        self.forget_tasks(begin);
        Ok(Some(Judgement { window, indices, changes }))
    }

    /// Adds what is known about the cause; in words alone where it is not to `keep` all of it.
    fn explain(&mut self, alert: &mut Alert, keep: bool, before: Option<&Window>, window: &Window, indices: &[Index]) {
        let signal = self.engine.signal(&alert.rule).map_or("", |signal| signal.name);
        if matches!(alert.state, State::Pending | State::Firing) {
            let subject = Subject::of(alert, signal, self.settings.mode);
            let evidence = evidence::gather(before, window, indices, &subject);
            alert.annotations.extend(evidence.annotations(&subject));
            let kept = match alert.state {
                State::Pending => &mut alert.pending_evidence,
                _ => &mut alert.firing_evidence,
            };
            *kept = keep.then(|| Arc::new(evidence));
        }
        self.book.note(alert);
    }

    /// The signals on which an index's alert is firing: their baselines stand still.
    fn firing(&self) -> Vec<index::Signal> {
        let of_index = |alert: &&Alert| self.engine.signal(&alert.rule).is_some_and(Signal::is_of_index);
        let named: Vec<&str> = self
            .book
            .firing()
            .filter(of_index)
            .filter_map(|alert| Some(alert.labels.get("signal")?.as_str()))
            .collect();
        index::Signal::ALL.iter().copied().filter(|signal| named.contains(&signal.name())).collect()
    }

    fn own(&self, begin: usize, now: usize, seconds: f64) -> Option<Own> {
        let (earlier, later) = (self.edges[begin].status.as_ref()?, self.edges[now].status.as_ref()?);
        Some(Own::between(earlier, later, seconds))
    }

    fn derive(&self, from: usize, to: usize, top_tasks: usize) -> Result<Window, Refused> {
        let options = window::Options { top_tasks };
        window::derive(&self.edges[from].sample, &self.edges[to].sample, &options)
    }

    /// Nobody asks who did what before the window that is judged, and thousands of tasks take room.
    fn forget_tasks(&mut self, begin: usize) {
        for edge in self.edges.range_mut(..begin).filter(|edge| edge.sample.tasks.is_some()) {
            edge.sample = Arc::new(Sample { tasks: None, ..Sample::clone(&edge.sample) });
        }
    }
}
