//! Small files that survive a loss of power: the old contents or the new, never a part, and never damaged without a word.
//!
//! In: bytes. Out: the same bytes, or why not. A file is written beside its place, synced, renamed into it, and the directory is
//! synced. It begins with one line, the name of the format, its version, the length and the CRC-32 of what follows:
//! `kpulse-state 1 214 89abcdef`. A person can read the rest with `tail -n +2`.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

/// The name of the format.
const NAME: &str = "kpulse-state";
/// Its version.
const VERSION: u32 = 1;
/// More is no state of kpulse, and not read into memory.
const LARGEST: u64 = 64 << 20;

/// Why a file could not be written or is not believed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system refused.
    #[error("{path} cannot be {what}: {source}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// It is not what was saved.
    #[error("{path} is damaged: {reason}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// How one can tell.
        reason: String,
    },
    /// Another version of kpulse wrote it.
    #[error("{path} has version {found} of its format: this kpulse knows version {VERSION} only")]
    Version {
        /// The file.
        path: PathBuf,
        /// What it has.
        found: u32,
    },
}

/// Writes `contents` in place of what is there. There may be only one writer of a path. The directory is made if need be.
///
/// # Errors
///
/// If the system refuses; what was there before is there still.
pub fn save(path: &Path, contents: &[u8]) -> Result<(), Error> {
    let error = |path: &Path, what| {
        let path = path.to_owned();
        move |source| Error::Io { path, what, source }
    };
    let directory = directory(path);
    fs::create_dir_all(directory).map_err(error(directory, "made"))?;
    let temporary = temporary(path);
    let mut file = File::create(&temporary).map_err(error(&temporary, "written"))?;
    let written = file
        .write_all(header(contents).as_bytes())
        .and_then(|()| file.write_all(contents))
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&temporary, path));
    if let Err(source) = written {
        // A full disk should not be fuller for it. If this fails too, the next save writes over it.
        let _ = fs::remove_file(&temporary);
        return Err(error(path, "written")(source));
    }
    sync(directory).map_err(error(directory, "synced"))
}

/// Reads what [`save`] wrote; `None` if there is no such file.
///
/// # Errors
///
/// If the file cannot be read, is damaged in any bit, or is of another version.
pub fn load(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    let error = |source| Error::Io { path: path.to_owned(), what: "read", source };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(missing) if missing.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(other) => return Err(error(other)),
    };
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(error)?;
    let damaged = |reason: String| Error::Damaged { path: path.to_owned(), reason };
    if bytes.len() as u64 > LARGEST {
        return Err(damaged(format!("it is larger than {LARGEST} bytes")));
    }
    let end =
        bytes.iter().position(|byte| *byte == b'\n').ok_or_else(|| damaged("its first line has no end".into()))?;
    let contents = bytes.split_off(end + 1);
    let line = String::from_utf8_lossy(&bytes).into_owned();
    if line == header(&contents) {
        return Ok(Some(contents));
    }
    let mut words = line.split_whitespace();
    match (words.next(), words.next().and_then(|word| word.parse().ok()), words.next()) {
        (Some(NAME), Some(found), _) if found != VERSION => Err(Error::Version { path: path.to_owned(), found }),
        (Some(NAME), Some(_), Some(length)) if length != contents.len().to_string() => {
            Err(damaged(format!("it should have {length} bytes after its first line and has {}", contents.len())))
        }
        (Some(NAME), Some(_), Some(_)) => Err(damaged("its checksum is not that of its contents".into())),
        _ => Err(damaged(format!("it does not begin with \"{NAME}\""))),
    }
}

/// Removes a file for good; one that is not there is no error.
///
/// # Errors
///
/// If the system refuses.
pub fn remove(path: &Path) -> Result<(), Error> {
    let removed = match fs::remove_file(path) {
        Err(missing) if missing.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(other) => Err(other),
        Ok(()) => sync(directory(path)),
    };
    removed.map_err(|source| Error::Io { path: path.to_owned(), what: "removed", source })
}

