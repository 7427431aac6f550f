//! The journal's folder: one process at a time, files that are nobody else's, and small ones that are replaced whole.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::Path,
};

/// Makes the folder if it is not there, and takes it into use as long as the file that is returned lives. `None` if another
/// process has it.
///
/// # Errors
///
/// Whatever the system says.
pub fn lock(folder: &Path) -> io::Result<Option<File>> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let lock = writable().create(true).truncate(false).open(folder.join("lock"))?;
    match lock.try_lock() {
        Ok(()) => Ok(Some(lock)),
        Err(fs::TryLockError::WouldBlock) => Ok(None),
        Err(fs::TryLockError::Error(error)) => Err(error),
    }
}

/// Writes a small file so that it is either as before or as now, whatever happens.
///
/// # Errors
///
/// Whatever the system says.
pub fn replace(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let tmp = folder.join(format!("{name}.tmp"));
    let mut file = create(&tmp)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&tmp, folder.join(name))?;
    sync(folder)
}

/// The content of a small file; absent if there is none.
///
/// # Errors
///
/// Whatever the system says.
pub fn small(folder: &Path, name: &str) -> io::Result<Option<Vec<u8>>> {
    match fs::read(folder.join(name)) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Alerts name what runs on the machine: nobody else need read them.
pub fn writable() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    options
}

/// Begins a file anew.
///
/// # Errors
///
/// Whatever the system says.
pub fn create(path: &Path) -> io::Result<File> {
    writable().create(true).truncate(true).open(path)
}

/// Waits until the names in a folder are on the disk.
///
/// # Errors
///
/// Whatever the system says.
pub fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
