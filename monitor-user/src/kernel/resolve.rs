//! What each probe finds in the kernel's type information, and so whether it can work at all.
//!
//! In: [`PROBES`], which say what they need, and [`Types`], which say what there is. Out: the numbers to set in the object
//! before it is loaded, and the state of each probe. No version of a kernel is asked for anywhere: what its type information
//! does not show is not there.

use std::collections::{BTreeMap, BTreeSet};

use super::btf::{Argument, Btf};
use crate::probes::{Field, Hook, Need, PROBES, Probe};

/// What can be looked up in a kernel's type information.
pub trait Types {
    /// The offset in bytes of a field, given as `struct.member.member`.
    fn offset(&self, path: &str) -> Option<u32>;
    /// What the tracepoint of this name passes; absent if the kernel has none.
    fn arguments(&self, tracepoint: &str) -> Option<Vec<Argument>>;
    /// The value of an enumerator of any enum.
    fn enumerator(&self, name: &str) -> Option<u32>;
}

impl Types for Btf {
    fn offset(&self, path: &str) -> Option<u32> {
        Self::offset(self, path)
    }

    fn arguments(&self, tracepoint: &str) -> Option<Vec<Argument>> {
        Self::arguments(self, tracepoint)
    }

    fn enumerator(&self, name: &str) -> Option<u32> {
        Self::enumerator(self, name)
    }
}

/// Whether a probe works, and if not, why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It works; what is lost all the same.
    On {
        /// What optional fields would have given.
        lost: Vec<String>,
    },
    /// It was not wanted.
    Disabled,
    /// It cannot work.
    Failed {
        /// Why.
        reason: String,
    },
}

impl State {
    /// Whether the probe works.
    pub fn is_on(&self) -> bool {
        matches!(self, Self::On { .. })
    }

    /// Why it does not work, or what is lost; empty if all is well.
    pub fn reason(&self) -> String {
        match self {
            Self::On { lost } => lost.join("; "),
            Self::Disabled => "turned off in the configuration".into(),
            Self::Failed { reason } => reason.clone(),
        }
    }
}

/// What the object's globals are set to, and which probes can work with them.
pub(super) struct Resolved {
    /// By the probe's name; every probe is there.
    pub states: BTreeMap<&'static str, State>,
    /// By the global's name.
    pub words: BTreeMap<&'static str, u32>,
}

impl Resolved {
    /// Looks everything up for the probes that are `wanted`.
    pub fn of(types: &dyn Types, wanted: &BTreeSet<&'static str>) -> Self {
        let mut words = BTreeMap::new();
        let mut states = BTreeMap::new();
        for probe in PROBES {
            let state = match wanted.contains(probe.name) {
                true => resolve(types, probe, &mut words),
                false => State::Disabled,
            };
            states.insert(probe.name, state);
        }
        let arguments = |tracepoint| types.arguments(tracepoint).unwrap_or_default();
        words.insert("SCHED_SWITCH_HAS_STATE", u32::from(arguments("sched_switch").len() > 3));
        words.insert("BLOCK_ISSUE_ARG", u32::from(arguments("block_rq_issue").len() > 1));
        words.insert("BLOCK_STATUS_IS_ERRNO", u32::from(arguments("block_rq_complete").get(1) == Some(&Argument::Int)));
        words.insert("MARK_VICTIM_HAS_TASK", u32::from(arguments("mark_victim").first() == Some(&Argument::Pointer)));
        // An enum since 6.11; before, the flags had the same numbers for ten years.
        words.insert("FLUSH_SEQUENCE_FLAG", 1 << types.enumerator("__RQF_FLUSH_SEQ").unwrap_or(4));
        words.insert("ACCOUNTED_FLAG", 1 << types.enumerator("__RQF_IO_STAT").unwrap_or(13));
        Self { states, words }
    }
}

/// Where one field is: the path under which it was found, and its offset in bytes.
pub fn find(types: &dyn Types, field: &Field) -> Option<(&'static str, u32)> {
    field.paths.iter().find_map(|path| Some((*path, types.offset(path)?)))
}

/// Finds the fields of one probe. What is absent keeps the object's own value, which says so.
fn resolve(types: &dyn Types, probe: &Probe, words: &mut BTreeMap<&'static str, u32>) -> State {
    let mut lost = BTreeSet::new();
    let mut groups = BTreeMap::<&str, bool>::new();
    for field in probe.fields {
        let found = find(types, field);
        if let Some((_, offset)) = found {
            words.insert(field.global, offset);
        }
        match field.need {
            Need::Required if found.is_none() => {
                return State::Failed { reason: format!("this kernel has no field {}", field.paths.join(" or ")) };
            }
            Need::Optional(what) if found.is_none() => {
                lost.insert(format!("{} is missing: {what}", field.paths[0]));
            }
            Need::OneOf(group) => *groups.entry(group).or_default() |= found.is_some(),
            _ => {}
        }
    }
    if let Some((group, _)) = groups.iter().find(|(_, found)| !**found) {
        return State::Failed { reason: format!("this kernel has no field that gives {group}") };
    }
    for program in probe.programs {
        if let Hook::Tracepoint(name) = program.hook
            && types.arguments(name).is_none()
        {
            return State::Failed { reason: format!("this kernel has no tracepoint {name}") };
        }
    }
    State::On { lost: lost.into_iter().collect() }
}

/// A kernel for tests: it has everything that any probe asks for, but for what is taken from it.
#[cfg(test)]
#[derive(Clone, Debug, Default)]
pub(crate) struct Fake {
    /// Paths of fields and names of tracepoints that it does not have.
    pub absent: BTreeSet<&'static str>,
    /// Tracepoints that pass something else than two pointers.
    pub arguments: BTreeMap<&'static str, Vec<Argument>>,
}

#[cfg(test)]
impl Fake {
    pub fn without(absent: &[&'static str]) -> Self {
        Self { absent: absent.iter().copied().collect(), ..Self::default() }
    }
}

#[cfg(test)]
impl Types for Fake {
    /// Different for different lengths of the path, so that a mix-up shows.
    fn offset(&self, path: &str) -> Option<u32> {
        (!self.absent.contains(path)).then_some(8 * path.len() as u32)
    }

    fn arguments(&self, tracepoint: &str) -> Option<Vec<Argument>> {
        let usual = || vec![Argument::Pointer; 2];
        (!self.absent.contains(tracepoint)).then(|| self.arguments.get(tracepoint).cloned().unwrap_or_else(usual))
    }

    fn enumerator(&self, name: &str) -> Option<u32> {
        (!self.absent.contains(name)).then_some(4)
    }
}

#[cfg(test)]
mod tests;
