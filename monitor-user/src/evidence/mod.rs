//! Why an alert: what added up to it, and who used what at that time.
//!
//! In: the windows before and during, the indices, and what the alert is about. Out: [`Evidence`], which every output shows.
//! Pure, and of one order: the same windows give the same bytes.
//!
//! | module | what it is |
//! |---|---|
//! | [`subject`] | what the alert is about, and what matters then |
//! | [`contributions`] | P, and what adds up to P - 1 |
//! | [`disks`] | which devices and operations; queue against device time |
//! | [`machine`] | CPUs, pressure, memory, space |
//! | [`culprits`] | which cgroups and tasks |
//! | [`change`] | a figure before and during |
//! | [`exact`], [`names`] | shares that add up; names that do no harm |
//! | `annotations` | the evidence in a few short lines |
//! | [`text`] | an alert with its evidence, for a terminal |

mod annotations;
pub mod change;
pub mod contributions;
pub mod culprits;
pub mod disks;
pub mod exact;
pub mod machine;
pub mod names;
pub mod subject;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
pub mod text;

use std::collections::BTreeMap;

use monitor_common::events::Kind;
use serde::{Deserialize, Serialize};

pub use self::subject::{Focus, Subject};
use self::{
    contributions::IndexEvidence,
    culprits::Culprits,
    disks::Disks,
    machine::{Cpus, MemoryEvidence, PressureEvidence, SpaceEvidence},
};
use crate::{
    index::{Index, Signal},
    window::Window,
};

/// The most bytes of one [`Evidence`] as JSON; most have less than a quarter of it. A test builds the largest.
pub const MAX_BYTES: usize = 64 << 10;

/// What is known about the cause of an alert at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct Evidence {
    /// The end of the window it is from, in nanoseconds since 1970.
    pub end_realtime_ns: u64,
    /// The window's length in seconds.
    pub seconds: f64,
    /// The end of the window that it is compared with; absent if there is none.
    pub before_end_realtime_ns: Option<u64>,
    /// What part of it matters most.
    pub focus: Focus,
    /// P by signal, in the mode in force.
    pub indices: Vec<IndexEvidence>,
    /// The block devices concerned.
    pub disks: Disks,
    /// The CPUs, and the waits for them.
    pub cpus: Cpus,
    /// Pressure by resource.
    pub pressure: BTreeMap<String, PressureEvidence>,
    /// Memory; absent if it is not known.
    pub memory: Option<MemoryEvidence>,
    /// The filesystems concerned.
    pub filesystems: Vec<SpaceEvidence>,
    /// Rare events in the window that happened, by the name of their kind.
    pub events: BTreeMap<String, u64>,
    /// Who used what; absent if the tasks are not known.
    pub culprits: Option<Culprits>,
}

impl Evidence {
    /// The index of one signal.
    pub fn index(&self, signal: Signal) -> Option<&IndexEvidence> {
        self.indices.iter().find(|index| index.signal == signal)
    }
}

/// Everything that the windows and the indices say about the subject. `before` is the window of the same length that ended
/// where this one began; without it nothing is compared.
pub fn gather(before: Option<&Window>, during: &Window, indices: &[Index], subject: &Subject) -> Evidence {
    gather_with(before, during, contributions::gather(indices, subject.mode()), subject)
}

/// As [`gather`], where many alerts share what the indices say.
pub fn gather_with(
    before: Option<&Window>,
    during: &Window,
    indices: Vec<IndexEvidence>,
    subject: &Subject,
) -> Evidence {
    let block = indices.iter().find(|index| index.signal == Signal::Block);
    let contribution = |device: &str| {
        let rows = block.iter().flat_map(|index| &index.by_device.rows);
        let device = names::name(device);
        rows.filter(|row| row.name == device).map(|row| row.contribution).sum()
    };
    let events = during.events.iter().flat_map(|events| Kind::ALL.iter().zip(events.seen));
    Evidence {
        end_realtime_ns: during.end_realtime_ns,
        seconds: during.seconds,
        before_end_realtime_ns: before.map(|window| window.end_realtime_ns),
        focus: subject.focus(),
        disks: disks::gather(before.and_then(|w| w.block.as_ref()), during.block.as_ref(), subject, contribution),
        cpus: machine::cpus(before, during, subject),
        pressure: machine::pressure(before, during),
        memory: machine::memory(before, during),
        filesystems: machine::space(before, during, subject),
        events: events.filter(|(_, count)| *count > 0).map(|(kind, count)| (kind.name().into(), count)).collect(),
        culprits: culprits::gather(during.tasks.as_ref()),
        indices,
    }
}
