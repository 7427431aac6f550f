//! A budget that is absurdly low under a load that switches and a disk that is read: every step in order, and back.

use std::fs;

use kpulse::{alert::State, probes::step::Step, window::Window};
use tests::{
    agent::Agent,
    root_or_skip,
    scratch::Disk,
    skip::{self, alone},
    verdict::{Place, alerts},
    wait,
};

use crate::load::Load;

fn file(place: &Place, budget: &str, hold: &str) -> String {
    let path = place.path("kpulse.toml");
    let text = format!(
        "[budget]\nprograms = \"{budget}\"\nprocess = \"100%\"\ninterval = \"1s\"\npatience = \"1s\"\nhold = \"{hold}\"\n"
    );
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

/// The steps that the log tells of, in order.
fn told(agent: &Agent) -> Vec<String> {
    let log = agent.log();
    let steps = log.iter().filter(|line| line.contains("of the machine: now without"));
    let step = |line: &String| line.split("to=\"").nth(1)?.split('"').next().map(str::to_owned);
    steps.filter_map(step).collect()
}

fn is_on(agent: &Agent, probe: &str) -> bool {
    let label = format!("probe=\"{probe}\"");
    agent.scrape().sum("kpulse_probe_state", &[&label]) == Some(1.0)
}

#[test]
fn above_its_budget_the_agent_takes_every_step_in_order_and_below_it_comes_back() {
    const NAME: &str = "above_its_budget_the_agent_takes_every_step_in_order_and_below_it_comes_back";
    root_or_skip!("above_its_budget_the_agent_takes_every_step_in_order_and_below_it_comes_back");
    let _alone = alone();
    let disk = match Disk::plug() {
        Ok(disk) => disk,
        Err(error) => return skip::unsupported(NAME, &format!("no loop device: {error}")),
    };
    let load = Load::start(disk);
    let place = Place::new("");
    let agent = Agent::start(place.arguments(&["--config", &file(&place, "0.0001%", "1h")]));

    let bottom = Step::COUNT - 1;
    let at = |step: usize| {
        agent.scrape_until(&format!("step {step}"), |scrape| {
            (scrape.sum("kpulse_budget_step", &["part=\"programs\""]) == Some(step as f64)).then_some(())
        });
    };
    let took = || agent.scrape().sum("kpulse_budget_share", &["part=\"programs\""]);
    let full = agent.scrape_until("a first measurement", |_| took().filter(|share| *share > 0.0));
    at(bottom);
    let names: Vec<&str> = Step::ALL[1..].iter().map(|step| step.name()).collect();
    wait::until("the log of all steps", || (told(&agent).len() >= names.len()).then_some(()));
    assert_eq!(told(&agent), names);
    assert!(["sched", "block", "events"].iter().all(|probe| !is_on(&agent, probe)) && is_on(&agent, "tasks"));
    let least = agent.scrape_until("a last measurement", |_| took().filter(|share| *share < full / 10.0));
    println!("the programs took {:.4} % of the machine, and at the last step {:.4} %", full * 100.0, least * 100.0);
    let fires = wait::until("the agent's own alert", || {
        alerts(&agent).into_iter().find(|alert| alert.rule == "AgentSteppedDown" && alert.state == State::Firing)
    });
    assert!(fires.annotations["description"].contains("of five things"), "{fires:?}");
    // With no probe but that of the tasks the disks are still there, from the kernel's own books.
    assert!(agent.get("/metrics").contains("kpulse_disk"), "nothing of any disk");

    file(&place, "100%", "1s");
    agent.signal(libc::SIGHUP);
    at(0);
    let back: Vec<&str> = names.iter().rev().skip(1).copied().chain(["full"]).collect();
    wait::until("the log of all steps back", || (told(&agent).len() >= 2 * names.len()).then_some(()));
    assert_eq!(told(&agent)[names.len()..], back);
    assert!(["sched", "block", "events"].iter().all(|probe| is_on(&agent, probe)));
    // The time that nobody watched is in no window, and no old request is in flight.
    for _ in 0..3 {
        agent.collected();
        let window: Window = serde_json::from_str(&agent.get("/api/v1/window")).unwrap();
        let sched = window.sched.unwrap();
        assert!(sched.utilization.is_some_and(|share| (0.0..=1.0).contains(&share)), "{:?}", sched.utilization);
        assert!(sched.wait.is_some_and(|wait| wait.count > 0 && wait.max < 30.0), "{:?}", sched.wait);
        let oldest = window.block.iter().flat_map(|block| &block.devices).filter_map(|device| device.oldest);
        assert!(oldest.fold(0.0, f64::max) < 30.0, "{:?}", window.block);
    }
    let ratio = agent.scrape_until("the agreement since", |scrape| {
        scrape.sum("kpulse_self_agreement_ratio", &["figure=\"context_switches\""])
    });
    assert!((ratio - 1.0).abs() < 0.05, "{ratio}");
    drop(load);
    let log = agent.log();
    assert!(!log.iter().any(|line| line.contains("ERROR") || line.contains("panicked")), "{log:?}");
}
