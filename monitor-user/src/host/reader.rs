//! [`Reader`]: one call, one [`Host`].
//!
//! In: /proc and /sys below [`Roots`]. Out: a [`Host`], always; what could not be read is absent from it and named in
//! its failures. Most parts are read anew each time from files that stay open. What seldom changes (the host's name, the
//! disks' sizes and kinds, what is mounted and how full) is looked at every [`Options::slow_interval`].

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    Host, cpu_list,
    disks::Disks,
    file::{Expected, Failure, Kept, read_once},
    filesystems::{Filesystems, statvfs},
    meminfo, network,
    pressure::Files,
    space::{Limits, Statfs},
    stat, uptime,
};

/// Where the machine is found: three directories, so that readers run on another machine's files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roots {
    /// The proc filesystem.
    pub proc: PathBuf,
    /// The sys filesystem.
    pub sys: PathBuf,
    /// The root of the filesystems. If it is not `/`, the mounts are those that process 1 has, found below it.
    pub root: PathBuf,
}

impl Default for Roots {
    fn default() -> Self {
        Self { proc: "/proc".into(), sys: "/sys".into(), root: "/".into() }
    }
}

/// How often, how long, how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// How old what seldom changes may be: 15 s.
    pub slow_interval: Duration,
    /// A filesystem that has not said how full it is for this long is shown without: 1 s.
    pub statfs_deadline: Duration,
    /// The most threads that wait for filesystems: 8. Needed only for those that hang.
    pub statfs_threads: usize,
    /// How long the first reading waits for filesystems: 50 ms. Later ones never wait.
    pub first_wait: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            slow_interval: Duration::from_secs(15),
            statfs_deadline: Duration::from_secs(1),
            statfs_threads: 8,
            first_wait: Duration::from_millis(50),
        }
    }
}

/// Reads a machine again and again.
pub struct Reader {
    options: Options,
    buffer: Vec<u8>,
    kernel: PathBuf,
    hostname: Option<Result<String, Failure>>,
    osrelease: Option<Result<String, Failure>>,
    boot_id: Option<Result<String, Failure>>,
    uptime: Kept,
    loadavg: Kept,
    stat: Kept,
    meminfo: Kept,
    net: Kept,
    online: Kept,
    pressure: Files,
    disks: Disks,
    filesystems: Filesystems,
    slow_at: Option<Instant>,
}

impl Reader {
    /// A reader with the default options. Reads nothing yet.
    pub fn new(roots: Roots) -> Self {
        Self::with_options(roots, Options::default())
    }

    /// A reader with options of one's own. Reads nothing yet.
    pub fn with_options(roots: Roots, options: Options) -> Self {
        Self::with_statfs(roots, options, Arc::new(statvfs))
    }

    fn with_statfs(roots: Roots, options: Options, statfs: Statfs) -> Self {
        let limits = Limits { deadline: options.statfs_deadline, threads: options.statfs_threads };
        let proc = |name: &str| Kept::new(roots.proc.join(name));
        Self {
            options,
            buffer: Vec::new(),
            kernel: roots.proc.join("sys/kernel"),
            hostname: None,
            osrelease: None,
            boot_id: None,
            uptime: proc("uptime"),
            loadavg: proc("loadavg"),
            stat: proc("stat"),
            meminfo: proc("meminfo"),
            net: proc("net/dev"),
            online: Kept::new(roots.sys.join("devices/system/cpu/online")),
            pressure: Files::new(&roots.proc),
            disks: Disks::new(&roots),
            filesystems: Filesystems::new(&roots, statfs, limits, options.first_wait),
            slow_at: None,
        }
    }

    /// Reads the machine now. Never fails as a whole, and waits for nothing but the kernel's own text.
    pub fn read(&mut self) -> Host {
        self.read_at(Instant::now())
    }

