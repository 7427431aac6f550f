//! One, four and 64 CPUs, and CPUs that go and come back.

use std::{collections::BTreeSet, fs};

use tests::{agent::Agent, cpu, guard::Restored, wait};

use crate::{Outcome, report::note, shared};

/// Every CPU that is online has figures of its own, and the machine has as many as it was given.
pub fn all() -> Outcome {
    let online = cpu::online();
    let scrape = shared::agent(|agent| {
        agent.collected();
        agent.scrape()
    });
    let shown = scrape.of("kpulse_cpu_online", &[]);
    note(&format!("{} CPUs are online, {} are shown", online.len(), shown.len()));
    for number in online {
        let label = format!("cpu=\"{number}\"");
        assert_eq!(scrape.sum("kpulse_cpu_online", &[&label]), Some(1.0), "{label}");
        let time = |name: &str| scrape.sum(name, &[&label]).unwrap_or_else(|| panic!("{name} of {label}"));
        let both = time("kpulse_cpu_busy_seconds_total") + time("kpulse_cpu_idle_seconds_total");
        assert!(both > 0.0, "{label}");
    }
    Ok(())
}

/// The last CPU is taken offline under a running agent: it is shown so, the others go on, its counters stay, and it comes back.
pub fn hotplug() -> Outcome {
    shared::agent(goes_and_comes_back);
    Ok(())
}

fn goes_and_comes_back(agent: &Agent) {
    let last = *cpu::online().last().expect("a CPU");
    let file = format!("/sys/devices/system/cpu/cpu{last}/online");
    let label = format!("cpu=\"{last}\"");
    let switches = |scrape: &tests::exposition::Scrape| scrape.sum("kpulse_context_switches_total", &[&label]);
    let before = agent.scrape_until("the CPU's figures", switches);
    let away = Restored::set(&file, "0").unwrap();
    let online = |value: f64| {
        agent.scrape_until("the CPU's state", |scrape| {
            (scrape.sum("kpulse_cpu_online", &[&label]) == Some(value)).then_some(())
        });
    };
    online(0.0);
    let gone = switches(&agent.scrape()).expect("an offline CPU keeps its counters");
    assert!(gone >= before);
    agent.collected();
    assert_eq!(switches(&agent.scrape()), Some(gone), "an offline CPU does not switch");
    drop(away);
    wait::until("the CPU is online", || (fs::read_to_string(&file).ok()?.trim() == "1").then_some(()));
    online(1.0);
    agent.scrape_until("the CPU switches again", |scrape| switches(scrape).filter(|now| *now > gone));
    let states: BTreeSet<_> = agent.scrape().of("kpulse_probe_state", &[]).iter().map(|(_, on)| *on as u8).collect();
    assert_eq!(states, BTreeSet::from([1]), "a probe went off: {:?}", agent.log());
}
