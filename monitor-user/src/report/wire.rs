//! The messages between an agent and the server, in protobuf, and the form in which the server stores a report.
//!
//! A field is never given another meaning and its number never to another field: what an older side does not know it skips,
//! and what it does not send is absent. [`VERSION`] rises only when an older server could misread what a newer agent
//! sends. Every report says what happened *in* its interval, so reports of one node add up and nothing depends on the one
//! before. Times are nanoseconds, sizes bytes, as the kernel counts them; a wall clock is nanoseconds since 1970.

use prost::{Enumeration, Message};

/// Of the meaning of the messages.
pub const VERSION: u32 = 1;
/// The `Content-Type` of every message.
pub const CONTENT_TYPE: &str = "application/x-protobuf";

/// What an agent posts to `/api/v1/reports`: reports of one agent on one boot, oldest first. What waited in the spool across
/// a restart comes in a batch of its own, in the name of the agent that wrote it.
#[derive(Clone, PartialEq, Message)]
pub struct Batch {
    /// [`VERSION`] of the sender.
    #[prost(uint32, tag = "1")]
    pub version: u32,
    /// Whose reports these are.
    #[prost(message, optional, tag = "2")]
    pub sender: Option<Sender>,
    /// In the order of their sequence.
    #[prost(message, repeated, tag = "3")]
    pub reports: Vec<Report>,
    /// What the node had to drop before it could be acknowledged.
    #[prost(message, optional, tag = "4")]
    pub lost: Option<Lost>,
    /// When this was sent by the node's wall clock, in nanoseconds since 1970: tells a clock that is wrong from a report that
    /// is late.
    #[prost(uint64, tag = "5")]
    pub sent_ns: u64,
    /// Reports that wait on the node beside these.
    #[prost(uint64, tag = "6")]
    pub waiting: u64,
}

/// One agent on one boot of one machine. Sequences count within it.
#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub struct Sender {
    /// The node's name.
    #[prost(string, tag = "1")]
    pub node: String,
    /// What tells two machines of one name apart: a digest of /etc/machine-id, so that the id itself stays at home.
    #[prost(bytes = "vec", tag = "2")]
    pub machine: Vec<u8>,
    /// /proc/sys/kernel/random/boot_id.
    #[prost(string, tag = "3")]
    pub boot_id: String,
    /// When the agent began, in nanoseconds since 1970: one number for each start.
    #[prost(uint64, tag = "4")]
    pub instance: u64,
    /// Its version, for people.
    #[prost(string, tag = "5")]
    pub agent_version: String,
}

/// Reports that will never come: the spool was full, or they were too old.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct Lost {
    /// Since this agent's spool was made.
    #[prost(uint64, tag = "1")]
    pub reports: u64,
    /// Their bytes.
    #[prost(uint64, tag = "2")]
    pub bytes: u64,
}

/// What the server says to a [`Batch`]. What is in neither list was not looked at: send it again.
#[derive(Clone, PartialEq, Message)]
pub struct Answer {
    /// [`VERSION`] of the server.
    #[prost(uint32, tag = "1")]
    pub version: u32,
    /// Sequences of the reports that are stored, on disk, now or earlier.
    #[prost(uint64, repeated, tag = "2")]
    pub stored: Vec<u64>,
    /// Refused for good: sending one again changes nothing.
    #[prost(message, repeated, tag = "3")]
    pub refused: Vec<Refusal>,
}

/// A report that was refused.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Refusal {
    /// Its sequence.
    #[prost(uint64, tag = "1")]
    pub sequence: u64,
    /// The name of the reason, as in the server's metrics.
    #[prost(string, tag = "2")]
    pub reason: String,
    /// For people.
    #[prost(string, tag = "3")]
    pub detail: String,
}

