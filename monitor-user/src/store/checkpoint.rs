//! The log (WAL) is copied into the database by a thread of its own, while the writer goes on: nobody waits until thousands of pages and
//! the sync behind them are done.
//!
//! What is appended meanwhile is not in that copy, and a log begins anew only when all of it is copied. So the thread copies until
//! little is left, and the writer copies that little itself, between two transactions. Where the disk copies more slowly than the
//! writer appends, the writer waits for it: the log stays bounded, and so does the time in which a start reads it.
//!
//! Source: "Write-Ahead Logging" of SQLite's documentation, "Checkpointing" and "Avoiding Excessively Large WAL Files".

use std::{
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
};

use rusqlite::{Connection, MAIN_DB, wal::CheckpointMode};

/// Bytes of a page.
const PAGE: u64 = 4096;
/// Pages that the writer copies itself: a few milliseconds.
const LITTLE: u64 = 512;
/// At so many times the size at which it is copied the writer waits for the copy.
const BOUND: u64 = 4;

/// How far the thread is.
enum State {
    Idle,
    /// It copies, or is about to.
    Busy,
    /// So many pages of the log are in the database.
    Done(rusqlite::Result<u64>),
    Closed,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, state: State) {
        *self.lock() = state;
        self.changed.notify_all();
    }
}

/// The writer's end: it says when, and does the rest.
pub(super) struct Checkpoint {
    shared: Arc<Shared>,
    thread: Option<thread::JoinHandle<()>>,
    /// Pages in the log, as the latest transaction left it.
    pages: Arc<AtomicU64>,
    /// The size in pages at which it is copied.
    most: u64,
    /// As many there were when it was to be copied last, and as many were copied.
    tried: u64,
    copied: u64,
}

impl Checkpoint {
    /// `writer` is the connection that appends, `copier` one of the thread's own.
    pub(super) fn start(writer: &mut Connection, copier: Connection, log_bytes: u64) -> std::io::Result<Self> {
        let pages = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&pages);
        let hook = move |_: &mut rusqlite::hooks::Wal, count: i32| {
            counted.store(u64::try_from(count).unwrap_or(0), Relaxed);
            Ok(())
        };
        if let Err(error) = writer.wal_hook(Some(hook)) {
            tracing::warn!("the size of the store's log is not known: {error}");
        }
        let shared = Arc::new(Shared { state: Mutex::new(State::Idle), changed: Condvar::new() });
        let of_thread = Arc::clone(&shared);
        let thread = thread::Builder::new().name("store-log".into()).spawn(move || run(&of_thread, &copier))?;
        Ok(Self { shared, thread: Some(thread), pages, most: log_bytes / PAGE, tried: 0, copied: 0 })
    }

    /// Bytes in the log.
    pub(super) fn log_bytes(&self) -> u64 {
        self.pages.load(Relaxed) * PAGE
    }

    /// Looks after the log; between two transactions.
    pub(super) fn step(&mut self, writer: &Connection) -> rusqlite::Result<()> {
        let pages = self.pages.load(Relaxed);
        if pages < self.tried {
            (self.tried, self.copied) = (0, 0);
        }
        loop {
            match self.answer(pages >= self.most.saturating_mul(BOUND)) {
                State::Busy | State::Closed => return Ok(()),
                State::Idle => {
                    // While somebody reads for long the log cannot begin anew: then it is copied now and then, not each time.
                    let again = if self.tried > 0 { self.tried + self.most / 4 } else { 0 };
                    if pages < self.most.max(again) {
                        return Ok(());
                    }
                    self.tried = pages;
                    self.shared.set(State::Busy);
                }
                State::Done(copied) => {
                    let copied = copied?;
                    if pages.saturating_sub(copied) <= LITTLE {
                        self.tried = pages;
                        return writer.wal_checkpoint_v2(Some(MAIN_DB), CheckpointMode::PASSIVE).map(drop);
                    }
                    if copied <= self.copied {
                        return Ok(());
                    }
                    self.copied = copied;
                    self.shared.set(State::Busy);
                }
            }
        }
    }

    /// What the thread says; with `wait`, once it copies no more.
    fn answer(&self, wait: bool) -> State {
        let busy = |state: &mut State| wait && matches!(state, State::Busy);
        let mut state =
            self.shared.changed.wait_while(self.shared.lock(), busy).unwrap_or_else(PoisonError::into_inner);
        match &*state {
            State::Busy => State::Busy,
            State::Closed => State::Closed,
            State::Idle | State::Done(_) => std::mem::replace(&mut state, State::Idle),
        }
    }
}

