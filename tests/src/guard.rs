//! Whatever a test starts or changes is stopped and put back when its guard is dropped, also when the test panics.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Child, Command},
};

/// A program that is killed at the latest when this is dropped.
pub struct Running(pub Child);

impl Running {
    /// Starts it.
    ///
    /// # Panics
    ///
    /// If it cannot be started.
    pub fn start(command: &mut Command) -> Self {
        Self(command.spawn().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}")))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only if it has ended and was waited for.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A process made by [`fork`], killed at the latest when this is dropped.
pub struct Forked(pub i32);

impl Drop for Forked {
    fn drop(&mut self) {
        // SAFETY: our own child, which nobody else waits for: its pid cannot belong to another.
        unsafe {
            libc::kill(self.0, libc::SIGKILL);
            libc::waitpid(self.0, std::ptr::null_mut(), 0);
        }
    }
}

impl Forked {
    /// Waits for its end, without a deadline: for a process that is about to be killed.
    pub fn ended(self) {
        // SAFETY: as above; the process is waited for and must not be signalled any more.
        unsafe { libc::waitpid(self.0, std::ptr::null_mut(), 0) };
        std::mem::forget(self);
    }
}

/// Makes a process that runs `body` and ends. With `pid`, it gets just that number.
///
/// The process ends with its parent's thread. `body` may do what a signal handler may: other threads' locks stay locked.
///
/// # Errors
///
/// Whatever the kernel says: `EEXIST` if the number is taken.
pub fn fork(pid: Option<i32>, body: impl FnOnce()) -> io::Result<Forked> {
    let wanted = pid.unwrap_or(0);
    // SAFETY: integers only.
    let mut arguments: libc::clone_args = unsafe { std::mem::zeroed() };
    arguments.exit_signal = libc::SIGCHLD as u64;
    if pid.is_some() {
        arguments.set_tid = (&raw const wanted) as u64;
        arguments.set_tid_size = 1;
    }
    // SAFETY: without CLONE_VM this is a fork; the child runs `body` on a copy of this stack and never returns.
    unsafe {
        match libc::syscall(libc::SYS_clone3, &raw const arguments, size_of::<libc::clone_args>()) {
            0 => {
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                body();
                libc::_exit(0)
            }
            pid if pid > 0 => Ok(Forked(pid as i32)),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

/// A file of the kernel whose content is put back.
pub struct Restored {
    path: PathBuf,
    before: String,
}

impl Restored {
    /// Writes `value` until this is dropped.
    ///
    /// # Errors
    ///
    /// Whatever the kernel says to reading or writing the file.
    pub fn set(path: impl AsRef<Path>, value: &str) -> io::Result<Self> {
        let path = path.as_ref().to_owned();
        let before = fs::read_to_string(&path)?.trim().to_owned();
        fs::write(&path, value)?;
        Ok(Self { path, before })
    }
}

impl Drop for Restored {
    fn drop(&mut self) {
        if let Err(error) = fs::write(&self.path, &self.before) {
            eprintln!("could not put back {} to {}: {error}", self.path.display(), self.before);
        }
    }
}

/// A folder that is removed: an empty one, or a control group without tasks.
pub struct Folder(pub PathBuf);

impl Folder {
    /// Makes it.
    ///
    /// # Errors
    ///
    /// Whatever the kernel says.
    pub fn make(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        fs::create_dir(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A killed task leaves its group a moment after its parent has heard of its end.
        for _ in 0..100 {
            if fs::remove_dir(&self.0).is_ok() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        eprintln!("could not remove {}", self.0.display());
    }
}
