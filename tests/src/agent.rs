//! `kpulse` as a process of its own: the agent, asked over HTTP and by signals, and commands that end by themselves.
//!
//! The program is what the environment variable `KPULSE_BIN` names, or else what cargo builds now.

use std::{
    env,
    ffi::OsStr,
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{ChildStderr, Command, ExitStatus, Output, Stdio},
    sync::{
        Arc, LazyLock, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use crate::{
    clock,
    exposition::Scrape,
    guard::Running,
    http::{self, Answer},
    wait,
};

/// Whether the program is the one that is shipped: its weight and speed mean something.
pub fn is_shipped() -> bool {
    env::var_os("KPULSE_BIN").is_some()
}

/// The program.
///
/// # Panics
///
/// If it cannot be built.
pub fn binary() -> &'static Path {
    static BINARY: LazyLock<PathBuf> = LazyLock::new(|| match env::var_os("KPULSE_BIN") {
        Some(path) => path.into(),
        None => build(),
    });
    &BINARY
}

fn build() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies inside the workspace");
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or("cargo".into()));
    let built = cargo.args(["build", "--quiet", "--package", "monitor-user"]).current_dir(root).status();
    assert!(built.is_ok_and(|status| status.success()), "cannot build kpulse");
    root.join("target/debug/kpulse")
}

/// `kpulse` with these arguments, without any configuration but theirs.
pub fn command<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    command_of(binary(), arguments)
}

fn command_of<S: AsRef<OsStr>>(program: &Path, arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"KPULSE_")) {
        command.env_remove(name);
    }
    command.env("KPULSE_CONFIG", "/dev/null").env("KPULSE_STATE_DIR", state());
    command.env("NO_COLOR", "1").args(arguments).stdin(Stdio::null());
    // SAFETY: one system call, which a forked process may do.
    unsafe {
        command.pre_exec(|| {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            Ok(())
        });
    }
    command
}

/// A state directory of its own for each command, unless its arguments name another: what an agent of the machine keeps is
/// not touched.
///
/// # Panics
///
/// Never: the crate lies inside the workspace.
pub fn state() -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies inside the workspace");
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    root.join(format!("target/tmp/state/{}-{number}", std::process::id()))
}

/// Somebody without any rights.
pub const NOBODY: u32 = 65534;

/// As [`command`], run by nobody. The folder gets a copy of the program: nobody may not be allowed to reach the original.
///
/// # Panics
///
/// If the program cannot be copied.
pub fn command_of_nobody<S: AsRef<OsStr>>(folder: &Path, arguments: impl IntoIterator<Item = S>) -> Command {
    let copy = folder.join("kpulse");
    if !copy.exists() {
        std::fs::copy(binary(), &copy).expect("a copy of the program");
    }
    let mut command = command_of(&copy, arguments);
    command.uid(NOBODY).gid(NOBODY).current_dir("/");
    command
}

/// The same with these capabilities, as `setpriv` names them, and no other. The folder is given to nobody.
///
/// # Panics
///
/// If the program cannot be copied, or the folder cannot be given away.
pub fn command_of_nobody_with<S: AsRef<OsStr>>(
    capabilities: &str,
    folder: &Path,
    arguments: impl IntoIterator<Item = S>,
) -> Command {
    std::os::unix::fs::chown(folder, Some(NOBODY), Some(NOBODY)).expect("the folder is given away");
    let plain = command_of_nobody(folder, arguments);
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "--inh-caps", capabilities]);
    command.args(["--ambient-caps", capabilities, "--bounding-set", &format!("-all,{capabilities}")]);
    command.arg(plain.get_program()).args(plain.get_args()).current_dir("/");
    command.env("KPULSE_CONFIG", "/dev/null").env("KPULSE_STATE_DIR", folder.join("state"));
    command
}

/// Runs a command to its end and gives what it said.
///
/// # Panics
///
/// If it cannot be started, or goes on and on.
pub fn run(mut command: Command) -> Output {
    let mut child = Running::start(command.stdout(Stdio::piped()).stderr(Stdio::piped()));
    // Both are read at once: neither pipe may fill up.
    let (stdout, stderr) = (child.0.stdout.take(), child.0.stderr.take());
    let [stdout, stderr] = [read_all(stdout), read_all(stderr)];
    let status = wait::until("the end of kpulse", || child.0.try_wait().expect("our own child"));
    Output { status, stdout: stdout.join().unwrap_or_default(), stderr: stderr.join().unwrap_or_default() }
}

fn read_all<R: std::io::Read + Send + 'static>(stream: Option<R>) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut all = Vec::new();
        // What was read before an error is what there is.
        stream.into_iter().for_each(|mut stream| drop(stream.read_to_end(&mut all)));
        all
    })
}

