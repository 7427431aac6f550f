//! What the check looks at, gathered before anything is judged.
//!
//! In: /proc and /sys below [`Roots`], what the host's reader said, the kernel's type information, and what came of loading
//! the programs. Judging takes only this, so that it runs on a machine made of files.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

use super::privileges::Privileges;
use crate::{
    collect::options,
    config::Config,
    host::{Host, Roots},
    kernel::{btf, load::State, resolve::Types},
    selfcheck::Outcome,
};

/// Everything that is judged.
pub struct Machine<'a> {
    /// What is configured.
    pub config: &'a Config,
    /// Where /proc and /sys are.
    pub roots: &'a Roots,
    /// The processor's architecture, as Rust calls it.
    pub arch: &'a str,
    /// What the host's reader found.
    pub host: &'a Host,
    /// What this process may do; or why that is not known.
    pub privileges: Result<Privileges, Unreadable>,
    /// The version of the kernel's Landlock; absent if it has none.
    pub landlock: Option<u32>,
    /// The kernel's type information.
    pub types: Result<Found<'a>, &'a btf::Error>,
    /// What came of loading the programs.
    pub loading: Loading,
}

/// Type information that could be read.
pub struct Found<'a> {
    /// What can be looked up.
    pub types: &'a dyn Types,
    /// Where it was read.
    pub path: PathBuf,
    /// Its size in bytes.
    pub bytes: u64,
}

/// What came of loading the programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Loading {
    /// It would have failed for want of privileges.
    NotTried,
    /// It was tried.
    Tried {
        /// Each probe's state.
        states: Vec<(&'static str, State)>,
        /// What the programs read, against /proc.
        selfcheck: Outcome,
    },
}

impl Machine<'_> {
    /// Major and minor version of the kernel.
    pub fn version(&self) -> Option<(u32, u32)> {
        version(self.host.kernel.as_deref()?)
    }

    /// Whether the kernel is known to be of this version or a later one.
    pub fn since(&self, version: (u32, u32)) -> bool {
        self.version().is_some_and(|running| running >= version)
    }

    /// The text of a file of /proc.
    pub fn proc(&self, path: &str) -> Result<String, Unreadable> {
        read(self.roots.proc.join(path))
    }

    /// The text of a file of /sys.
    pub fn sys(&self, path: &str) -> Result<String, Unreadable> {
        read(self.roots.sys.join(path))
    }

    /// Whether the configuration wants a probe.
    pub fn wants(&self, probe: &str) -> bool {
        options(self.config).probes.contains(probe)
    }

    /// The state of a probe; absent if loading was not tried.
    pub fn state(&self, probe: &str) -> Option<&State> {
        match &self.loading {
            Loading::NotTried => None,
            Loading::Tried { states, .. } => states.iter().find(|(name, _)| *name == probe).map(|(_, state)| state),
        }
    }
}

/// Why a file could not be read.
#[derive(Debug)]
pub struct Unreadable {
    path: PathBuf,
    error: io::Error,
}

impl Unreadable {
    /// A file that does not hold what was expected.
    pub fn malformed(path: PathBuf, expected: &str) -> Self {
        Self { path, error: io::Error::new(io::ErrorKind::InvalidData, format!("expected {expected}")) }
    }

    /// Whether the kernel has no such file.
    pub fn is_absent(&self) -> bool {
        self.error.kind() == io::ErrorKind::NotFound
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), reason(&self.error))
    }
}

/// The text of a file, without the white space around it.
pub fn read(path: PathBuf) -> Result<String, Unreadable> {
    match fs::read(&path) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).trim().to_owned()),
        Err(error) => Err(Unreadable { path, error }),
    }
}

/// Whether a file is there, whoever may read it.
pub fn exists(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// What the system says, without its number.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}

fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_begins_with_its_version() {
        assert_eq!(version("6.18.44-cloud-amd64"), Some((6, 18)));
        assert_eq!(version("5.10.0-46-amd64"), Some((5, 10)));
        assert_eq!(version("7.0-rc1"), Some((7, 0)));
        assert_eq!(version("6"), None);
        assert_eq!(version("mainline"), None);
    }

    #[test]
    fn a_file_that_is_absent_is_told_apart_from_one_that_is_closed() {
        let absent = read("/nowhere/at/all".into()).unwrap_err();
        assert!(absent.is_absent());
        assert_eq!(absent.to_string(), "/nowhere/at/all: No such file or directory");
        let error = io::Error::from_raw_os_error(libc::EACCES);
        let closed = Unreadable { path: "/a".into(), error };
        assert_eq!((closed.is_absent(), closed.to_string()), (false, "/a: Permission denied".into()));
    }
}
