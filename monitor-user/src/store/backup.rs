//! A copy of the store while it runs: one file, of one moment, checked before it has its name.
//!
//! The pages are copied by SQLite's online backup within one read, so what the server writes in the meantime does not make it begin
//! anew. The server's log grows for as long as that takes.

use std::{
    ffi::OsString,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{
    Connection,
    backup::{Backup, StepResult},
};

use super::{FILE, error::Error, schema};

/// Pages that are copied at a time.
const PAGES: i32 = 1_024;
/// How long a lock is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// What was copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// The copy's bytes.
    pub bytes: u64,
    /// Single reports in it.
    pub reports: u64,
    /// Nodes in it.
    pub nodes: u64,
}

/// Copies the store in `directory` into `file`, which a store can be opened with: as `store.db` in a directory of its own. A file
/// that was there is replaced once the copy is whole and sound.
///
/// # Errors
///
/// If there is no store, if it cannot be read, if the copy cannot be written, or if it is damaged. Then `file` is as it was.
pub fn backup(directory: &Path, file: &Path) -> Result<Copied, Error> {
    let source = directory.join(FILE);
    let error = |path: &Path, what| {
        let path = path.to_owned();
        move |source: io::Error| match source.kind() {
            io::ErrorKind::StorageFull => Error::NoRoom(path),
            io::ErrorKind::ReadOnlyFilesystem => Error::ReadOnly(path),
            _ => Error::Io { path, what, source },
        }
    };
    let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut name = OsString::from(file);
    name.push(".new");
    let temporary = Temporary(name.into());
    // What an earlier attempt left would be taken for a database.
    temporary.remove();
    File::create(&temporary.0).map_err(error(&temporary.0, "written"))?;
    copy(&source, &temporary.0)?;
    let copied = check(&temporary.0)?;
    File::open(&temporary.0).and_then(|copy| copy.sync_all()).map_err(error(&temporary.0, "synced"))?;
    fs::rename(&temporary.0, file).map_err(error(file, "written"))?;
    File::open(parent).and_then(|parent| parent.sync_all()).map_err(error(parent, "synced"))?;
    Ok(copied)
}

fn copy(source: &Path, target: &Path) -> Result<(), Error> {
    let mut from = schema::open_reader(source, PATIENCE)?;
    let read = |error| Error::of(source, &error);
    let write = |error| Error::of(target, &error);
    let transaction = from.transaction().map_err(read)?;
    // The read begins here; all that is copied is of this moment.
    transaction.query_row("SELECT count(*) FROM marks", [], |row| row.get::<_, i64>(0)).map_err(read)?;
    let mut to = Connection::open(target).map_err(write)?;
    // It is synced as a whole, later.
    to.pragma_update(None, "synchronous", "OFF").map_err(write)?;
    let backup = Backup::new(&transaction, &mut to).map_err(write)?;
    loop {
        match backup.step(PAGES).map_err(write)? {
            StepResult::Done => break,
            StepResult::More => {}
            _ => return Err(Error::Locked(source.into())),
        }
    }
    drop(backup);
    // One file, without a log beside it.
    to.pragma_update_and_check(None, "journal_mode", "DELETE", |row| row.get::<_, String>(0)).map_err(write)?;
    Ok(())
}

fn check(file: &Path) -> Result<Copied, Error> {
    let error = |error| Error::of(file, &error);
    let copy = schema::open_reader(file, PATIENCE)?;
    let verdict: String = copy.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).map_err(error)?;
    if verdict != "ok" {
        return Err(Error::Damaged { path: file.into(), reason: verdict });
    }
    let count = |table| copy.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get::<_, i64>(0));
    let (reports, nodes) = (count("reports").map_err(error)? as u64, count("nodes").map_err(error)? as u64);
    let bytes = fs::metadata(file).map(|metadata| metadata.len()).unwrap_or(0);
    Ok(Copied { bytes, reports, nodes })
}

/// A file that goes unless it was renamed, with what SQLite puts beside it.
struct Temporary(PathBuf);

impl Temporary {
    fn remove(&self) {
        for suffix in ["", "-journal", "-wal", "-shm"] {
            let mut name = OsString::from(&self.0);
            name.push(suffix);
            let _ = fs::remove_file(PathBuf::from(name));
        }
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        self.remove();
    }
}
