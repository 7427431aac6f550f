//! Each probe: its fields, its tracepoints, and whether its programs really load.
//!
//! In: [`PROBES`](crate::probes::PROBES), the kernel's type information, what came of loading. The look-ups of [`resolve`]
//! are made here one by one, so that everything that is missing is named and not only the first.

use super::{
    machine::{Found, Loading, Machine},
    report::{Group, Requirement},
};
use crate::{
    kernel::{
        btf::Argument,
        load::State,
        resolve::{self, Types},
    },
    probes::{Field, Hook, Need, Probe, Program, step::Step},
    selfcheck::Outcome,
};

/// One group for a probe.
pub fn group(machine: &Machine<'_>, probe: &Probe) -> Group {
    let title = format!("{} (probe {})", probe.title, probe.name);
    let mut requirements = Vec::new();
    if !machine.wants(probe.name) {
        let key = format!("probes.{}", probe.name);
        requirements.push(Requirement::ok("programs", format!("turned off in the configuration ({key} = false)")));
        return Group::new(probe.name, title, requirements);
    }
    if let Ok(Found { types, .. }) = &machine.types {
        requirements.extend(probe.fields.iter().map(|field| self::field(*types, probe, field)));
        requirements.extend(attached(probe).map(|program| hook(*types, probe, program.hook)));
    }
    requirements.push(programs(machine, probe));
    Group::new(probe.name, title, requirements)
}

fn field(types: &dyn Types, probe: &Probe, field: &Field) -> Requirement {
    let absent = || (field.paths.join(" or "), "this kernel does not have it", remedy(field));
    let requirement = match (resolve::find(types, field), field.need) {
        (Some((path, offset)), _) => Requirement::ok(path, format!("at offset {offset}")),
        (None, Need::Required) => {
            let (name, found, remedy) = absent();
            Requirement::missing(name, found, format!("the probe {}, which needs it", probe.name), remedy)
        }
        (None, Need::Optional(lost)) => {
            let (name, found, remedy) = absent();
            Requirement::degraded(name, found, lost, remedy)
        }
        (None, Need::OneOf(group)) => {
            let others = probe.fields.iter().filter(|other| other.need == Need::OneOf(group));
            let (name, found, remedy) = absent();
            match others.filter_map(|other| resolve::find(types, other)).next() {
                Some((other, _)) => Requirement::ok(name, format!("not needed: {other} gives {group}")),
                None => {
                    let lost = format!("{group}, and with it the probe {}", probe.name);
                    Requirement::missing(name, found, lost, remedy)
                }
            }
        }
    };
    Requirement { one_of_many: true, ..requirement }
}

/// What a kernel must be built with to have the field, where that is known.
fn remedy(field: &Field) -> String {
    let of = |part: &str| field.paths.iter().any(|path| path.contains(part));
    let option = match () {
        _ if of(".sched_info.") => "CONFIG_SCHEDSTATS=y",
        _ if of(".ioac.") => "CONFIG_TASK_IO_ACCOUNTING=y",
        _ if of("cgroup") || of("css_set.") || of("kernfs_node.") => "CONFIG_CGROUPS=y",
        _ if of("request.") || of("request_queue.") || of("gendisk.") => "CONFIG_BLOCK=y",
        _ => return "a newer kpulse may know where this kernel has it".into(),
    };
    format!("a kernel built with {option}; if it is, a newer kpulse may know where it has the field")
}

fn hook(types: &dyn Types, probe: &Probe, hook: Hook) -> Requirement {
    let lost = || format!("the probe {}, which needs it", probe.name);
    match hook {
        Hook::Tracepoint(tracepoint) => match types.arguments(tracepoint) {
            Some(arguments) => {
                let arguments: Vec<_> = arguments.iter().map(|argument| word(*argument)).collect();
                Requirement::ok(tracepoint, format!("passes ({})", arguments.join(", ")))
            }
            None => Requirement::missing(
                tracepoint,
                "this kernel has no such tracepoint",
                lost(),
                "a kernel built with CONFIG_FTRACE=y and CONFIG_BPF_EVENTS=y",
            ),
        },
        Hook::Iterator(kind) => {
            let name = format!("iterator {kind}");
            match types.offset(&format!("bpf_iter__{kind}.{kind}")) {
                Some(_) => Requirement::ok(name, format!("walks every {kind}")),
                None => Requirement::missing(
                    name,
                    "this kernel has no such iterator",
                    lost(),
                    "a kernel built with CONFIG_BPF_SYSCALL=y, 5.8 or later",
                ),
            }
        }
    }
}

fn word(argument: Argument) -> &'static str {
    match argument {
        Argument::Pointer => "pointer",
        Argument::Int => "int",
        Argument::Number => "number",
    }
}

/// The programs that are attached while nothing is given up.
fn attached(probe: &Probe) -> impl Iterator<Item = &Program> {
    probe.programs.iter().filter(|program| program.is_attached_at(Step::Full))
}

fn programs(machine: &Machine<'_>, probe: &Probe) -> Requirement {
    let name = "programs";
    let missing = |found: String, remedy: &str| Requirement::missing(name, found, probe.yields, remedy);
    let reason = match machine.state(probe.name) {
        None => return missing("not loaded: that takes privileges".into(), "see Privileges"),
        Some(State::On { .. }) => {
            let names: Vec<_> = attached(probe).map(|program| program.name).collect();
            return Requirement::ok(name, format!("loaded and attached: {}", names.join(", ")));
        }
        Some(state) => state.reason(),
    };
    if machine.types.is_err() {
        return missing(
            "not loaded: nothing says where this kernel's fields are".into(),
            "see Kernel, type information",
        );
    }
    let remedy = match reason.as_str() {
        reason if reason.starts_with("this kernel has no") => "see what is missing above",
        reason if reason.starts_with("the self-check") => "see Self-check",
        reason if reason.contains("not permitted") => {
            "see Privileges; if they are all there, a system-call filter (seccomp) or a security module forbids bpf()"
        }
        _ => "the words are the kernel's own: report them with `kpulse check --json`",
    };
    missing(format!("not loaded: {reason}"), remedy)
}

/// What the programs read about this thread against what /proc says about it.
pub fn selfcheck(machine: &Machine<'_>) -> Requirement {
    let name = "agreement";
    let Loading::Tried { selfcheck, .. } = &machine.loading else {
        let lost = "the proof that the programs read what they should";
        return Requirement::missing(name, "not checked: no program is loaded", lost, "see Privileges");
    };
    match selfcheck {
        Outcome::Agreed { fields } => Requirement::ok(name, format!("{fields} fields agree with /proc/thread-self")),
        Outcome::Wrong(wrong) => Requirement::missing(
            name,
            wrong,
            "the probes sched and tasks, which are turned off: their figures would be wrong and look right",
            "reboot if the kernel was patched while it ran; else report this with `kpulse check --json`",
        ),
        Outcome::Unchecked(_) if !machine.wants("tasks") => {
            Requirement::ok(name, "not checked: the probe tasks is turned off in the configuration")
        }
        Outcome::Unchecked(why) => Requirement::degraded(
            name,
            format!("not checked: {why}"),
            "the proof that the programs read what they should",
            "see the probe tasks; /proc must be mounted, too",
        ),
    }
}
