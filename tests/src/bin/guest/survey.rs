//! What `kpulse check` says of this kernel: each probe, each field.

use kpulse::probes::PROBES;
use serde_json::Value;
use tests::agent;

use crate::{Outcome, disk, report};

/// What `kpulse check --json` prints.
pub fn check() -> Value {
    let output = agent::run(agent::command(["check", "--json"]));
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("kpulse check: {error}: {}", String::from_utf8_lossy(&output.stderr));
    })
}

/// One requirement of it.
pub fn requirement<'a>(report: &'a Value, group: &str, name: &str) -> &'a Value {
    let requirements = requirements(report, group);
    let found = requirements.iter().find(|requirement| requirement["name"] == name);
    found.unwrap_or_else(|| panic!("kpulse check says nothing of {name} in {group}"))
}

fn requirements<'a>(report: &'a Value, group: &str) -> &'a Vec<Value> {
    let groups = report["groups"].as_array().expect("groups");
    let group = groups.iter().find(|found| found["name"] == group).expect("the group");
    group["requirements"].as_array().expect("requirements")
}

/// Tells of each probe and of each field; each probe must be on, and agree with /proc.
pub fn every_probe_is_on() -> Outcome {
    let report = check();
    let mut off = Vec::new();
    for probe in PROBES {
        let programs = requirement(&report, probe.name, "programs");
        let on = programs["mark"] == "ok";
        let found = programs["found"].as_str().unwrap_or_default();
        report::probe(probe.name, if on { "on" } else { "off" }, if on { "" } else { found });
        if !on {
            off.push(format!("{}: {found}", probe.name));
        }
        for field in probe.fields {
            // The check names the path under which it was found, or all of them.
            let names = [field.paths.join(" or ")].into_iter().chain(field.paths.iter().map(|path| (*path).to_owned()));
            let names: Vec<_> = names.collect();
            let said = requirements(&report, probe.name).iter().find(|requirement| {
                requirement["name"].as_str().is_some_and(|name| names.iter().any(|known| known == name))
            });
            let place = said.and_then(|said| said["found"].as_str()?.strip_prefix("at offset "));
            let name = said.and_then(|said| said["name"].as_str()).unwrap_or(field.paths[0]);
            match place {
                // Under an older name: the table has a line for the newest.
                Some(offset) if name != field.paths[0] => {
                    report::field(probe.name, field.paths[0], &format!("{offset} ({})", last(name)));
                }
                Some(offset) => report::field(probe.name, field.paths[0], offset),
                None => report::field(probe.name, field.paths[0], "-"),
            }
        }
    }
    assert!(off.is_empty(), "probes are off: {}", off.join("; "));
    let agreement = requirement(&report, "selfcheck", "agreement");
    assert_eq!(agreement["mark"], "ok", "{agreement}");
    Ok(())
}

/// With the kernel's books off for every disk from the start, the check names the disks and what that costs.
pub fn iostats_off() -> Outcome {
    let disk = disk::nvme("fast")?;
    disk::turn_iostats("0");
    let report = check();
    let statistics = requirement(&report, "accounting", "disk statistics");
    assert_eq!(statistics["mark"], "degraded", "{statistics}");
    assert!(statistics["found"].as_str().is_some_and(|found| found.contains(&disk.name)), "{statistics}");
    Ok(())
}

/// The member's own name.
fn last(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}
