//! A fleet that does not exist, as a server would show it: forty nodes, one of which has a backup fill its disk, one a noisy
//! neighbour on its CPUs, one silent, one just born, and one whose name is an attack.
//!
//! In: a seed and a clock. Out: a [`Source`]. What a node did in an interval follows from its name, the seed and the interval, so any
//! part of the past can be asked for, and the same question has the same answer. The unit tests of `monitor-user` include
//! this file too.

// By path: whoever includes this file need not lie beside it.
#[path = "many/alerts.rs"]
mod alerts;
#[path = "many/reports.rs"]
mod reports;

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
    time::{SystemTime, UNIX_EPOCH},
};

use kpulse::{
    alert::{Alert, Severity, State},
    evidence::{Subject, gather},
    host::Class,
    index::{Contribution, Index, Load, Mode, NodeIndex, Part, Signal, Standing, Stratum, Verdict},
    report::{
        merge, view,
        wire::{self, Report},
    },
    site::{
        Source,
        model::{AgentUse, AlertLine, Fleet, IndexNow, IndexPoint, Judged, Node, NodeDetail, Presence},
        source::{AlertPage, Span, Unreadable},
    },
    store::{After, AlertFilter},
    window::{Options, Times, Window},
};
use monitor_common::histogram::{BOUNDS, BUCKETS};

const SECOND: u64 = 1_000_000_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
/// 2026-11-23 03:12:40 UTC: somebody has been woken.
const NIGHT: u64 = 1_795_403_560 * SECOND;
/// How long an interval is.
const INTERVAL: u64 = 10 * SECOND;
/// The oldest that is kept.
const KEPT: u64 = 24 * HOUR;
/// For how long the backup has been running.
const BACKUP_AGE: u64 = 26 * MINUTE;
/// A name that would run a script if it could.
pub const HOSTILE: &str = "<script>alert(1)</script>\u{1b}[31m\u{202e}";
/// The node whose disk is slow.
pub const SLOW: &str = "db-03";
/// The node whose tasks wait for a CPU.
pub const NOISY: &str = "web-07";
/// The node that has gone.
pub const SILENT: &str = "web-09";
const BORN: &str = "batch-05";

/// The fleet.
pub struct Story {
    seed: u64,
    /// A fixed moment; the real clock without one.
    at_ns: Option<u64>,
    /// When the backup began.
    backup_ns: u64,
    names: Vec<String>,
    /// Made once: each has evidence.
    alerts: OnceLock<Vec<Arc<Alert>>>,
}

/// What a node is in one interval.
struct Condition {
    /// Requests take so many times as long as usual.
    disk: f64,
    /// Waits do.
    cpu: f64,
    /// How busy its CPUs are.
    busy: f64,
}

impl Story {
    /// At a fixed moment.
    pub fn new(seed: u64) -> Self {
        Self::at(seed, Some(NIGHT))
    }

    /// Now, and going on.
    pub fn live(seed: u64) -> Self {
        Self::at(seed, None)
    }

    fn at(seed: u64, at_ns: Option<u64>) -> Self {
        let group = |name: &'static str, n: usize| (1..=n).map(move |i| format!("{name}-{i:02}"));
        let names = group("db", 8).chain(group("web", 20)).chain(group("cache", 6)).chain(group("batch", 5));
        let mut story = Self {
            seed,
            at_ns,
            backup_ns: 0,
            names: names.chain([HOSTILE.to_owned()]).collect(),
            alerts: OnceLock::new(),
        };
        story.backup_ns = story.now_ns() - BACKUP_AGE;
        story
    }

