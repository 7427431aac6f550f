//! What is too old goes, and the oldest where there is too much: single reports first, then minutes, then hours. In slices of a few
//! hundred rows, so that nobody waits for it; the room is given back to the filesystem once there is enough of it.
//!
//! Nothing goes that is not in the sums above it yet.

mod sums;

use std::time::{Duration, Instant};

use rusqlite::Connection;

use self::sums::Sums;
use super::{
    Shared,
    limits::Limits,
    load::{self, FLOOR, number},
    time,
};

/// Rows in one slice, at least: where more came in meanwhile, twice as many as came in, up to [`MOST`].
const SLICE: usize = 256;
/// The most rows in one slice.
const MOST: u64 = 4_000;
/// Pages that are given back in one slice.
const PAGES: u64 = 128;
/// Free pages up to which nothing is given back, at least; they are soon used again.
const KEEP_PAGES: u64 = 1_024;
/// From one slice to the next; with [`MOST`] rows in each that is ten times what ten thousand nodes bring.
const PACE: Duration = Duration::from_millis(50);
/// From one look at what grows slowly to the next.
const LOOK: Duration = Duration::from_secs(1);

/// Removes, a slice at a time.
pub(super) struct Retention {
    limits: Limits,
    sums: Sums,
    stepped: Option<Instant>,
    looked: Option<Instant>,
    /// Reports that had been stored at the last slice.
    stored: u64,
}

/// How large the database is, in pages.
struct Size {
    pages: u64,
    free: u64,
    page: u64,
}

impl Size {
    fn of(connection: &Connection) -> rusqlite::Result<Self> {
        let value = |name| connection.pragma_query_value(None, name, |row| number(row, 0));
        Ok(Self { pages: value("page_count")?, free: value("freelist_count")?, page: value("page_size")? })
    }

    fn used(&self) -> u64 {
        self.pages.saturating_sub(self.free) * self.page
    }
}

impl Retention {
    pub(super) fn new(limits: &Limits) -> Self {
        Self { limits: limits.clone(), sums: Sums::default(), stepped: None, looked: None, stored: 0 }
    }

    /// A slice of each kind.
    pub(super) fn step(&mut self, connection: &mut Connection, shared: &Shared) -> rusqlite::Result<()> {
        if self.stepped.is_some_and(|stepped| stepped.elapsed() < PACE) {
            return Ok(());
        }
        self.stepped = Some(Instant::now());
        let now_ns = (shared.clock)();
        let size = Size::of(connection)?;
        let over = size.used() > self.limits.bytes;
        let mut removed = self.reports(connection, shared, now_ns, over)?;
        // Where no single report can go, the sums have to make room.
        let sums_too = over && removed == 0;
        if sums_too || self.looked.is_none_or(|looked| looked.elapsed() >= LOOK) {
            self.looked = Some(Instant::now());
            removed += self.sums.step(connection, shared, &self.limits, now_ns, sums_too)?;
        }
        give_back(connection, &size)?;
        let mut status = shared.status();
        status.removed += removed;
        status.file_bytes = size.pages * size.page;
        status.used_bytes = size.used();
        Ok(())
    }

    /// The oldest single reports, as far as they are in sums; how many went.
    fn reports(&mut self, connection: &Connection, shared: &Shared, now_ns: u64, over: bool) -> rusqlite::Result<u64> {
        let before_ns = now_ns.saturating_sub(time::ns(self.limits.full));
        let floor = load::mark(connection, FLOOR)?;
        let mut statement = connection.prepare_cached("SELECT id, received_ns FROM reports ORDER BY id LIMIT ?1")?;
        let stored = shared.status().stored;
        let came = stored - std::mem::replace(&mut self.stored, stored);
        let mut rows = statement.query([came.saturating_mul(2).clamp(SLICE as u64, MOST) as i64])?;
        let (mut oldest, mut last) = (None, None);
        while let Some(row) = rows.next()? {
            let (id, received_ns) = (number(row, 0)?, number(row, 1)?);
            if id > floor || !(over || received_ns < before_ns) {
                oldest = Some((id, received_ns));
                break;
            }
            last = Some(id);
        }
        drop(rows);
        let removed = match last {
            Some(last) => {
                connection.prepare_cached("DELETE FROM reports WHERE id <= ?1")?.execute([last as i64])? as u64
            }
            None => 0,
        };
        let mut status = shared.status();
        match (oldest, last) {
            (Some((id, received_ns)), _) => (status.oldest_report, status.oldest_received_ns) = (id, received_ns),
            // There are more behind this slice, or none at all.
            (None, Some(last)) => status.oldest_report = last + 1,
            (None, None) => status.oldest_received_ns = 0,
        }
        Ok(removed)
    }
}

/// Gives free pages back to the filesystem, where there are many.
fn give_back(connection: &Connection, size: &Size) -> rusqlite::Result<()> {
    if size.free <= KEEP_PAGES.max(size.pages / 20) {
        return Ok(());
    }
    let mut statement = connection.prepare_cached(&format!("PRAGMA incremental_vacuum({PAGES})"))?;
    let mut rows = statement.query([])?;
    while rows.next()?.is_some() {}
    Ok(())
}
