//! Sums, alerts, figures, and what is known of nodes and agents that have been silent for very long.

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::SLICE;
use crate::store::{
    Shared, indices,
    limits::Limits,
    registry::{Node, Registry},
    time::{self, Resolution},
};

/// Slices in which all nodes are looked at.
const ROUND: usize = 600;
/// What is kept of each length's time after one more round in which there was too much.
const LESS: f64 = 0.9;
/// The least that is kept of it.
const LEAST: f64 = 0.01;

/// Looks at node after node.
pub(super) struct Sums {
    /// The node that was looked at last.
    at: u32,
    /// The shares of their times for which minutes and hours are kept: less than 1 while there is too much.
    minutes: f64,
    hours: f64,
}

impl Default for Sums {
    fn default() -> Self {
        Self { at: 0, minutes: 1.0, hours: 1.0 }
    }
}

/// What is looked at in one slice.
struct Slice {
    nodes: Vec<Node>,
    /// Streams that will not be heard again.
    silent: Vec<u32>,
    /// Whether the last node is among them.
    whole: bool,
}

impl Sums {
    /// The next nodes, in one transaction; how many rows went. `over`: there is too much, and nothing else can go.
    pub(super) fn step(
        &mut self,
        connection: &mut Connection,
        shared: &Shared,
        limits: &Limits,
        now_ns: u64,
        over: bool,
    ) -> rusqlite::Result<u64> {
        let slice = slice(&shared.registry(), self.at, now_ns.saturating_sub(time::ns(limits.minutes)));
        let minutes_ns = now_ns.saturating_sub((time::ns(limits.minutes) as f64 * self.minutes) as u64);
        let hours_ns = now_ns.saturating_sub((time::ns(limits.hours) as f64 * self.hours) as u64);
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let (mut removed, mut gone) = (0, Vec::new());
        for node in &slice.nodes {
            // A minute stays until it is in its hour.
            let minute = Resolution::Minute.interval(minutes_ns).min((node.hour + 1).saturating_mul(60));
            removed += older(&transaction, "minutes", node.id, minute)?;
            removed += older(&transaction, "hours", node.id, Resolution::Hour.interval(hours_ns))?;
            let heard = node.streams.iter().any(|id| !slice.silent.contains(id));
            if !heard && node.tail.is_empty() && nothing_of(&transaction, node.id)? {
                transaction.prepare_cached("DELETE FROM streams WHERE node = ?1")?.execute([node.id])?;
                transaction.prepare_cached("DELETE FROM nodes WHERE id = ?1")?.execute([node.id])?;
                gone.push(node.id);
            }
        }
        // The last stream of a node is what says when it was heard.
        let silent: Vec<u32> = {
            let last = |node: &Node| node.streams.last().copied();
            slice.silent.into_iter().filter(|id| slice.nodes.iter().all(|node| last(node) != Some(*id))).collect()
        };
        for id in &silent {
            transaction.prepare_cached("DELETE FROM streams WHERE id = ?1")?.execute([id])?;
        }
        removed += self.others(&transaction, limits, now_ns)?;
        transaction.commit()?;
        let mut registry = shared.registry();
        gone.iter().for_each(|id| registry.drop_node(*id));
        silent.iter().for_each(|id| registry.drop_stream(*id));
        drop(registry);
        self.at = slice.nodes.last().filter(|_| !slice.whole).map_or(0, |node| node.id);
        if slice.whole {
            self.pressure(over);
        }
        Ok(removed)
    }

    /// After all nodes were looked at: keeps less while there is still too much, the minutes first.
    fn pressure(&mut self, over: bool) {
        match over {
            true if self.minutes > LEAST => self.minutes *= LESS,
            true => self.hours = (self.hours * LESS).max(LEAST),
            false => (self.minutes, self.hours) = ((self.minutes / LESS).min(1.0), (self.hours / LESS).min(1.0)),
        }
    }

    fn others(&self, transaction: &Transaction, limits: &Limits, now_ns: u64) -> rusqlite::Result<u64> {
        let before = |time| now_ns.saturating_sub(time::ns(time)) as i64;
        for (resolution, time) in
            [(Resolution::Full, limits.full), (Resolution::Minute, limits.minutes), (Resolution::Hour, limits.hours)]
        {
            indices::forget(transaction, resolution, before(time), SLICE)?;
        }
        // What is not over stays, however old.
        let mut statement = transaction.prepare_cached(
            "DELETE FROM alerts WHERE id IN (SELECT id FROM alerts WHERE changed_ns < ?1 AND state >= ?2 LIMIT ?3)",
        )?;
        let over = crate::alert::State::Resolved as u8;
        Ok(statement.execute((before(limits.alerts), over, SLICE as i64))? as u64)
    }
}

fn slice(registry: &Registry, at: u32, silent_ns: u64) -> Slice {
    let count = registry.nodes.len().div_ceil(ROUND).max(1);
    let mut rest = registry.nodes.range(at.saturating_add(1)..).map(|(_, node)| node);
    let nodes: Vec<Node> = rest.by_ref().take(count).cloned().collect();
    let silent = |id: &u32| registry.streams.get(id).is_some_and(|stream| stream.last_received_ns < silent_ns);
    let silent = nodes.iter().flat_map(|node| node.streams.iter().copied()).filter(silent).collect();
    Slice { nodes, silent, whole: rest.next().is_none() }
}

/// Removes a slice of a node's sums that are older.
fn older(transaction: &Transaction, table: &str, node: u32, before: u64) -> rusqlite::Result<u64> {
    let text = format!(
        "DELETE FROM {table} WHERE key IN (SELECT key FROM {table} WHERE key >= ?1 AND key < ?2 ORDER BY key LIMIT ?3)"
    );
    let range = (time::key(node, 0), time::key(node, before), SLICE as i64);
    Ok(transaction.prepare_cached(&text)?.execute(range)? as u64)
}

/// Whether no sum of a node is there.
fn nothing_of(transaction: &Transaction, node: u32) -> rusqlite::Result<bool> {
    for table in ["minutes", "hours"] {
        let text = format!("SELECT 1 FROM {table} WHERE key >= ?1 AND key <= ?2");
        let range = (time::key(node, 0), time::key(node, u64::MAX));
        if transaction.prepare_cached(&text)?.exists(range)? {
            return Ok(false);
        }
    }
    Ok(true)
}
