//! What the agent can be held to once its programs are attached: another user, a filter of system calls, Landlock.
//!
//! In: the machine as it was seen. Source: `kernel.seccomp.actions_avail` in Documentation/userspace-api/seccomp_filter.rst,
//! landlock(7). What each of them is: [`crate::privileges`].

use nix::unistd::User;

use super::{machine::Machine, report::Requirement};

/// All of it.
pub fn requirements(machine: &Machine<'_>) -> Vec<Requirement> {
    vec![user(machine), system_calls(machine), files(machine)]
}

fn user(machine: &Machine<'_>) -> Requirement {
    let name = "user of the agent";
    let Some(wanted) = &machine.config.user else {
        return Requirement::ok(name, "whoever starts it, without capabilities (user names another)");
    };
    match User::from_name(wanted) {
        Ok(Some(user)) => Requirement::ok(name, format!("{wanted}, uid {}", user.uid)),
        _ => Requirement::missing(
            name,
            format!("{wanted}, of which this machine does not know"),
            "the agent: it does not start",
            format!("`useradd --system {wanted}`, or name another user"),
        ),
    }
}

fn system_calls(machine: &Machine<'_>) -> Requirement {
    let name = "system-call filter";
    if !machine.config.sandbox.system_calls {
        return Requirement::ok(name, "turned off (sandbox.system_calls = false)");
    }
    match machine.proc("sys/kernel/seccomp/actions_avail") {
        Ok(actions) if actions.split_whitespace().any(|action| action == "errno") => {
            Requirement::ok(name, "what the agent does not need is refused")
        }
        _ => Requirement::degraded(
            name,
            "this kernel has none, or does not show it",
            "restraint: the running agent may make every system call that its user may",
            "a kernel with CONFIG_SECCOMP_FILTER",
        ),
    }
}

fn files(machine: &Machine<'_>) -> Requirement {
    let name = "Landlock";
    if !machine.config.sandbox.files {
        return Requirement::ok(name, "turned off (sandbox.files = false)");
    }
    match machine.landlock {
        Some(version) => {
            Requirement::ok(name, format!("version {version}: files that the agent does not need are refused"))
        }
        None => Requirement::degraded(
            name,
            "this kernel has none, or it was not turned on at boot",
            "restraint: the running agent may open every file that its user may",
            "a kernel since 5.13 with CONFIG_SECURITY_LANDLOCK, and landlock in its parameter lsm=",
        ),
    }
}
