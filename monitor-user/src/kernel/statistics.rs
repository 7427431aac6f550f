//! Has the kernel time the programs for a moment: `BPF_ENABLE_STATS`, held by a small process of its own.
//!
//! The kernel times every run of every program of the machine while somebody holds a file of that kind, and that costs two
//! readings of the clock each: so it is held for a hundredth of the time. To open one takes CAP_SYS_ADMIN each time
//! (`bpf_enable_stats` in the kernel's `kernel/bpf/syscall.c`; the file `kernel.bpf_stats_enabled` asks for it at each write,
//! too), which the agent does not keep. So a helper does, begun before the agent gives its capabilities up: it has no other
//! capability, no file but its end of a socket, understands two letters, and ends with the agent, however that ends. It lets
//! go by itself if nobody tells it to.

use std::{
    io::{self, Read as _, Write as _},
    net::Shutdown,
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::{net::UnixStream, process::CommandExt as _},
    },
    process::{Child, Command, Stdio},
    time::Duration,
};

use super::sys;

/// The hidden command that the helper is.
pub const COMMAND: &str = "hold-statistics";

/// Letters to the helper, and its answer if all is well.
const HOLD: u8 = b'h';
const RELEASE: u8 = b'r';
const HELD: u8 = 0;
/// The helper lets go after this time, whatever it is told.
const LONGEST: Duration = Duration::from_secs(2);

/// The agent's side.
#[derive(Debug)]
pub struct Statistics {
    helper: Result<(Child, UnixStream), String>,
}

impl Statistics {
    /// Nobody times anything, for this reason.
    pub fn off(reason: &str) -> Self {
        Self { helper: Err(reason.into()) }
    }

    /// Begins the helper. What fails is told by [`Self::hold`].
    pub fn start() -> Self {
        Self {
            helper: begin().map_err(|error| format!("the helper that times the programs cannot be started: {error}")),
        }
    }

    /// Begins to time.
    ///
    /// # Errors
    ///
    /// Why not, for people.
    pub fn hold(&mut self) -> Result<(), String> {
        self.tell(HOLD)
    }

    /// Ends it. Says whether the programs were timed.
    ///
    /// # Errors
    ///
    /// Why they were not.
    pub fn release(&mut self) -> Result<(), String> {
        self.tell(RELEASE)?;
        let (_, socket) = self.helper.as_mut().map_err(|reason| reason.clone())?;
        // It has answered long ago, or does not answer at all: never waited for.
        let mut answer = [u8::MAX];
        match socket.read(&mut answer) {
            Ok(1) if answer[0] == HELD => Ok(()),
            Ok(1) => {
                let error = io::Error::from_raw_os_error(answer[0].into());
                Err(format!("the kernel does not time the programs: {error}; it takes CAP_SYS_ADMIN and Linux 5.8"))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err("the helper was kept from its CPU".into()),
            _ => self.lost(),
        }
    }

    fn tell(&mut self, letter: u8) -> Result<(), String> {
        let (_, socket) = self.helper.as_mut().map_err(|reason| reason.clone())?;
        if letter == HOLD {
            // An answer that came too late the time before.
            while matches!(socket.read(&mut [0; 16]), Ok(read) if read > 0) {}
        }
        match socket.write(&[letter]) {
            Ok(1) => Ok(()),
            _ => self.lost(),
        }
    }

    fn lost<T>(&mut self) -> Result<T, String> {
        let reason = "the helper that times the programs has ended; it begins again with the agent".to_string();
        // Dropped, and with it its process.
        *self = Self::off(&reason);
        Err(reason)
    }
}

impl Drop for Statistics {
    fn drop(&mut self) {
        if let Ok((child, socket)) = &mut self.helper {
            // It ends by itself as its socket closes. Has it ended already, this keeps it from staying a zombie; else whoever
            // takes over this process's children sees to that.
            let _ = socket.shutdown(Shutdown::Both);
            let _ = child.try_wait();
        }
    }
}

fn begin() -> io::Result<(Child, UnixStream)> {
    let (ours, theirs) = UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    let mut command = Command::new("/proc/self/exe");
    command.arg0("kpulse").arg(COMMAND).env_clear().current_dir("/");
    command.stdin(Stdio::from(OwnedFd::from(theirs))).stdout(Stdio::null()).stderr(Stdio::null());
    Ok((command.spawn()?, ours))
}

/// The helper, once it has given up the rest (`crate::privileges::give_up_all_but_timing`): obeys whoever is at the other end of its
/// standard input until that is closed.
///
/// # Errors
///
/// If the socket fails.
pub fn serve() -> io::Result<()> {
    let mut socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut held = None;
    loop {
        socket.set_read_timeout(held.as_ref().map(|_| LONGEST))?;
        let mut letter = [0];
        match socket.read(&mut letter) {
            Ok(0) => return Ok(()),
            Ok(_) if letter[0] == HOLD => {
                let answer = match sys::enable_statistics() {
                    Ok(file) => {
                        held = Some(file);
                        HELD
                    }
                    Err(error) => error.raw_os_error().and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX),
                };
                socket.write_all(&[answer])?;
            }
            // Released, or for too long.
            Ok(_) => held = None,
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => held = None,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
