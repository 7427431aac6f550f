//! The kernel itself: its version, its architecture, its clock, whether it compiles programs, lets them read its memory and
//! says where its fields are.
//!
//! Source: Documentation/admin-guide/kernel-parameters.txt, security/lockdown, Documentation/admin-guide/sysctl/net.rst.

use super::{
    machine::{Loading, Machine},
    report::Requirement,
};
use crate::{kernel::btf, probes::PROBES};

/// The oldest kernel that kpulse is tested on.
pub const OLDEST: (u32, u32) = (5, 10);

const ALL_PROBES: &str = "all probes: CPU time, waits, block requests, tasks and events are not measured; what /proc and \
                          /sys say is still shown";

/// All of it.
pub fn requirements(machine: &Machine<'_>) -> Vec<Requirement> {
    vec![
        release(machine),
        architecture(machine.arch),
        types(machine),
        lockdown(machine),
        jit(machine),
        clock_source(machine),
    ]
}

fn release(machine: &Machine<'_>) -> Requirement {
    let name = "version";
    let lost = "the promise that the programs load and count right: kpulse is tested on Linux 5.10 and later";
    let remedy = "run Linux 5.10 or later";
    match (&machine.host.kernel, machine.version()) {
        (Some(release), Some(version)) if version >= OLDEST => Requirement::ok(name, format!("Linux {release}")),
        (Some(release), Some(_)) => Requirement::missing(name, format!("Linux {release}"), lost, remedy),
        (Some(release), None) => {
            Requirement::degraded(name, format!("Linux {release}, of which the version is not clear"), lost, remedy)
        }
        (None, _) => Requirement::missing(name, "cannot be read: see Files", lost, "see Files, kernel"),
    }
}

fn architecture(arch: &str) -> Requirement {
    if cfg!(target_endian = "little") && ["x86_64", "aarch64"].contains(&arch) {
        return Requirement::ok("architecture", arch);
    }
    Requirement::missing(
        "architecture",
        format!("{arch}, {} endian", if cfg!(target_endian = "little") { "little" } else { "big" }),
        "the promise that the programs load and count right",
        "run kpulse on x86_64 or little-endian aarch64",
    )
}

fn types(machine: &Machine<'_>) -> Requirement {
    let name = "type information";
    match &machine.types {
        Ok(found) => {
            let size = found.bytes as f64 / f64::from(1 << 20);
            Requirement::ok(name, format!("{}, {size:.1} MiB, this kernel's", found.path.display()))
        }
        Err(error) => {
            let (found, remedy) = match error {
                btf::Error::Unreadable { path, error } if error.kind() == std::io::ErrorKind::NotFound => {
                    let remedy = match path.starts_with("/sys") {
                        true => {
                            "boot a kernel built with CONFIG_DEBUG_INFO_BTF=y; in a container, mount the host's /sys"
                        }
                        false => "leave out --btf (the key btf): the kernel's own is taken",
                    };
                    (format!("{} is not there", path.display()), remedy)
                }
                btf::Error::Unreadable { path, error } => {
                    (format!("{}: {error}", path.display()), "make the file readable for this user")
                }
                btf::Error::Malformed { path, reason } => {
                    (format!("{} is not BTF: {reason}", path.display()), "give the BTF file of this kernel, or none")
                }
                btf::Error::OtherKernel { path } => (
                    format!("{} is another kernel's: it differs from {}", path.display(), btf::KERNEL_BTF),
                    "leave out --btf (the key btf), or give the file of this kernel",
                ),
            };
            Requirement::missing(name, found, ALL_PROBES, remedy)
        }
    }
}

fn lockdown(machine: &Machine<'_>) -> Requirement {
    let name = "lockdown";
    let text = match machine.sys("kernel/security/lockdown") {
        Ok(text) => text,
        Err(error) if error.is_absent() => return Requirement::ok(name, "none"),
        Err(error) => {
            return Requirement::degraded(name, error.to_string(), "to know whether programs may read", "run as root");
        }
    };
    let mode = text.split_once('[').and_then(|(_, rest)| rest.split_once(']')).map_or("none", |(mode, _)| mode);
    let works = match &machine.loading {
        Loading::NotTried => false,
        Loading::Tried { states, .. } => states.len() == PROBES.len() && states.iter().all(|(_, state)| state.is_on()),
    };
    match mode {
        "confidentiality" if works => Requirement::ok(name, "confidentiality; the programs load all the same"),
        "confidentiality" => Requirement::missing(
            name,
            "confidentiality: programs may not read the kernel's memory",
            ALL_PROBES,
            "boot with lockdown=integrity, or without lockdown=; where Secure Boot brings it on, the distribution decides",
        ),
        mode => Requirement::ok(name, mode),
    }
}

fn jit(machine: &Machine<'_>) -> Requirement {
    let name = "JIT compiler";
    let slow = "speed: programs are interpreted, and each event takes several times as long";
    match machine.proc("sys/net/core/bpf_jit_enable") {
        Ok(value) if value == "0" => Requirement::degraded(
            name,
            "off",
            slow,
            "`sysctl -w net.core.bpf_jit_enable=1`, and in /etc/sysctl.d to stay",
        ),
        Ok(value) => Requirement::ok(name, format!("on (net.core.bpf_jit_enable = {value})")),
        Err(error) if error.is_absent() => Requirement::degraded(
            name,
            "not shown: the kernel has none, or this is another network namespace than the host's",
            format!("if the kernel has none, {slow}"),
            "in the host's network namespace: `sysctl net.core.bpf_jit_enable`; a kernel without it needs CONFIG_BPF_JIT=y",
        ),
        Err(error) => Requirement::degraded(name, error.to_string(), format!("if it is off, {slow}"), "run as root"),
    }
}

/// Those that are read from a device on a bus, or that tick slowly.
const SLOW_CLOCKS: [&str; 5] = ["hpet", "acpi_pm", "pit", "jiffies", "refined-jiffies"];

fn clock_source(machine: &Machine<'_>) -> Requirement {
    let name = "clock source";
    let directory = "devices/system/clocksource/clocksource0";
    let current = match machine.sys(&format!("{directory}/current_clocksource")) {
        Ok(current) => current,
        Err(error) => {
            let lost = "to know whether the clock is fast: a slow one costs a microsecond for each block request";
            return Requirement::degraded(name, error.to_string(), lost, "mount sysfs, or set host.sys");
        }
    };
    if !SLOW_CLOCKS.contains(&current.as_str()) {
        return Requirement::ok(name, current);
    }
    let available = machine.sys(&format!("{directory}/available_clocksource")).unwrap_or_default();
    let file = machine.roots.sys.join(directory).join("current_clocksource");
    let remedy = match available.split_whitespace().find(|source| !SLOW_CLOCKS.contains(source)) {
        Some(better) => format!("`echo {better} > {}`, and clocksource={better} at boot to stay", file.display()),
        None => {
            "the kernel found its fast clock unsound: see `dmesg | grep -i clocksource`; tsc=reliable at boot if you \
                 know better"
                .into()
        }
    };
    Requirement::degraded(
        name,
        format!("{current}, which is slow"),
        "speed: each reading of the clock takes a microsecond or more instead of some 20 ns, and every block request takes \
         one or two",
        remedy,
    )
}
