//! The configuration in force, validated and typed. Every field is one entry of [`KEYS`], which says its default,
//! its range and what it is for.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use monitor_common::indexed_enum;

use super::{KEYS, Key, key::Given, share::Share};
use crate::index::{self, Mode, baseline::Learning};
pub use crate::{notify::Settings as Notify, ship::Settings as Server};

/// Everything that can be set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where the HTTP server listens.
    pub listen: SocketAddr,
    /// Time from one sample to the next.
    pub interval: Duration,
    /// A BTF file of the running kernel; absent for the kernel's own.
    pub btf: Option<PathBuf>,
    /// The user that the agent becomes; absent if it stays who it is.
    pub user: Option<String>,
    /// What it may do once its programs are attached.
    pub sandbox: Sandbox,
    /// What is logged and how.
    pub log: Log,
    /// The metrics page.
    pub metrics: Metrics,
    /// Which probes run.
    pub probes: Probes,
    /// Rare events.
    pub events: Events,
    /// The tasks that are named.
    pub tasks: Tasks,
    /// What the agent itself may take.
    pub budget: Budget,
    /// The flight recorder.
    pub record: Record,
    /// What is an alert.
    pub rules: Rules,
    /// Where /proc and /sys are, and the care taken with filesystems.
    pub host: Host,
    /// What outlives the agent.
    pub state: State,
    /// When it judges.
    pub judge: Judge,
    /// What P is held against, and how that is learned.
    pub index: Index,
    /// Who is told of alerts.
    pub notify: Notify,
    /// The fleet's server.
    pub server: Server,
    /// What proves who is who; the server's.
    pub tls: Tls,
    /// What the server takes from whom.
    pub nodes: Nodes,
    /// What the server keeps, and for how long.
    pub store: Store,
}

/// What proves who is who: the server to its nodes, and nodes to the server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// The server's certificate and those between it and its authority; PEM.
    pub cert_file: Option<PathBuf>,
    /// Its key; PEM.
    pub key_file: Option<PathBuf>,
    /// Authorities whose certificates prove a node's name; PEM.
    pub client_ca_file: Option<PathBuf>,
}

/// What the server takes from whom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nodes {
    /// The most nodes.
    pub most: usize,
    /// The most connections at once.
    pub clients: usize,
    /// After so long without a report a node is down.
    pub down_after: Duration,
    /// After so long without a report a node is forgotten.
    pub forget_after: Duration,
    /// The most nodes with a series of their own on the metrics page.
    pub max_series: usize,
}

/// What the server keeps, and for how long.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Store {
    /// Reports as they came.
    pub full_for: Duration,
    /// Their sums over a minute.
    pub minutes_for: Duration,
    /// Their sums over an hour.
    pub hours_for: Duration,
    /// The most bytes of the database.
    pub max_bytes: usize,
}

/// What the agent may do once its programs are attached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sandbox {
    /// Only the system calls that it needs.
    pub system_calls: bool,
    /// Only the files that it needs.
    pub files: bool,
}

/// What outlives the agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// The directory where it is.
    pub dir: PathBuf,
}

/// When the agent judges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judge {
    /// Time from one judgement to the next.
    pub interval: Duration,
    /// How long a time is judged: a multiple of the interval.
    pub window: Duration,
}

/// What P is held against, and how that is learned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    /// Where T_avg comes from, for what is told of P.
    pub mode: Mode,
    /// The fewest requests in a window that give a verdict.
    pub min_requests: usize,
    /// After this time something learned counts half as much.
    pub half_life: Duration,
    /// As many requests of a kind make it known...
    pub learn_requests: usize,
    /// ...if they came in so long a time.
    pub learn_time: Duration,
    /// For how long a firing alert keeps a baseline from following.
    pub longest_freeze: Duration,
}

/// What is logged and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// The least severe messages that are logged.
    pub level: Level,
    /// For people or for programs.
    pub format: Format,
}

