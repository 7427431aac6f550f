//! The commands as an operator uses them: a window, an agent that is scraped, and an agent under the switch
//! `kernel.unprivileged_bpf_disabled`.

use std::fs;

use tests::{
    agent::{command, run},
    exposition::Scrape,
};

use crate::{Outcome, report::note, shared, survey};

const SWITCH: &str = "/proc/sys/kernel/unprivileged_bpf_disabled";

/// `kpulse sample` gives a window with all that the probes measure.
pub fn sample() -> Outcome {
    let output = run(command(["sample", "--json", "--interval", "1s"]));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "kpulse sample: {said}");
    let window: serde_json::Value = serde_json::from_slice(&output.stdout).expect("a window in JSON");
    note(&format!("sample: {} bytes of JSON", output.stdout.len()));
    for part in ["sched", "block", "tasks"] {
        assert!(!window[part].is_null(), "the window has no {part}: {said}");
    }
    Ok(())
}

/// The agent's switches are the kernel's, as it says itself.
pub fn agreement() -> Outcome {
    shared::agent(|agent| {
        let figure = ["figure=\"context_switches\""];
        // The two counts are not read in one moment: what lies between is less and less of the whole, and a loss is not.
        agent.scrape_until("5,000 switches, within 1 % of the kernel's", |scrape| {
            let switches = scrape.sum("kpulse_context_switches_total", &[])?;
            let ratio = scrape.sum("kpulse_self_agreement_ratio", &figure)?;
            (switches > 5_000.0 && (0.99..=1.01).contains(&ratio)).then_some(())
        });
        let scrape = agent.scrape();
        note(&format!("agreement: {:?}", scrape.of("kpulse_self_agreement_ratio", &[])));
        assert_eq!(scrape.sum("kpulse_probe_state", &[]), Some(4.0), "{:?}", agent.log());
        assert!(scrape.sum("kpulse_tasks", &[]).is_some_and(|tasks| tasks > 10.0));
    });
    Ok(())
}

/// With each value of the switch a running agent goes on reading its maps.
pub fn unprivileged_bpf() -> Outcome {
    // 1 cannot be taken back.
    for value in ["0", "2", "1"] {
        fs::write(SWITCH, value).unwrap_or_else(|error| panic!("{SWITCH} = {value}: {error}"));
        goes_on(value);
    }
    Ok(())
}

/// The same where it was set before anything ran; and the check says what reading takes.
pub fn unprivileged_bpf_at_boot() -> Outcome {
    let report = survey::check();
    let reading = survey::requirement(&report, "privileges", "reading maps");
    let found = reading["found"].as_str().unwrap_or_default();
    assert!(found.contains("kernel.unprivileged_bpf_disabled = 1"), "{found}");
    goes_on("1");
    Ok(())
}

fn goes_on(value: &str) {
    assert_eq!(fs::read_to_string(SWITCH).unwrap().trim(), value);
    shared::agent(|agent| {
        let switches = |scrape: &Scrape| scrape.sum("kpulse_context_switches_total", &[]);
        let before = switches(&agent.scrape()).expect("switches");
        agent.scrape_until("more switches", |scrape| switches(scrape).filter(|now| *now > before));
        assert_eq!(agent.scrape().sum("kpulse_probe_state", &[]), Some(4.0), "{:?}", agent.log());
    });
    note(&format!("unprivileged_bpf_disabled = {value}: the agent goes on"));
}
