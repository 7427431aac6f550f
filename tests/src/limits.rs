//! What a process may have: memory, as a control group allows it, and open files.

use std::{
    fs, io,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{guard::Folder, loop_device::unique};

/// A group with a limit of memory, of either version, whichever has the controller. Removed when this is dropped: after what
/// is in it, so it has to be made before.
pub struct Memory {
    folder: Folder,
    /// The file that says how much it was at most.
    peak: &'static str,
}

impl Memory {
    /// Makes it. All that a process in it has counts, kernel memory and maps of programs included.
    ///
    /// # Errors
    ///
    /// Says what the kernel does not allow.
    pub fn at_most(bytes: u64) -> Result<Self, String> {
        let (root, limit, peak) = match Path::new("/sys/fs/cgroup/memory/memory.limit_in_bytes").exists() {
            true => ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.max_usage_in_bytes"),
            false => ("/sys/fs/cgroup", "memory.max", "memory.peak"),
        };
        if root == "/sys/fs/cgroup" {
            // Whoever runs the machine may have done so.
            let _ = fs::write("/sys/fs/cgroup/cgroup.subtree_control", "+memory");
        }
        let folder =
            Folder::make(Path::new(root).join(unique("memory"))).map_err(|error| format!("no group: {error}"))?;
        fs::write(folder.0.join(limit), bytes.to_string()).map_err(|error| format!("no limit of memory: {error}"))?;
        Ok(Self { folder, peak })
    }

    /// Has the command run in the group from its first moment on.
    pub fn enter<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        let members: PathBuf = self.folder.0.join("cgroup.procs");
        // SAFETY: opens, writes and closes a file.
        unsafe { command.pre_exec(move || fs::write(&members, "0")) }
    }

    /// The most that it held so far in bytes; absent before Linux 5.19 with version 2.
    pub fn peak(&self) -> Option<u64> {
        fs::read_to_string(self.folder.0.join(self.peak)).ok()?.trim().parse().ok()
    }

    /// What nobody can take back in bytes: neither a cache nor to be freed at once.
    pub fn anonymous(&self) -> Option<u64> {
        let text = fs::read_to_string(self.folder.0.join("memory.stat")).ok()?;
        let of = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok());
        of("rss ").or_else(|| of("anon "))
    }
}

/// Sets how many files a process may have open; gives what it was.
///
/// # Errors
///
/// Whatever the kernel says.
pub fn open_files(pid: u32, most: u64) -> io::Result<u64> {
    let (mut before, mut new) = (libc::rlimit { rlim_cur: 0, rlim_max: 0 }, libc::rlimit { rlim_cur: 0, rlim_max: 0 });
    // SAFETY: reads and writes our own structs.
    unsafe {
        if libc::prlimit(pid as i32, libc::RLIMIT_NOFILE, std::ptr::null(), &mut before) != 0 {
            return Err(io::Error::last_os_error());
        }
        (new.rlim_cur, new.rlim_max) = (most, before.rlim_max);
        if libc::prlimit(pid as i32, libc::RLIMIT_NOFILE, &new, std::ptr::null_mut()) != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(before.rlim_cur)
}

/// Open files of a process now.
pub fn files_of(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}
