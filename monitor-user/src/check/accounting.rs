//! The books that the kernel keeps only if it is told to.
//!
//! Source: Documentation/block/stat.rst, Documentation/accounting/psi.rst, Documentation/admin-guide/cgroup-v2.rst, fs/proc/base.c.

use super::{
    machine::{Machine, exists},
    report::Requirement,
};
use crate::host::Cgroups;

/// All of it.
pub fn requirements(machine: &Machine<'_>) -> Vec<Requirement> {
    vec![
        waits(machine),
        disk_statistics(machine),
        task_io(machine),
        pressure(machine),
        cgroup_names(machine),
        program_times(machine),
    ]
}

/// Whether the kernel keeps when a task was queued and how long it waited. A kernel that could and does not writes zeros,
/// and a task that reads its own has always run for a while.
fn waits(machine: &Machine<'_>) -> Requirement {
    let name = "run-queue waits";
    let lost = "how long tasks wait for a CPU: the waits of the probes sched, tasks and events";
    if let Some(why) = unseen(machine) {
        return Requirement::missing(name, why, lost, "mount proc, or set host.proc");
    }
    match machine.proc("self/schedstat") {
        Ok(text) if text.split_whitespace().all(|word| word == "0") => Requirement::missing(
            name,
            "not kept",
            lost,
            "boot with delayacct, or a kernel built with CONFIG_SCHEDSTATS=y",
        ),
        Ok(_) => Requirement::ok(name, "kept (/proc/self/schedstat)"),
        Err(error) if error.is_absent() => {
            Requirement::missing(name, "not kept: no schedstat", lost, "boot a kernel built with CONFIG_SCHEDSTATS=y")
        }
        Err(error) => Requirement::degraded(name, error.to_string(), "to know whether they are kept", "run as root"),
    }
}

/// Why this process's own files say nothing about the kernel, if they do not.
fn unseen(machine: &Machine<'_>) -> Option<String> {
    let own = machine.roots.proc.join("self/status");
    (!exists(&own)).then(|| format!("cannot be looked at: {} is not there", own.display()))
}

fn disk_statistics(machine: &Machine<'_>) -> Requirement {
    let name = "disk statistics";
    let disks = machine.host.disks.values().filter(|disk| disk.request_based);
    let (on, off): (Vec<_>, Vec<_>) = disks.partition(|disk| disk.iostats);
    if off.is_empty() {
        return match on.len() {
            0 => Requirement::ok(name, "no disk here handles requests"),
            _ => Requirement::ok(name, format!("on for {}", names(on.iter().map(|disk| disk.name.as_str())))),
        };
    }
    let block = machine.roots.sys.join("block");
    let directories: Vec<_> = off.iter().map(|disk| disk.name.replace('/', "!")).collect();
    let remedy = match &directories[..] {
        [disk] => format!("`echo 1 > {}/{disk}/queue/iostats`", block.display()),
        disks => format!("`for d in {}; do echo 1 > {}/$d/queue/iostats; done`", disks.join(" "), block.display()),
    };
    Requirement::degraded(
        name,
        format!("off for {}", names(off.iter().map(|disk| disk.name.as_str()))),
        "their requests' queue and total times, and the kernel's own counts of them; the device times are measured all the same",
        remedy,
    )
}

/// The first few of many names.
fn names<'n>(names: impl Iterator<Item = &'n str>) -> String {
    let names: Vec<_> = names.collect();
    match names.len() {
        0..=8 => names.join(", "),
        more => format!("{} and {} more", names[..8].join(", "), more - 8),
    }
}

fn task_io(machine: &Machine<'_>) -> Requirement {
    let name = "bytes by task";
    let lost = "who read and wrote how many bytes";
    if let Some(why) = unseen(machine) {
        return Requirement::degraded(name, why, lost, "mount proc, or set host.proc");
    }
    if exists(&machine.roots.proc.join("self/io")) {
        return Requirement::ok(name, "counted (/proc/self/io)");
    }
    let remedy = "boot a kernel built with CONFIG_TASK_IO_ACCOUNTING=y";
    Requirement::degraded(name, "not counted", lost, remedy)
}

fn pressure(machine: &Machine<'_>) -> Requirement {
    let name = "pressure";
    let host = machine.host;
    let lost = "how long tasks stood still for want of CPU, memory or a disk, as the kernel itself counts it";
    let mut failures = host.failures.iter().filter(|(part, _)| part.starts_with("pressure"));
    match (host.unsupported.get("pressure"), failures.next()) {
        (Some(why), _) => {
            let found = why.split("; ").next().unwrap_or(why);
            let remedy = "boot with psi=1; where that changes nothing, a kernel built with CONFIG_PSI=y";
            Requirement::degraded(name, found, lost, remedy)
        }
        (None, Some((part, _))) => Requirement::degraded(name, "cannot be read", lost, format!("see Files, {part}")),
        (None, None) => Requirement::ok(name, format!("kept for {}", names(host.pressure.keys().map(String::as_str)))),
    }
}

fn cgroup_names(machine: &Machine<'_>) -> Requirement {
    let name = "cgroup names";
    match Cgroups::new(machine.roots).mount() {
        Some(mount) => Requirement::ok(name, format!("cgroup v2 at {}", mount.display())),
        None => Requirement::degraded(
            name,
            "cgroup v2 is not mounted",
            "the names of tasks' cgroups: there are numbers only",
            "`mkdir -p /sys/fs/cgroup/unified && mount -t cgroup2 none /sys/fs/cgroup/unified`, or \
             systemd.unified_cgroup_hierarchy=1 at boot; in a container, mount the host's",
        ),
    }
}

/// Of interest, and fine either way.
fn program_times(machine: &Machine<'_>) -> Requirement {
    let found = match machine.proc("sys/kernel/bpf_stats_enabled").as_deref() {
        Ok("0") => {
            "not kept, as by default; `sysctl -w kernel.bpf_stats_enabled=1` shows what the programs cost, and costs \
                    some itself"
                .into()
        }
        Ok(_) => {
            "kept (kernel.bpf_stats_enabled = 1): this itself costs two readings of the clock for each event".into()
        }
        Err(_) => "not shown by this kernel: nothing is lost but what the programs cost".to_owned(),
    };
    Requirement::ok("program times", found)
}
