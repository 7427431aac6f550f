//! /proc, /sys and cgroupfs, read from a root directory so that every reader runs on fixtures.
//!
//! A part that could not be read is absent from [`Host`], not zero, and named in [`Host::failures`]. What the kernel does
//! not offer is absent too, but named in [`Host::unsupported`]: nobody has to act on it.
//!
//! # Layout
//!
//! | module | what it is |
//! |---|---|
//! | [`reader`] | [`Reader`]: one call, one [`Host`]; the cadence of each part |
//! | `file` | a file that stays open and is read again and again |
//! | `stat`, `meminfo`, `uptime`, `pressure`, `network`, `diskstats`, `cpu_list`, `mounts` | a file format each: text in, values out |
//! | `disks` | names, classes and abilities of disks, from /sys/block |
//! | `filesystems`, `space` | which filesystems are shown, and how full they are, without ever waiting for one |
//! | [`cgroups`] | the path of a cgroup by its number |
//! | [`self_stats`] | what this process itself uses |

pub mod cgroups;
mod cpu_list;
mod disks;
mod diskstats;
mod file;
mod filesystems;
mod meminfo;
mod mounts;
mod network;
mod pressure;
pub mod reader;
pub mod self_stats;
mod space;
mod stat;
#[cfg(test)]
pub(crate) mod testing;
mod uptime;

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

pub use self::{
    cgroups::Cgroups,
    cpu_list::parse_cpu_list,
    disks::device_name,
    reader::{Options, Reader, Roots},
    stat::hz,
};
use crate::device::DeviceId;

/// Has every parser of /proc and /sys read the same bytes, whatever they are: for [`crate::fuzz`].
pub(crate) fn parse_anything(bytes: &[u8]) {
    let text = file::text(bytes);
    let text = text.as_ref();
    let _ = (stat::parse(text, 100), meminfo::parse(text), pressure::parse(text));
    let _ = (uptime::parse_uptime(text), uptime::parse_load(text), parse_cpu_list(text));
    let _ = network::parse(text, |_, _| {});
    let _ = diskstats::parse(text, |_| {});
    let _ = mounts::choose(mounts::parse(bytes).0);
    let _ = (self_stats::parse_statm(text), self_stats::parse_key(text, "Threads:"), text.parse::<DeviceId>());
    for name in text.split_whitespace().take(16) {
        let _ = disks::class(name, |_| Some(text.into()));
    }
}

/// What /proc and /sys say about a node at one instant. Counters are cumulative since boot.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Host {
    /// /proc/sys/kernel/hostname.
    pub hostname: Option<String>,
    /// /proc/sys/kernel/osrelease.
    pub kernel: Option<String>,
    /// /proc/sys/kernel/random/boot_id.
    pub boot_id: Option<String>,
    /// /proc/uptime in nanoseconds.
    pub uptime_ns: Option<u64>,
    /// Which CPUs are online, in order.
    pub online_cpus: Option<Vec<u32>>,
    /// CPU time by mode, of all CPUs. Sampled by the kernel at its tick on most machines.
    pub cpu_modes: Option<CpuModes>,
    /// `ctxt` of /proc/stat: context switches.
    pub context_switches: Option<u64>,
    /// Tasks that were made since boot.
    #[serde(default)]
    pub forks: Option<u64>,
    /// Memory and swap.
    pub memory: Option<Memory>,
    /// Load averages over 1, 5 and 15 minutes.
    pub load: Option<[f64; 3]>,
    /// Pressure stall information by resource (`cpu`, `memory`, `io`, `irq`); empty where the kernel has none.
    pub pressure: BTreeMap<String, Pressure>,
    /// Mounted filesystems that hold data.
    pub filesystems: Vec<Filesystem>,
    /// Network interfaces, by name.
    pub networks: BTreeMap<String, Network>,
    /// Whole disks, by number.
    pub disks: BTreeMap<DeviceId, Disk>,
    /// Paths of the cgroups that tasks are in, by the inode number of their directory; empty where nobody asked for the
    /// tasks. Samples with the same cgroups share it.
    #[serde(default)]
    pub cgroups: Arc<BTreeMap<u64, String>>,
    /// What could not be read: the part's name, and the path and why.
    pub failures: BTreeMap<String, String>,
    /// What this kernel does not offer: the part's name, and how to get it.
    #[serde(default)]
    pub unsupported: BTreeMap<String, String>,
}

