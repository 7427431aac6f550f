//! What the journal is told and what it says of itself: plain data.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use crate::alert::Alert;

/// How much the journal may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most that is kept, in bytes on disk. For the moment of a compaction it can be twice as much. The latest record of
    /// an alert that is not over stays in any case.
    pub bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 16 << 20 }
    }
}

/// What was found when the journal was opened.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recovered {
    /// The latest state of every alert that is not over, in the order of the transitions.
    pub current: Vec<Alert>,
    /// Bytes of an append that was never finished. Nobody was told of what was in it.
    pub cut_bytes: u64,
    /// Bytes that were damaged and are passed over: transitions may be missing.
    pub damaged_bytes: u64,
    /// Alerts without their evidence, because another version wrote it.
    pub without_evidence: u64,
    /// Why nothing is kept on disk; absent if all is well.
    pub unusable: Option<String>,
}

/// Another process has the folder.
#[derive(Debug, thiserror::Error)]
#[error(
    "{} is in use by another kpulse (it holds the lock on the file \"lock\" there): end it, or give this one a state \
     directory of its own",
    .0.display()
)]
pub struct InUse(pub PathBuf);

/// How the journal is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Why alerts are in memory alone; absent if all is on disk.
    pub trouble: Option<String>,
    /// What its files take, in bytes.
    pub bytes: u64,
    /// Transitions that each target will not get because there was no more room for them, since the start.
    pub no_room: BTreeMap<String, u64>,
    /// Transitions that each target will not get because they could not be read, since the start.
    pub unreadable: BTreeMap<String, u64>,
}

impl Recovered {
    /// Says in the log what is wrong.
    pub(super) fn tell(&self, folder: &Path) {
        let folder = folder.display();
        if self.damaged_bytes > 0 {
            tracing::error!(
                "{} bytes of the journal of alerts in {folder} are damaged and were passed over: transitions may be missing",
                self.damaged_bytes
            );
        }
        if self.cut_bytes > 0 {
            tracing::warn!("{} bytes of an append that was never finished were cut off in {folder}", self.cut_bytes);
        }
        if self.without_evidence > 0 {
            tracing::warn!(
                "{} alerts of another version in {folder} are without their evidence",
                self.without_evidence
            );
        }
    }
}
