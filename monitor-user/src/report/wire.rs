//! The messages between an agent and the server, in protobuf, and the form in which the server stores a report.
//!
//! A field is never given another meaning and its number never to another field: what an older side does not know it skips,
//! and what it does not send is absent. [`VERSION`] rises only when an older server could misread what a newer agent
//! sends. Every report says what happened *in* its interval, so reports of one node add up and nothing depends on the one
//! before. Times are nanoseconds, sizes bytes, as the kernel counts them; a wall clock is nanoseconds since 1970.

mod block;
mod host;
mod own;
mod tasks;

use prost::Message;

pub use self::{
    block::{Block, Class, Device, Errors, Operation, Size, Source},
    host::{Filesystem, Host, Memory, Network, Pressure},
    own::{ActiveAlert, Agreement, Metadata, Own, Probe},
    tasks::{CgroupUse, TaskUse, Tasks, Use},
};

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
    /// Waits that are known by count and sum only, in none of the histograms.
    #[prost(uint64, tag = "6")]
    pub plain_waits: u64,
    /// Sum of those waits.
    #[prost(uint64, tag = "7")]
    pub plain_wait_ns: u64,
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
