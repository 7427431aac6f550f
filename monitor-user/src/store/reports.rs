//! Reading a node's reports and sums.
//!
//! Single reports lie in the order in which they came, from all nodes. Which of them are a node's is said by the rows of its
//! minutes, and in memory for what is in no minute yet.

use std::collections::BTreeSet;

use bytes::Bytes;
use prost::Message as _;
use rusqlite::{Connection, OptionalExtension as _, Row};

use super::{
    load::number,
    numbers, pack,
    reader::Page,
    time::{self, Resolution},
};
use crate::report::wire;

/// A report as it was stored, or a sum of reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The end of its interval in nanoseconds since 1970: of a report by the node's clock, of a sum the full minute or hour.
    pub end_ns: u64,
    /// A [`wire::Report`].
    pub bytes: Bytes,
}

impl Stored {
    /// What it says.
    ///
    /// # Errors
    ///
    /// If the bytes are no report.
    pub fn decode(&self) -> Result<wire::Report, prost::DecodeError> {
        wire::Report::decode(self.bytes.clone())
    }
}

/// A column of packed bytes. Those that are damaged come as they are: whoever decodes them finds that they are no report.
fn unpacked(row: &Row, column: usize) -> rusqlite::Result<Bytes> {
    let stored = row.get_ref(column)?.as_blob()?;
    Ok(pack::unpack(stored).unwrap_or_else(|| Bytes::copy_from_slice(stored)))
}

/// Sums with their end in (from, to].
pub(super) fn sums(
    connection: &Connection,
    node: u32,
    resolution: Resolution,
    (from_ns, to_ns): (u64, u64),
    limit: usize,
) -> rusqlite::Result<Page<Stored, u64>> {
    let table = if resolution == Resolution::Hour { "hours" } else { "minutes" };
    let text = format!("SELECT key, bytes FROM {table} WHERE key >= ?1 AND key < ?2 ORDER BY key LIMIT ?3");
    let mut statement = connection.prepare_cached(&text)?;
    // The first whose end is behind `from`, and the first whose end is behind `to`.
    let behind = |ns: u64| time::key(node, resolution.interval(ns.saturating_add(1)));
    let rows = statement.query_map((behind(from_ns), behind(to_ns), limit as i64), |row| {
        let interval = time::interval_of(row.get(0)?);
        Ok(Stored { end_ns: resolution.end_ns(interval), bytes: unpacked(row, 1)? })
    })?;
    let items = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    let next = items.last().filter(|_| items.len() == limit).map(|stored| stored.end_ns);
    Ok(Page { items, next })
}

/// Single reports with their end in (from, to]. `tail`: numbers and ends of those in no minute yet. `oldest`: all with lower
/// numbers are gone.
pub(super) fn full(
    connection: &Connection,
    node: u32,
    tail: &[(u64, u64)],
    oldest: u64,
    (from_ns, to_ns): (u64, u64),
    limit: usize,
) -> rusqlite::Result<Page<Stored, u64>> {
    let minute = Resolution::Minute;
    let (first, last) = (minute.interval(from_ns.saturating_add(1)), minute.interval(to_ns));
    let mut tail: Vec<_> = tail.iter().filter(|(_, end_ns)| (from_ns + 1..=to_ns).contains(end_ns)).collect();
    tail.sort_by_key(|(_, end_ns)| *end_ns);
    let mut tail = tail.into_iter().peekable();
    let mut minutes =
        connection.prepare_cached("SELECT key, reports FROM minutes WHERE key >= ?1 AND key <= ?2 ORDER BY key")?;
    let mut rows = minutes.query((time::key(node, first), time::key(node, last)))?;
    let mut next_row = || -> rusqlite::Result<Option<(u64, BTreeSet<u64>)>> {
        let Some(row) = rows.next()? else { return Ok(None) };
        let reports = numbers::decode(row.get_ref(1)?.as_blob()?).filter(|id| *id >= oldest);
        Ok(Some((time::interval_of(row.get(0)?), reports.collect())))
    };
    let mut report = connection.prepare_cached("SELECT end_ns, bytes FROM reports WHERE id = ?1")?;
    let (mut items, mut row) = (Vec::new(), next_row()?);
    loop {
        // The earliest minute that has anything, from either source.
        let waiting = tail.peek().map(|(_, end_ns)| minute.interval(*end_ns));
        let here = match (row.as_ref().map(|(interval, _)| *interval), waiting) {
            (None, None) => return Ok(Page { items, next: None }),
            (Some(a), Some(b)) => a.min(b),
            (Some(a), None) | (None, Some(a)) => a,
        };
        let mut ids = BTreeSet::new();
        if let Some((_, found)) = row.take_if(|(interval, _)| *interval == here) {
            ids = found;
            row = next_row()?;
        }
        while let Some((id, _)) = tail.next_if(|(_, end_ns)| minute.interval(*end_ns) == here) {
            ids.insert(*id);
        }
        let begin = items.len();
        for id in ids {
            let found = report.query_row([id as i64], |row| Ok((number(row, 0)?, unpacked(row, 1)?))).optional()?;
            // One that has gone in the meantime was too old.
            let Some((end_ns, bytes)) = found.filter(|(end_ns, _)| (from_ns + 1..=to_ns).contains(end_ns)) else {
                continue;
            };
            items.push(Stored { end_ns, bytes });
        }
        items[begin..].sort_by_key(|stored: &Stored| stored.end_ns);
        if items.len() >= limit {
            // What ends at the same time stays together, or going on from there would leave it out.
            let end_ns = items[limit - 1].end_ns;
            let cut = items.iter().rposition(|stored| stored.end_ns == end_ns).map_or(limit, |at| at + 1);
            items.truncate(cut);
            return Ok(Page { items, next: Some(end_ns) });
        }
    }
}
