//! Sums: each node's reports are added up to its minutes, and its minutes to its hours.
//!
//! Node after node, all of them within [`Limits::roll_up`], a few in each transaction. A node's sums and the number of the last report
//! in them change together. So what is done is done once, wherever it is cut off, and a late report is added to its own minute and
//! hour. An hour is added up from its minutes once it is over; what comes later for it is added to both.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use prost::Message as _;
use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior};

use super::{
    Shared,
    limits::Limits,
    load::{self, FLOOR},
    numbers, pack,
    registry::{Node, Registry, Source},
    time::{self, Resolution},
};
use crate::report::{merge, wire::Report};

/// The most nodes in one transaction.
const SLICE: usize = 256;
/// The fewest, where there are so many: a transaction for each would be a sync for each.
const FEWEST: usize = 16;
/// How long a transaction goes on to the next node.
const SLICE_TIME: Duration = Duration::from_millis(15);
/// How long after its end an hour is added up: until then most of what is late has come.
const GRACE: Duration = Duration::from_secs(300);

/// Adds up, a slice at a time.
pub(super) struct RollUp {
    every: Duration,
    /// The node that was looked at last.
    at: u32,
    /// Nodes that are due; a fraction of one counts.
    due: f64,
    last: Instant,
    /// The mark as it was set last.
    floor: u64,
}

/// A node with something to add up.
struct Task {
    node: Node,
    streams: Vec<(u32, Source)>,
    /// All hours up to this one are over.
    over: u64,
}

/// What a transaction did.
#[derive(Default)]
struct Done {
    /// Node, last report, last hour.
    nodes: Vec<(u32, u64, u64)>,
    sums: u64,
    undecodable: u64,
}

impl RollUp {
    pub(super) fn new(limits: &Limits) -> Self {
        Self { every: limits.roll_up, at: 0, due: 0.0, last: Instant::now(), floor: 0 }
    }

    /// Looks at the next nodes that are due.
    pub(super) fn step(&mut self, connection: &mut Connection, shared: &Shared) -> rusqlite::Result<()> {
        let over = Resolution::Hour.interval((shared.clock)().saturating_sub(time::ns(GRACE)) + 1).saturating_sub(1);
        let (tasks, count, last, floor) = {
            let registry = shared.registry();
            let count = self.count(registry.nodes.len());
            if count < FEWEST.min(registry.nodes.len()).max(1) {
                return Ok(());
            }
            let (tasks, last) = tasks(&registry, self.at, count, over);
            // Once around: everything before the first report that is in no sum is in sums.
            (tasks, count, last, last.is_none().then(|| registry.floor()))
        };
        if tasks.is_empty() && floor.is_none_or(|floor| floor == self.floor) {
            self.at = last.unwrap_or(0);
            self.due -= count as f64;
            return Ok(());
        }
        let begun = Instant::now();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut done = Done::default();
        for task in &tasks {
            roll(&transaction, task, &mut done)?;
            if begun.elapsed() >= SLICE_TIME {
                break;
            }
        }
        let whole = done.nodes.len() == tasks.len();
        let floor = floor.filter(|floor| whole && *floor != self.floor);
        if let Some(floor) = floor {
            load::set_mark(&transaction, FLOOR, floor)?;
        }
        transaction.commit()?;
        let mut registry = shared.registry();
        done.nodes.iter().for_each(|&(id, rolled, hour)| registry.rolled(id, rolled, hour));
        drop(registry);
        let mut status = shared.status();
        status.sums += done.sums;
        status.undecodable += done.undecodable;
        drop(status);
        self.floor = floor.unwrap_or(self.floor);
        self.at = match done.nodes.last() {
            Some(&(id, ..)) if !whole => id,
            _ => last.unwrap_or(0),
        };
        self.due -= if whole { count } else { done.nodes.len() } as f64;
        Ok(())
    }

    /// How many nodes are due.
    fn count(&mut self, nodes: usize) -> usize {
        let passed = self.last.elapsed();
        self.last = Instant::now();
        let share = if self.every.is_zero() { 1.0 } else { passed.as_secs_f64() / self.every.as_secs_f64() };
        self.due = (self.due + share * nodes as f64).min(nodes as f64);
        (self.due as usize).min(SLICE)
    }
}

/// What there is to do for the next so many nodes, and the last of them; `None` if it is the last of all.
fn tasks(registry: &Registry, at: u32, count: usize, over: u64) -> (Vec<Task>, Option<u32>) {
    let (mut tasks, mut last) = (Vec::new(), None);
    let mut nodes = registry.nodes.range(at.saturating_add(1)..);
    for (&id, node) in nodes.by_ref().take(count) {
        if !node.tail.is_empty() || node.hour < over {
            let stream = |id: &u32| Some((*id, registry.streams.get(id)?.clone()));
            let streams = node.streams.iter().filter_map(stream).collect();
            tasks.push(Task { node: node.clone(), streams, over });
        }
        last = Some(id);
    }
    (tasks, last.filter(|_| nodes.next().is_some()))
}