/// What happened on a node in one interval; also several of them added up, as the server keeps the past.
#[derive(Clone, PartialEq, Message)]
pub struct Report {
    /// 1, 2, 3, ... within its [`Sender`]; 0 in a sum of reports.
    #[prost(uint64, tag = "1")]
    pub sequence: u64,
    /// The end of the interval by the node's wall clock, in nanoseconds since 1970.
    #[prost(uint64, tag = "2")]
    pub end_ns: u64,
    /// The length of the interval by the node's monotonic clock.
    #[prost(uint64, tag = "3")]
    pub length_ns: u64,
    /// The CPUs; absent where the probe is off.
    #[prost(message, optional, tag = "4")]
    pub sched: Option<Sched>,
    /// Block devices that did something or have something in flight; absent where nothing is known of any.
    #[prost(message, optional, tag = "5")]
    pub block: Option<Block>,
    /// What /proc and /sys say.
    #[prost(message, optional, tag = "6")]
    pub host: Option<Host>,
    /// Who used what; only while something is wrong on the node, or the server could not know.
    #[prost(message, optional, tag = "7")]
    pub tasks: Option<Tasks>,
    /// Rare events, an entry for each kind that the agent knows; empty where the probe is off.
    #[prost(message, repeated, tag = "8")]
    pub events: Vec<Events>,
    /// What the agent itself used and how well it measures.
    #[prost(message, optional, tag = "9")]
    pub own: Option<Own>,
    /// The alerts of the agent that are pending or firing at the end.
    #[prost(message, repeated, tag = "10")]
    pub alerts: Vec<ActiveAlert>,
    /// What hardly ever changes: in the first report of an agent, in every hundredth, and when it has changed.
    #[prost(message, optional, tag = "11")]
    pub metadata: Option<Metadata>,
}

/// Times by length: the buckets of [`crate::histogram::Histogram`] that are not empty.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Histogram {
    /// The exact sum of the times.
    #[prost(uint64, tag = "1")]
    pub sum_ns: u64,
    /// The index of the first bucket, then the distance of each from the one before.
    #[prost(uint32, repeated, tag = "2")]
    pub gaps: Vec<u32>,
    /// Times in each of them.
    #[prost(uint64, repeated, tag = "3")]
    pub counts: Vec<u64>,
}

/// The CPUs in an interval.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Sched {
    /// Each CPU that was online at any time of it.
    #[prost(message, repeated, tag = "1")]
    pub cpus: Vec<Cpu>,
    /// Waits for a CPU, of all of them.
    #[prost(message, optional, tag = "2")]
    pub wait: Option<Histogram>,
    /// Context switches.
    #[prost(uint64, tag = "3")]
    pub switches: u64,
    /// Of them, switches that preempted a task.
    #[prost(uint64, tag = "4")]
    pub preemptions: u64,
    /// What was not counted.
    #[prost(uint64, tag = "5")]
    pub discards: u64,
}

/// One CPU in an interval.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct Cpu {
    /// Its number.
    #[prost(uint32, tag = "1")]
    pub cpu: u32,
    /// Time in tasks other than the idle task.
    #[prost(uint64, tag = "2")]
    pub busy_ns: u64,
    /// Time in the idle task.
    #[prost(uint64, tag = "3")]
    pub idle_ns: u64,
    /// Context switches.
    #[prost(uint64, tag = "4")]
    pub switches: u64,
    /// Whether it was offline at the end.
    #[prost(bool, tag = "5")]
    pub offline: bool,
}

/// Block devices in an interval.
#[derive(Clone, PartialEq, Message)]
pub struct Block {
    /// Each that did something or has something in flight.
    #[prost(message, repeated, tag = "1")]
    pub devices: Vec<Device>,
    /// What was not counted.
    #[prost(uint64, tag = "2")]
    pub discards: u64,
    /// Pairs of device and operation whose counters had begun anew.
    #[prost(uint64, tag = "3")]
    pub resets: u64,
}

/// Where a device's figures come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub enum Source {
    /// The request tracepoints.
    Requests = 0,
    /// The kernel's diskstats: counts and means only.
    Diskstats = 1,
}

/// What kind of thing a disk is, as [`crate::host::Class`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub enum Class {
    /// Not known.
    Unknown = 0,
    /// Turns.
    Rotational = 1,
    /// Does not turn.
    Ssd = 2,
    /// NVMe.
    Nvme = 3,
    /// Belongs to a hypervisor.
    Virtual = 4,
    /// Rests on other devices or on memory.
    Stacked = 5,
}

/// One device in an interval.
#[derive(Clone, PartialEq, Message)]
pub struct Device {
    /// The kernel's name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Its number: major << 20 | minor.
    #[prost(uint32, tag = "2")]
    pub number: u32,
    /// Its class.
    #[prost(enumeration = "Class", tag = "3")]
    pub class: i32,
    /// Where the figures come from.
    #[prost(enumeration = "Source", tag = "4")]
    pub source: i32,
    /// Requests issued and not complete at the end.
    #[prost(uint64, tag = "5")]
    pub in_flight: u64,
    /// Age of the oldest of them; 0 if there is none or it is not known, as from diskstats.
    #[prost(uint64, tag = "6")]
    pub oldest_ns: u64,
    /// Operations that completed a request.
    #[prost(message, repeated, tag = "7")]
    pub operations: Vec<Operation>,
}

