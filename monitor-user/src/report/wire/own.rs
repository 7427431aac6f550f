//! The agent itself: what it used, what it found, what it is.

use prost::Message;

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
    /// How many steps the programs and the process had taken down at the end, in this order; empty where nobody measures them.
    #[prost(uint32, repeated, tag = "8")]
    pub steps: Vec<u32>,
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
