//! Everything cumulative about a node at one instant: plain data, comparable, serialisable.
//!
//! In: what the programs' maps and /proc hold. Out: [`crate::window`] takes the difference of two samples. Counters
//! only grow between two samples of one [`Origin`]; another origin is a new base and never a difference.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

pub use crate::device::DeviceId;
use crate::{histogram::Histogram, host::Host};

/// One reading of a node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Whose counters these are.
    pub origin: Origin,
    /// When it was taken, on `CLOCK_MONOTONIC` in nanoseconds. Durations come from here.
    pub monotonic_ns: u64,
    /// When it was taken, in nanoseconds since 1970. For people and for other machines, never for durations.
    pub realtime_ns: u64,
    /// The scheduler; absent where its probe is off.
    pub sched: Option<Sched>,
    /// Block requests; absent where the probe is off.
    pub block: Option<Block>,
    /// The tasks that did something lately, at most [`crate::probes::tasks::reader::MOST`] of them; absent where the probe is off
    /// or was not asked.
    pub tasks: Option<Vec<Task>>,
    /// Rare events since the agent began; absent where the probe is off.
    pub events: Option<Events>,
    /// What /proc and /sys say.
    pub host: Host,
    /// All tasks together, as `tasks`.
    #[serde(default)]
    pub all_tasks: Option<AllTasks>,
}

/// What counters belong to: they begin anew with the machine and with the agent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// /proc/sys/kernel/random/boot_id.
    pub boot_id: String,
    /// When the agent's programs were attached, in nanoseconds since 1970.
    pub attached_ns: u64,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "boot {} agent {}", self.boot_id, self.attached_ns)
    }
}

/// What the CPUs did, as `sched_switch` saw it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sched {
    /// One for each CPU that has switched since the programs were attached, by number.
    pub cpus: BTreeMap<u32, Cpu>,
}

/// One CPU, since the programs were attached.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cpu {
    /// Whether it is online now. An offline CPU keeps its counters.
    pub online: bool,
    /// Time in tasks other than the idle task, the interval under way included, in nanoseconds.
    pub busy_ns: u64,
    /// Time in the idle task, the interval under way included, in nanoseconds.
    pub idle_ns: u64,
    /// Switches, by [`monitor_common::sched::Switch`].
    pub switches: [u64; monitor_common::sched::Switch::COUNT],
    /// Waits of the tasks that were given this CPU.
    pub wait: Histogram,
    /// Those of them that had an earlier leg on another CPU.
    pub migrated: u64,
    /// Waits beyond the threshold.
    pub long_waits: u64,
    /// What was not counted, by [`monitor_common::sched::Discard`].
    pub discards: [u64; monitor_common::sched::Discard::COUNT],
    /// Waits that are not in `wait`, because there was no histogram at the time.
    #[serde(default)]
    pub plain_waits: u64,
    /// Their sum in nanoseconds.
    #[serde(default)]
    pub plain_wait_ns: u64,
}

impl Cpu {
    /// All waits.
    pub fn waits(&self) -> u64 {
        self.wait.count().saturating_add(self.plain_waits)
    }

    /// The sum of all waits in nanoseconds.
    pub fn waits_ns(&self) -> u64 {
        self.wait.sum_ns().saturating_add(self.plain_wait_ns)
    }
}

/// Block requests, as the request tracepoints saw them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// One for each pair of disk and operation that has completed a request, by device, then operation.
    pub requests: Vec<Requests>,
    /// What was issued and is not complete, by device.
    pub in_flight: Vec<InFlight>,
    /// What was not counted, by [`monitor_common::block::Discard`].
    pub discards: [u64; monitor_common::block::Discard::COUNT],
    /// Readings before which requests were not told apart by size: all that had completed since the reading before are in the
    /// largest class.
    #[serde(default)]
    pub coarse: u64,
}

/// Requests of one disk and operation, since the programs were attached.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requests {
    /// The whole disk.
    pub device: DeviceId,
    /// The index of a [`monitor_common::block::Operation`].
    pub operation: u8,
    /// By [`monitor_common::block::SizeClass`].
    pub classes: [Class; monitor_common::block::SizeClass::COUNT],
    /// Failed requests, by [`monitor_common::block::Error`].
    pub errors: [u64; monitor_common::block::Error::COUNT],
    /// From the request's start to its issue to the device.
    pub queue: Histogram,
    /// From issue to completion.
    pub device_time: Histogram,
    /// From start to completion.
    pub total: Histogram,
}

/// Requests of one size class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Class {
    /// Requests completed, with errors or without.
    pub requests: u64,
    /// Bytes completed.
    pub bytes: u64,
    /// Requests in the two sums below.
    pub timed: u64,
    /// Sum of the queue times in nanoseconds.
    pub queue_ns: u64,
    /// Sum of the device times in nanoseconds.
    pub device_ns: u64,
}

/// What was issued to a device and is not complete.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InFlight {
    /// The whole disk.
    pub device: DeviceId,
    /// How many requests.
    pub requests: u64,
    /// Since when the oldest of them has existed, in nanoseconds before the sample.
    pub oldest_ns: u64,
}

/// All tasks together: those that are listed and those that are not. Counters since the agent began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllTasks {
    /// How many there are.
    pub count: u64,
    /// How many began and were seen.
    pub began: u64,
    /// How many of those that were seen have ended.
    pub ended: u64,
    /// The sum of their waits for a CPU in nanoseconds, by the kernel's own books; a wait under way is not in it.
    pub run_delay_ns: u64,
}

/// One task, since it was listed: times, bytes and switches count from there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// The task (thread).
    pub pid: u32,
    /// Its process.
    pub tgid: u32,
    /// Its name.
    pub comm: String,
    /// When it began, in nanoseconds of the boot clock. With `pid` it says which task this is.
    pub start_ns: u64,
    /// The inode number of its cgroup's directory (version 2); 0 if unknown.
    pub cgroup: u64,
    /// Whether it is a thread of the kernel. What it moves is mostly what tasks move, once more: on its way through a loop
    /// device, encryption or a file server.
    #[serde(default)]
    pub kernel: bool,
    /// CPU time in nanoseconds.
    pub cpu_ns: u64,
    /// Time spent waiting for a CPU in nanoseconds, a wait under way included.
    pub wait_ns: u64,
    /// The wait under way in nanoseconds; 0 if the task runs or sleeps.
    #[serde(default)]
    pub waiting_ns: u64,
    /// Bytes read from block devices.
    pub read_bytes: u64,
    /// Bytes written, as the page cache took them.
    pub write_bytes: u64,
    /// Voluntary context switches.
    pub voluntary: u64,
    /// Involuntary context switches.
    pub involuntary: u64,
}

/// Rare events since the programs were attached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Events {
    /// How often each happened, by [`monitor_common::events::Kind`]. Long waits are counted with their CPU.
    pub seen: [u64; monitor_common::events::Kind::COUNT],
    /// How many of them have no record in the log: beyond the rate, or the ring buffer was full.
    pub dropped: [u64; monitor_common::events::Kind::COUNT],
}
