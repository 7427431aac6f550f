//! The units that are shipped: how much they expose, and that they leave the agent what it needs.

use std::{collections::HashSet, fs, path::PathBuf, process::Command};

use kpulse::privileges::calls::CALLS;
use tests::tool_or_skip;

fn unit(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../deploy/systemd").join(name)
}

/// 25 of 100: systemd shows it as 2.5.
#[test]
fn units_expose_little() {
    tool_or_skip!("units_expose_little", "systemd-analyze");
    for name in ["kpulse-agent.service", "kpulse-server.service"] {
        let mut analyze = Command::new("systemd-analyze");
        let judged = analyze.args(["security", "--offline=true", "--threshold=25", "--no-pager"]).arg(unit(name));
        let output = judged.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).to_string();
        println!("{}", said.lines().last().unwrap_or_default());
        assert!(output.status.success(), "{name}: {said}");
    }
}

/// The system calls of a group, as this systemd knows it.
fn group(name: &str) -> HashSet<String> {
    let output = Command::new("systemd-analyze").args(["syscall-filter", "--no-pager", name]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).to_string();
    let names = said.lines().skip(1).map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    names.flat_map(|name| if name.starts_with('@') { group(name) } else { HashSet::from([name.into()]) }).collect()
}

#[test]
fn the_agents_unit_allows_what_the_agent_needs() {
    tool_or_skip!("the_agents_unit_allows_what_the_agent_needs", "systemd-analyze");
    let text = fs::read_to_string(unit("kpulse-agent.service")).unwrap();
    let mut allowed = HashSet::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("SystemCallFilter=")) {
        let (takes, names) = line.strip_prefix('~').map_or((false, line), |names| (true, names));
        for name in names.split_whitespace() {
            let calls = if name.starts_with('@') { group(name) } else { HashSet::from([name.into()]) };
            for call in calls {
                if takes {
                    allowed.remove(&call)
                } else {
                    allowed.insert(call)
                };
            }
        }
    }
    assert!(allowed.len() > 100, "{allowed:?}");
    // For the start, and for what it gives up.
    let start = ["capset", "capget", "bpf", "prctl", "seccomp", "landlock_create_ruleset", "landlock_restrict_self"];
    let later = CALLS.iter().map(|call| call.name);
    let missing: Vec<_> = start.into_iter().chain(later).filter(|name| !allowed.contains(*name)).collect();
    assert_eq!(missing, Vec::<&str>::new(), "the unit forbids what the agent needs");
    for forbidden in ["mount", "ptrace", "perf_event_open", "init_module", "setuid", "chown", "reboot"] {
        assert!(!allowed.contains(forbidden), "{forbidden}");
    }
}
