//! Requests to a disk, one system call each, past the page cache.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::Path,
    thread,
};

/// Memory that begins where direct I/O wants it.
#[repr(align(4096))]
struct Aligned([u8; 65536]);

/// Opens a disk for direct requests.
pub fn open(path: &Path) -> File {
    let opened = OpenOptions::new().read(true).write(true).custom_flags(libc::O_DIRECT).open(path);
    opened.unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Reads `bytes` at `offset`.
pub fn read(disk: &File, offset: u64, bytes: usize) -> io::Result<usize> {
    let mut buffer = Box::new(Aligned([0; 65536]));
    disk.read_at(&mut buffer.0[..bytes], offset)
}

/// Reads 4 KiB `count` times, one after another.
pub fn reads(path: &Path, count: u64) {
    let disk = open(path);
    for n in 0..count {
        assert_eq!(read(&disk, n % 256 * 4096, 4096).unwrap(), 4096, "{}", path.display());
    }
}

/// Writes 4 KiB `count` times, one after another, and flushes at the end.
pub fn writes(path: &Path, count: u64) {
    let disk = open(path);
    let buffer = Box::new(Aligned([7; 65536]));
    for n in 0..count {
        disk.write_all_at(&buffer.0[..4096], n % 256 * 4096).unwrap();
    }
    disk.sync_all().unwrap();
}

/// Reads and writes of several sizes from several threads at once.
pub fn mixed(path: &Path, threads: u64, count: u64) {
    thread::scope(|scope| {
        for thread in 0..threads {
            scope.spawn(move || {
                let disk = open(path);
                let mut buffer = Box::new(Aligned([thread as u8; 65536]));
                for n in 0..count {
                    let bytes = 4096 << (n % 5);
                    let offset = (thread * count + n) % 64 * 65536;
                    if n % 2 == 0 {
                        disk.read_exact_at(&mut buffer.0[..bytes], offset).unwrap();
                    } else {
                        disk.write_all_at(&buffer.0[..bytes], offset).unwrap();
                    }
                }
            });
        }
    });
}

/// Reads 4 KiB from several threads at once, `count` each.
pub fn crowd(path: &Path, threads: usize, count: u64) {
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| reads(path, count));
        }
    });
}