fn header(contents: &[u8]) -> String {
    format!("{NAME} {VERSION} {} {:08x}\n", contents.len(), crc32fast::hash(contents))
}

fn directory(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn temporary(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".new");
    name.into()
}

/// Makes a rename last.
fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// A directory of its own, removed at the end.
    pub(crate) struct Directory(pub PathBuf);

    impl Directory {
        pub(crate) fn new() -> Self {
            static NUMBER: AtomicU32 = AtomicU32::new(0);
            let name = format!("kpulse-state-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
            let path = std::env::temp_dir().join(name);
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Directory {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    const CONTENTS: &[u8] = b"{\"a\": [1, 2, 3]}\n\x00\xff";

    #[test]
    fn what_was_saved_last_is_read() {
        let directory = Directory::new();
        let path = directory.0.join("deep/er/state");
        assert!(load(&path).unwrap().is_none());
        for contents in [b"".as_slice(), CONTENTS, b"shorter"] {
            save(&path, contents).unwrap();
            assert_eq!(load(&path).unwrap().unwrap(), contents);
        }
        let left: Vec<_> = fs::read_dir(path.parent().unwrap()).unwrap().collect();
        assert_eq!(left.len(), 1);
        remove(&path).unwrap();
        remove(&path).unwrap();
        assert!(load(&path).unwrap().is_none());
    }

    #[test]
    fn no_truncated_or_lengthened_file_is_read() {
        let directory = Directory::new();
        let path = directory.0.join("state");
        save(&path, CONTENTS).unwrap();
        let whole = fs::read(&path).unwrap();
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            let error = load(&path).unwrap_err().to_string();
            assert!(error.contains("/state is damaged: "), "{length}: {error}");
        }
        for more in [b"x".as_slice(), b"\n", &whole] {
            fs::write(&path, [&whole[..], more].concat()).unwrap();
            assert!(load(&path).is_err());
        }
    }

    #[test]
    fn no_file_with_a_flipped_bit_is_read() {
        let directory = Directory::new();
        let path = directory.0.join("state");
        save(&path, CONTENTS).unwrap();
        let whole = fs::read(&path).unwrap();
        for bit in 0..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            fs::write(&path, &flipped).unwrap();
            assert!(load(&path).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_save_that_was_cut_off_leaves_what_was_there() {
        let directory = Directory::new();
        let path = directory.0.join("state");
        save(&path, CONTENTS).unwrap();
        fs::write(directory.0.join("state.new"), b"kpulse-state 1 400").unwrap();
        assert_eq!(load(&path).unwrap().unwrap(), CONTENTS);
        save(&path, b"new").unwrap();
        assert_eq!(load(&path).unwrap().unwrap(), b"new");
    }

    #[test]
    fn errors_name_the_file_and_what_is_wrong() {
        let directory = Directory::new();
        let path = directory.0.join("state");
        let error = |contents: &str| {
            fs::write(&path, contents).unwrap();
            load(&path).unwrap_err().to_string().replace(directory.0.to_str().unwrap(), "DIR")
        };
        assert_eq!(error("garbage\n"), "DIR/state is damaged: it does not begin with \"kpulse-state\"");
        assert_eq!(
            error("kpulse-state 2 0 00000000\n"),
            "DIR/state has version 2 of its format: this kpulse knows version 1 only"
        );
        assert_eq!(
            error("kpulse-state 1 5 00000000\nx"),
            "DIR/state is damaged: it should have 5 bytes after its first line and has 1"
        );
        assert_eq!(
            error("kpulse-state 1 1 00000000\nx"),
            "DIR/state is damaged: its checksum is not that of its contents"
        );
        let error = save(&path.join("below"), b"").unwrap_err().to_string();
        assert!(error.contains("/state cannot be made: "), "{error}");
        let error = load(&directory.0).unwrap_err().to_string();
        assert!(error.contains("cannot be read: "), "{error}");
    }
}
