//! One node as the server knows it: who it is, what came of it and when, what it did in the last two windows.
//!
//! Bounded: a fixed number of streams, intervals of two windows, and [`KEPT_BYTES`] of reports. A node takes some 20 KiB.

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;

use super::{clock::Now, glance::Glance, interval::Interval};
use crate::report::wire;

/// Reports that are kept as they came, in bytes a node, for evidence. Two minutes of a usual node take 20 KiB.
pub const KEPT_BYTES: usize = 128 << 10;
/// Agents (starts of an agent on a boot) of one node whose sequences are remembered. What is older is told apart by the store alone.
pub const STREAMS: usize = 8;
/// Intervals that are kept at most, however short a node's are.
pub const INTERVALS: usize = 256;
/// A report that was no older than this when it was sent, by the node's own clock, is of now: a clock that is wrong is wrong at both
/// ends.
const FRESH_NS: u64 = 30_000_000_000;

/// One agent on one boot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stream {
    /// The kernel's name for the boot.
    pub boot_id: Box<str>,
    /// When the agent began.
    pub instance: u64,
    /// The highest sequence that is stored.
    pub last_sequence: u64,
    /// The end of that report, by the node's clock.
    pub last_end_ns: u64,
    /// When it came, on the steady clock.
    pub last_at_ns: u64,
}

/// How a node stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Standing {
    /// It is heard.
    Up,
    /// It was not heard for too long.
    Down,
    /// What comes of it is of the past: it catches up.
    CatchingUp,
}

impl Standing {
    /// As labels have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::CatchingUp => "catching_up",
        }
    }

    /// Every one.
    pub const ALL: [Self; 3] = [Self::Up, Self::Down, Self::CatchingUp];
}

/// What others see of a node.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeView {
    /// Its name.
    pub name: Arc<str>,
    /// How it stands.
    pub standing: Standing,
    /// When its latest report came, in nanoseconds since 1970.
    pub heard_ns: u64,
    /// When it is first known of.
    pub known_ns: u64,
    /// The time between two of its reports.
    pub interval_ns: u64,
    /// How late its latest report was by its own clock, in nanoseconds; negative if its clock is ahead.
    pub behind_ns: i64,
    /// What hardly ever changes; absent until it says so.
    pub metadata: Option<Arc<wire::Metadata>>,
    /// Its agent's own alerts that are pending or fire.
    pub alerts: usize,
    /// Reports of it that were refused, since the server began.
    pub refused: u64,
    /// Reports that it had to drop, as it says.
    pub lost: u64,
    /// Whether another machine uses its name.
    pub conflict: bool,
    /// Its latest report at a glance.
    pub glance: Glance,
}

/// Counts of the last intervals.
#[derive(Clone, Debug, Default)]
pub struct Recent {
    past: VecDeque<u64>,
    now: u64,
    /// Since the server began.
    pub total: u64,
}

impl Recent {
    /// Counts.
    pub fn add(&mut self, count: u64) {
        self.now = self.now.saturating_add(count);
        self.total = self.total.saturating_add(count);
    }

    /// Ends an interval; of `keep` intervals the sum is kept.
    pub fn turn(&mut self, keep: usize) -> u64 {
        // Nearly always there is nothing to count.
        if self.now > 0 || !self.past.is_empty() {
            self.past.push_back(std::mem::take(&mut self.now));
            self.past.drain(..self.past.len().saturating_sub(keep));
            if self.past.iter().all(|count| *count == 0) {
                self.past = VecDeque::new();
            }
        }
        self.past.iter().fold(0, |sum: u64, count| sum.saturating_add(*count))
    }
}

/// See the module.
#[derive(Debug)]
pub struct Node {
    /// Its name.
    pub name: Arc<str>,
    /// What tells its machine from another of the same name.
    pub machine: Box<[u8]>,
    /// Its agents, the latest last.
    pub streams: Vec<Stream>,
    /// When anything came of it last, on the steady clock.
    pub heard_ns: u64,
    /// When something of now came of it last; 0 if never.
    pub live_ns: u64,
    /// When it became known.
    pub known_ns: u64,
    /// The length of its latest interval.
    pub interval_ns: u64,
    /// The last two windows, oldest first.
    pub intervals: VecDeque<Interval>,
    /// Those of them, from the front, that have left the window.
    pub left: usize,
    /// Reports refused for good.
    pub refused: Recent,
    /// Reports that it dropped.
    pub lost: Recent,
    /// As it said last.
    pub lost_said: Option<u64>,
    /// When another machine last used its name.
    pub conflict_ns: Option<u64>,
    /// What hardly ever changes.
    pub metadata: Option<Arc<wire::Metadata>>,
    /// Alerts of its agent.
    pub alerts: usize,
    /// Its latest report at a glance.
    pub glance: Glance,
    /// Age of its oldest request in flight.
    pub oldest_ns: u64,
    /// Receipt minus the end by the node's clock, of its latest report.
    pub behind_ns: i64,
    kept: usize,
}

impl Node {
    /// One of which nothing came yet.
    pub fn new(name: Arc<str>, machine: &[u8], at_ns: u64) -> Self {
        Self {
            name,
            machine: machine.into(),
            streams: Vec::new(),
            heard_ns: at_ns,
            live_ns: 0,
            known_ns: at_ns,
            interval_ns: 0,
            intervals: VecDeque::new(),
            left: 0,
            refused: Recent::default(),
            lost: Recent::default(),
            lost_said: None,
            conflict_ns: None,
            metadata: None,
            alerts: 0,
            glance: Glance::default(),
            oldest_ns: 0,
            behind_ns: 0,
            kept: 0,
        }
    }

