//! The probes: what each needs of the kernel and what it yields.
//!
//! A probe is one name in three places: its value layout in `monitor-common`, its programs in `monitor-ebpf`, and here its
//! needs, its reader and its metrics. Loading, reading, `kpulse check`, the configuration and the documentation walk [`PROBES`].

pub mod block;
pub mod events;
pub mod sched;
pub mod step;
pub mod tasks;

use step::Step;

use crate::metric::Metric;

/// Every probe, in the order in which they are loaded and shown.
pub const PROBES: &[Probe] = &[sched::PROBE, block::PROBE, tasks::PROBE, events::PROBE];

/// What a probe needs of the kernel.
#[derive(Clone, Copy, Debug)]
pub struct Probe {
    /// Its name, as in the configuration and in metrics.
    pub name: &'static str,
    /// Its name for people.
    pub title: &'static str,
    /// What is lost without it.
    pub yields: &'static str,
    /// Its programs.
    pub programs: &'static [Program],
    /// Fields of the kernel's structs.
    pub fields: &'static [Field],
    /// Maps of its own, which are made as small as can be when the probe is off.
    pub maps: &'static [&'static str],
    /// What it shows to others.
    pub metrics: &'static [Metric],
}

/// One program of a probe.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// Its name in the object.
    pub name: &'static str,
    /// What it is attached to.
    pub hook: Hook,
    /// The first step at which it is attached.
    pub from: Step,
    /// The first step at which it is not attached any more; none if it always is.
    pub until: Option<Step>,
}

impl Program {
    /// One that is attached up to a step.
    const fn until(name: &'static str, tracepoint: &'static str, until: Step) -> Self {
        Self { name, hook: Hook::Tracepoint(tracepoint), from: Step::Full, until: Some(until) }
    }

    /// The same from a later step on: it takes over from another one of the same tracepoint.
    const fn from(self, from: Step) -> Self {
        Self { from, ..self }
    }

    /// Whether it is attached at this step.
    pub fn is_attached_at(&self, step: Step) -> bool {
        self.from <= step && self.until.is_none_or(|until| step < until)
    }
}

/// What a program is attached to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// A tracepoint, with its arguments as BTF describes them.
    Tracepoint(&'static str),
    /// Nothing: it runs over all objects of a kind whenever its file is read.
    Iterator(&'static str),
}

/// One field of the kernel's structs.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// The name in the object that takes its offset.
    pub global: &'static str,
    /// Where it is or was, newest first: `struct.member.member`.
    pub paths: &'static [&'static str],
    /// What its absence means.
    pub need: Need,
}

/// What the absence of a field means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// The probe is off.
    Required,
    /// This is lost, the rest works.
    Optional(&'static str),
    /// Another field will do: the probe is off if none of this group is there.
    OneOf(&'static str),
}

const fn required(global: &'static str, paths: &'static [&'static str]) -> Field {
    Field { global, paths, need: Need::Required }
}

const fn optional(global: &'static str, paths: &'static [&'static str], lost: &'static str) -> Field {
    Field { global, paths, need: Need::Optional(lost) }
}

const fn one_of(group: &'static str, global: &'static str, paths: &'static [&'static str]) -> Field {
    Field { global, paths, need: Need::OneOf(group) }
}

/// A name that the kernel ends with zeros, with whatever cannot be printed escaped.
fn comm(bytes: &[u8; 16]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    bytes[..end].utf8_chunks().fold(String::new(), |mut name, chunk| {
        name.extend(chunk.valid().chars().flat_map(|c| {
            let (escaped, plain) = if c.is_control() { (Some(c.escape_default()), None) } else { (None, Some(c)) };
            escaped.into_iter().flatten().chain(plain)
        }));
        name.extend(chunk.invalid().iter().flat_map(|byte| byte.escape_ascii().map(char::from)));
        name
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_printable_whatever_the_task_chose() {
        let named = |name: &[u8]| {
            let mut bytes = [0; 16];
            bytes[..name.len()].copy_from_slice(name);
            comm(&bytes)
        };
        assert_eq!(named(b"fio"), "fio");
        assert_eq!(named(b""), "");
        assert_eq!(named(b"sixteen bytes!!!"), "sixteen bytes!!!");
        assert_eq!(named(b"a\n\x1b[2J\xff"), "a\\n\\u{1b}[2J\\xff");
    }

    #[test]
    fn probes_and_their_globals_have_names_of_their_own() {
        let names: Vec<_> = PROBES.iter().map(|probe| probe.name).collect();
        assert_eq!(names.iter().collect::<std::collections::BTreeSet<_>>().len(), names.len());
    }
}
