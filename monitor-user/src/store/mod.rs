//! The server's store: reports at full resolution for a day, as sums over a minute for a month and over an hour for a year, alerts, and
//! the fleet's figures, in one SQLite database.
//!
//! In: reports that were checked, as bytes; alerts; indices. Out: the same, in pages. What [`Store::submit`] has said `Ok` to is on
//! disk, once, whatever happens then.
//!
//! | module | what it is |
//! |---|---|
//! | [`limits`], [`error`], [`status`] | how much and for how long; what can go wrong; how it is |
//! | `schema` | the tables, their versions, how they are opened |
//! | `queue` | the bounded queue before the writer |
//! | `writer` | the one thread that writes |
//! | `ingest` | a transaction of what came in |
//! | `registry`, `ranges`, `load` | nodes, streams and their sequences in memory; how they get there |
//! | `rollup` | sums over minutes and hours |
//! | `checkpoint` | the log gets into the database while the writer goes on |
//! | `retention` | what is too old or too much goes, a little at a time |
//! | [`reader`], [`reports`], [`alerts`], [`indices`] | reading, bounded in rows and time |
//! | [`backup`] | a copy while it runs |
//! | [`time`], `numbers`, `pack` | intervals and keys; numbers, and reports, in few bytes |
//!
//! # Decisions
//!
//! - **The hot table is only appended to.** Its key counts what comes in, so ten thousand nodes write to the same page and not to ten
//!   thousand. There is no index by node or sequence. Which sequences are there is known in memory, as runs; whose report a row is, is
//!   said by the node's row of that minute, which has to be written anyway.
//! - **Exactly once.** One writer, one lock on the directory. A sum and the number of the last report in it change in one
//!   transaction, for each node by itself; so a crash repeats nothing and loses nothing, and a report that comes a day late is
//!   added to its own minute and hour like any other.
//! - **Nothing waits for upkeep.** Sums, retention and giving back space are done by the same thread between transactions, in slices of
//!   a few milliseconds, at a rate that follows from the number of nodes. The log is copied into the database by a thread beside it.
//!
//! Sources: the documentation of SQLite ("Write-Ahead Logging", "Rowid Tables", "Database File Format", "Online Backup API").

pub mod alerts;
pub mod backup;
mod checkpoint;
pub mod error;
pub mod indices;
mod ingest;
pub mod limits;
mod load;
mod numbers;
mod pack;
mod queue;
mod ranges;
pub mod reader;
mod registry;
pub mod reports;
mod retention;
mod rollup;
mod schema;
pub mod status;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
pub mod time;
mod writer;

use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::SystemTime,
};

use bytes::Bytes;

pub use self::{
    alerts::{After, AlertFilter},
    backup::backup,
    error::{Error, Unavailable},
    indices::{IndexPoint, SeriesPoint},
    limits::Limits,
    queue::Depth,
    reader::{KnownNode, Page, Reader},
    reports::Stored,
    status::Status,
    time::Resolution,
};
use self::{
    queue::{Queue, Work},
    reader::Pool,
    registry::Registry,
    writer::Writer,
};
use crate::{alert::Alert, report::wire};

/// The database in the store's directory.
pub const FILE: &str = "store.db";
/// Whoever has it locked has the store.
const LOCK: &str = "lock";

/// A report that was checked and is to be stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Incoming {
    /// The node's name, as it was authenticated.
    pub node: String,
    /// Which of its agents.
    pub sender: wire::Sender,
    /// [`wire::Report::sequence`].
    pub sequence: u64,
    /// [`wire::Report::end_ns`].
    pub end_ns: u64,
    /// When it arrived, by the server's clock in nanoseconds since 1970.
    pub received_ns: u64,
    /// A [`wire::Report`].
    pub bytes: Bytes,
}

/// One agent on one boot of a node, and how far its reports are stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// The node's name.
    pub node: String,
    /// [`wire::Sender::machine`].
    pub machine: Vec<u8>,
    /// [`wire::Sender::boot_id`].
    pub boot_id: String,
    /// [`wire::Sender::instance`].
    pub instance: u64,
    /// [`wire::Sender::agent_version`].
    pub agent_version: String,
    /// The greatest sequence that is stored.
    pub last_sequence: u64,
    /// The latest end of a report, in nanoseconds since 1970.
    pub last_end_ns: u64,
    /// When a report came last, in nanoseconds since 1970.
    pub last_received_ns: u64,
}

/// Tells the time, in nanoseconds since 1970.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// What the writer, the readers and the store have in common.
pub(crate) struct Shared {
    queue: Queue,
    registry: Mutex<Registry>,
    status: Mutex<Status>,
    pool: Pool,
    clock: Clock,
}