impl Drop for Checkpoint {
    fn drop(&mut self) {
        self.shared.set(State::Closed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Nobody waits for a thread that has ended, not even by a panic.
struct Ended<'a>(&'a Shared);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.set(State::Closed);
    }
}

fn run(shared: &Shared, connection: &Connection) {
    let ended = Ended(shared);
    loop {
        let nothing = |state: &mut State| matches!(state, State::Idle | State::Done(_));
        let state = ended.0.changed.wait_while(ended.0.lock(), nothing).unwrap_or_else(PoisonError::into_inner);
        if matches!(*state, State::Closed) {
            return;
        }
        drop(state);
        let copied = connection.wal_checkpoint_v2(Some(MAIN_DB), CheckpointMode::PASSIVE);
        let copied = copied.map(|(_, copied)| u64::try_from(copied).unwrap_or(0));
        let mut state = ended.0.lock();
        if matches!(*state, State::Closed) {
            return;
        }
        *state = State::Done(copied);
        drop(state);
        ended.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::{durable::tests::Directory, store::schema};

    /// A log of at most 1 MiB.
    const LOG_BYTES: u64 = 256 << 10;

    struct Place {
        writer: Connection,
        checkpoint: Checkpoint,
        directory: Directory,
    }

    impl Place {
        fn new() -> Self {
            let directory = Directory::new();
            let file = directory.0.join("store.db");
            let mut writer = schema::open_writer(&file, Duration::from_secs(1), 1 << 20).unwrap();
            let copier = schema::open_copier(&file, Duration::from_secs(1)).unwrap();
            let checkpoint = Checkpoint::start(&mut writer, copier, LOG_BYTES).unwrap();
            Self { writer, checkpoint, directory }
        }

        /// Appends some 16 pages.
        fn append(&mut self) {
            let mut statement =
                self.writer.prepare_cached("INSERT INTO minutes (key, reports, bytes) VALUES (NULL, x'', ?1)").unwrap();
            statement.execute([vec![7u8; 64 << 10]]).unwrap();
            drop(statement);
            self.checkpoint.step(&self.writer).unwrap();
        }

        fn file_bytes(&self) -> u64 {
            std::fs::metadata(self.directory.0.join("store.db")).unwrap().len()
        }
    }

    #[test]
    fn the_log_stays_bounded_and_what_was_in_it_is_in_the_database() {
        let mut place = Place::new();
        let mut most = 0;
        for _ in 0..400 {
            place.append();
            most = most.max(place.checkpoint.log_bytes());
        }
        assert!(most <= LOG_BYTES * BOUND + (128 << 10), "{most}");
        assert!(place.file_bytes() > 20 << 20, "{}", place.file_bytes());
        let count: i64 = place.writer.query_row("SELECT count(*) FROM minutes", [], |row| row.get(0)).unwrap();
        assert_eq!(count, 400);
    }

    #[test]
    fn the_log_begins_anew_once_a_reader_has_gone() {
        let mut place = Place::new();
        let mut reader = schema::open_reader(&place.directory.0.join("store.db"), Duration::from_secs(1)).unwrap();
        let reading = reader.transaction().unwrap();
        let _: i64 = reading.query_row("SELECT count(*) FROM minutes", [], |row| row.get(0)).unwrap();
        let begun = Instant::now();
        (0..60).for_each(|_| place.append());
        assert!(place.checkpoint.log_bytes() > LOG_BYTES * BOUND && begun.elapsed() < Duration::from_secs(30));
        drop(reading);
        (0..60).for_each(|_| place.append());
        assert!(place.checkpoint.log_bytes() <= LOG_BYTES * BOUND + (128 << 10));
    }
}
