//! The commands as an operator uses them: a window, an agent that is scraped, and an agent under the switch
//! `kernel.unprivileged_bpf_disabled`.

use std::fs;

use tests::agent::{Agent, command, run};

use crate::{Outcome, report::note, survey};

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
    let text = run(command(["sample", "--interval", "200ms"]));
    assert!(text.status.success() && !text.stdout.is_empty(), "kpulse sample prints no table");
    Ok(())
}

/// The agent's switches are the kernel's, as it says itself.
pub fn agreement() -> Outcome {
    let agent = Agent::start(["--interval", "500ms"]);
    let ratio = agent.scrape_until("the agent's agreement", |scrape| {
        scrape.sum("kpulse_self_agreement_ratio", &["figure=\"context_switches\""])
    });
    agent.collected();
    let scrape = agent.scrape();
    note(&format!("agreement: {ratio} at first, {:?}", scrape.of("kpulse_self_agreement_ratio", &[])));
    let ratio = scrape.sum("kpulse_self_agreement_ratio", &["figure=\"context_switches\""]).expect("it was there");
    assert!((0.9..=1.1).contains(&ratio), "context switches: {ratio} of the kernel's");
    assert_eq!(scrape.sum("kpulse_probe_state", &[]), Some(4.0), "{:?}", agent.log());
    assert!(scrape.sum("kpulse_tasks", &[]).is_some_and(|tasks| tasks > 10.0));
    agent.signal(libc::SIGTERM);
    assert_eq!(agent.ended().0.code(), Some(0));
    Ok(())
}

/// With each value of the switch the agent reads its maps; and the check says what reading takes.
pub fn unprivileged_bpf() -> Outcome {
    // 1 cannot be taken back.
    for value in ["0", "2", "1"] {
        fs::write(SWITCH, value).unwrap_or_else(|error| panic!("{SWITCH} = {value}: {error}"));
        works_with(value);
    }
    Ok(())
}

/// The same where it was set before anything ran.
pub fn unprivileged_bpf_at_boot() -> Outcome {
    works_with("1");
    Ok(())
}

fn works_with(value: &str) {
    assert_eq!(fs::read_to_string(SWITCH).unwrap().trim(), value);
    let report = survey::check();
    let reading = survey::requirement(&report, "privileges", "reading maps");
    let found = reading["found"].as_str().unwrap_or_default();
    assert!(found.contains(&format!("kernel.unprivileged_bpf_disabled = {value}")), "{found}");
    let agent = Agent::start(["--interval", "200ms"]);
    agent.collected();
    let scrape = agent.scrape();
    assert_eq!(scrape.sum("kpulse_probe_state", &[]), Some(4.0), "{:?}", agent.log());
    let switches = |scrape: &tests::exposition::Scrape| scrape.sum("kpulse_context_switches_total", &[]);
    let before = switches(&scrape).expect("switches");
    agent.scrape_until("more switches", |scrape| switches(scrape).filter(|now| *now > before));
    note(&format!("unprivileged_bpf_disabled = {value}: {found}"));
}