/// One device and operation in an interval.
#[derive(Clone, PartialEq, Message)]
pub struct Operation {
    /// The index of a [`monitor_common::block::Operation`].
    #[prost(uint32, tag = "1")]
    pub operation: u32,
    /// The size classes that completed something: the sums of the strata. From diskstats, one of size 0 for all sizes.
    #[prost(message, repeated, tag = "2")]
    pub sizes: Vec<Size>,
    /// From start to issue.
    #[prost(message, optional, tag = "3")]
    pub queue: Option<Histogram>,
    /// From issue to completion.
    #[prost(message, optional, tag = "4")]
    pub device: Option<Histogram>,
    /// From start to completion.
    #[prost(message, optional, tag = "5")]
    pub total: Option<Histogram>,
    /// Failed requests, by error.
    #[prost(message, repeated, tag = "6")]
    pub errors: Vec<Errors>,
}

/// One size class.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct Size {
    /// The index of a [`monitor_common::block::SizeClass`].
    #[prost(uint32, tag = "1")]
    pub size: u32,
    /// Requests completed.
    #[prost(uint64, tag = "2")]
    pub requests: u64,
    /// Bytes completed.
    #[prost(uint64, tag = "3")]
    pub bytes: u64,
    /// Requests in the two sums below.
    #[prost(uint64, tag = "4")]
    pub timed: u64,
    /// Sum of the queue times.
    #[prost(uint64, tag = "5")]
    pub queue_ns: u64,
    /// Sum of the device times; all of the time where only that is known.
    #[prost(uint64, tag = "6")]
    pub device_ns: u64,
}

/// Failed requests of one kind.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct Errors {
    /// The index of a [`monitor_common::block::Error`].
    #[prost(uint32, tag = "1")]
    pub error: u32,
    /// How many.
    #[prost(uint64, tag = "2")]
    pub count: u64,
}

/// What /proc and /sys say of an interval and its end.
#[derive(Clone, PartialEq, Message)]
pub struct Host {
    /// CPU time by mode: user, nice, system, idle, iowait, irq, softirq, steal; empty if not known.
    #[prost(uint64, repeated, tag = "1")]
    pub cpu_modes_ns: Vec<u64>,
    /// Time in which tasks stood still, by resource.
    #[prost(message, repeated, tag = "2")]
    pub pressure: Vec<Pressure>,
    /// Memory at the end.
    #[prost(message, optional, tag = "3")]
    pub memory: Option<Memory>,
    /// Load averages over 1, 5 and 15 minutes at the end; empty if not known.
    #[prost(double, repeated, tag = "4")]
    pub load: Vec<f64>,
    /// Filesystems at the end, the fullest first.
    #[prost(message, repeated, tag = "5")]
    pub filesystems: Vec<Filesystem>,
    /// Network interfaces that moved something.
    #[prost(message, repeated, tag = "6")]
    pub networks: Vec<Network>,
    /// Since the machine began, at the end.
    #[prost(uint64, tag = "7")]
    pub uptime_ns: u64,
}

/// Pressure of one resource.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Pressure {
    /// `cpu`, `memory`, `io` or `irq`.
    #[prost(string, tag = "1")]
    pub resource: String,
    /// In which at least one task stood still.
    #[prost(uint64, optional, tag = "2")]
    pub some_ns: Option<u64>,
    /// In which all did.
    #[prost(uint64, optional, tag = "3")]
    pub full_ns: Option<u64>,
}

/// Memory in bytes, as [`crate::host::Memory`].
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct Memory {
    /// All memory.
    #[prost(uint64, tag = "1")]
    pub total: u64,
    /// Unused.
    #[prost(uint64, tag = "2")]
    pub free: u64,
    /// What a new program could have without swapping.
    #[prost(uint64, tag = "3")]
    pub available: u64,
    /// Block device buffers.
    #[prost(uint64, tag = "4")]
    pub buffers: u64,
    /// Page cache.
    #[prost(uint64, tag = "5")]
    pub cached: u64,
    /// Waiting to be written to disk.
    #[prost(uint64, tag = "6")]
    pub dirty: u64,
    /// Being written to disk.
    #[prost(uint64, tag = "7")]
    pub writeback: u64,
    /// All swap.
    #[prost(uint64, tag = "8")]
    pub swap_total: u64,
    /// Unused swap.
    #[prost(uint64, tag = "9")]
    pub swap_free: u64,
}

