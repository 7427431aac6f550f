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