/// The metrics page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metrics {
    /// The most series that are exposed.
    pub max_series: usize,
    /// The most HTTP connections at once.
    pub clients: usize,
}

/// Which probes run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probes {
    /// The scheduler.
    pub sched: bool,
    /// Block requests.
    pub block: bool,
    /// Every task.
    pub tasks: bool,
    /// Rare events.
    pub events: bool,
}

/// Rare events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Events {
    /// A block request that takes longer is an event; absent if none is.
    pub slow_request: Option<Duration>,
    /// A wait for the CPU that takes longer is an event; absent if none is.
    pub long_wait: Option<Duration>,
    /// The most events a second from each CPU.
    pub per_second: usize,
}

/// The tasks that are named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tasks {
    /// How many in each list.
    pub top: usize,
}

/// What the agent itself may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    /// The most CPU time of the machine for the programs in the kernel.
    pub programs: Share,
    /// The most CPU time of the machine for the agent's process.
    pub process: Share,
    /// Time from one measurement to the next.
    pub interval: Duration,
    /// How long the programs may take more before something is given up.
    pub patience: Duration,
    /// How long they must take less before something is tried again.
    pub hold: Duration,
}

/// The flight recorder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The most memory that it takes, in bytes; 0 if there is none.
    pub max_bytes: usize,
    /// How many recordings of alerts are kept on disk.
    pub keep: usize,
}

/// What is an alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// A file of rules; absent for the built-in rules alone.
    pub file: Option<PathBuf>,
}

/// Where /proc and /sys are, and the care taken with filesystems.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Where proc is mounted.
    pub proc: PathBuf,
    /// Where sysfs is mounted.
    pub sys: PathBuf,
    /// The directory under which the host's mount points are.
    pub root: PathBuf,
    /// Patterns for the block devices that are measured; absent for all.
    pub devices: Option<String>,
    /// Time from one question to the filesystems to the next.
    pub filesystem_interval: Duration,
    /// How long a filesystem may take to answer.
    pub filesystem_timeout: Duration,
}

indexed_enum! {
    /// The severity of a message, from the most severe.
    pub enum Level {
        /// Something does not work.
        Error = "error",
        /// Something works less well than it should.
        Warn = "warn",
        /// What an operator wants to know.
        Info = "info",
        /// What a developer wants to know.
        Debug = "debug",
        /// Everything.
        Trace = "trace",
    }
}

indexed_enum! {
    /// The form of a log line.
    pub enum Format {
        /// For people.
        Human = "human",
        /// One JSON object a line.
        Json = "json",
    }
}

/// One key that differs between two configurations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The key's name.
    pub key: &'static str,
    /// Its old value, as TOML.
    pub from: String,
    /// Its new value, as TOML.
    pub to: String,
    /// Whether the new value holds only once the agent has been restarted.
    pub needs_restart: bool,
}

impl Config {
    /// What differs in `new`, in the order of [`KEYS`].
    pub fn changes(&self, new: &Self) -> Vec<Change> {
        self.changes_of(KEYS, new)
    }

    /// What differs in `new`, in the order of `keys`.
    pub fn changes_of(&self, keys: &'static [Key], new: &Self) -> Vec<Change> {
        let change = |key: &'static Key| {
            let (from, to) = (key.toml(self), key.toml(new));
            (from != to).then_some(Change { key: key.name, from, to, needs_restart: !key.reload })
        };
        keys.iter().filter_map(change).collect()
    }

    /// What is in force after `new` was loaded into a running agent: `new`, but as before in all that needs a restart.
    pub fn reloaded(&self, new: &Self) -> Self {
        self.reloaded_of(KEYS, new)
    }

    /// As [`Self::reloaded`], of a command with these keys.
    pub fn reloaded_of(&self, keys: &'static [Key], new: &Self) -> Self {
        let mut config = new.clone();
        for key in keys.iter().filter(|key| !key.reload) {
            key.set(&mut config, Given::Text(&key.text(self))).expect("a value in force is valid");
        }
        config
    }
}