    /// In 0..1, of a node, a moment and a purpose.
    fn share(&self, node: &str, at_ns: u64, purpose: u64) -> f64 {
        let text = node
            .bytes()
            .fold(self.seed ^ 0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
        // SplitMix64's finaliser (Steele, Lea, Flood 2014).
        let z = (text ^ at_ns.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ purpose.wrapping_mul(0xd1b5_4a32_d192_ed03))
            .wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// About a number, by a part more or less.
    fn about(&self, node: &str, at_ns: u64, purpose: u64, number: f64, part: f64) -> f64 {
        number * (1.0 - part + 2.0 * part * self.share(node, at_ns, purpose))
    }

    fn condition(&self, node: &str, at_ns: u64) -> Condition {
        let since = at_ns.saturating_sub(self.backup_ns) as f64 / MINUTE as f64;
        // It grows over three minutes, and swings.
        let grown = (since / 3.0).min(1.0) * (1.0 + 0.15 * (since / 2.2).sin());
        let day = 0.5 + 0.3 * ((at_ns / SECOND) as f64 / 2400.0).sin();
        let calm = self.about(node, at_ns, 1, 1.0, 0.05);
        match node {
            SLOW => Condition { disk: calm * (1.0 + 8.0 * grown), cpu: calm, busy: 0.25 + 0.15 * grown },
            "db-05" => Condition { disk: calm * (1.0 + 1.1 * grown), cpu: calm, busy: 0.3 },
            NOISY => Condition { disk: calm, cpu: calm * (1.0 + 1.6 * grown), busy: 0.55 + 0.4 * grown.min(1.0) },
            _ => Condition {
                disk: calm,
                cpu: self.about(node, at_ns, 2, 1.0, 0.06),
                busy: self.about(node, at_ns, 3, 0.6 * day, 0.2),
            },
        }
    }

    /// The minute that ends then.
    fn minute(&self, node: &str, end_ns: u64) -> Window {
        let end = end_ns / INTERVAL * INTERVAL;
        let mut sum = self.report(node, end - 5 * INTERVAL, INTERVAL);
        (0..5).rev().for_each(|ago| merge::add(&mut sum, &self.report(node, end - ago * INTERVAL, INTERVAL)));
        view::window(&sum, &Options::default())
    }

    fn judged(&self, node: &str, at_ns: u64, ratio: f64, usual: f64, requests: f64) -> Judged {
        let learning = node == BORN;
        Judged {
            standing: if learning { Standing::Learning } else { Standing::Judged },
            ratio: (!learning).then_some(ratio),
            contribution: (!learning).then(|| (ratio - 1.0) / (self.names.len() - 2) as f64),
            mean_seconds: Some(usual * ratio),
            expected_seconds: (!learning).then_some(usual),
            requests: self.about(node, at_ns, 60, requests, 0.1) as u64,
        }
    }

    fn summary(&self, name: &str) -> Node {
        let now = self.now_ns() / INTERVAL * INTERVAL;
        let silent = name == SILENT;
        let of = self.condition(name, now);
        let firing = self
            .alerts_now()
            .iter()
            .filter(|alert| alert.labels.get("node").is_some_and(|node| node == name) && alert.state == State::Firing)
            .count();
        Node {
            name: name.into(),
            presence: if silent { Presence::Silent } else { Presence::Reporting },
            heard_ns: if silent { self.backup_ns } else { now },
            block: (!silent).then(|| self.judged(name, now, of.disk, 118e-6, 24_000.0)),
            run_queue: (!silent).then(|| self.judged(name, now, of.cpu, 21e-6, 560_000.0)),
            utilization: (!silent).then_some(of.busy),
            wait_p99: (!silent).then_some(1.9e-3 * of.cpu * of.cpu),
            request_p99: (!silent).then_some(2.7e-3 * of.disk),
            cpus: Some(self.cpus(name)),
            memory_bytes: Some(if name.starts_with("db") { 128 << 30 } else { 32 << 30 }),
            kernel: Some("6.12.57-amd64".into()),
            agent_version: Some("0.1.0".into()),
            firing: firing as u64,
        }
    }
}

impl Source for Story {
    fn now_ns(&self) -> u64 {
        let clock = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(NIGHT, |since| since.as_nanos() as u64);
        self.at_ns.unwrap_or_else(clock)
    }

    fn fleet(&self) -> Fleet {
        let now = self.now_ns() / INTERVAL * INTERVAL;
        let n = self.names.len() as u64;
        let index = |&signal: &Signal| IndexNow {
            signal,
            mode: Mode::Trailing,
            verdict: Some(self.verdict(signal, now)),
            standings: BTreeMap::from([("judged".into(), n - 2), ("learning".into(), 1)]),
        };
        let window = self.minute(SLOW, now);
        let times = |times: Option<Times>| {
            times.map(|times| Times { count: times.count * n, sum: times.sum * n as f64, ..times })
        };
        let total = window.block.as_ref().and_then(|block| block.devices.last()?.operations.last()?.total);
        Fleet {
            at_ns: now,
            nodes: BTreeMap::from([("reporting".into(), n - 1), ("silent".into(), 1)]),
            indices: Signal::ALL.iter().map(index).collect(),
            request: times(total),
            wait: times(window.sched.and_then(|sched| sched.wait)),
        }
    }

    fn nodes(&self) -> Vec<Node> {
        self.names.iter().map(|name| self.summary(name)).collect()
    }

    fn node(&self, name: &str) -> Option<NodeDetail> {
        let name = self.names.iter().find(|known| *known == name)?;
        let node = self.summary(name);
        let heard = node.heard_ns;
        let own = self.report(name, heard, INTERVAL).own;
        let about = |alert: &&Arc<Alert>| alert.labels.get("node") == Some(name);
        let mut alerts: Vec<_> =
            self.alerts_now().iter().filter(about).map(|alert| AlertLine::from(alert.as_ref())).collect();
        if name == SLOW {
            let active = wire::ActiveAlert {
                id: "a".into(),
                rule: "BlockReadsSlow".into(),
                severity: Severity::Warning as u32,
                firing: true,
                since_ns: self.backup_ns + 5 * MINUTE,
                summary: "Reads of sda on db-03 are slow".into(),
            };
            alerts.push(AlertLine::of_agent(name, &active));
        }
        Some(NodeDetail {
            node,
            boot_id: "6f1de2f1-9b34-4a2f-8d4e-3b1d1c0a7f55".into(),
            instance: self.backup_ns - 5 * HOUR,
            sequence: heard / INTERVAL % 100_000,
            lost: 0,
            uptime_seconds: Some(41 * 86_400 + 3 * 3600),
            url: (name == SLOW).then(|| "https://db-03.example:9466/".into()),
            window: Some(self.minute(name, heard)),
            agent: own.map(|own| AgentUse::of(&own, INTERVAL)),
            alerts,
        })
    }

    fn active_alerts(&self) -> Vec<Arc<Alert>> {
        self.alerts_now().to_vec()
    }

    fn alerts(&self, filter: &AlertFilter, after: Option<&After>, limit: usize) -> Result<AlertPage, Unreadable> {
        let label = |alert: &Alert, name: &str, asked: &Option<String>| {
            asked.as_ref().is_none_or(|asked| alert.labels.get(name).is_some_and(|value| value == asked))
        };
        let takes = |alert: &Arc<Alert>| {
            (filter.states.is_empty() || filter.states.contains(&alert.state))
                && filter.severity.is_none_or(|least| alert.severity >= least)
                && label(alert, "node", &filter.node)
                && label(alert, "alertname", &filter.rule)
        };
        let place = |alert: &Alert| After { begun_ns: alert.pending_ns, id: alert.id.clone() };
        let mut all: Vec<_> = self.alerts_now().iter().cloned().chain(self.alerts_over()).filter(takes).collect();
        let key = |alert: &Arc<Alert>| std::cmp::Reverse((alert.pending_ns, alert.id.clone()));
        all.sort_by_key(key);
        let before =
            |alert: &Arc<Alert>| after.is_none_or(|after| (alert.pending_ns, &alert.id) < (after.begun_ns, &after.id));
        let mut items: Vec<_> = all.into_iter().filter(before).take(limit + 1).collect();
        let more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| more).map(|alert| place(alert));
        Ok(AlertPage { items, next })
    }

    fn alert(&self, id: &str) -> Result<Option<Arc<Alert>>, Unreadable> {
        Ok(self.alerts_now().iter().cloned().chain(self.alerts_over()).find(|alert| alert.id == id))
    }

    fn index_series(&self, signal: Signal, mode: Option<Mode>, span: Span) -> Result<Vec<IndexPoint>, Unreadable> {
        if mode.is_some_and(|mode| mode != Mode::Trailing) {
            return Ok(Vec::new());
        }
        let now = self.now_ns();
        let ends = (0..span.steps()).map(|step| span.end_of(step)).filter(|&end| end <= now && end + KEPT > now);
        Ok(ends.map(|at_ns| IndexPoint { at_ns, verdict: self.verdict(signal, at_ns) }).collect())
    }

    fn reports(&self, node: &str, span: Span) -> Result<Vec<Report>, Unreadable> {
        if !self.names.iter().any(|name| name == node) {
            return Ok(Vec::new());
        }
        let last = if node == SILENT { self.backup_ns } else { self.now_ns() };
        let (from, to) = (span.from_ns.max(last.saturating_sub(KEPT)), span.to_ns.min(last));
        let length = (span.step_ns / INTERVAL).max(1) * INTERVAL;
        let ends = (from / length + 1..=to / length).map(|n| n * length);
        Ok(ends.map(|end| self.report(node, end, length)).collect())
    }
}