/// One filesystem at the end of an interval.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Filesystem {
    /// Where it is mounted.
    #[prost(string, tag = "1")]
    pub mount: String,
    /// What is mounted.
    #[prost(string, tag = "2")]
    pub source: String,
    /// Its type.
    #[prost(string, tag = "3")]
    pub kind: String,
    /// Whether it is read-only.
    #[prost(bool, tag = "4")]
    pub read_only: bool,
    /// Its size in bytes.
    #[prost(uint64, tag = "5")]
    pub size: u64,
    /// Bytes free, the part reserved for root included.
    #[prost(uint64, tag = "6")]
    pub free: u64,
    /// Bytes free for everyone.
    #[prost(uint64, tag = "7")]
    pub available: u64,
    /// Inodes.
    #[prost(uint64, tag = "8")]
    pub files: u64,
    /// Free inodes.
    #[prost(uint64, tag = "9")]
    pub files_free: u64,
    /// Whether it did not answer in time: the sizes are 0 then, and mean nothing.
    #[prost(bool, tag = "10")]
    pub silent: bool,
}

/// One network interface in an interval.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Network {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Bytes received.
    #[prost(uint64, tag = "2")]
    pub receive_bytes: u64,
    /// Bytes sent.
    #[prost(uint64, tag = "3")]
    pub transmit_bytes: u64,
    /// Packets received.
    #[prost(uint64, tag = "4")]
    pub receive_packets: u64,
    /// Packets sent.
    #[prost(uint64, tag = "5")]
    pub transmit_packets: u64,
    /// Errors and drops, both ways.
    #[prost(uint64, tag = "6")]
    pub faults: u64,
}

/// Who used what in an interval: the first by each measure; what is left to the totals is of the others.
#[derive(Clone, PartialEq, Message)]
pub struct Tasks {
    /// Tasks at the end.
    #[prost(uint64, tag = "1")]
    pub count: u64,
    /// The first tasks by each measure, each once.
    #[prost(message, repeated, tag = "2")]
    pub top: Vec<TaskUse>,
    /// What all tasks used that are still there.
    #[prost(message, optional, tag = "3")]
    pub total: Option<Use>,
    /// CPU time beyond it, of those that ended.
    #[prost(uint64, optional, tag = "4")]
    pub ended_cpu_ns: Option<u64>,
    /// Waiting beyond it, of those that ended.
    #[prost(uint64, optional, tag = "5")]
    pub ended_wait_ns: Option<u64>,
    /// The first cgroups by each measure, each once.
    #[prost(message, repeated, tag = "6")]
    pub cgroups: Vec<CgroupUse>,
    /// Cgroups that used anything.
    #[prost(uint64, tag = "7")]
    pub active_cgroups: u64,
    /// What threads of the kernel used, in no cgroup's figures.
    #[prost(message, optional, tag = "8")]
    pub kernel: Option<Use>,
    /// Tasks whose use is not known and in no figure here.
    #[prost(uint64, tag = "9")]
    pub resets: u64,
}

/// What one task used.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct TaskUse {
    /// The task (thread).
    #[prost(uint32, tag = "1")]
    pub pid: u32,
    /// Its process.
    #[prost(uint32, tag = "2")]
    pub tgid: u32,
    /// Its name.
    #[prost(string, tag = "3")]
    pub comm: String,
    /// The path of its cgroup; empty if not known.
    #[prost(string, tag = "4")]
    pub cgroup: String,
    /// Whether it is a thread of the kernel.
    #[prost(bool, tag = "5")]
    pub kernel: bool,
    /// What it used.
    #[prost(message, optional, tag = "6")]
    pub used: Option<Use>,
    /// The inode number of its cgroup's directory; 0 if unknown.
    #[prost(uint64, tag = "7")]
    pub cgroup_number: u64,
}

/// What the tasks of one cgroup used.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct CgroupUse {
    /// Its path; empty if not known.
    #[prost(string, tag = "1")]
    pub path: String,
    /// How many of its tasks used anything.
    #[prost(uint64, tag = "2")]
    pub tasks: u64,
    /// What they used.
    #[prost(message, optional, tag = "3")]
    pub used: Option<Use>,
    /// The inode number of its directory; 0 if unknown.
    #[prost(uint64, tag = "4")]
    pub number: u64,
}

