//! `kpulse baseline` and the running agent.

use std::process::Output;

use tests::{
    agent::Agent,
    root_or_skip,
    skip::alone,
    verdict::{PERFORMANCE_INDEX_HIGH, Place},
};

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn state_is(agent: &Agent, state: &str) {
    let labels = [r#"signal="run_queue""#, &format!("state=\"{state}\"")];
    agent.scrape_until(state, |scrape| (scrape.sum("kpulse_baseline_state", &labels) == Some(1.0)).then_some(()));
}

fn pinned(agent: &Agent, wanted: bool) {
    let labels = [r#"signal="run_queue""#, r#"mode="pinned""#];
    let p = |scrape: &tests::exposition::Scrape| scrape.sum("kpulse_performance_index", &labels);
    agent.scrape_until("what is pinned", |scrape| (p(scrape).is_some() == wanted).then_some(()));
}

#[test]
fn what_an_operator_says_of_a_baseline_the_running_agent_does() {
    root_or_skip!("what_an_operator_says_of_a_baseline_the_running_agent_does");
    let _alone = alone();
    // The alert would hold the baseline still, whatever the machine does meanwhile.
    let place = Place::new(&format!("{PERFORMANCE_INDEX_HIGH}enabled = false\n"));
    let state = place.state().display().to_string();
    let baseline = |words: &[&str]| {
        let all: Vec<&str> = ["baseline"].iter().chain(words).copied().chain(["--state-dir", &state]).collect();
        place.run(&all)
    };
    let nothing = baseline(&["show"]);
    assert!(!nothing.status.success() && said(&nothing).contains("there is no "), "{}", said(&nothing));

    let agent = Agent::start(place.arguments(&[]));
    state_is(&agent, "ready");
    agent.signal(libc::SIGTERM);
    assert_eq!(agent.ended().0.code(), Some(0));
    let shown = baseline(&["show"]);
    assert!(shown.status.success() && said(&shown).contains("run_queue: ready"), "{}", said(&shown));

    let agent = Agent::start(place.arguments(&[]));
    state_is(&agent, "ready");
    pinned(&agent, false);
    let wrong = baseline(&["pin", "--signal", "disk"]);
    assert_eq!(wrong.status.code(), Some(2), "{}", said(&wrong));
    assert!(["'disk'", "block", "run_queue"].iter().all(|part| said(&wrong).contains(part)), "{}", said(&wrong));

    let pin = baseline(&["pin", "--signal", "run_queue"]);
    assert!(pin.status.success() && said(&pin).contains("pin the baseline of run_queue"), "{}", said(&pin));
    agent.logged(&["the baseline of run_queue is pinned"]);
    pinned(&agent, true);
    let shown = said(&baseline(&["show"]));
    assert!(shown.contains("run_queue: ready, pinned since ") && !shown.contains("waits for the agent"), "{shown}");

    assert!(baseline(&["reset", "--signal", "run_queue"]).status.success());
    agent.logged(&["the baseline of run_queue is learned anew"]);
    state_is(&agent, "learning");
    pinned(&agent, true);
    state_is(&agent, "ready");

    assert!(baseline(&["unpin"]).status.success());
    agent.logged(&["the baseline of run_queue is no longer pinned"]);
    agent.logged(&["no baseline of block was pinned"]);
    pinned(&agent, false);
    state_is(&agent, "ready");
}
