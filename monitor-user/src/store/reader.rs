//! Reading, beside the writer: connections of their own that see one state of the database each time, and cannot change it. Every
//! read is bounded in rows and in time.
//!
//! Blocking: call it from a thread that may wait.

use std::{
    path::PathBuf,
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::{Duration, Instant},
};

use rusqlite::{Connection, ErrorCode};

use super::{
    Shared, Stream,
    alerts::{self, After, AlertFilter},
    error::Error,
    indices::{self, SeriesPoint},
    reports::{self, Stored},
    schema,
    time::{LATEST_NS, Resolution},
};
use crate::{
    alert::Alert,
    index::{Mode, Signal},
};

/// The most rows of a page, whatever is asked for.
pub const MOST_ROWS: usize = 10_000;
/// Steps of the database's machine between two looks at the clock: some ten microseconds.
const STEPS: i32 = 1_000;

/// A part of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T, C> {
    /// What was found.
    pub items: Vec<T>,
    /// Where to go on; `None` where nothing more can be.
    pub next: Option<C>,
}

/// A node that the store knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownNode {
    /// Its name.
    pub name: String,
    /// The end of its first report, in nanoseconds since 1970.
    pub first_ns: u64,
    /// Its agents, each on one boot, the one heard last at the end.
    pub streams: Vec<Stream>,
}

impl KnownNode {
    /// The end of its latest report, in nanoseconds since 1970.
    pub fn last_end_ns(&self) -> u64 {
        self.streams.iter().map(|stream| stream.last_end_ns).max().unwrap_or(0)
    }
}

/// Connections that wait to be used.
pub(super) struct Pool {
    file: PathBuf,
    patience: Duration,
    most: Duration,
    idle: Mutex<(Vec<Connection>, usize)>,
    returned: Condvar,
}

impl Pool {
    pub(super) fn new(file: PathBuf, patience: Duration, most: Duration, size: usize) -> Self {
        Self { file, patience, most, idle: Mutex::new((Vec::new(), size.max(1))), returned: Condvar::new() }
    }

    /// Lends a connection to `read`, for at most the time that a read may take, waiting included.
    fn with<T>(&self, read: impl FnOnce(&Connection) -> Result<rusqlite::Result<T>, Error>) -> Result<T, Error> {
        let until = Instant::now() + self.most;
        let mut connection = Lent { pool: self, connection: Some(self.take()?) };
        let Some(lent) = &mut connection.connection else { return Err(Error::Busy) };
        let error = |error: rusqlite::Error| match error.sqlite_error_code() {
            Some(ErrorCode::OperationInterrupted) => Error::TooLong(self.most),
            _ => Error::of(&self.file, &error),
        };
        lent.progress_handler(STEPS, Some(move || Instant::now() >= until)).map_err(error)?;
        // Everything that one read sees is of one moment.
        let transaction = lent.transaction().map_err(error)?;
        read(&transaction)?.map_err(error)
    }

    fn take(&self) -> Result<Connection, Error> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = |idle: &mut (Vec<Connection>, usize)| idle.0.is_empty() && idle.1 == 0;
        let (mut idle, _) =
            self.returned.wait_timeout_while(idle, self.most, taken).unwrap_or_else(PoisonError::into_inner);
        if let Some(connection) = idle.0.pop() {
            return Ok(connection);
        }
        idle.1 = idle.1.checked_sub(1).ok_or(Error::Busy)?;
        drop(idle);
        schema::open_reader(&self.file, self.patience).inspect_err(|_| self.give(None))
    }

    fn give(&self, connection: Option<Connection>) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        match connection {
            Some(connection) => idle.0.push(connection),
            None => idle.1 += 1,
        }
        drop(idle);
        self.returned.notify_one();
    }
}

/// A connection that goes back into the pool, also when whoever had it panics.
struct Lent<'a> {
    pool: &'a Pool,
    connection: Option<Connection>,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        self.pool.give(self.connection.take());
    }
}

/// Reads a store. Cheap to clone.
#[derive(Clone)]
pub struct Reader {
    pub(super) shared: Arc<Shared>,
}

impl Reader {
    /// The nodes in the order of their names, from behind `after` on.
    pub fn nodes(&self, after: Option<&str>, limit: usize) -> Page<KnownNode, String> {
        let limit = bounded(limit);
        let registry = self.shared.registry();
        let from = after.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
        let ids = registry.names.range::<str, _>((from, std::ops::Bound::Unbounded)).take(limit);
        let items: Vec<_> = ids
            .filter_map(|(_, id)| registry.nodes.get(id))
            .map(|node| {
                let streams = node.streams.iter().filter_map(|id| registry.show(registry.streams.get(id)?));
                let mut streams: Vec<_> = streams.collect();
                streams.sort_by_key(|stream| stream.last_received_ns);
                KnownNode { name: node.name.clone(), first_ns: node.first_ns, streams }
            })
            .collect();
        let next = items.last().filter(|_| items.len() == limit).map(|node| node.name.clone());
        Page { items, next }
    }

    /// A node's reports, or its sums over minutes or hours, with their end in (from, to], the oldest first. To go on, ask from
    /// [`Page::next`]. Empty for a node that is not known. What was reported in the last [`super::Limits::roll_up`] is not in sums yet.
    ///
    /// # Errors
    ///
    /// If the database cannot be read, in time.
    pub fn reports(
        &self,
        node: &str,
        resolution: Resolution,
        from_ns: u64,
        to_ns: u64,
        limit: usize,
    ) -> Result<Page<Stored, u64>, Error> {
        let range = (from_ns.min(LATEST_NS), to_ns.min(LATEST_NS));
        let oldest = self.shared.status().oldest_report;
        // Before the connection looks at the database: what is added up in the meantime is then found there.
        let (id, tail) = {
            let registry = self.shared.registry();
            let Some(node) = registry.names.get(node).and_then(|id| registry.nodes.get(id)) else {
                return Ok(Page { items: Vec::new(), next: None });
            };
            let full = resolution == Resolution::Full;
            (node.id, if full { node.tail.clone() } else { Vec::new() })
        };
        self.shared.pool.with(|connection| {
            Ok(match resolution {
                Resolution::Full => reports::full(connection, id, &tail, oldest, range, bounded(limit)),
                _ => reports::sums(connection, id, resolution, range, bounded(limit)),
            })
        })
    }

    /// Alerts, those that began last first.
    ///
    /// # Errors
    ///
    /// If the database cannot be read, in time.
    pub fn alerts(
        &self,
        filter: &AlertFilter,
        after: Option<&After>,
        limit: usize,
    ) -> Result<Page<Arc<Alert>, After>, Error> {
        self.shared.pool.with(|connection| alerts::read(connection, filter, after, bounded(limit)))
    }

    /// The fleet's figures with their end in (from, to], the oldest first. To go on, ask from [`Page::next`].
    ///
    /// # Errors
    ///
    /// If the database cannot be read, in time.
    pub fn series(
        &self,
        signal: Signal,
        mode: Mode,
        resolution: Resolution,
        from_ns: u64,
        to_ns: u64,
        limit: usize,
    ) -> Result<Page<SeriesPoint, u64>, Error> {
        let range = (from_ns.min(LATEST_NS) as i64, to_ns.min(LATEST_NS) as i64);
        self.shared
            .pool
            .with(|connection| Ok(indices::read(connection, (signal, mode), resolution, range, bounded(limit))))
    }
}

fn bounded(limit: usize) -> usize {
    limit.clamp(1, MOST_ROWS)
}