fn roll(transaction: &Transaction, task: &Task, done: &mut Done) -> rusqlite::Result<()> {
    let node = &task.node;
    let rolled = node.tail.last().map_or(node.rolled, |&(id, _)| id);
    for (interval, mut reports) in by_minute(&node.tail) {
        let sum = add_up(transaction, &mut reports, &mut done.undecodable)?;
        let ids = reports.iter().map(|&(_, id)| id);
        minute(transaction, time::key(node.id, interval), ids, sum.as_ref())?;
        done.sums += 1;
        let hour = Resolution::Hour.interval(Resolution::Minute.end_ns(interval));
        if let Some(sum) = sum.filter(|_| hour <= node.hour) {
            add_to_hour(transaction, time::key(node.id, hour), sum)?;
            done.sums += 1;
        }
    }
    if node.hour < task.over {
        done.sums += hours(transaction, node, task.over)?;
    }
    let hour = node.hour.max(task.over);
    let mut statement = transaction.prepare_cached("UPDATE nodes SET rolled = ?2, hour = ?3 WHERE id = ?1")?;
    statement.execute((node.id, rolled as i64, hour as i64))?;
    let mut statement = transaction.prepare_cached(
        "UPDATE streams SET last_end_ns = ?2, last_received_ns = ?3, ranges = ?4 WHERE id = ?1 AND ranges <> ?4",
    )?;
    for (id, source) in &task.streams {
        let (end_ns, received_ns) = (source.last_end_ns as i64, source.last_received_ns as i64);
        statement.execute((id, end_ns, received_ns, source.received.encode()))?;
    }
    done.nodes.push((node.id, rolled, hour));
    Ok(())
}

/// Reports by minute, as end and number.
fn by_minute(tail: &[(u64, u64)]) -> BTreeMap<u64, Vec<(u64, u64)>> {
    let mut minutes: BTreeMap<u64, Vec<(u64, u64)>> = BTreeMap::new();
    for &(id, end_ns) in tail {
        minutes.entry(Resolution::Minute.interval(end_ns)).or_default().push((end_ns, id));
    }
    minutes
}

/// The sum of reports, given as end and number; they are left in the order of their numbers. `None` if there is none.
fn add_up(
    transaction: &Transaction,
    reports: &mut [(u64, u64)],
    undecodable: &mut u64,
) -> rusqlite::Result<Option<Report>> {
    let mut statement = transaction.prepare_cached("SELECT bytes FROM reports WHERE id = ?1")?;
    let mut sum = None;
    reports.sort_unstable();
    for &(_, id) in &*reports {
        let decoded = statement.query_row([id as i64], |row| Ok(decode(row.get_ref(0)?.as_blob()?))).optional()?;
        match decoded {
            Some(Some(report)) => combine(&mut sum, report),
            // Nobody knows what is in it; it is kept as it is.
            Some(None) | None => *undecodable += 1,
        }
    }
    reports.sort_unstable_by_key(|&(_, id)| id);
    Ok(sum)
}

fn decode(stored: &[u8]) -> Option<Report> {
    Report::decode(&pack::unpack(stored)?[..]).ok()
}

fn encode(report: &Report) -> Vec<u8> {
    pack::pack(report.encode_to_vec().into()).into()
}

/// Adds a report to a sum, the one that ended later to the other: what was at the end is then what was at the later end.
fn combine(sum: &mut Option<Report>, mut report: Report) {
    match sum {
        None => {
            report.sequence = 0;
            *sum = Some(report);
        }
        Some(sum) if sum.end_ns <= report.end_ns => merge::add(sum, &report),
        Some(sum) => {
            std::mem::swap(sum, &mut report);
            merge::add(sum, &report);
        }
    }
}

/// Adds to a minute's row: the sum, and the numbers of the reports in it.
fn minute(
    transaction: &Transaction,
    key: i64,
    ids: impl Iterator<Item = u64>,
    sum: Option<&Report>,
) -> rusqlite::Result<()> {
    let mut statement = transaction.prepare_cached("SELECT reports, bytes FROM minutes WHERE key = ?1")?;
    let found =
        statement.query_row([key], |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, Vec<u8>>(1)?))).optional()?;
    let (mut numbers, mut whole) = (Vec::new(), None);
    if let Some((there, bytes)) = found {
        numbers = there;
        whole = decode(&bytes);
    }
    let last = numbers::decode(&numbers).last().unwrap_or(0);
    numbers::encode(&mut numbers, last, ids);
    if let Some(sum) = sum {
        combine(&mut whole, sum.clone());
    }
    let bytes = encode(&whole.unwrap_or_default());
    let mut statement =
        transaction.prepare_cached("INSERT OR REPLACE INTO minutes (key, reports, bytes) VALUES (?1, ?2, ?3)")?;
    statement.execute((key, numbers, bytes)).map(drop)
}

fn add_to_hour(transaction: &Transaction, key: i64, sum: Report) -> rusqlite::Result<()> {
    let mut statement = transaction.prepare_cached("SELECT bytes FROM hours WHERE key = ?1")?;
    let found = statement.query_row([key], |row| Ok(decode(row.get_ref(0)?.as_blob()?))).optional()?;
    let mut whole = found.flatten();
    combine(&mut whole, sum);
    let mut statement = transaction.prepare_cached("INSERT OR REPLACE INTO hours (key, bytes) VALUES (?1, ?2)")?;
    statement.execute((key, encode(&whole.unwrap_or_default()))).map(drop)
}

/// Adds up the minutes of the hours that are over; how many hours.
fn hours(transaction: &Transaction, node: &Node, over: u64) -> rusqlite::Result<u64> {
    let minutes_of = |hour: u64| hour.saturating_mul(60);
    let mut statement =
        transaction.prepare_cached("SELECT key, bytes FROM minutes WHERE key >= ?1 AND key < ?2 ORDER BY key")?;
    let from = time::key(node.id, minutes_of(node.hour + 1));
    let mut rows = statement.query((from, time::key(node.id, minutes_of(over + 1))))?;
    let mut sums: BTreeMap<u64, Option<Report>> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let hour = time::interval_of(row.get(0)?) / 60;
        if let Some(report) = decode(row.get_ref(1)?.as_blob()?) {
            combine(sums.entry(hour).or_default(), report);
        }
    }
    let count = sums.len() as u64;
    for (hour, sum) in sums {
        if let Some(sum) = sum {
            add_to_hour(transaction, time::key(node.id, hour), sum)?;
        }
    }
    Ok(count)
}
