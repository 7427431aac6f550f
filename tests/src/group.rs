//! Control groups of version 2 of one's own, so that kpulse can name who did something by its group.

use std::{
    fs, io,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    guard::{Folder, Forked, fork},
    loop_device::{Mount, unique},
};

/// A group, removed when this is dropped: after what is in it, so it has to be made before.
pub struct Group {
    folder: Folder,
    name: String,
    _mounted: Option<Mount>,
}

impl Group {
    /// Makes one below the root, and mounts the filesystem of the groups in a folder of our own if nobody has.
    ///
    /// # Errors
    ///
    /// Says what the kernel does not allow.
    pub fn make(stem: &str) -> Result<Self, String> {
        let (root, mounted) = match mounted() {
            Some(root) => (root, None),
            None => {
                let filesystems = fs::read_to_string("/proc/filesystems").unwrap_or_default();
                if !filesystems.lines().any(|line| line.ends_with("\tcgroup2")) {
                    return Err("the kernel has no control groups of version 2".into());
                }
                let mount = Mount::new(&["-t", "cgroup2", "none"]);
                (mount.point.clone(), Some(mount))
            }
        };
        let name = unique(stem);
        let folder = Folder::make(root.join(&name)).map_err(|error| format!("no control group: {error}"))?;
        Ok(Self { folder, name, _mounted: mounted })
    }

    /// Its path as kpulse has it: below the root of all groups.
    pub fn path(&self) -> String {
        format!("/{}", self.name)
    }

    /// Makes so many groups in it, in a tree that is ten wide at each place. They are removed with it.
    ///
    /// # Errors
    ///
    /// Whatever the kernel says.
    pub fn grow(&self, count: usize) -> io::Result<()> {
        (1..=count).try_for_each(|n| fs::create_dir(self.place(n)))
    }

    /// As [`Self::fork`], in one of the groups that [`Self::grow`] made.
    ///
    /// # Errors
    ///
    /// Whatever the kernel says.
    pub fn fork_in(&self, n: usize, body: impl FnOnce()) -> io::Result<Forked> {
        let child = fork(None, body)?;
        fs::write(self.place(n.max(1)).join("cgroup.procs"), child.0.to_string())?;
        Ok(child)
    }

    /// The folder of the group with this number: its parent's number is a tenth of it.
    fn place(&self, n: usize) -> PathBuf {
        if n == 0 { self.folder.0.clone() } else { self.place(n / 10).join(format!("g{n}")) }
    }

    fn members(&self) -> PathBuf {
        self.folder.0.join("cgroup.procs")
    }

    /// Has the command run in the group from its first moment on.
    pub fn enter<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        let members = self.members();
        // SAFETY: opens, writes and closes a file.
        unsafe { command.pre_exec(move || fs::write(&members, "0")) }
    }

    /// Makes a process in the group, as [`fork`] does: it begins outside, and `body` must not matter until it is in.
    ///
    /// # Errors
    ///
    /// Whatever the kernel says.
    pub fn fork(&self, body: impl FnOnce()) -> io::Result<Forked> {
        let child = fork(None, body)?;
        fs::write(self.members(), child.0.to_string())?;
        Ok(child)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        remove_below(&self.folder.0);
    }
}

/// Removes all groups in a group, the innermost first. Whoever was in one may need a moment to leave.
fn remove_below(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_below(&entry.path());
            crate::wait::within(std::time::Duration::from_secs(2), || fs::remove_dir(entry.path()).ok());
        }
    }
}

/// Where version 2 is mounted; the shortest path, as kpulse takes it.
fn mounted() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    let mounts = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        let (path, kind) = (words.next()?, words.next()?);
        (kind == "cgroup2").then(|| Path::new(path).to_owned())
    });
    mounts.min_by_key(|path| path.as_os_str().len())
}
