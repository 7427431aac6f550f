//! The agent as a process of its own: started, scraped, and weighed from outside.

use std::{
    env, fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    os::unix::process::CommandExt as _,
    path::PathBuf,
    process::{Command, Stdio},
    sync::mpsc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use tests::guard::Running;

/// How long the agent may take to be ready on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(30);

/// `kpulse`, as the environment names it, or where cargo puts it beside this program.
///
/// # Errors
///
/// If it has not been built.
pub fn binary() -> Result<PathBuf> {
    let path = match env::var_os("KPULSE_BIN") {
        Some(path) => path.into(),
        None => env::current_exe()?.with_file_name("kpulse"),
    };
    ensure!(path.exists(), "{} is missing: run `cargo xtask build`", path.display());
    Ok(path)
}

/// A running agent, killed when this is dropped or this process ends.
pub struct Daemon {
    running: Running,
    address: String,
    /// From its start to its first answer with figures.
    pub first_scrape: Duration,
}

/// Memory of a process in KiB.
pub struct Memory {
    /// Resident, shared pages included.
    pub rss: f64,
    /// Resident, a shared page divided among those who share it.
    pub pss: f64,
}

impl Daemon {
    /// Starts it on a free port and waits for its figures.
    ///
    /// # Errors
    ///
    /// If it ends, or gives no figures for half a minute.
    pub fn start(interval: &str) -> Result<Self> {
        // Another program could take the port in between; the agent then says so and ends.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
        let mut command = Command::new(binary()?);
        command.args(["agent", "--log-level", "error", "--listen", &address, "--interval", interval]);
        command.env("KPULSE_STATE_DIR", tests::agent::state()).stdin(Stdio::null()).stdout(Stdio::null());
        // SAFETY: one system call, which a forked process may do.
        unsafe {
            command.pre_exec(|| {
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                Ok(())
            });
        }
        let begun = Instant::now();
        let mut daemon = Self { running: Running::start(&mut command), address, first_scrape: Duration::ZERO };
        while daemon.get("/metrics").is_err() || daemon.get("/-/ready").is_err() {
            if let Some(status) = daemon.running.0.try_wait()? {
                bail!("kpulse agent ended at once: {status}");
            }
            ensure!(begun.elapsed() < PATIENCE, "kpulse agent is not ready after {PATIENCE:?}");
            thread::sleep(Duration::from_millis(1));
        }
        daemon.first_scrape = begun.elapsed();
        Ok(daemon)
    }

    /// The body of an answer.
    ///
    /// # Errors
    ///
    /// If there is none, or its status is not 200.
    pub fn get(&self, path: &str) -> Result<Vec<u8>> {
        get(&self.address, path)
    }

    /// CPU time of all its threads so far, as the scheduler accounts it.
    ///
    /// # Errors
    ///
    /// If it has ended.
    pub fn cpu(&self) -> Result<Duration> {
        cpu(self.pid())
    }

    /// Hundredths of one CPU that it uses while `wait` goes on.
    ///
    /// # Errors
    ///
    /// If it ends meanwhile.
    pub fn cpu_percent(&self, wait: Duration) -> Result<f64> {
        let (begun, before) = (Instant::now(), self.cpu()?);
        thread::sleep(wait);
        Ok((self.cpu()? - before).as_secs_f64() / begun.elapsed().as_secs_f64() * 100.0)
    }

    /// Its memory.
    ///
    /// # Errors
    ///
    /// If the kernel does not say.
    pub fn memory(&self) -> Result<Memory> {
        let text = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.pid()))?;
        let field = |name: &str| -> Result<f64> {
            let line = text.lines().find_map(|line| line.strip_prefix(name)).with_context(|| format!("no {name}"))?;
            Ok(line.trim().trim_end_matches(" kB").parse()?)
        };
        Ok(Memory { rss: field("Rss:")?, pss: field("Pss:")? })
    }

    /// Bytes of the kernel's maps that it holds, as the kernel accounts them.
    ///
    /// # Errors
    ///
    /// If it has ended.
    pub fn map_bytes(&self) -> Result<u64> {
        let mut maps = std::collections::BTreeMap::new();
        for entry in fs::read_dir(format!("/proc/{}/fdinfo", self.pid()))? {
            let text = fs::read_to_string(entry?.path()).unwrap_or_default();
            let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok());
            // Several descriptors may be of one map.
            if let (Some(id), Some(bytes)) = (field("map_id:"), field("memlock:")) {
                maps.insert(id, bytes);
            }
        }
        Ok(maps.values().sum())
    }

    fn pid(&self) -> u32 {
        self.running.0.id()
    }
}

/// CPU time of all threads of a process so far, as the scheduler accounts it.
///
/// # Errors
///
/// If it has ended.
pub fn cpu(pid: u32) -> Result<Duration> {
    let (mut clock, mut time) = (0, libc::timespec { tv_sec: 0, tv_nsec: 0 });
    // SAFETY: both write to our own variables.
    let done =
        unsafe { libc::clock_getcpuclockid(pid as i32, &mut clock) == 0 && libc::clock_gettime(clock, &mut time) == 0 };
    ensure!(done, "the process {pid} has ended");
    Ok(Duration::new(time.tv_sec as u64, time.tv_nsec as u32))
}

fn get(address: &str, path: &str) -> Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address)?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    ensure!(answer.starts_with(b"HTTP/1.1 200 "), "{path}: {}", String::from_utf8_lossy(&answer));
    let head = answer.windows(4).position(|four| four == b"\r\n\r\n").context("an answer without a head")?;
    Ok(answer.split_off(head + 4))
}

/// Scrapes an agent again and again until this is dropped.
pub struct Scraper {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    _daemon: Daemon,
}

impl Scraper {
    /// Begins. The agent is kept running until then.
    pub fn start(daemon: Daemon, every: Duration) -> Self {
        let (stop, stopped) = mpsc::channel();
        let address = daemon.address.clone();
        let thread = thread::spawn(move || {
            while stopped.recv_timeout(every) == Err(mpsc::RecvTimeoutError::Timeout) {
                if let Err(error) = get(&address, "/metrics") {
                    eprintln!("a scrape failed: {error:#}");
                }
            }
        });
        Self { stop: Some(stop), thread: Some(thread), _daemon: daemon }
    }
}

impl Drop for Scraper {
    fn drop(&mut self) {
        drop(self.stop.take());
        // It has nothing to say.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}
