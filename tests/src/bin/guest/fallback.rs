//! A kernel that offers none of what the programs need: the agent serves what /proc and /sys say, and says why the rest is missing.

use std::{fs, io};

use kpulse::probes::PROBES;
use tests::{
    agent::{Agent, command, run},
    exposition::label,
};

use crate::{Outcome, report::note, shared, survey};

/// Hides the kernel's type information behind an empty folder: to the agent this is a kernel built without.
pub fn without_btf() -> Outcome {
    shared::end();
    hide("/sys/kernel/btf").unwrap();
    let verdict = serves_proc_alone("/sys/kernel/btf/vmlinux", "CONFIG_DEBUG_INFO_BTF");
    // SAFETY: the string ends with a zero.
    unsafe { libc::umount(c"/sys/kernel/btf".as_ptr()) };
    verdict
}

/// `lockdown=confidentiality` on the command line.
pub fn locked_down() -> Outcome {
    let mode = fs::read_to_string("/sys/kernel/security/lockdown").or_else(|_| {
        crate::init::mount("securityfs", "/sys/kernel/security")?;
        fs::read_to_string("/sys/kernel/security/lockdown")
    });
    let mode = mode.expect("securityfs says how the kernel is locked");
    assert!(mode.contains("[confidentiality]"), "{mode}");
    let report = survey::check();
    let lockdown = survey::requirement(&report, "kernel", "lockdown");
    note(&format!("{lockdown}"));
    assert_eq!(lockdown["mark"], "missing", "{lockdown}");
    serves_proc_alone("", "lockdown")
}

/// Mounts an empty filesystem over a folder.
fn hide(folder: &str) -> io::Result<()> {
    crate::init::mount("tmpfs", folder)
}

/// Each reason in the metric and in the log holds `found` and `remedy`.
fn serves_proc_alone(found: &str, remedy: &str) -> Outcome {
    let checked = run(command(["check"]));
    let text = String::from_utf8_lossy(&checked.stdout);
    assert_eq!(checked.status.code(), Some(1), "{text}");
    assert!(text.contains(remedy), "kpulse check does not name {remedy}:\n{text}");
    let agent = Agent::start(["--interval", "200ms"]);
    agent.collected();
    let scrape = agent.scrape();
    for probe in PROBES {
        let states = scrape.of("kpulse_probe_state", &[&format!("probe=\"{}\"", probe.name)]);
        let [(series, value)] = states[..] else { panic!("{states:?}") };
        let reason = label(series, "reason").unwrap_or_default();
        note(&format!("{}: {reason}", probe.name));
        assert_eq!(value, 0.0, "{series}");
        assert!(reason.contains(found) && reason.contains(remedy), "{reason}");
        agent.logged(&["WARN", &format!("probe {} is off", probe.name)]);
    }
    agent.logged(&["no probe is on", "only figures from /proc and /sys"]);
    for name in ["kpulse_host_cpu_seconds_total", "kpulse_memory_total_bytes", "kpulse_host_context_switches_total"] {
        assert!(scrape.sum(name, &[]).is_some_and(|value| value > 0.0), "{name}");
    }
    for name in ["kpulse_context_switches_total", "kpulse_run_queue_wait_seconds_count", "kpulse_tasks"] {
        assert_eq!(scrape.sum(name, &[]), None, "{name}");
    }
    agent.get("/api/v1/window");
    agent.get("/");
    let output = run(command(["sample", "--interval", "200ms"]));
    assert!(output.status.success() && !output.stdout.is_empty(), "kpulse sample shows nothing");
    Ok(())
}
