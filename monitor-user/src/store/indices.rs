//! The fleet's figures over time: P, F, S of each signal and mode, at each judgement and as means over minutes and hours.
//!
//! Means are updated with each point: there are a dozen series, whatever the number of nodes.

use rusqlite::{Connection, Transaction};
use serde::{Deserialize, Serialize};

use super::{load::number, reader::Page, time::Resolution};
use crate::index::{Index, Mode, Signal};

/// One signal in one mode at one judgement.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct IndexPoint {
    /// What is judged.
    pub signal: Signal,
    /// Against what.
    pub mode: Mode,
    /// P.
    pub p: f64,
    /// F.
    pub shift: f64,
    /// S.
    pub unevenness: f64,
    /// N, the nodes with a verdict.
    pub nodes: u64,
}

impl IndexPoint {
    /// Of an index; `None` where there is no verdict.
    pub fn of(index: &Index) -> Option<Self> {
        let verdict = index.verdict?;
        let (signal, mode) = (index.signal, index.mode);
        Some(Self {
            signal,
            mode,
            p: verdict.p,
            shift: verdict.shift,
            unevenness: verdict.unevenness,
            nodes: verdict.nodes,
        })
    }
}

/// The fleet's figures at one time, or over the interval that ends then.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeriesPoint {
    /// The end, in nanoseconds since 1970.
    pub end_ns: u64,
    /// How many judgements.
    pub points: u64,
    /// Their mean P.
    pub p: f64,
    /// Their highest P.
    pub p_most: f64,
    /// Their mean F.
    pub shift: f64,
    /// Their mean S.
    pub unevenness: f64,
    /// Their mean N.
    pub nodes: f64,
}

fn series(signal: Signal, mode: Mode) -> i64 {
    (signal as i64) << 8 | mode as i64
}

/// Adds a judgement at each resolution. One that is there already is not added again.
pub(super) fn write(transaction: &Transaction, at_ns: u64, points: &[IndexPoint]) -> rusqlite::Result<()> {
    let mut first = transaction.prepare_cached(
        "INSERT OR IGNORE INTO indices (resolution, series, at_ns, points, p, most, shift, unevenness, nodes) \
         VALUES (?1, ?2, ?3, 1, ?4, ?4, ?5, ?6, ?7)",
    )?;
    let mut sum = transaction.prepare_cached(
        "INSERT INTO indices (resolution, series, at_ns, points, p, most, shift, unevenness, nodes) \
         VALUES (?1, ?2, ?3, 1, ?4, ?4, ?5, ?6, ?7) \
         ON CONFLICT (resolution, series, at_ns) DO UPDATE SET points = points + 1, \
         p = p + (excluded.p - p) / (points + 1), most = max(most, excluded.most), \
         shift = shift + (excluded.shift - shift) / (points + 1), \
         unevenness = unevenness + (excluded.unevenness - unevenness) / (points + 1), \
         nodes = nodes + (excluded.nodes - nodes) / (points + 1)",
    )?;
    // A figure that is none would be NULL in the database.
    let sound = |point: &&IndexPoint| [point.p, point.shift, point.unevenness].iter().all(|figure| figure.is_finite());
    for point in points.iter().filter(sound) {
        let figures = (point.p, point.shift, point.unevenness, point.nodes as f64);
        for &resolution in Resolution::ALL {
            let end_ns = match resolution {
                Resolution::Full => at_ns,
                _ => resolution.end_ns(resolution.interval(at_ns)),
            };
            let statement = if resolution == Resolution::Full { &mut first } else { &mut sum };
            let (p, shift, unevenness, nodes) = figures;
            let row = (resolution as u8, series(point.signal, point.mode), end_ns as i64, p, shift, unevenness, nodes);
            let changed = statement.execute(row)?;
            if changed == 0 {
                break;
            }
        }
    }
    Ok(())
}

/// The points with their end in (from, to], the oldest first.
pub(super) fn read(
    connection: &Connection,
    (signal, mode): (Signal, Mode),
    resolution: Resolution,
    (from_ns, to_ns): (i64, i64),
    limit: usize,
) -> rusqlite::Result<Page<SeriesPoint, u64>> {
    let mut statement = connection.prepare_cached(
        "SELECT at_ns, points, p, most, shift, unevenness, nodes FROM indices \
         WHERE resolution = ?1 AND series = ?2 AND at_ns > ?3 AND at_ns <= ?4 ORDER BY at_ns LIMIT ?5",
    )?;
    let limit_rows = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = statement.query_map((resolution as u8, series(signal, mode), from_ns, to_ns, limit_rows), |row| {
        Ok(SeriesPoint {
            end_ns: number(row, 0)?,
            points: number(row, 1)?,
            p: row.get(2)?,
            p_most: row.get(3)?,
            shift: row.get(4)?,
            unevenness: row.get(5)?,
            nodes: row.get(6)?,
        })
    })?;
    let items = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    let next = items.last().filter(|_| items.len() == limit).map(|point| point.end_ns);
    Ok(Page { items, next })
}

/// Removes a slice of what is older than each resolution's time; whether there was any.
pub(super) fn forget(
    connection: &Connection,
    resolution: Resolution,
    before_ns: i64,
    most: usize,
) -> rusqlite::Result<bool> {
    let mut statement = connection.prepare_cached(
        "DELETE FROM indices WHERE (resolution, series, at_ns) IN (SELECT resolution, series, at_ns FROM indices \
         WHERE resolution = ?1 AND series = ?2 AND at_ns < ?3 ORDER BY at_ns LIMIT ?4)",
    )?;
    let mut removed = 0;
    for (&signal, &mode) in Signal::ALL.iter().flat_map(|signal| Mode::ALL.iter().map(move |mode| (signal, mode))) {
        removed += statement.execute((resolution as u8, series(signal, mode), before_ns, most as i64))?;
    }
    Ok(removed > 0)
}
