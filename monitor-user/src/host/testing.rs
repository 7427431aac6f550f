//! A machine for tests: /proc, /sys and the rest as files in a directory of their own, unpacked from one text.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use super::Roots;

/// A directory that looks like a machine and goes when it is dropped.
pub(crate) struct Machine(PathBuf);

impl Machine {
    /// Unpacks `text`: a line `== path` begins a file, the lines up to the next are what it holds.
    pub(crate) fn new(text: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let machine = Self(std::env::temp_dir().join(format!("kpulse-host-{}-{number}", std::process::id())));
        fs::create_dir_all(&machine.0).unwrap();
        machine.unpack(text);
        machine
    }

    /// Adds the files of another text.
    pub(crate) fn unpack(&self, text: &str) {
        for part in format!("\n{text}").split("\n== ").skip(1) {
            let (path, contents) = part.split_once('\n').unwrap_or((part, ""));
            self.write(path, &format!("{}\n", contents.trim_end_matches('\n')));
        }
    }

    /// The machine of which the fixtures were taken: 2 virtual CPUs, one virtio disk, kernel 6.18.
    pub(crate) fn small() -> Self {
        Self::new(include_str!("fixtures/small.txt"))
    }

    /// A made-up one: 64 CPUs with gaps, disks of all kinds, three generations of diskstats, nothing tidy.
    pub(crate) fn big() -> Self {
        Self::new(include_str!("fixtures/big.txt"))
    }

    /// Its root directory.
    pub(crate) fn root(&self) -> &Path {
        &self.0
    }

    /// Where a reader finds it.
    pub(crate) fn roots(&self) -> Roots {
        Roots { proc: self.0.join("proc"), sys: self.0.join("sys"), root: self.0.clone() }
    }

    /// Writes a file in place, so that one who has it open sees the change.
    pub(crate) fn write(&self, path: &str, contents: &str) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, contents).unwrap();
    }

    /// Removes a file or directory.
    pub(crate) fn remove(&self, path: &str) {
        let path = self.0.join(path);
        if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.unwrap();
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
