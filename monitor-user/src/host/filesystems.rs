//! Mounted filesystems and how full they are.
//!
//! In: /proc/self/mountinfo and `statvfs` of each filesystem that holds data, both once in a while (by default every
//! 15 seconds). Out: a [`Filesystem`] each. `mounts` says which are shown, `space` how a hung one is kept from delaying
//! anything. With a root other than `/` (the host's, seen from a container) the mounts are those of process 1.

use std::{
    ffi::CString,
    io,
    mem::MaybeUninit,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use super::{
    Filesystem, Roots, Space,
    file::{Failure, Kept},
    mounts::{self, Mount},
    space::{Answer, Limits, Prober, Statfs},
};

/// The filesystems and what was last heard of them.
pub(super) struct Filesystems {
    mountinfo: Kept,
    root: PathBuf,
    mounts: Vec<Mount>,
    /// Where each of `mounts` is found from here.
    paths: Vec<PathBuf>,
    failure: Option<Failure>,
    prober: Prober,
    /// How long the first reading may wait for answers.
    first_wait: Option<Duration>,
}

/// The file that says what is mounted.
pub(super) fn mountinfo(roots: &Roots) -> PathBuf {
    roots.proc.join(if roots.root == Path::new("/") { "self/mountinfo" } else { "1/mountinfo" })
}

impl Filesystems {
    /// Names the file; nothing is read yet.
    pub(super) fn new(roots: &Roots, statfs: Statfs, limits: Limits, first_wait: Duration) -> Self {
        Self {
            mountinfo: Kept::new(mountinfo(roots)),
            root: roots.root.clone(),
            mounts: Vec::new(),
            paths: Vec::new(),
            failure: None,
            prober: Prober::new(statfs, limits),
            first_wait: Some(first_wait),
        }
    }

    /// Reads what is mounted and asks each filesystem. Waits a moment for the answers the first time only.
    pub(super) fn sweep(&mut self, buffer: &mut Vec<u8>, now: Instant) {
        let path = self.mountinfo.path().to_owned();
        let (mounts, failure) = match self.mountinfo.read(buffer) {
            Ok(bytes) => {
                let (mounts, result) = mounts::parse(bytes);
                (mounts, result.err().map(|expected| Failure::Malformed(path, expected)))
            }
            Err(failure) => (Vec::new(), Some(failure)),
        };
        self.mounts = mounts::choose(mounts);
        self.failure = failure;
        self.paths = self.mounts.iter().map(|mount| mounts::below(&self.root, &mount.path)).collect();
        self.prober.ask(&self.paths, now);
        if let Some(limit) = self.first_wait.take() {
            self.prober.wait(&self.paths, limit);
        }
    }

    /// What is known now. Each trouble goes to `fail`: the part's name and the reason.
    pub(super) fn read(&self, now: Instant, mut fail: impl FnMut(String, String)) -> Vec<Filesystem> {
        if let Some(failure) = &self.failure {
            fail("filesystems".to_owned(), failure.to_string());
        }
        let answers = self.prober.answers(self.paths.iter().map(PathBuf::as_path), now);
        let filesystem = |(mount, answer): (&Mount, Answer)| {
            let name = mount.path.to_string_lossy().into_owned();
            let space = match answer {
                Answer::Space(space) => Some(space),
                Answer::Pending => None,
                Answer::None(reason) => {
                    fail(format!("filesystem {name}"), format!("statvfs {name}: {reason}"));
                    None
                }
            };
            let (source, kind) = (mount.source.clone(), mount.kind.clone());
            Filesystem { mount: name, source, kind, read_only: mount.read_only, space }
        };
        self.mounts.iter().zip(answers).map(filesystem).collect()
    }
}

/// Asks the kernel. Takes as long as the filesystem does.
pub(super) fn statvfs(path: &Path) -> io::Result<Space> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let mut answer = MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: the path ends in a zero byte, and the answer is as large as the call writes.
    if unsafe { libc::statvfs(path.as_ptr(), answer.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call succeeded and has filled it.
    let answer = unsafe { answer.assume_init() };
    // A filesystem that says nothing of fragments counts in blocks.
    let unit = if answer.f_frsize == 0 { answer.f_bsize } else { answer.f_frsize };
    Ok(Space {
        size: answer.f_blocks.saturating_mul(unit),
        free: answer.f_bfree.saturating_mul(unit),
        available: answer.f_bavail.saturating_mul(unit),
        files: answer.f_files,
        files_free: answer.f_ffree,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::host::testing::Machine;

    const LIMITS: Limits = Limits { deadline: Duration::from_secs(1), threads: 8 };

    fn filesystems(machine: &Machine, statfs: Statfs) -> Filesystems {
        Filesystems::new(&machine.roots(), statfs, LIMITS, Duration::from_secs(60))
    }

    #[test]
    fn a_filesystem_that_refuses_is_shown_without_space_and_named() {
        let machine = Machine::new("== proc/1/mountinfo\n1 0 8:1 / /my\\040disk rw - ext4 /dev/sda1 rw\n");
        let root = machine.root().to_owned();
        let statfs = move |path: &Path| {
            assert_eq!(path, root.join("my disk"));
            Err(io::Error::from_raw_os_error(libc::EIO))
        };
        let mut filesystems = filesystems(&machine, Arc::new(statfs));
        let now = Instant::now();
        filesystems.sweep(&mut Vec::new(), now);
        let mut failures = Vec::new();
        let read = filesystems.read(now, |name, reason| failures.push((name, reason)));
        assert_eq!((read[0].mount.as_str(), read[0].space), ("/my disk", None));
        assert_eq!(failures[0].0, "filesystem /my disk");
        assert!(failures[0].1.contains("statvfs /my disk: Input/output error"), "{failures:?}");
    }

    #[test]
    fn without_mountinfo_there_are_none_and_the_file_is_named() {
        let machine = Machine::new("");
        let mut filesystems = filesystems(&machine, Arc::new(|_: &Path| Ok(Space::default())));
        let now = Instant::now();
        filesystems.sweep(&mut Vec::new(), now);
        let mut failures = Vec::new();
        assert!(filesystems.read(now, |name, reason| failures.push((name, reason))).is_empty());
        assert!(failures[0].1.contains("1/mountinfo: No such file"), "{failures:?}");
    }

    #[test]
    fn the_kernel_answers_for_the_root() {
        let space = statvfs(Path::new("/")).unwrap();
        assert!(space.size >= space.free && space.free >= space.available && space.size > 0);
        assert!(statvfs(Path::new("/no/such/place")).is_err());
    }
}