    fn read_at(&mut self, now: Instant) -> Host {
        let mut host = Host::default();
        let slow = self.slow_at.is_none_or(|last| now.saturating_duration_since(last) >= self.options.slow_interval);
        if slow {
            self.slow_at = Some(now);
            self.look_around(now);
        }
        self.fill_identity(&mut host);
        self.fill_processor(&mut host);
        self.fill_pressure(&mut host);
        self.fill_devices(&mut host);
        let failures = &mut host.failures;
        host.filesystems = self.filesystems.read(now, |name, reason| _ = failures.insert(name, reason));
        host
    }

    /// Renews what seldom changes.
    fn look_around(&mut self, now: Instant) {
        self.hostname = Some(read_once(&self.kernel.join("hostname")));
        for (name, kept) in [("osrelease", &mut self.osrelease), ("random/boot_id", &mut self.boot_id)] {
            if !matches!(kept, Some(Ok(_))) {
                *kept = Some(read_once(&self.kernel.join(name)));
            }
        }
        self.disks.forget();
        self.filesystems.sweep(&mut self.buffer, now);
    }

    fn fill_identity(&mut self, host: &mut Host) {
        let failures = &mut host.failures;
        host.hostname = remembered(failures, "hostname", self.hostname.as_ref());
        host.kernel = remembered(failures, "kernel", self.osrelease.as_ref());
        host.boot_id = remembered(failures, "boot_id", self.boot_id.as_ref());
        host.uptime_ns = noted(failures, "uptime", self.uptime.parse(&mut self.buffer, uptime::parse_uptime));
        host.load = noted(failures, "load", self.loadavg.parse(&mut self.buffer, uptime::parse_load));
    }

    fn fill_processor(&mut self, host: &mut Host) {
        let failures = &mut host.failures;
        let buffer = &mut self.buffer;
        let stat = noted(failures, "stat", self.stat.parse(buffer, |text| stat::parse(text, stat::hz())));
        host.cpu_modes = stat.map(|stat| stat.modes);
        host.context_switches = stat.map(|stat| stat.context_switches);
        host.forks = stat.and_then(|stat| stat.forks);
        host.memory = noted(failures, "memory", self.meminfo.parse(buffer, meminfo::parse));
        let online = |text: &str| cpu_list::parse_cpu_list(text).ok_or(Expected("a list of CPUs such as 0-3,8"));
        host.online_cpus = noted(failures, "online_cpus", self.online.parse(buffer, online));
    }

    fn fill_pressure(&mut self, host: &mut Host) {
        let read = self.pressure.read(&mut self.buffer);
        host.pressure = read.pressure;
        host.unsupported.extend(read.none.map(|why| ("pressure".to_owned(), why)));
        let failures = read.failures.into_iter();
        host.failures.extend(failures.map(|(resource, failure)| (format!("pressure {resource}"), failure.to_string())));
    }

    fn fill_devices(&mut self, host: &mut Host) {
        let networks = &mut host.networks;
        let each = |name: &str, network| _ = networks.insert(name.to_owned(), network);
        let read = self.net.parse(&mut self.buffer, |text| network::parse(text, each));
        noted(&mut host.failures, "networks", read);
        let (disks, failure) = self.disks.read(&mut self.buffer);
        host.disks = disks;
        host.failures.extend(failure.map(|failure| ("disks".to_owned(), failure.to_string())));
    }
}

/// The value, or `None` and a line among the failures.
fn noted<T>(failures: &mut BTreeMap<String, String>, part: &str, read: Result<T, Failure>) -> Option<T> {
    read.map_err(|failure| failures.insert(part.to_owned(), failure.to_string())).ok()
}

/// The same for what was read earlier.
fn remembered(
    failures: &mut BTreeMap<String, String>,
    part: &str,
    read: Option<&Result<String, Failure>>,
) -> Option<String> {
    match read? {
        Ok(value) => Some(value.clone()),
        Err(failure) => {
            failures.insert(part.to_owned(), failure.to_string());
            None
        }
    }
}

#[cfg(test)]
mod tests;
