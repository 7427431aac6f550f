//! Whole maps, read in one system call or in none.

use std::{
    fs::File,
    io::{self, Read as _},
    marker::PhantomData,
    mem,
    os::fd::{AsFd as _, AsRawFd as _, OwnedFd},
    ptr::{self, NonNull},
    slice,
};

use aya::Pod;

use super::sys;

/// The only value of a per-CPU array, of all CPUs.
pub struct PerCpu<T> {
    map: OwnedFd,
    values: Vec<T>,
}

impl<T: Pod> PerCpu<T> {
    /// `cpus` is the number of possible CPUs; `T` is the map's value.
    pub(super) fn new(map: OwnedFd, cpus: usize) -> Self {
        const { assert!(size_of::<T>().is_multiple_of(8), "the kernel pads values to 8 bytes") };
        // SAFETY: `Pod` is valid for every bit pattern.
        Self { map, values: vec![unsafe { mem::zeroed() }; cpus] }
    }

    /// Reads the values of all possible CPUs, by the CPU's number.
    ///
    /// # Errors
    ///
    /// Whatever the kernel says.
    pub fn read(&mut self) -> io::Result<&[T]> {
        // SAFETY: the values are plain bytes, as many as the kernel writes: one of `T` for each possible CPU.
        unsafe {
            let bytes = slice::from_raw_parts_mut(self.values.as_mut_ptr().cast(), mem::size_of_val(&*self.values));
            sys::lookup(self.map.as_fd(), &0u32.to_ne_bytes(), bytes)?;
        }
        Ok(&self.values)
    }

    /// Changes the values of all CPUs. Only while no program writes them.
    ///
    /// # Errors
    ///
    /// Whatever the kernel says.
    pub(super) fn change(&mut self, each: impl FnMut(&mut T)) -> io::Result<()> {
        self.read()?;
        self.values.iter_mut().for_each(each);
        // SAFETY: the values are plain bytes, one of `T` for each possible CPU.
        unsafe {
            let bytes = slice::from_raw_parts(self.values.as_ptr().cast(), mem::size_of_val(&*self.values));
            sys::update(self.map.as_fd(), &0u32.to_ne_bytes(), bytes)
        }
    }
}

/// A hash map, read in steps of many elements.
pub struct Hash<K, V> {
    map: OwnedFd,
    keys: Vec<K>,
    values: Vec<V>,
}

/// Elements copied in one step.
const STEP: usize = 64;

impl<K: Pod, V: Pod> Hash<K, V> {
    pub(super) fn new(map: OwnedFd) -> Self {
        Self { map, keys: Vec::new(), values: Vec::new() }
    }

    /// Calls `each` with every element. An element that is added or removed meanwhile may be missed.
    ///
    /// # Errors
    ///
    /// Whatever the kernel says.
    pub fn for_each(&mut self, mut each: impl FnMut(&K, &V)) -> io::Result<()> {
        let mut step = self.keys.capacity().max(STEP);
        let mut position = None;
        loop {
            self.keys.reserve(step);
            self.values.reserve(step);
            let mut next = position;
            // SAFETY: there is room for `step` elements of the map's own types.
            let copied = unsafe {
                sys::lookup_batch(
                    self.map.as_fd(),
                    &mut next,
                    self.keys.as_mut_ptr().cast(),
                    self.values.as_mut_ptr().cast(),
                    step as u32,
                )
            };
            let (count, more) = match copied {
                // A bucket of the kernel's hash table holds more than there is room for.
                Err(error) if error.raw_os_error() == Some(libc::ENOSPC) => {
                    step *= 2;
                    continue;
                }
                copied => copied?,
            };
            position = next;
            // SAFETY: the kernel has written `count` of each.
            let (keys, values) = unsafe {
                (
                    slice::from_raw_parts(self.keys.as_ptr(), count as usize),
                    slice::from_raw_parts(self.values.as_ptr(), count as usize),
                )
            };
            keys.iter().zip(values).for_each(|(key, value)| each(key, value));
            if !more {
                return Ok(());
            }
        }
    }

    /// Removes an element.
    ///
    /// # Errors
    ///
    /// Whatever the kernel says; a key that is not there is none.
    pub fn remove(&self, key: &K) -> io::Result<()> {
        // SAFETY: a `Pod` is plain bytes, and `K` is the map's key.
        unsafe { sys::delete(self.map.as_fd(), slice::from_raw_parts(ptr::from_ref(key).cast(), size_of::<K>())) }
    }
}

/// An array that lies in our own memory: read without a system call.
pub struct Mapped<T> {
    start: NonNull<T>,
    len: usize,
    _values: PhantomData<T>,
}

// SAFETY: the mapping belongs to this value alone and is only read.
unsafe impl<T: Send> Send for Mapped<T> {}

