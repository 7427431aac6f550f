//! What this process may do, and what of it the programs need.
//!
//! Source: capabilities(7), user_namespaces(7), `kernel/bpf/syscall.c`, and in Documentation/admin-guide/sysctl/kernel.rst the
//! switch `unprivileged_bpf_disabled`.

use std::path::Path;

use super::{
    machine::{Machine, Unreadable, read},
    report::Requirement,
};

const SYS_ADMIN: u32 = 21;
const SYS_RESOURCE: u32 = 24;
const PERFMON: u32 = 38;
const BPF: u32 = 39;

/// What this process may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Privileges {
    /// The effective user.
    pub uid: u32,
    /// The effective capabilities, a bit each.
    pub effective: u64,
    /// Whether they are those of a user namespace, which do not count for programs: programs belong to the whole machine.
    pub namespaced: bool,
}

impl Privileges {
    /// Reads those of this process.
    ///
    /// # Errors
    ///
    /// If `proc` does not say.
    pub fn read(proc: &Path) -> Result<Self, Unreadable> {
        let path = proc.join("self/status");
        // A kernel without user namespaces has no map.
        let map = read(proc.join("self/uid_map")).unwrap_or_default();
        Self::parse(&read(path.clone())?, &map).ok_or_else(|| Unreadable::malformed(path, "`Uid:` and `CapEff:`"))
    }

    /// Reads the texts of /proc/self/status and /proc/self/uid_map.
    fn parse(status: &str, map: &str) -> Option<Self> {
        let line = |key: &str| status.lines().find_map(|line| line.strip_prefix(key));
        let uid = line("Uid:")?.split_whitespace().nth(1)?.parse().ok()?;
        let effective = u64::from_str_radix(line("CapEff:")?.trim(), 16).ok()?;
        let whole = map.is_empty() || map.split_whitespace().eq(["0", "0", "4294967295"]);
        Some(Self { uid, effective, namespaced: !whole })
    }

    fn has(&self, capability: u32) -> bool {
        self.effective >> capability & 1 == 1
    }

    /// Whether programs of kpulse's kinds may be loaded.
    pub fn may_load(&self) -> bool {
        !self.namespaced && (self.has(SYS_ADMIN) || self.has(BPF) && self.has(PERFMON))
    }
}

/// All of it.
pub fn requirements(machine: &Machine<'_>) -> Vec<Requirement> {
    let mut requirements = Vec::new();
    match &machine.privileges {
        Ok(privileges) => {
            requirements.push(user(privileges));
            requirements.push(capability(privileges, "CAP_BPF", BPF, "to load programs and make maps"));
            requirements.push(capability(
                privileges,
                "CAP_PERFMON",
                PERFMON,
                "to let programs read what the kernel keeps",
            ));
            requirements.push(locked_memory(machine, privileges));
        }
        Err(error) => requirements.push(Requirement::missing(
            "capabilities",
            error.to_string(),
            "to know whether the programs may be loaded",
            "mount proc, or set host.proc",
        )),
    }
    requirements.push(reading_maps(machine));
    requirements
}

fn user(privileges: &Privileges) -> Requirement {
    let uid = privileges.uid;
    if !privileges.namespaced {
        return Requirement::ok("user", format!("uid {uid}"));
    }
    Requirement::missing(
        "user",
        format!("uid {uid} of a user namespace"),
        "all probes: capabilities count inside the namespace only, and programs belong to the whole machine",
        "run outside of it: not in a rootless container",
    )
}

fn capability(privileges: &Privileges, name: &str, number: u32, gives: &str) -> Requirement {
    if privileges.has(number) {
        Requirement::ok(name, format!("held, {gives}"))
    } else if privileges.has(SYS_ADMIN) {
        Requirement::ok(name, format!("held as part of CAP_SYS_ADMIN, {gives}"))
    } else {
        Requirement::missing(
            name,
            format!("not held: it is needed {gives}"),
            "all probes",
            "run as root (`sudo kpulse check`), or give the service AmbientCapabilities=CAP_BPF CAP_PERFMON",
        )
    }
}

fn locked_memory(machine: &Machine<'_>, privileges: &Privileges) -> Requirement {
    let name = "locked memory";
    if machine.since((5, 11)) {
        return Requirement::ok(name, "no limit to mind: since Linux 5.11 maps do not count against it");
    }
    if privileges.has(SYS_RESOURCE) {
        return Requirement::ok(name, "kpulse raises the limit itself (CAP_SYS_RESOURCE)");
    }
    let limits = machine.proc("self/limits").unwrap_or_default();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max locked memory"));
    let hard = line.and_then(|line| line.split_whitespace().nth(1)).unwrap_or("not known");
    if hard == "unlimited" {
        return Requirement::ok(name, "unlimited");
    }
    Requirement::degraded(
        name,
        format!("{hard} bytes at most"),
        "all probes, if the maps do not fit: they take some 4 MiB on a small machine, and before Linux 5.11 count as locked",
        "LimitMEMLOCK=infinity in the service, `ulimit -l unlimited` in a shell, or CAP_SYS_RESOURCE",
    )
}

/// What it takes to read the maps once the programs are loaded. Nothing is wrong here: it says what the agent can give up.
fn reading_maps(machine: &Machine<'_>) -> Requirement {
    let name = "reading maps";
    let switch = machine.proc("sys/kernel/unprivileged_bpf_disabled");
    let found = match (switch.as_deref().unwrap_or("not shown"), machine.since((5, 19))) {
        ("0", _) => "takes no capability (kernel.unprivileged_bpf_disabled = 0)".into(),
        (value, true) => {
            format!("takes no capability since Linux 5.19 (kernel.unprivileged_bpf_disabled = {value})")
        }
        (value, false) => {
            format!("takes CAP_BPF before Linux 5.19 (kernel.unprivileged_bpf_disabled = {value}): the agent keeps it")
        }
    };
    Requirement::ok(name, found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(capabilities: &[u32]) -> Privileges {
        Privileges { uid: 1, effective: capabilities.iter().map(|capability| 1 << capability).sum(), namespaced: false }
    }

    #[test]
    fn the_effective_user_and_capabilities_are_read() {
        let status = "Name:\tkpulse\nUid:\t1000\t7\t1000\t1000\nCapPrm:\tffffffffffffffff\nCapEff:\t000000c000000000\n";
        let privileges = |map| Privileges::parse(status, map).unwrap();
        let here = Privileges { uid: 7, ..with(&[BPF, PERFMON]) };
        assert_eq!(privileges("         0          0 4294967295\n"), here);
        assert_eq!(privileges(""), here);
        assert_eq!(privileges("         0       1000          1\n"), Privileges { namespaced: true, ..here });
        assert_eq!(Privileges::parse("Name:\tkpulse\n", ""), None);
    }

    #[test]
    fn two_capabilities_are_needed_or_the_one_that_holds_all() {
        assert!(with(&[BPF, PERFMON]).may_load());
        assert!(with(&[SYS_ADMIN]).may_load());
        assert!(!Privileges { namespaced: true, ..with(&[SYS_ADMIN, BPF, PERFMON]) }.may_load());
        assert!(!with(&[BPF]).may_load());
        assert!(!with(&[PERFMON, SYS_RESOURCE]).may_load());
    }
}