impl Index {
    /// What an index asks of a node.
    pub fn options(&self) -> index::Options {
        index::Options { min_requests: self.min_requests as u64 }
    }

    /// How baselines learn.
    pub fn learning(&self) -> Learning {
        Learning {
            half_life: self.half_life,
            requests: self.learn_requests as u64,
            time: self.learn_time,
            longest_freeze: self.longest_freeze,
        }
    }
}

impl Default for Config {
    /// The defaults that [`KEYS`] names.
    fn default() -> Self {
        Self::of(KEYS)
    }
}

impl Config {
    /// The defaults that these keys name; what has no key among them is nothing.
    pub fn of(keys: &'static [Key]) -> Self {
        let mut config = Self {
            listen: SocketAddr::from(([0; 4], 0)),
            interval: Duration::ZERO,
            btf: None,
            user: None,
            sandbox: Sandbox { system_calls: false, files: false },
            log: Log { level: Level::Error, format: Format::Human },
            metrics: Metrics { max_series: 0, clients: 0 },
            probes: Probes { sched: false, block: false, tasks: false, events: false },
            events: Events { slow_request: None, long_wait: None, per_second: 0 },
            tasks: Tasks { top: 0 },
            budget: Budget {
                programs: Share::default(),
                process: Share::default(),
                interval: Duration::ZERO,
                patience: Duration::ZERO,
                hold: Duration::ZERO,
            },
            record: Record { max_bytes: 0, keep: 0 },
            rules: Rules { file: None },
            host: Host {
                proc: PathBuf::new(),
                sys: PathBuf::new(),
                root: PathBuf::new(),
                devices: None,
                filesystem_interval: Duration::ZERO,
                filesystem_timeout: Duration::ZERO,
            },
            state: State { dir: PathBuf::new() },
            judge: Judge { interval: Duration::ZERO, window: Duration::ZERO },
            index: Index {
                mode: Mode::Trailing,
                min_requests: 0,
                half_life: Duration::ZERO,
                learn_requests: 0,
                learn_time: Duration::ZERO,
                longest_freeze: Duration::ZERO,
            },
            notify: Notify::default(),
            server: Server::default(),
            tls: Tls::default(),
            nodes: Nodes::default(),
            store: Store::default(),
        };
        for key in keys {
            key.set(&mut config, Given::Text(key.default)).expect("a default is valid");
        }
        config
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_named_with_both_values_and_whether_it_needs_a_restart() {
        let old = Config::default();
        let mut new = old.clone();
        assert_eq!(old.changes(&new), []);
        new.interval = Duration::from_secs(5);
        new.probes.block = false;
        let change =
            |key, from: &str, to: &str, needs_restart| Change { key, from: from.into(), to: to.into(), needs_restart };
        assert_eq!(
            old.changes(&new),
            [change("interval", "\"1s\"", "\"5s\"", false), change("probes.block", "true", "false", true)]
        );
    }

    #[test]
    fn the_defaults_of_the_index_are_its_own() {
        let index = Config::default().index;
        assert_eq!((index.options(), index.learning()), (index::Options::default(), Learning::default()));
    }

    #[test]
    fn a_reload_keeps_what_needs_a_restart() {
        let old = Config { listen: SocketAddr::from(([127, 0, 0, 1], 1)), btf: Some("a".into()), ..Config::default() };
        let mut new = Config { interval: Duration::from_secs(5), ..Config::default() };
        new.events.long_wait = None;
        let in_force = old.reloaded(&new);
        assert_eq!((in_force.listen, in_force.interval), (old.listen, new.interval));
        assert_eq!((&in_force.btf, &in_force.events), (&old.btf, &old.events));
        assert!(in_force.changes(&new).iter().all(|change| change.needs_restart));
        assert!(old.changes(&in_force).iter().all(|change| !change.needs_restart));
    }
}
