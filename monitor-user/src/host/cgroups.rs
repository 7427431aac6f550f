//! The path of a cgroup by its number, which is all the kernel's programs know of it.
//!
//! In: the inode numbers of directories of the cgroup filesystem (version 2, found among the mounts), from a walk over
//! them. Out: paths below its root, such as `/system.slice/cron.service`. The walk is remembered; an unknown number brings
//! on another, but at most one every [`INTERVAL`], since a thousand cgroups take some milliseconds.
//! (Kernel: fs/kernfs/inode.c: a directory's link count is two more than its subdirectories.)

use std::{
    collections::HashMap,
    fs,
    os::unix::fs::{DirEntryExt as _, MetadataExt as _},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use super::{Roots, filesystems::mountinfo, mounts};

/// The least time between two walks.
pub const INTERVAL: Duration = Duration::from_secs(10);

/// The cgroups of a machine, by number.
#[derive(Debug)]
pub struct Cgroups {
    mountinfo: PathBuf,
    root: PathBuf,
    paths: HashMap<u64, String>,
    walked: Option<Instant>,
}

impl Cgroups {
    /// Reads nothing yet.
    pub fn new(roots: &Roots) -> Self {
        Self { mountinfo: mountinfo(roots), root: roots.root.clone(), paths: HashMap::new(), walked: None }
    }

    /// The path of the cgroup with this number; `None` if there is none, or if it is too new to be known yet.
    pub fn path(&mut self, inode: u64) -> Option<String> {
        self.path_at(inode, Instant::now())
    }

    fn path_at(&mut self, inode: u64, now: Instant) -> Option<String> {
        let due = self.walked.is_none_or(|walked| now.saturating_duration_since(walked) >= INTERVAL);
        if inode != 0 && due && !self.paths.contains_key(&inode) {
            self.walked = Some(now);
            self.paths = self.mount().map(|mount| walk(&mount)).unwrap_or_default();
        }
        self.paths.get(&inode).cloned()
    }

    /// Where version 2 is mounted. It moves in no one's lifetime, but may be mounted after we began.
    pub fn mount(&self) -> Option<PathBuf> {
        let (mounts, _) = mounts::parse(&fs::read(&self.mountinfo).ok()?);
        let mounts = mounts.into_iter().filter(|mount| mount.kind == "cgroup2").map(|mount| mount.path);
        let shortest = mounts.min_by_key(|path| path.as_os_str().len())?;
        Some(mounts::below(&self.root, &shortest))
    }
}

/// All directories below and with `mount`. What goes while we walk is left out.
fn walk(mount: &Path) -> HashMap<u64, String> {
    let mut paths = HashMap::new();
    let Ok(top) = fs::metadata(mount) else { return paths };
    paths.insert(top.ino(), "/".to_owned());
    let mut open = vec![(mount.to_owned(), String::new())];
    while let Some((directory, name)) = open.pop() {
        // Most cgroups have none below them, and reading their directories would be most of the work.
        if fs::metadata(&directory).is_ok_and(|metadata| metadata.nlink() == 2) {
            continue;
        }
        for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                let name = format!("{name}/{}", entry.file_name().to_string_lossy());
                paths.insert(entry.ino(), name.clone());
                open.push((entry.path(), name));
            }
        }
    }
    paths
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::Machine;

    fn machine() -> Machine {
        let machine = Machine::new("== proc/1/mountinfo\n1 0 0:38 / /cg rw - cgroup2 cgroup2 rw\n");
        fs::create_dir_all(machine.root().join("cg/system.slice/cron.service")).unwrap();
        machine
    }

    fn inode(machine: &Machine, path: &str) -> u64 {
        fs::metadata(machine.root().join(path)).unwrap().ino()
    }

    #[test]
    fn a_cgroup_is_found_by_its_number() {
        let machine = machine();
        let mut cgroups = Cgroups::new(&machine.roots());
        assert_eq!(cgroups.path(inode(&machine, "cg")).as_deref(), Some("/"));
        let cron = inode(&machine, "cg/system.slice/cron.service");
        assert_eq!(cgroups.path(cron).as_deref(), Some("/system.slice/cron.service"));
        assert_eq!(cgroups.path(0), None);
    }

    #[test]
    fn a_new_cgroup_is_found_by_another_walk_but_not_at_once() {
        let machine = machine();
        let mut cgroups = Cgroups::new(&machine.roots());
        let start = Instant::now();
        assert_eq!(cgroups.path_at(u64::MAX, start), None);
        fs::create_dir_all(machine.root().join("cg/new")).unwrap();
        let new = inode(&machine, "cg/new");
        assert_eq!(cgroups.path_at(new, start + INTERVAL / 2), None);
        assert_eq!(cgroups.path_at(new, start + INTERVAL).as_deref(), Some("/new"));
    }

    #[test]
    fn without_version_2_there_are_no_paths() {
        let machine = Machine::new("== proc/1/mountinfo\n1 0 0:38 / /cg rw - cgroup cgroup rw,cpu\n");
        assert_eq!(Cgroups::new(&machine.roots()).path(1), None);
    }
}
