//! What /proc and /sys say of an interval.

use prost::Message;

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
