//! What can go wrong with a store, by name: in words for whoever has to do something about it.

use std::{io, path::PathBuf};

use rusqlite::ErrorCode;

/// Why a report was not taken. Whoever sent it has to send it again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// The queue before the writer has no room: the disk is slower than what comes in.
    #[error("the store's queue is full: what comes in is more than the disk takes")]
    Full,
    /// The disk refused. It is tried anew with the next report.
    #[error("the store takes nothing: {0}")]
    Failed(String),
    /// The store is being closed.
    #[error("the store is closed")]
    Closed,
}

/// Why a store cannot be opened, read or copied.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system refused something outside the database.
    #[error("{path} cannot be {what}: {source}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// Another server has it.
    #[error(
        "{} is in use by another kpulse server (it holds the lock on the file \"lock\" there): end it, or give this one \
         a directory of its own",
        .0.display()
    )]
    InUse(PathBuf),
    /// A newer version wrote it.
    #[error(
        "{path} has version {found} of its tables: this kpulse knows up to {known}; use the kpulse that wrote it, or a newer one"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// It is a database, but of somebody else.
    #[error("{} is a database of another program: give the store a directory of its own", .0.display())]
    Foreign(PathBuf),
    /// There is none.
    #[error("there is no store at {}: has a server with this directory run?", .0.display())]
    Missing(PathBuf),
    /// It is not what was written.
    #[error(
        "{path} is damaged: {reason}; restore a backup in its place, or move it away together with the files beside it, and the \
         server begins anew"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// How one can tell.
        reason: String,
    },
    /// Another process has it locked.
    #[error("{} is locked by another process: end it (fuser names it), then try again", .0.display())]
    Locked(PathBuf),
    /// It may not be written.
    #[error("{} cannot be written: it is read-only, or its filesystem is", .0.display())]
    ReadOnly(PathBuf),
    /// There is no room.
    #[error("there is no room on the disk of {}: free some, or lower what the store may take", .0.display())]
    NoRoom(PathBuf),
    /// It cannot be opened.
    #[error("{path} cannot be opened: {reason}")]
    Unopened {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// A read took longer than a read may.
    #[error("the query took longer than {0:?}: ask for less at a time")]
    TooLong(std::time::Duration),
    /// All readers are taken.
    #[error("as many queries as may run at the same time do: try again")]
    Busy,
    /// What was asked makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// Anything else that the database says.
    #[error("{path}: {reason}")]
    Database {
        /// The file.
        path: PathBuf,
        /// In its words.
        reason: String,
    },
}

impl Error {
    /// What an error of the database means for the file.
    pub(super) fn of(path: &std::path::Path, error: &rusqlite::Error) -> Self {
        let path = path.to_owned();
        let reason = error.to_string();
        // The log's index is a file in memory: SQLite says of it only that it could not be made larger.
        if error.sqlite_error().is_some_and(|error| error.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE) {
            return Self::NoRoom(path);
        }
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged { path, reason },
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Locked(path),
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => Self::ReadOnly(path),
            Some(ErrorCode::DiskFull) => Self::NoRoom(path),
            Some(ErrorCode::CannotOpen) => Self::Unopened { path, reason },
            _ => Self::Database { path, reason },
        }
    }
}