/// A running agent, killed when this is dropped.
pub struct Agent {
    running: Running,
    log: Arc<Mutex<Vec<String>>>,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Agent {
    /// Starts it as root on a free port, and waits until it is ready.
    ///
    /// # Panics
    ///
    /// If it ends, or is not ready in time.
    pub fn start<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Self {
        let mut all = command(["agent", "--listen", "127.0.0.1:0"]);
        all.args(arguments);
        Self::start_command(all)
    }

    /// Starts any command that is an agent's, and waits until it is ready.
    ///
    /// # Panics
    ///
    /// As [`Self::start`].
    pub fn start_command(mut command: Command) -> Self {
        let mut running = Running::start(command.stdout(Stdio::null()).stderr(Stdio::piped()));
        let log = Arc::default();
        keep(running.0.stderr.take(), Arc::clone(&log));
        let said = || log.lock().unwrap_or_else(PoisonError::into_inner).join("\n");
        let address = wait::until("the agent's address", || {
            let ended = running.0.try_wait().expect("our own child");
            assert!(ended.is_none(), "the agent ended at once: {ended:?}\n{}", said());
            let said = said();
            let (_, rest) = said.split_once("listening on http://")?;
            rest.split('/').next()?.parse().ok()
        });
        let mut agent = Self { running, log, address };
        wait::until("an agent that is ready", || {
            let ended = agent.running.0.try_wait().expect("our own child");
            assert!(ended.is_none(), "the agent ended at once: {ended:?}\n{}", agent.log().join("\n"));
            agent.try_get("/-/ready").filter(|answer| answer.status == 200)
        });
        agent
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.running.0.id()
    }

    /// What it has logged so far, line by line.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for a line of the log that holds all of these, and gives it.
    ///
    /// # Panics
    ///
    /// If there is none in time.
    pub fn logged(&self, parts: &[&str]) -> String {
        let holds = |line: &String| parts.iter().all(|part| line.contains(part));
        wait::until(&format!("a line with {parts:?} in the log"), || self.log().into_iter().find(holds))
    }

    /// What it answers, if it does.
    pub fn try_get(&self, path: &str) -> Option<Answer> {
        http::get(self.address, path).ok()
    }

    /// What it answers with status 200.
    ///
    /// # Panics
    ///
    /// If it does not.
    pub fn get(&self, path: &str) -> String {
        let answer = http::get(self.address, path).unwrap_or_else(|error| panic!("{path}: {error}"));
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.body
    }

    /// A scrape.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub fn scrape(&self) -> Scrape {
        Scrape::parse(&self.get("/metrics"))
    }

    /// Scrapes again and again until `ready` gives something.
    ///
    /// # Panics
    ///
    /// If it does not in time; `what` is then named.
    pub fn scrape_until<T>(&self, what: &str, mut ready: impl FnMut(&Scrape) -> Option<T>) -> T {
        wait::until(what, || {
            let found = ready(&self.scrape());
            if found.is_none() {
                thread::sleep(Duration::from_millis(20));
            }
            found
        })
    }

    /// Waits until it has collected again, twice: what happened before this call is then in a scrape.
    ///
    /// # Panics
    ///
    /// If it does not.
    pub fn collected(&self) {
        for _ in 0..2 {
            // To the nanosecond: no two collections take the same time.
            let took = |scrape: &Scrape| scrape.value("kpulse_collection_seconds");
            let before = took(&self.scrape());
            self.scrape_until("another collection", |scrape| (took(scrape) != before).then_some(()));
        }
    }

    /// Its CPU time so far, all threads together, in nanoseconds.
    pub fn cpu_ns(&self) -> u64 {
        clock::of_process(self.pid() as i32)
    }

    /// Sends a signal.
    pub fn signal(&self, signal: i32) {
        // SAFETY: our own child, not yet waited for.
        unsafe { libc::kill(self.pid() as i32, signal) };
    }

    /// Waits for its end after a signal; gives how it ended, how long that took, and its log.
    ///
    /// # Panics
    ///
    /// If it does not end.
    pub fn ended(mut self) -> (ExitStatus, Duration, Vec<String>) {
        let begun = Instant::now();
        let status = wait::until("the agent's end", || self.running.0.try_wait().expect("our own child"));
        (status, begun.elapsed(), self.log())
    }
}

/// Keeps every line of a stream.
fn keep(stream: Option<ChildStderr>, log: Arc<Mutex<Vec<String>>>) {
    thread::spawn(move || {
        for line in stream.into_iter().flat_map(|stream| BufReader::new(stream).lines()).map_while(Result::ok) {
            log.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        }
    });
}