/// What was used, as [`crate::window::Use`].
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct Use {
    /// CPU time.
    #[prost(uint64, tag = "1")]
    pub cpu_ns: u64,
    /// Time spent waiting for a CPU.
    #[prost(uint64, tag = "2")]
    pub wait_ns: u64,
    /// Bytes read from block devices.
    #[prost(uint64, tag = "3")]
    pub read_bytes: u64,
    /// Bytes written, as the page cache took them.
    #[prost(uint64, tag = "4")]
    pub write_bytes: u64,
    /// Context switches.
    #[prost(uint64, tag = "5")]
    pub switches: u64,
}

/// Rare events of one kind.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct Events {
    /// The index of a [`monitor_common::events::Kind`].
    #[prost(uint32, tag = "1")]
    pub kind: u32,
    /// How often it happened.
    #[prost(uint64, tag = "2")]
    pub seen: u64,
    /// How many of them have no record in the node's log.
    #[prost(uint64, tag = "3")]
    pub dropped: u64,
}

/// The agent itself in an interval.
#[derive(Clone, PartialEq, Message)]
pub struct Own {
    /// CPU time of its process; absent if not known.
    #[prost(uint64, optional, tag = "1")]
    pub cpu_ns: Option<u64>,
    /// CPU time of its programs; absent while nobody times them.
    #[prost(uint64, optional, tag = "2")]
    pub programs_ns: Option<u64>,
    /// Resident memory at the end; absent if not known.
    #[prost(uint64, optional, tag = "3")]
    pub resident_bytes: Option<u64>,
    /// Memory of the programs' maps at the end; absent if not known.
    #[prost(uint64, optional, tag = "4")]
    pub map_bytes: Option<u64>,
    /// Collections that failed.
    #[prost(uint64, tag = "5")]
    pub collections_failed: u64,
    /// Our count over the kernel's own, by figure.
    #[prost(message, repeated, tag = "6")]
    pub agreement: Vec<Agreement>,
    /// Each probe that should measure.
    #[prost(message, repeated, tag = "7")]
    pub probes: Vec<Probe>,
}

/// One figure that the kernel counts as well.
#[derive(Clone, PartialEq, Message)]
pub struct Agreement {
    /// Its name.
    #[prost(string, tag = "1")]
    pub figure: String,
    /// Ours over the kernel's.
    #[prost(double, tag = "2")]
    pub ratio: f64,
}

/// A probe that should measure.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Probe {
    /// Its name.
    #[prost(string, tag = "1")]
    pub probe: String,
    /// Why it does not, or what it does without; empty if nothing is missing.
    #[prost(string, tag = "2")]
    pub reason: String,
    /// Whether it is off.
    #[prost(bool, tag = "3")]
    pub off: bool,
}

/// An alert of the agent itself.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct ActiveAlert {
    /// As [`crate::alert::Alert::id`].
    #[prost(string, tag = "1")]
    pub id: String,
    /// The rule's name.
    #[prost(string, tag = "2")]
    pub rule: String,
    /// The index of a [`crate::alert::Severity`].
    #[prost(uint32, tag = "3")]
    pub severity: u32,
    /// Whether it fires; else it is pending.
    #[prost(bool, tag = "4")]
    pub firing: bool,
    /// Since when, in nanoseconds since 1970.
    #[prost(uint64, tag = "5")]
    pub since_ns: u64,
    /// What it says in one line.
    #[prost(string, tag = "6")]
    pub summary: String,
}

/// What hardly ever changes.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Metadata {
    /// The kernel's release.
    #[prost(string, tag = "1")]
    pub kernel: String,
    /// CPUs that are online.
    #[prost(uint32, tag = "2")]
    pub cpus: u32,
    /// All memory in bytes.
    #[prost(uint64, tag = "3")]
    pub memory_bytes: u64,
    /// The agent's version.
    #[prost(string, tag = "4")]
    pub agent_version: String,
    /// The time between two reports.
    #[prost(uint64, tag = "5")]
    pub interval_ns: u64,
    /// Where the agent's own pages are, for a link; empty if it listens on loopback only.
    #[prost(string, tag = "6")]
    pub url: String,
}
