//! How much of everything there may be in a report. What is built keeps to it, and what comes from outside is held to it, so
//! that nobody can make the other side hold more than a known amount of memory.

/// Bytes of a body as it arrives, compressed or not, and after decompression.
pub const BODY_BYTES: usize = 4 << 20;
/// Bytes of one report.
pub const REPORT_BYTES: usize = 1 << 20;
/// Reports in one batch.
pub const REPORTS: usize = 256;
/// CPUs. The kernel's own limit on the largest machines.
pub const CPUS: usize = 8192;
/// Block devices; of more, those that did most are named.
pub const DEVICES: usize = 512;
/// Pairs of device and operation.
pub const OPERATIONS: usize = 2048;
/// Operations of one device, size classes of one operation, kinds of errors of one operation.
pub const KINDS: usize = 32;
/// Filesystems; of more, the fullest are named.
pub const FILESYSTEMS: usize = 128;
/// Network interfaces; of more, those that moved most are named.
pub const NETWORKS: usize = 128;
/// Tasks, and cgroups, that are named.
pub const TASKS: usize = 300;
/// Alerts of the agent itself.
pub const ALERTS: usize = 128;
/// Kinds of events, resources under pressure, probes, figures that agree.
pub const FEW: usize = 64;
/// Bytes of a name.
pub const NAME_BYTES: usize = 255;
/// Bytes of a path or of a sentence.
pub const TEXT_BYTES: usize = 1024;
/// Nanoseconds of a report: a day.
pub const LENGTH_NS: u64 = 86_400 * 1_000_000_000;
/// No count, time or size of one report is as large as this. A counter that went back, and was subtracted, is.
pub const NUMBER: u64 = 1 << 60;

/// As much of a text as there is room for.
pub(super) fn clip(text: &str, bytes: usize) -> String {
    text[..text.floor_char_boundary(bytes)].to_owned()
}