/// CPU time by mode in nanoseconds, from /proc/stat. Guest time is in `user` and `nice`, as the kernel counts it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CpuModes {
    /// In user space.
    pub user: u64,
    /// In user space, niced.
    pub nice: u64,
    /// In the kernel.
    pub system: u64,
    /// Idle.
    pub idle: u64,
    /// Idle with a task of this CPU waiting for a disk.
    pub iowait: u64,
    /// In hardware interrupts.
    pub irq: u64,
    /// In software interrupts.
    pub softirq: u64,
    /// Taken by the hypervisor.
    pub steal: u64,
}

/// Memory in bytes, from /proc/meminfo.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Memory {
    /// All memory.
    pub total: u64,
    /// Unused.
    pub free: u64,
    /// What a new program could have without swapping.
    pub available: u64,
    /// Block device buffers.
    pub buffers: u64,
    /// Page cache.
    pub cached: u64,
    /// Waiting to be written to disk.
    pub dirty: u64,
    /// Being written to disk.
    pub writeback: u64,
    /// All swap.
    pub swap_total: u64,
    /// Unused swap.
    pub swap_free: u64,
}

/// Time in which tasks stood still for want of a resource, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pressure {
    /// At least one task; absent for `irq`.
    pub some_ns: Option<u64>,
    /// All tasks at once; absent where the kernel does not say.
    pub full_ns: Option<u64>,
}

/// One mounted filesystem.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Filesystem {
    /// Where it is mounted.
    pub mount: String,
    /// What is mounted.
    pub source: String,
    /// Its type.
    pub kind: String,
    /// Whether it is mounted read-only.
    pub read_only: bool,
    /// Its space; absent if the filesystem did not answer in time.
    pub space: Option<Space>,
}

/// Space of a filesystem in bytes and inodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Space {
    /// Size.
    pub size: u64,
    /// Free, the part reserved for root included.
    pub free: u64,
    /// Free for everyone.
    pub available: u64,
    /// Inodes.
    pub files: u64,
    /// Free inodes.
    pub files_free: u64,
}

/// Counters of one network interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// Bytes received.
    pub receive_bytes: u64,
    /// Packets received.
    pub receive_packets: u64,
    /// Receive errors.
    pub receive_errors: u64,
    /// Packets dropped on receipt.
    pub receive_drops: u64,
    /// Bytes sent.
    pub transmit_bytes: u64,
    /// Packets sent.
    pub transmit_packets: u64,
    /// Transmit errors.
    pub transmit_errors: u64,
    /// Packets dropped on sending.
    pub transmit_drops: u64,
}

/// What kind of thing a disk is.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// Turns.
    Rotational,
    /// Does not turn.
    Ssd,
    /// NVMe.
    Nvme,
    /// Belongs to a hypervisor (virtio, Xen).
    Virtual,
    /// Rests on other devices or on memory: loop, dm, md, zram, brd.
    Stacked,
    /// Not known.
    #[default]
    Unknown,
}

impl Class {
    /// The name that users see, the same as in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rotational => "rotational",
            Self::Ssd => "ssd",
            Self::Nvme => "nvme",
            Self::Virtual => "virtual",
            Self::Stacked => "stacked",
            Self::Unknown => "unknown",
        }
    }
}

/// One whole disk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disk {
    /// The kernel's name, such as `sda`.
    pub name: String,
    /// Its class.
    pub class: Class,
    /// Its size in bytes.
    pub size: u64,
    /// Whether the kernel keeps statistics and times for its queue (`queue/iostats`).
    pub iostats: bool,
    /// Whether its I/O becomes requests, which tracepoints see. Not so for bio-based devices: dm, md, zram, brd, pmem.
    pub request_based: bool,
    /// The kernel's own counters; absent if they could not be read.
    pub stats: Option<Diskstats>,
}

/// The kernel's counters of one disk, from /proc/diskstats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diskstats {
    /// By operation.
    pub read: DiskOperation,
    /// By operation.
    pub write: DiskOperation,
    /// By operation; zero on kernels without it.
    pub discard: DiskOperation,
    /// By operation, without bytes; zero on kernels without it.
    pub flush: DiskOperation,
    /// Requests in flight now.
    pub in_flight: u64,
    /// Time with at least one request in flight, in nanoseconds.
    pub busy_ns: u64,
    /// Time of all requests in flight added up, in nanoseconds.
    pub weighted_ns: u64,
}

/// The kernel's counters of one disk and operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskOperation {
    /// Completed.
    pub requests: u64,
    /// Bytes completed.
    pub bytes: u64,
    /// Their times added up, in nanoseconds (the kernel counts milliseconds).
    pub time_ns: u64,
}
