//! Who used what in an interval.

use prost::Message;

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
