//! The agent's own figures, and what it publishes after each collection. Plain data: the agent fills it, the outputs
//! read it.

use serde::{Deserialize, Serialize};

use crate::{
    index::{Index, baseline::BaselineState},
    sample::Sample,
    window::Window,
};

/// What the agent publishes after each collection; outputs get it through a `tokio::sync::watch` channel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The counters.
    pub sample: Sample,
    /// What happened since the sample before; absent after the first sample.
    pub window: Option<Window>,
    /// The indices of the latest window that was judged, by signal and mode.
    #[serde(default)]
    pub indices: Vec<Index>,
    /// How the baselines are.
    #[serde(default)]
    pub baselines: Vec<BaselineState>,
    /// How the agent is.
    pub status: Status,
}

/// The agent's own figures. Counters are cumulative since the agent began; what is not known is absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The agent's version.
    pub version: String,
    /// The time between two collections in nanoseconds: ten of them without a new one, and the figures are stale.
    pub interval_ns: u64,
    /// Each probe, on or off.
    pub probes: Vec<ProbeState>,
    /// CPU time of the agent's process in nanoseconds, the programs in the kernel not included.
    pub cpu_ns: Option<u64>,
    /// Resident memory of the agent's process in bytes.
    pub resident_bytes: Option<u64>,
    /// Memory of the programs' maps in the kernel in bytes.
    pub map_bytes: Option<u64>,
    /// Each program in the kernel.
    pub programs: Vec<Program>,
    /// How long the latest collection took, in nanoseconds.
    pub collection_ns: Option<u64>,
    /// Collections that failed.
    pub collections_failed: u64,
    /// Our count over the kernel's own since the agent began, by figure.
    pub agreement: Vec<(String, f64)>,
}

/// A probe and whether it is on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeState {
    /// The probe's name.
    pub name: String,
    /// Whether it measures.
    pub on: bool,
    /// Why it does not, or what it does without; empty if nothing is missing.
    pub reason: String,
}

/// A program in the kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// The program's name.
    pub name: String,
    /// How often it ran; absent while the kernel's BPF statistics are off.
    pub runs: Option<u64>,
    /// How long it ran in nanoseconds; absent while the kernel's BPF statistics are off.
    pub run_ns: Option<u64>,
    /// How often the kernel skipped it because it was already running on that CPU; absent where the kernel does not say.
    pub missed: Option<u64>,
}
