//! Block devices in an interval.

use prost::{Enumeration, Message};

use super::Histogram;

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
    /// Whether sizes were not told apart at some time: all requests are of size 0 then, and nothing can be held against what
    /// is usual for a size.
    #[prost(bool, tag = "4")]
    pub coarse: bool,
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
