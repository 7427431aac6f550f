//! The path of a cgroup by its number, which is all the kernel's programs know of it.
//!
//! In: the inode numbers of directories of the cgroup filesystem (version 2, found among the mounts), from a walk over
//! them. Out: paths below its root, such as `/system.slice/cron.service`. The walk is remembered; a number that is new brings
//! on another, but at most one every [`INTERVAL`], since a thousand cgroups take some milliseconds. One that a walk did not
//! find (a cgroup outside of this container) brings on no other.
//! (Kernel: fs/kernfs/inode.c: a directory's link count is two more than its subdirectories.)

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fs,
    os::unix::fs::{DirEntryExt as _, MetadataExt as _},
    path::{Path, PathBuf},
    sync::Arc,
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
    /// What the latest walk found.
    found: HashMap<u64, String>,
    /// What it did not find, of what had been asked for.
    missing: HashSet<u64>,
    walked: Option<Instant>,
    /// What was asked for last, in order.
    asked: Vec<u64>,
    /// The answer to that.
    paths: Arc<BTreeMap<u64, String>>,
}

impl Cgroups {
    /// Reads nothing yet.
    pub fn new(roots: &Roots) -> Self {
        Self {
            mountinfo: mountinfo(roots),
            root: roots.root.clone(),
            found: HashMap::new(),
            missing: HashSet::new(),
            walked: None,
            asked: Vec::new(),
            paths: Arc::default(),
        }
    }

    /// The paths of the cgroups with these numbers, in any order and as often as they like; without those that are not
    /// there, or too new to be known yet. As long as the same are asked for, the answer is the same one.
    pub fn paths(&mut self, inodes: impl IntoIterator<Item = u64>) -> Arc<BTreeMap<u64, String>> {
        self.paths_at(inodes, Instant::now())
    }

    fn paths_at(&mut self, inodes: impl IntoIterator<Item = u64>, now: Instant) -> Arc<BTreeMap<u64, String>> {
        let mut asked = Vec::with_capacity(self.asked.len() + 1);
        // The threads of a process follow each other, so this drops most of them before they are sorted.
        for inode in inodes.into_iter().filter(|&inode| inode != 0) {
            if asked.last() != Some(&inode) {
                asked.push(inode);
            }
        }
        asked.sort_unstable();
        asked.dedup();
        let new = |inode| !self.found.contains_key(inode) && !self.missing.contains(inode);
        let walk = self.due(now) && asked.iter().any(new);
        if walk {
            self.walk(&asked, now);
        }
        if walk || asked != self.asked {
            let path = |&inode| Some((inode, self.found.get(&inode)?.clone()));
            self.paths = Arc::new(asked.iter().filter_map(path).collect());
            self.asked = asked;
        }
        Arc::clone(&self.paths)
    }

    fn due(&self, now: Instant) -> bool {
        self.walked.is_none_or(|walked| now.saturating_duration_since(walked) >= INTERVAL)
    }

    fn walk(&mut self, asked: &[u64], now: Instant) {
        self.walked = Some(now);
        self.found.clear();
        self.missing.clear();
        if let Some(mount) = self.mount() {
            self.found = walk(&mount);
            self.missing = asked.iter().copied().filter(|inode| !self.found.contains_key(inode)).collect();
        }
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

    /// The path of one, if only it is asked for.
    fn path(cgroups: &mut Cgroups, inode: u64, now: Instant) -> Option<String> {
        cgroups.paths_at([inode], now).get(&inode).cloned()
    }

    #[test]
    fn a_cgroup_is_found_by_its_number() {
        let machine = machine();
        let mut cgroups = Cgroups::new(&machine.roots());
        let (root, cron) = (inode(&machine, "cg"), inode(&machine, "cg/system.slice/cron.service"));
        let paths = cgroups.paths([cron, 0, root, cron, cron, u64::MAX]);
        let expected = [(root, "/".to_owned()), (cron, "/system.slice/cron.service".to_owned())];
        assert_eq!(*paths, BTreeMap::from(expected));
    }

    #[test]
    fn the_same_question_has_the_same_answer_and_takes_no_memory() {
        let machine = machine();
        let mut cgroups = Cgroups::new(&machine.roots());
        let (root, cron) = (inode(&machine, "cg"), inode(&machine, "cg/system.slice/cron.service"));
        let first = cgroups.paths([root, cron]);
        assert!(Arc::ptr_eq(&first, &cgroups.paths([cron, root, cron])));
        assert_eq!(cgroups.paths([cron]).len(), 1);
        assert_eq!(first.len(), 2, "what was given out stays as it was");
    }

    #[test]
    fn a_new_cgroup_is_found_by_another_walk_but_not_at_once() {
        let machine = machine();
        let mut cgroups = Cgroups::new(&machine.roots());
        let start = Instant::now();
        assert_eq!(path(&mut cgroups, u64::MAX, start), None);
        fs::create_dir_all(machine.root().join("cg/new")).unwrap();
        let new = inode(&machine, "cg/new");
        assert_eq!(path(&mut cgroups, new, start + INTERVAL / 2), None);
        assert_eq!(path(&mut cgroups, new, start + INTERVAL).as_deref(), Some("/new"));
    }

    #[test]
    fn what_a_walk_did_not_find_brings_on_no_other() {
        let machine = machine();
        let mut cgroups = Cgroups::new(&machine.roots());
        let start = Instant::now();
        for seconds in [0, 60, 120] {
            path(&mut cgroups, u64::MAX, start + Duration::from_secs(seconds));
        }
        assert_eq!(cgroups.walked, Some(start));
    }

    #[test]
    fn without_version_2_there_are_no_paths_until_it_is_mounted() {
        let machine = machine();
        let mounted = fs::read(machine.root().join("proc/1/mountinfo")).unwrap();
        let file = machine.root().join("proc/1/mountinfo");
        fs::write(&file, "1 0 0:38 / /cg rw - cgroup cgroup rw,cpu\n").unwrap();
        let mut cgroups = Cgroups::new(&machine.roots());
        let start = Instant::now();
        let cron = inode(&machine, "cg/system.slice/cron.service");
        assert_eq!(path(&mut cgroups, cron, start), None);
        fs::write(&file, mounted).unwrap();
        assert!(path(&mut cgroups, cron, start + INTERVAL).is_some());
    }
}