impl Shared {
    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn status(&self) -> MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The store. Dropped, it writes what is in the queue and ends.
pub struct Store {
    shared: Arc<Shared>,
    writer: Option<thread::JoinHandle<()>>,
    /// Held for as long as the store is open.
    _lock: File,
}

impl Store {
    /// Opens the store in a directory, which is made if it is not there.
    ///
    /// # Errors
    ///
    /// If another server has it, or the database cannot be used: by name, see [`Error`].
    pub fn open(directory: &Path, limits: Limits) -> Result<Self, Error> {
        let since_1970 = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        Self::open_at(directory, limits, Arc::new(move || since_1970().map_or(0, time::ns)))
    }

    /// As [`Self::open`], with a clock of one's own.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn open_at(directory: &Path, limits: Limits, clock: Clock) -> Result<Self, Error> {
        let lock = lock(directory)?;
        let file = directory.join(FILE);
        let connection = schema::open_writer(&file, limits.patience, limits.cache_bytes)?;
        let copier = schema::open_copier(&file, limits.patience)?;
        let registry = load::load(&connection).map_err(|error| Error::of(&file, &error))?;
        let status = Status { unrolled: registry.unrolled, ..Status::default() };
        let shared = Arc::new(Shared {
            queue: Queue::new(Depth { reports: limits.queue_reports, bytes: limits.queue_bytes }),
            registry: Mutex::new(registry),
            status: Mutex::new(status),
            pool: Pool::new(file.clone(), limits.patience, limits.read, limits.readers),
            clock,
        });
        let writer = Writer::new(connection, copier, limits, Arc::clone(&shared));
        let spawned = writer.and_then(|writer| thread::Builder::new().name("store".into()).spawn(|| writer.run()));
        let writer = spawned.map_err(|source| Error::Io { path: file, what: "served by a thread", source })?;
        Ok(Self { shared, writer: Some(writer), _lock: lock })
    }

    /// Stores reports. Resolves to `Ok` once all of them are on disk; one that is there already is. The order in which they are
    /// given is the order in which they are stored.
    ///
    /// # Errors
    ///
    /// If they have to be sent again: none of them is stored, or nobody can say.
    pub fn submit(
        &self,
        reports: Vec<Incoming>,
    ) -> impl Future<Output = Result<(), Unavailable>> + Send + 'static + use<> {
        let count = reports.len() as u64;
        // Here and not by the writer: there is one of it, and many of those who submit.
        let packed = |report: Incoming| Incoming { bytes: pack::pack(report.bytes), ..report };
        let reports = reports.into_iter().map(packed).collect();
        let put = self.put(Work::Reports(reports));
        if put.is_err() {
            self.shared.status().turned_away += count;
        }
        answer(put)
    }

    /// Stores an alert in place of its earlier state.
    ///
    /// # Errors
    ///
    /// As [`Self::submit`].
    pub fn alert(&self, alert: &Alert) -> impl Future<Output = Result<(), Unavailable>> + Send + 'static + use<> {
        answer(self.put(Work::Alert(Box::new(alert.clone()))))
    }

    /// Stores the fleet's figures of one judgement. What was stored for the same time stays.
    ///
    /// # Errors
    ///
    /// As [`Self::submit`].
    pub fn indices(
        &self,
        at_ns: u64,
        points: &[IndexPoint],
    ) -> impl Future<Output = Result<(), Unavailable>> + Send + 'static + use<> {
        answer(self.put(Work::Indices(at_ns, points.to_vec())))
    }

    /// Every agent that the store knows, by node, the one heard last at the end.
    pub fn streams(&self) -> Vec<Stream> {
        self.shared.registry().streams()
    }

    /// Reads what is stored.
    pub fn reader(&self) -> Reader {
        Reader { shared: Arc::clone(&self.shared) }
    }

    /// How the store is.
    pub fn status(&self) -> Status {
        let unrolled = self.shared.registry().unrolled;
        Status { queue: self.shared.queue.depth(), unrolled, ..self.shared.status().clone() }
    }

    fn put(&self, work: Work) -> Result<Answer, Unavailable> {
        self.shared.queue.put(work)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.shared.queue.close();
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

type Answer = tokio::sync::oneshot::Receiver<Result<(), Unavailable>>;

async fn answer(put: Result<Answer, Unavailable>) -> Result<(), Unavailable> {
    // A writer that has ended has not written it.
    put?.await.unwrap_or(Err(Unavailable::Closed))
}

fn lock(directory: &Path) -> Result<File, Error> {
    let error = |path: &Path, what| {
        let path: PathBuf = path.into();
        move |source: std::io::Error| match source.kind() {
            std::io::ErrorKind::ReadOnlyFilesystem => Error::ReadOnly(path),
            std::io::ErrorKind::StorageFull => Error::NoRoom(path),
            _ => Error::Io { path, what, source },
        }
    };
    fs::create_dir_all(directory).map_err(error(directory, "made"))?;
    let path = directory.join(LOCK);
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(error(&path, "opened"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::InUse(directory.into())),
        Err(TryLockError::Error(source)) => Err(error(&path, "locked")(source)),
    }
}
