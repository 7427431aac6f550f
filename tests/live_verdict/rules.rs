//! The file with the rules: read anew at SIGHUP, and never half. And the state directory, which has one agent.

use std::{fs, time::Duration};

use kpulse::alert::State;
use tests::{
    agent::{self, Agent},
    receiver::Receiver,
    root_or_skip,
    skip::alone,
    verdict::{Place, alerts, attempts},
    wait,
};

/// Holds always.
fn rule(name: &str) -> String {
    format!("builtin = false\n[[rule]]\nname = \"{name}\"\nsignal = \"memory_available_share\"\nabove = 0\n")
}

/// A line that names what does not exist.
const BROKEN: &str = "builtin = false\n[[rule]]\nname = \"Broken\"\nsignal = \"memory_availible_share\"\nabove = 0\n";

fn fires(agent: &Agent, name: &str) {
    let is = |alert: &kpulse::alert::Alert| alert.rule == name && alert.state == State::Firing;
    wait::until(name, || alerts(agent).iter().any(is).then_some(()));
}

#[test]
fn sighup_takes_up_other_rules_and_broken_ones_change_nothing() {
    root_or_skip!("sighup_takes_up_other_rules_and_broken_ones_change_nothing");
    let _alone = alone();
    let (place, receiver) = (Place::new(&rule("First")), Receiver::content());
    let agent = place.start(&receiver);
    fires(&agent, "First");

    fs::write(&place.rules, BROKEN).unwrap();
    agent.signal(libc::SIGHUP);
    let line = format!("{}:4:", place.rules.display());
    println!("{}", agent.logged(&["ERROR", "the old ones stay in force", &line]));
    agent.collected();
    fires(&agent, "First");

    fs::write(&place.rules, rule("Second")).unwrap();
    agent.signal(libc::SIGHUP);
    fires(&agent, "Second");
    let first = alerts(&agent).into_iter().find(|alert| alert.rule == "First").unwrap();
    assert_eq!(first.state, State::Resolved);
    println!("{}", first.annotations["reason"]);
    let told = |status: &str, name: &str| {
        receiver.heard().iter().any(|heard| {
            let message = heard.json();
            message["status"] == status && message["commonLabels"]["alertname"] == name
        })
    };
    for (status, name) in [("firing", "First"), ("resolved", "First"), ("firing", "Second")] {
        wait::until(&format!("that {name} is {status}"), || told(status, name).then_some(()));
    }
}

#[test]
fn broken_rules_end_the_agent_at_once_and_it_says_where() {
    root_or_skip!("broken_rules_end_the_agent_at_once_and_it_says_where");
    let _alone = alone();
    let place = Place::new(BROKEN);
    let arguments = place.arguments(&["--listen=127.0.0.1:0"]);
    let output = agent::run(agent::command(["agent"].into_iter().chain(arguments.iter().map(String::as_str))));
    let said = String::from_utf8_lossy(&output.stderr);
    println!("{said}");
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(!said.contains("listening"), "{said}");
    for part in [&format!("{}:4:", place.rules.display()), "memory_availible_share", "memory_available_share"] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
}

#[test]
fn a_second_agent_on_a_state_directory_is_refused_and_the_first_goes_on() {
    root_or_skip!("a_second_agent_on_a_state_directory_is_refused_and_the_first_goes_on");
    let _alone = alone();
    attempts(3, || {
        let place = Place::new(&rule("First"));
        let agent = Agent::start(place.arguments(&[]));
        let arguments = place.arguments(&["--listen=127.0.0.1:0"]);
        let output = agent::run(agent::command(["agent"].into_iter().chain(arguments.iter().map(String::as_str))));
        let said = String::from_utf8_lossy(&output.stderr);
        println!("{said}");
        assert_eq!(output.status.code(), Some(1), "{said}");
        for part in ["kpulse: ", &place.state().display().to_string(), "is in use by another kpulse"] {
            assert!(said.contains(part), "{part} is not in {said}");
        }
        fires(&agent, "First");
        agent.signal(libc::SIGTERM);
        let (status, took, log) = agent.ended();
        assert_eq!(status.code(), Some(0), "{log:?}");
        if took < Duration::from_secs(1) { Ok(()) } else { Err(format!("it took {took:?} to end")) }
    });
}
