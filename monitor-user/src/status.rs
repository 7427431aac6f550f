//! The agent's own figures, and what it publishes after each collection. Plain data: the agent fills it, the outputs
//! read it.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    alert::Alert,
    index::{Index, baseline::BaselineState},
    sample::Sample,
    window::Window,
};

/// What the agent publishes after each collection; outputs get it through a `tokio::sync::watch` channel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The counters.
    pub sample: Arc<Sample>,
    /// What happened since the sample before; absent after the first sample.
    pub window: Option<Window>,
    /// The indices of the latest window that was judged, by signal and mode.
    #[serde(default)]
    pub indices: Arc<Vec<Index>>,
    /// How the baselines are.
    #[serde(default)]
    pub baselines: Vec<BaselineState>,
    /// How the agent is.
    pub status: Status,
    /// What is pending or firing, and the latest that are over, newest first.
    #[serde(default)]
    pub alerts: Vec<Arc<Alert>>,
}

/// The agent's own figures. Counters are cumulative since the agent began; what is not known is absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The agent's version.
    pub version: String,
    /// The time between two collections in nanoseconds: ten of them without a new one, and the figures are stale.
    pub interval_ns: u64,
    /// How the process is held since the programs were attached.
    #[serde(default)]
    pub restraints: Vec<Restraint>,
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
    /// What the agent takes of what it may; absent before the first measurement.
    #[serde(default)]
    pub budget: Option<Budget>,
    /// Our count over the kernel's own in the last minutes, by figure.
    pub agreement: Vec<(String, f64)>,
    /// Each target of alerts; empty where nobody is told.
    pub delivery: Vec<Delivery>,
    /// How reports to the fleet's server fare; absent where none are sent.
    #[serde(default)]
    pub shipping: Option<Shipping>,
    /// How the alerts are kept; absent where there are none.
    pub journal: Option<Journal>,
    /// Alerts for which there was no room at the latest judgement.
    #[serde(default)]
    pub alerts_suppressed: u64,
    /// The flight recorder; absent where there is none.
    #[serde(default)]
    pub recorder: Option<RecorderStatus>,
}

/// What the agent takes of what it may. Shares are parts of the machine's CPU time, 0 to 1.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Budget {
    /// What the programs may take.
    pub programs_limit: f64,
    /// What the process may take.
    pub process_limit: f64,
    /// What all programs took in the latest measurement; absent if that is not known.
    pub programs_share: Option<f64>,
    /// What the process took since the measurement before.
    pub process_share: Option<f64>,
    /// CPU time in CPUs that each program took in the latest measurement; empty if that is not known.
    pub programs: Vec<(String, f64)>,
    /// The part of the time in which the kernel times the programs, or of their runs that they time themselves.
    pub timed_share: f64,
    /// Who times them: [`crate::budget::Clock`].
    #[serde(default)]
    pub timed_by: usize,
    /// Why it is not known what the programs took; absent if it is.
    pub unmeasured: Option<String>,
    /// The index of the [`crate::probes::step::Step`] that is taken.
    pub step: usize,
    /// The index of the [`crate::budget::ProcessStep`] that is taken.
    pub process_step: usize,
    /// Steps taken down and up since the start: of the programs, then of the process.
    pub moves: [[u64; 2]; 2],
    /// Open files of the process.
    pub open_files: Option<u64>,
    /// Its threads.
    pub threads: Option<u64>,
}

/// The flight recorder's figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecorderStatus {
    /// Samples in it.
    pub samples: u64,
    /// The memory that it takes in bytes.
    pub bytes: u64,
    /// From its first sample to its last, in nanoseconds.
    pub covers_ns: u64,
    /// Samples that were too large for it, since the start.
    pub skipped: u64,
    /// Recordings written to disk, since the start.
    pub saved: u64,
    /// Recordings that were lost, since the start.
    pub failed: u64,
}

/// How one target of alerts is served. Counters are cumulative since the agent began.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// What it is: `alertmanager`, `webhook`, `elasticsearch` or `log`.
    pub kind: String,
    /// Its name: where it is, without anything that could be secret.
    pub target: String,
    /// Transitions that it has not got yet.
    pub queued: u64,
    /// When the oldest of these happened, in nanoseconds since 1970.
    pub oldest_ns: Option<u64>,
    /// Transitions that it has got.
    pub delivered: u64,
    /// Attempts that came to nothing and are made again.
    pub failed: u64,
    /// Transitions that it will never get, by reason: `rejected`, `no_room`, `unreadable`.
    pub dropped: BTreeMap<String, u64>,
}

/// How reports to the fleet's server fare. Counters are cumulative since the agent began, losses since the spool was made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shipping {
    /// The server: where it is, without anything that could be secret.
    pub server: String,
    /// Reports that it has not got yet.
    pub waiting: u64,
    /// What they take, in bytes.
    pub waiting_bytes: u64,
    /// When the oldest of them ended, in nanoseconds since 1970.
    pub oldest_ns: Option<u64>,
    /// Reports that it has stored.
    pub acknowledged: u64,
    /// When it last said so, in nanoseconds since 1970.
    pub acknowledged_ns: Option<u64>,
    /// Attempts that came to nothing and are made again.
    pub failed: u64,
    /// Reports that it refused for good, by its reason.
    pub refused: BTreeMap<String, u64>,
    /// Reports that it will never get, by reason: `no_room`, `too_old`, `damaged`.
    pub lost: BTreeMap<String, u64>,
    /// Why the latest attempt failed; absent after one that did not.
    pub failing: Option<String>,
    /// Why reports that wait are in memory alone; absent if they are on disk.
    pub trouble: Option<String>,
}

/// How the alerts are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Journal {
    /// Why they are in memory alone; absent if all is on disk.
    pub trouble: Option<String>,
    /// What the files take, in bytes.
    pub bytes: u64,
}

/// Something that the process may not do any more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restraint {
    /// What it is about: `user`, `capabilities`, `new_privileges`, `files`, `system_calls`.
    pub name: String,
    /// What is left, or why nothing was given up.
    pub state: String,
    /// Whether it holds.
    pub in_force: bool,
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
