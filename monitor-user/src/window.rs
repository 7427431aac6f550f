//! What happened between two samples: rates, utilisation, quantiles. Derivation is pure: no clock is read here and no
//! file, so a recorded sequence of samples gives the same windows every time.
//!
//! In: two [`Sample`]s of one origin. Out: the index, the rules, the API and `kpulse sample`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    host::Class,
    sample::{DeviceId, Sample},
};

/// What happened between two samples. What cannot be known is absent, not zero.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Window {
    /// When it ended, in nanoseconds since 1970.
    pub end_realtime_ns: u64,
    /// Its length in seconds, on the node's monotonic clock.
    pub seconds: f64,
    /// The scheduler.
    pub sched: Option<Sched>,
    /// Block requests.
    pub block: Option<Block>,
    /// Who used what.
    pub tasks: Option<Tasks>,
    /// Rare events in the window.
    pub events: Option<crate::sample::Events>,
    /// Shares of CPU time by mode, 0 to 1, as the kernel sampled them.
    pub cpu_modes: Option<CpuModeShares>,
    /// Share of the window in which tasks stood still for want of a resource.
    pub pressure: BTreeMap<String, PressureShares>,
    /// Network interfaces that moved something.
    pub networks: BTreeMap<String, NetworkRates>,
    /// Memory at the window's end.
    pub memory: Option<crate::host::Memory>,
    /// Load averages at the window's end.
    pub load: Option<[f64; 3]>,
    /// Filesystems at the window's end.
    pub filesystems: Vec<crate::host::Filesystem>,
}

/// Times of one kind in a window. All in seconds; absent if there were none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Times {
    /// How many.
    pub count: u64,
    /// Their exact sum.
    pub sum: f64,
    /// `sum / count`.
    pub mean: f64,
    /// Median, interpolated inside its bucket, as the other quantiles.
    pub p50: f64,
    /// 90th percentile.
    pub p90: f64,
    /// 99th percentile.
    pub p99: f64,
    /// 99.9th percentile.
    pub p999: f64,
    /// Upper bound of the highest bucket that is not empty.
    pub max: f64,
}

/// The CPUs in a window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sched {
    /// Busy time over online time of all CPUs, 0 to 1.
    pub utilization: Option<f64>,
    /// Context switches a second.
    pub switches_per_second: f64,
    /// Of them, switches that preempted a task, a second.
    pub preemptions_per_second: f64,
    /// Waits for a CPU of all tasks that got one.
    pub wait: Option<Times>,
    /// Each CPU, by number.
    pub cpus: Vec<Cpu>,
    /// Discarded since the window before.
    pub discards: u64,
}

/// One CPU in a window.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cpu {
    /// Its number.
    pub cpu: u32,
    /// Whether it was online at the end.
    pub online: bool,
    /// Busy time over online time, 0 to 1; absent if it was offline throughout.
    pub utilization: Option<f64>,
    /// Context switches a second.
    pub switches_per_second: f64,
    /// Waits of the tasks that got this CPU.
    pub wait: Option<Times>,
}

/// Block requests in a window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Block {
    /// T: the mean time of a request from start to completion in seconds, over all devices and operations of which it
    /// is known; absent without such a request.
    pub mean_request_time: Option<f64>,
    /// Each device that did something or has something in flight.
    pub devices: Vec<Device>,
    /// Discarded since the window before.
    pub discards: u64,
}

/// Where a device's figures come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The request tracepoints: every request, exactly.
    Requests,
    /// The kernel's diskstats: means only. For devices whose I/O never becomes a request (dm, md, zram).
    Diskstats,
}

/// One device in a window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Device {
    /// The whole disk.
    pub device: DeviceId,
    /// The kernel's name; `major:minor` for one that has gone.
    pub name: String,
    /// Its class.
    pub class: Class,
    /// Where the figures come from.
    pub source: Source,
    /// Requests issued and not complete at the window's end.
    pub in_flight: u64,
    /// Age of the oldest of them in seconds.
    pub oldest: Option<f64>,
    /// By operation, those that completed a request.
    pub operations: Vec<Operation>,
}

/// One device and operation in a window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Operation {
    /// The name of a [`monitor_common::block::Operation`].
    pub operation: String,
    /// Requests completed.
    pub requests: u64,
    /// Requests completed a second.
    pub requests_per_second: f64,
    /// Bytes completed a second.
    pub bytes_per_second: f64,
    /// Mean time from start to completion in seconds; from diskstats, the only time there is.
    pub mean_time: Option<f64>,
    /// From start to issue.
    pub queue: Option<Times>,
    /// From issue to completion.
    pub device_time: Option<Times>,
    /// From start to completion.
    pub total: Option<Times>,
    /// Failed requests by the name of a [`monitor_common::block::Error`], those that happened.
    pub errors: BTreeMap<String, u64>,
    /// By size, in the order of [`monitor_common::block::SizeClass`].
    pub classes: Vec<crate::sample::Class>,
}

/// Who used what: the first tasks by each measure, the rest added up, so that each column adds up to the total.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tasks {
    /// How many tasks there were at the window's end.
    pub count: u64,
    /// The most CPU time, most first.
    pub by_cpu: Vec<TaskUse>,
    /// The most waiting for a CPU.
    pub by_wait: Vec<TaskUse>,
    /// The most bytes read and written.
    pub by_bytes: Vec<TaskUse>,
    /// Everything that all tasks used, those that ended in the window left out: nobody has read their books.
    pub total: Use,
}

/// What one task used in a window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskUse {
    /// The task (thread).
    pub pid: u32,
    /// Its process.
    pub tgid: u32,
    /// Its name.
    pub comm: String,
    /// The inode number of its cgroup's directory; 0 if unknown.
    pub cgroup: u64,
    /// What it used.
    #[serde(flatten)]
    pub used: Use,
}

/// What was used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Use {
    /// CPU time in nanoseconds.
    pub cpu_ns: u64,
    /// Time spent waiting for a CPU in nanoseconds.
    pub wait_ns: u64,
    /// Bytes read from block devices.
    pub read_bytes: u64,
    /// Bytes written, as the page cache took them.
    pub write_bytes: u64,
    /// Context switches.
    pub switches: u64,
}

/// Shares of CPU time by mode, 0 to 1, adding up to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the modes are those of host::CpuModes")]
pub struct CpuModeShares {
    pub user: f64,
    pub nice: f64,
    pub system: f64,
    pub idle: f64,
    pub iowait: f64,
    pub irq: f64,
    pub softirq: f64,
    pub steal: f64,
}

/// Shares of the window, 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PressureShares {
    /// At least one task stood still.
    pub some: Option<f64>,
    /// All did.
    pub full: Option<f64>,
}

/// One network interface in a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NetworkRates {
    /// Bytes received a second.
    pub receive_bytes_per_second: f64,
    /// Bytes sent a second.
    pub transmit_bytes_per_second: f64,
    /// Errors and drops, both ways, in the window.
    pub errors: u64,
}
