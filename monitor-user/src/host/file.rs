//! A file that stays open and is read again and again.
//!
//! /proc makes the text anew whenever it is read from the start, so one `pread` replaces open, read and close. In: a path.
//! Out: its text, in a buffer that the caller owns and shares between files. (Kernel: fs/seq_file.c, `seq_read_iter`.)

use std::{
    borrow::Cow,
    fmt,
    fs::File,
    io::{self, ErrorKind},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

/// Why a part of the host could not be read.
#[derive(Debug)]
pub(super) enum Failure {
    /// The file could not be opened or read.
    Unreadable(PathBuf, io::Error),
    /// The file was read and does not look as expected.
    Malformed(PathBuf, Expected),
}

/// What a parser expected and did not find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Expected(pub(super) &'static str);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Malformed(path, Expected(what)) => write!(f, "{}: expected {what}", path.display()),
        }
    }
}

/// The least room offered to one read. Most files fit in it, and then a read and an empty read are all it takes.
const ROOM: usize = 8 << 10;

/// A file that stays open between readings.
#[derive(Debug)]
pub(super) struct Kept {
    path: PathBuf,
    file: Option<File>,
}

impl Kept {
    /// Names the file; nothing is opened yet.
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, file: None }
    }

    /// Its path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads all of it into `buffer`. A file that fails is opened again at the next reading.
    pub(super) fn read<'b>(&mut self, buffer: &'b mut Vec<u8>) -> Result<&'b [u8], Failure> {
        let filled = (|| {
            let file = match &mut self.file {
                Some(file) => file,
                closed => closed.insert(File::open(&self.path)?),
            };
            fill(file, buffer)
        })();
        match filled {
            Ok(length) => Ok(&buffer[..length]),
            Err(error) => {
                self.file = None;
                Err(Failure::Unreadable(self.path.clone(), error))
            }
        }
    }

    /// Reads it and hands its text to `parse`.
    pub(super) fn parse<T>(
        &mut self,
        buffer: &mut Vec<u8>,
        parse: impl FnOnce(&str) -> Result<T, Expected>,
    ) -> Result<T, Failure> {
        let read = parse(&text(self.read(buffer)?));
        read.map_err(|expected| Failure::Malformed(self.path.clone(), expected))
    }
}

/// The bytes as text; what is not UTF-8 in it becomes the replacement character.
pub(super) fn text(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// Reads a small file once, without the white space around its text.
pub(super) fn read_once(path: &Path) -> Result<String, Failure> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(text(&bytes).trim().to_owned()),
        Err(error) => Err(Failure::Unreadable(path.to_owned(), error)),
    }
}

/// Reads from the start until a read is empty: a short read is not the end, /proc hands out whole records.
fn fill(file: &File, buffer: &mut Vec<u8>) -> io::Result<usize> {
    let mut length = 0;
    loop {
        if buffer.len() < length + ROOM {
            buffer.resize((length + ROOM).next_power_of_two(), 0);
        }
        match file.read_at(&mut buffer[length..], length as u64) {
            Ok(0) => return Ok(length),
            Ok(read) => length += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::Machine;

    #[test]
    fn a_kept_file_shows_what_it_holds_now() {
        let machine = Machine::new("== proc/x\nfirst and longer\n");
        let mut kept = Kept::new(machine.root().join("proc/x"));
        let mut buffer = Vec::new();
        assert_eq!(kept.read(&mut buffer).unwrap(), b"first and longer\n");
        machine.write("proc/x", "second\n");
        assert_eq!(kept.read(&mut buffer).unwrap(), b"second\n");
    }

    #[test]
    fn a_file_longer_than_the_room_is_read_whole() {
        let long = "0123456789abcdef\n".repeat(10_000);
        let machine = Machine::new("");
        machine.write("proc/x", &long);
        let mut kept = Kept::new(machine.root().join("proc/x"));
        assert_eq!(kept.read(&mut Vec::new()).unwrap(), long.as_bytes());
    }

    #[test]
    fn a_missing_file_is_named_and_found_when_it_appears() {
        let machine = Machine::new("");
        let mut kept = Kept::new(machine.root().join("proc/x"));
        let failure = kept.read(&mut Vec::new()).unwrap_err().to_string();
        assert!(failure.contains("proc/x: No such file"), "{failure}");
        machine.write("proc/x", "here");
        assert_eq!(kept.read(&mut Vec::new()).unwrap(), b"here");
    }
}
