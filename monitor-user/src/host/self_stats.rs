//! What this process itself uses: the figures behind the agent's promise to cost little.
//!
//! In: the process's CPU clock and /proc/self. Out: [`Usage`], cheap enough for every second, and [`Footprint`], for when
//! someone asks: the kernel walks all our pages for it. (proc(5); Documentation/filesystems/proc.rst.)

use std::{fs, io, mem::MaybeUninit, path::Path};

use super::file::{Expected, Failure, Kept, read_once};

/// What is read every second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// CPU time of all threads since the process began, in nanoseconds.
    pub cpu_ns: u64,
    /// Resident memory in bytes.
    pub rss_bytes: u64,
}

/// What is read on demand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Footprint {
    /// Resident memory in bytes, shared pages by share.
    pub pss_bytes: u64,
    /// Threads.
    pub threads: u64,
    /// Open file descriptors.
    pub open_files: u64,
}

/// Reads this process's own figures.
#[derive(Debug)]
pub struct SelfStats {
    statm: Kept,
    buffer: Vec<u8>,
    page: u64,
}

impl Default for SelfStats {
    fn default() -> Self {
        Self::new()
    }
}

impl SelfStats {
    /// Reads nothing yet.
    pub fn new() -> Self {
        // SAFETY: sysconf takes a number and touches no memory of ours.
        let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
        let page = u64::try_from(page).unwrap_or(4096);
        Self { statm: Kept::new("/proc/self/statm".into()), buffer: Vec::new(), page }
    }

    /// CPU time and resident memory.
    ///
    /// # Errors
    ///
    /// Names the file that could not be read or is not as expected.
    pub fn usage(&mut self) -> io::Result<Usage> {
        let pages = self.statm.parse(&mut self.buffer, parse_statm).map_err(into_error)?;
        Ok(Usage { cpu_ns: cpu_ns()?, rss_bytes: pages.saturating_mul(self.page) })
    }

    /// Open files and threads.
    ///
    /// # Errors
    ///
    /// Names the file that could not be read or is not as expected.
    pub fn counts(&self) -> io::Result<(u64, u64)> {
        let path = Path::new("/proc/self/status");
        let text = read_once(path).map_err(into_error)?;
        let expected = || into_error(Failure::Malformed(path.into(), Expected("a line `Threads:` with a number")));
        // One of the files is the directory that is being read.
        let files = (fs::read_dir("/proc/self/fd")?.count() as u64).saturating_sub(1);
        Ok((files, parse_key(&text, "Threads:").ok_or_else(expected)?))
    }

    /// Proportional memory, threads, open files.
    ///
    /// # Errors
    ///
    /// Names the file that could not be read or is not as expected.
    pub fn footprint(&self) -> io::Result<Footprint> {
        let number = |path: &str, key: &'static str, expected| {
            let text = read_once(Path::new(path)).map_err(into_error)?;
            parse_key(&text, key).ok_or_else(|| into_error(Failure::Malformed(path.into(), Expected(expected))))
        };
        let pss = number("/proc/self/smaps_rollup", "Pss:", "a line `Pss:` with a number of kB")?;
        let threads = number("/proc/self/status", "Threads:", "a line `Threads:` with a number")?;
        // One of them is the directory that is being read.
        let open_files = (fs::read_dir("/proc/self/fd")?.count() as u64).saturating_sub(1);
        Ok(Footprint { pss_bytes: pss.saturating_mul(1024), threads, open_files })
    }
}

fn into_error(failure: Failure) -> io::Error {
    io::Error::other(failure.to_string())
}

fn cpu_ns() -> io::Result<u64> {
    let mut time = MaybeUninit::<libc::timespec>::uninit();
    // SAFETY: the call writes one timespec, and there is room for one.
    if unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, time.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call succeeded and has filled it.
    let time = unsafe { time.assume_init() };
    Ok((time.tv_sec as u64).saturating_mul(1_000_000_000).saturating_add(time.tv_nsec as u64))
}

/// The second number: resident pages.
pub(super) fn parse_statm(text: &str) -> Result<u64, Expected> {
    let resident = text.split_ascii_whitespace().nth(1).and_then(|pages| pages.parse().ok());
    resident.ok_or(Expected("seven numbers of pages"))
}

/// The number after `key` at the start of a line.
pub(super) fn parse_key(text: &str, key: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(key))?;
    value.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn cpu_time_grows_with_work_and_memory_with_what_is_touched() {
        let mut stats = SelfStats::new();
        let before = stats.usage().unwrap();
        let touched = vec![1u8; 64 << 20];
        let after = stats.usage().unwrap();
        assert!(after.cpu_ns > before.cpu_ns);
        assert!(after.rss_bytes >= before.rss_bytes + (32 << 20), "{before:?} {after:?}");
        drop(touched);
    }

    #[test]
    fn an_open_file_and_a_thread_are_counted() {
        let stats = SelfStats::new();
        let files: Vec<File> = (0..100).map(|_| File::open("/proc/self/statm").unwrap()).collect();
        let footprint = stats.footprint().unwrap();
        assert!(footprint.open_files >= 100 && footprint.threads >= 1 && footprint.pss_bytes > 0, "{footprint:?}");
        drop(files);
    }

    proptest! {
        #[test]
        fn no_text_makes_them_panic(text in "(Pss:|[0-9]{1,22}|[ \n]|\\PC){0,20}") {
            let _ = parse_statm(&text);
            let _ = parse_key(&text, "Pss:");
        }
    }
}