    /// The stream of this boot and instance, if it is remembered.
    pub fn stream(&self, boot_id: &str, instance: u64) -> Option<&Stream> {
        self.streams.iter().find(|stream| stream.instance == instance && *stream.boot_id == *boot_id)
    }

    /// Makes a stream the latest; the one that was silent longest makes room.
    fn stream_mut(&mut self, boot_id: &str, instance: u64) -> &mut Stream {
        let at = self.streams.iter().position(|stream| stream.instance == instance && *stream.boot_id == *boot_id);
        let stream = match at {
            Some(at) if at + 1 == self.streams.len() => return &mut self.streams[at],
            Some(at) => self.streams.remove(at),
            None => Stream { boot_id: boot_id.into(), instance, ..Stream::default() },
        };
        if self.streams.len() == STREAMS {
            self.streams.remove(0);
        }
        self.streams.push(stream);
        let last = self.streams.len() - 1;
        &mut self.streams[last]
    }

    /// Takes up a report that is on disk and was sent at `sent_ns` by the node's clock. True if it is of now, and in the window.
    pub fn take(&mut self, sender: &wire::Sender, report: &wire::Report, bytes: Bytes, sent_ns: u64, now: Now) -> bool {
        let at_ns = now.steady_ns;
        let stream = self.stream_mut(&sender.boot_id, sender.instance);
        if report.sequence <= stream.last_sequence {
            return false;
        }
        (stream.last_sequence, stream.last_end_ns, stream.last_at_ns) = (report.sequence, report.end_ns, at_ns);
        self.heard_ns = self.heard_ns.max(at_ns);
        let sent_ns = if sent_ns == 0 { now.wall_ns } else { sent_ns };
        if sent_ns.saturating_sub(report.end_ns) > FRESH_NS {
            return false;
        }
        self.live_ns = at_ns;
        self.interval_ns = report.length_ns;
        self.behind_ns = (i128::from(now.wall_ns) - i128::from(report.end_ns)) as i64;
        self.alerts = report.alerts.len();
        self.glance = Glance::of(report);
        let devices = report.block.iter().flat_map(|block| &block.devices);
        self.oldest_ns = devices.filter(|device| device.in_flight > 0).map(|d| d.oldest_ns).max().unwrap_or(0);
        if let Some(metadata) = &report.metadata {
            self.metadata = Some(Arc::new(metadata.clone()));
        }
        self.push(report, bytes, at_ns);
        true
    }

    fn push(&mut self, report: &wire::Report, bytes: Bytes, at_ns: u64) {
        let interval = Interval::of(report, bytes, at_ns, self.intervals.back());
        self.kept += interval.bytes.len();
        self.intervals.push_back(interval);
        if self.intervals.len() > INTERVALS {
            self.pop();
        }
        for interval in &mut self.intervals {
            if self.kept <= KEPT_BYTES {
                break;
            }
            self.kept -= std::mem::take(&mut interval.bytes).len();
        }
    }

    fn pop(&mut self) {
        if let Some(interval) = self.intervals.pop_front() {
            self.kept -= interval.bytes.len();
            self.left = self.left.saturating_sub(1);
        }
    }

    /// Moves on to a window that began at `begin_ns`: calls `each` for every interval that left it, and forgets what is older than
    /// the window before it.
    pub fn turn(&mut self, begin_ns: u64, before_ns: u64, mut each: impl FnMut(&Interval)) {
        while let Some(interval) = self.intervals.get(self.left).filter(|interval| interval.at_ns <= begin_ns) {
            each(interval);
            self.left += 1;
        }
        while self.intervals.front().is_some_and(|interval| interval.at_ns <= before_ns) && self.left > 0 {
            self.pop();
        }
    }

    /// The intervals of the window.
    pub fn window(&self) -> impl Iterator<Item = &Interval> {
        self.intervals.iter().skip(self.left)
    }

    /// The reports of the window before and of the window, as they came, those that are still there.
    pub fn reports(&self) -> [Vec<Bytes>; 2] {
        let bytes = |intervals: &mut dyn Iterator<Item = &Interval>| {
            intervals.filter(|interval| !interval.bytes.is_empty()).map(|interval| interval.bytes.clone()).collect()
        };
        [bytes(&mut self.intervals.iter().take(self.left)), bytes(&mut self.window())]
    }

    /// What it says of reports that it dropped.
    pub fn say_lost(&mut self, said: u64) {
        match self.lost_said.replace(said) {
            // What was lost before the server knew the node, it had no part in.
            None => {}
            Some(before) => self.lost.add(if said >= before { said - before } else { said }),
        }
    }

    /// How it stands.
    pub fn standing(&self, now_ns: u64, down_after_ns: u64) -> Standing {
        let patience = down_after_ns.max(self.interval_ns.saturating_mul(3));
        let within = |at_ns: u64| now_ns.saturating_sub(at_ns) <= patience;
        match () {
            () if self.live_ns > 0 && within(self.live_ns) => Standing::Up,
            () if within(self.heard_ns) => Standing::CatchingUp,
            () => Standing::Down,
        }
    }
}