impl<T: Pod> Mapped<T> {
    pub(super) fn new(map: &OwnedFd, len: usize) -> io::Result<Self> {
        const { assert!(size_of::<T>().is_multiple_of(8), "the kernel pads values to 8 bytes") };
        // SAFETY: a new mapping, at an address that the kernel chooses.
        let start = unsafe {
            libc::mmap(ptr::null_mut(), len * size_of::<T>(), libc::PROT_READ, libc::MAP_SHARED, map.as_raw_fd(), 0)
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast()).ok_or_else(|| io::Error::other("mmap gave a null pointer"))?;
        Ok(Self { start, len, _values: PhantomData })
    }

    /// Copies each value, as the programs go on writing.
    pub fn iter(&self) -> impl Iterator<Item = T> + '_ {
        // SAFETY: inside the mapping; volatile, because the programs write at the same time.
        (0..self.len).map(|i| unsafe { self.start.add(i).read_volatile() })
    }
}

impl<T> Drop for Mapped<T> {
    fn drop(&mut self) {
        // SAFETY: the mapping that `new` made, and nobody borrows from it any more.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.len * size_of::<T>()) };
    }
}

/// An iterator program: every read runs it over all objects.
pub struct Iterated<T> {
    link: OwnedFd,
    records: Vec<T>,
    buffer: Vec<u8>,
}

/// Puts records together from pieces of bytes: the kernel writes whole ones, but whoever reads may get a part of one.
#[derive(Debug)]
pub struct Assembler<T> {
    /// The beginning of a record.
    rest: Vec<u8>,
    _records: PhantomData<T>,
}

impl<T> Default for Assembler<T> {
    fn default() -> Self {
        Self { rest: Vec::new(), _records: PhantomData }
    }
}

impl<T: Pod> Assembler<T> {
    /// Takes a piece, and calls `each` with every record that is whole now.
    pub fn push(&mut self, mut piece: &[u8], mut each: impl FnMut(&T)) {
        if !self.rest.is_empty() {
            let (missing, after) = piece.split_at((size_of::<T>() - self.rest.len()).min(piece.len()));
            self.rest.extend_from_slice(missing);
            piece = after;
            if self.rest.len() < size_of::<T>() {
                return;
            }
            each(&plain(&self.rest));
            self.rest.clear();
        }
        let records = piece.chunks_exact(size_of::<T>());
        self.rest.extend_from_slice(records.remainder());
        records.for_each(|record| each(&plain(record)));
    }

    /// The end.
    ///
    /// # Errors
    ///
    /// If a part of a record is left.
    pub fn finish(self) -> io::Result<()> {
        match self.rest.is_empty() {
            true => Ok(()),
            false => Err(io::Error::new(io::ErrorKind::InvalidData, "the iterator wrote half a record")),
        }
    }
}

/// A value from its bytes, of which there are enough.
fn plain<T: Pod>(bytes: &[u8]) -> T {
    assert!(bytes.len() >= size_of::<T>(), "a record of {} bytes", bytes.len());
    // SAFETY: there are as many bytes as the value has, they may lie anywhere, and `Pod` is valid for every bit pattern.
    unsafe { bytes.as_ptr().cast::<T>().read_unaligned() }
}

impl<T: Pod> Iterated<T> {
    pub(super) fn new(link: OwnedFd) -> Self {
        Self { link, records: Vec::new(), buffer: Vec::new() }
    }

    /// Runs the program and calls `each` with every record, as they come: nothing is kept of them.
    ///
    /// # Errors
    ///
    /// Whatever the kernel says, or if it wrote half a record.
    pub fn for_each(&mut self, mut each: impl FnMut(&T)) -> io::Result<()> {
        let mut file = File::from(sys::run_iterator(self.link.as_fd())?);
        self.buffer.resize(READ_SIZE, 0);
        let mut assembler = Assembler::default();
        loop {
            match file.read(&mut self.buffer) {
                Ok(0) => return assembler.finish(),
                Ok(read) => assembler.push(&self.buffer[..read], &mut each),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Runs the program and gives what it wrote.
    ///
    /// # Errors
    ///
    /// Whatever the kernel says, or if it wrote half a record.
    pub fn read(&mut self) -> io::Result<&[T]> {
        let mut file = File::from(sys::run_iterator(self.link.as_fd())?);
        let mut filled = 0;
        loop {
            let room = self.records.len() * size_of::<T>();
            if room - filled < READ_SIZE {
                // SAFETY: `Pod` is valid for every bit pattern.
                self.records.resize(self.records.len() + READ_SIZE.div_ceil(size_of::<T>()), unsafe { mem::zeroed() });
                continue;
            }
            // SAFETY: plain bytes of our own vector.
            let bytes = unsafe { slice::from_raw_parts_mut(self.records.as_mut_ptr().cast::<u8>(), room) };
            match file.read(&mut bytes[filled..]) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if !filled.is_multiple_of(size_of::<T>()) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the iterator wrote half a record"));
        }
        Ok(&self.records[..filled / size_of::<T>()])
    }
}

/// The kernel fills at most its own buffer of eight pages in one read.
const READ_SIZE: usize = 8 * 4096;
