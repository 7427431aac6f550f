//! Requests and the seconds they took: adding up, and telling what cannot be.

use super::{Load, Observation};

/// The longest mean time that is believed, in seconds (eleven days), and so the longest reference.
const LONGEST: f64 = 1e6;
/// The shortest reference that something can be compared with, in seconds.
const SHORTEST: f64 = 1e-12;

/// Adds what was done in another window of the same node.
pub fn merge(into: &mut Observation, from: &Observation) {
    for (part, load) in from {
        match into.get_mut(part) {
            Some(sum) => sum.add(*load),
            None => {
                into.insert(part.clone(), *load);
            }
        }
    }
}

/// Everything together.
pub(super) fn total(observation: &Observation) -> Load {
    let mut sum = Load::default();
    observation.values().for_each(|load| sum.add(*load));
    sum
}

/// Whether any node could have done this.
pub(super) fn is_plausible(observation: &Observation) -> bool {
    observation.values().all(|load| {
        // Not a number fails every comparison.
        load.seconds >= 0.0 && load.seconds <= load.requests as f64 * LONGEST
    })
}

/// Whether something can be compared with this, in seconds a request.
pub(super) fn is_reference(seconds: f64) -> bool {
    (SHORTEST..=LONGEST).contains(&seconds)
}

impl Load {
    /// Adds another.
    pub fn add(&mut self, other: Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.seconds += other.seconds;
    }

    /// The mean time in seconds; absent without requests.
    pub fn mean(&self) -> Option<f64> {
        (self.requests > 0).then(|| self.seconds / self.requests as f64)
    }
}
