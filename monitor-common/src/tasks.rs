//! The tasks probe: one record for each task, written when someone reads.

/// What the kernel's books say of one task, since it began.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Task {
    /// The task (thread).
    pub pid: u32,
    /// Its process.
    pub tgid: u32,
    /// The task's name, ended by zeros.
    pub comm: [u8; 16],
    /// When the task began, in nanoseconds of the boot clock: tells two tasks with one pid apart.
    pub start_ns: u64,
    /// The cgroup (version 2) the task is in, as the inode number of its directory; 0 if unknown.
    pub cgroup: u64,
    /// CPU time in nanoseconds.
    pub cpu_ns: u64,
    /// Time spent waiting for a CPU in nanoseconds, up to `queued_ns` if that is not 0.
    pub run_delay_ns: u64,
    /// Since when the task has been waiting for a CPU, on the run queue's clock; 0 if it is not.
    pub queued_ns: u64,
    /// Bytes read from block devices.
    pub read_bytes: u64,
    /// Bytes written, as the page cache took them.
    pub write_bytes: u64,
    /// Voluntary context switches.
    pub voluntary: u64,
    /// Involuntary context switches.
    pub involuntary: u64,
    /// The kernel's flags, such as [`KERNEL_THREAD`]; 0 if unknown.
    pub flags: u32,
    /// Always 0.
    pub padding: u32,
}

/// The flag of a task that is a thread of the kernel. Source: `PF_KTHREAD` in `include/linux/sched.h`.
pub const KERNEL_THREAD: u32 = 0x0020_0000;

#[cfg(feature = "user")]
// SAFETY: repr(C), made of integers without padding, valid for every bit pattern.
unsafe impl aya::Pod for Task {}
