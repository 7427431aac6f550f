//! The tables, and how a connection to them is opened.
//!
//! | table | what it is |
//! |---|---|
//! | `nodes` | each node: its name, up to which report its sums go, the last hour that was added up |
//! | `streams` | each agent on each boot, with the sequences that are there |
//! | `reports` | single reports in the order in which they came; nothing is ever inserted in between |
//! | `minutes` | sums over a minute, node first, with the numbers of the reports in them |
//! | `hours` | sums over an hour, node first |
//! | `alerts` | the latest state of each alert |
//! | `indices` | the fleet's figures, at three resolutions |
//! | `marks` | single numbers, by name |
//!
//! The key of a sum is one integer, node << 32 | minutes (or hours) since 1970: an integer key costs nothing beside the row, and
//! a row of a few KiB lies in its page, where other keys would move it to pages of its own.

use std::{path::Path, time::Duration};

use rusqlite::{Connection, OpenFlags};

use super::error::Error;

/// What the tables' file says it is: `kpul`.
const APPLICATION: i64 = 0x6b70_756c;

/// The steps from one version of the tables to the next. Never changed, only added to.
const MIGRATIONS: &[&str] = &["
    CREATE TABLE nodes (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, first_ns INTEGER NOT NULL,
        rolled INTEGER NOT NULL, hour INTEGER NOT NULL);
    CREATE TABLE streams (id INTEGER PRIMARY KEY, node INTEGER NOT NULL, machine BLOB NOT NULL, boot TEXT NOT NULL,
        instance INTEGER NOT NULL, version TEXT NOT NULL, last_end_ns INTEGER NOT NULL, last_received_ns INTEGER NOT NULL,
        ranges BLOB NOT NULL);
    CREATE TABLE reports (id INTEGER PRIMARY KEY, stream INTEGER NOT NULL, sequence INTEGER NOT NULL, end_ns INTEGER NOT NULL,
        received_ns INTEGER NOT NULL, bytes BLOB NOT NULL);
    CREATE TABLE minutes (key INTEGER PRIMARY KEY, reports BLOB NOT NULL, bytes BLOB NOT NULL);
    CREATE TABLE hours (key INTEGER PRIMARY KEY, bytes BLOB NOT NULL);
    CREATE TABLE alerts (id TEXT NOT NULL UNIQUE, begun_ns INTEGER NOT NULL, changed_ns INTEGER NOT NULL,
        rule TEXT NOT NULL, node TEXT NOT NULL, severity INTEGER NOT NULL, state INTEGER NOT NULL, json TEXT NOT NULL);
    CREATE INDEX alerts_begun ON alerts (begun_ns, id);
    CREATE TABLE indices (resolution INTEGER NOT NULL, series INTEGER NOT NULL, at_ns INTEGER NOT NULL,
        points INTEGER NOT NULL, p REAL NOT NULL, most REAL NOT NULL, shift REAL NOT NULL, unevenness REAL NOT NULL,
        nodes REAL NOT NULL, PRIMARY KEY (resolution, series, at_ns)) WITHOUT ROWID;
    CREATE TABLE marks (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
", "
    -- From here on bytes may be packed, see the module pack: the tables stay, but an older kpulse would not find a report in them.
"];

/// Bytes of the log's file that stay when it begins anew.
const LOG_KEPT: i64 = 64 << 20;

/// The version of the tables that this kpulse knows.
pub(super) const VERSION: i64 = MIGRATIONS.len() as i64;

/// Opens the writer's connection, and makes or brings up the tables.
pub(super) fn open_writer(file: &Path, patience: Duration, cache_bytes: u64) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(file, flags).map_err(|error| Error::of(file, &error))?;
    let found = identify(file, &connection, patience)?;
    prepare(&mut connection, found, cache_bytes).map_err(|error| Error::of(file, &error))?;
    Ok(connection)
}

/// Opens a connection that copies the log into the database, beside the writer's.
pub(super) fn open_copier(file: &Path, patience: Duration) -> Result<Connection, Error> {
    let error = |error| Error::of(file, &error);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags).map_err(error)?;
    connection.busy_timeout(patience).map_err(error)?;
    // The log is synced before it is copied, and the database before the log begins anew.
    connection.pragma_update(None, "synchronous", "FULL").map_err(error)?;
    connection.pragma_update(None, "wal_autocheckpoint", 0).map_err(error)?;
    connection.pragma_update(None, "journal_size_limit", LOG_KEPT).map_err(error)?;
    Ok(connection)
}

/// Opens a connection that only reads.
pub(super) fn open_reader(file: &Path, patience: Duration) -> Result<Connection, Error> {
    if !file.exists() {
        return Err(Error::Missing(file.into()));
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags).map_err(|error| Error::of(file, &error))?;
    match identify(file, &connection, patience)? {
        0 => Err(Error::Missing(file.into())),
        _ => Ok(connection),
    }
}

/// The version of the tables; 0 if there are none.
fn identify(file: &Path, connection: &Connection, patience: Duration) -> Result<i64, Error> {
    let error = |error| Error::of(file, &error);
    connection.busy_timeout(patience).map_err(error)?;
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).map_err(error);
    let (application, version) = (number("application_id")?, number("user_version")?);
    let count = "SELECT count(*) FROM sqlite_schema";
    let empty = connection.query_row(count, [], |row| row.get::<_, i64>(0)).map_err(error)? == 0;
    match version {
        // A first start that was cut off leaves a file without tables.
        0 if application == 0 && empty => Ok(0),
        _ if application != APPLICATION => Err(Error::Foreign(file.into())),
        found if found > VERSION => Err(Error::Newer { path: file.into(), found, known: VERSION }),
        found => Ok(found),
    }
}

fn prepare(connection: &mut Connection, found: i64, cache_bytes: u64) -> rusqlite::Result<()> {
    if found == 0 {
        connection.pragma_update(None, "page_size", 4096)?;
        // Before the first table, or it has no effect.
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    }
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0))?;
    // What was acknowledged survives a loss of power.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "cache_size", -((cache_bytes >> 10) as i64))?;
    // See the module checkpoint.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    // A log that grew while somebody read for long gives its room back.
    connection.pragma_update(None, "journal_size_limit", LOG_KEPT)?;
    connection.set_prepared_statement_cache_capacity(64);
    let known = usize::try_from(found).unwrap_or(MIGRATIONS.len()).min(MIGRATIONS.len());
    for (before, migration) in MIGRATIONS.iter().enumerate().skip(known) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(migration)?;
        transaction.pragma_update(None, "user_version", before as i64 + 1)?;
        transaction.pragma_update(None, "application_id", APPLICATION)?;
        transaction.commit()?;
    }
    Ok(())
}
