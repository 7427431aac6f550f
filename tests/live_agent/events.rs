//! Rare things reach the log as structured lines, and are counted.

use std::thread;

use serde_json::Value;
use tests::{
    agent::Agent,
    clock, cpu,
    exposition::Scrape,
    load::{Duty, DutyCycle},
    root_or_skip,
    scratch::Disk,
    skip::{self, alone},
    wait,
};

const MS: u64 = 1_000_000;

/// Every line of the log, read. All of them must be JSON.
fn lines(agent: &Agent) -> Vec<Value> {
    let read = |line: &String| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    agent.log().iter().map(read).collect()
}

fn counted(agent: &Agent, kind: &str) -> f64 {
    let kind = format!("kind=\"{kind}\"");
    let count = |scrape: &Scrape| scrape.sum("kpulse_events_total", &[&kind]);
    agent.collected();
    count(&agent.scrape()).unwrap_or(0.0)
}

#[test]
fn a_slow_request_is_one_structured_line_and_is_counted() {
    const NAME: &str = "a_slow_request_is_one_structured_line_and_is_counted";
    root_or_skip!("a_slow_request_is_one_structured_line_and_is_counted");
    let _alone = alone();
    let disk = match Disk::plug() {
        Ok(disk) => disk,
        Err(error) => return skip::unsupported(NAME, &format!("no loop device: {error}")),
    };
    let agent = Agent::start([
        "--log-format=json",
        "--events-slow-request=1us",
        "--events-per-second=10000",
        "--interval=200ms",
    ]);
    let before = counted(&agent, "slow_request");
    disk.use_it(10);
    let ours = |operation: &str| {
        let is_ours = |line: &Value| line["device"] == disk.name.as_str() && line["operation"] == operation;
        lines(&agent).into_iter().filter(is_ours).collect::<Vec<_>>()
    };
    let found = wait::until("a line for each request", || {
        let found = [ours("read"), ours("write")];
        found.iter().all(|lines| lines.len() >= 10).then_some(found)
    });
    println!("{}\n{}", found[0][0], found[1][0]);
    for line in found.iter().flatten() {
        assert_eq!(
            (&line["kind"], &line["bytes"], &line["level"]),
            (&"slow_request".into(), &4096.into(), &"WARN".into())
        );
        let time = |name: &str| line[name].as_f64().unwrap_or_else(|| panic!("{name} of {line}"));
        let total = time("queue_seconds") + time("device_seconds");
        assert!((1e-6..30.0).contains(&total), "{line}");
        assert!(line["sector"].as_u64().is_some_and(|sector| sector < 10 * 8), "{line}");
        assert!(line["pid"].as_u64().is_some_and(|pid| pid > 0), "{line}");
        assert!(line["task"].as_str().is_some(), "{line}");
    }
    let named =
        found.iter().flatten().filter(|line| line["task"].as_str().is_some_and(|task| !task.is_empty())).count();
    assert!(named > 0, "no task's name is known");
    let now = counted(&agent, "slow_request");
    assert!(now - before >= 20.0, "{now} counted, {before} before");
    let told = lines(&agent).iter().filter(|line| line["kind"] == "slow_request").count() as f64;
    let dropped = agent.scrape().sum("kpulse_events_dropped_total", &["kind=\"slow_request\""]).unwrap_or(0.0);
    assert!(counted(&agent, "slow_request") >= told + dropped, "more told than counted");
}

#[test]
fn a_long_wait_is_one_structured_line_and_is_counted() {
    root_or_skip!("a_long_wait_is_one_structured_line_and_is_counted");
    let _alone = alone();
    let cpus = cpu::online();
    let on = cpus[cpus.len() - 1];
    let agent = Agent::start(["--log-format=json", "--events-long-wait=1ms", "--interval=100ms"]);
    let before = counted(&agent, "long_wait");
    let _hog = DutyCycle::start(on as usize, Duty { busy_ns: 30 * MS, period_ns: 50 * MS, phase_ns: 0 });
    let end = clock::monotonic() + 2_000 * MS;
    let victim = thread::Builder::new().name("kpulse-victim".into()).spawn(move || {
        cpu::pin(on as usize);
        while clock::monotonic() < end {}
    });
    victim.unwrap().join().unwrap();
    let ours = wait::until("a line for a wait", || {
        let ours: Vec<_> = lines(&agent).into_iter().filter(|line| line["task"] == "kpulse-victim").collect();
        (!ours.is_empty()).then_some(ours)
    });
    println!("{} lines, the first {}", ours.len(), ours[0]);
    for line in &ours {
        assert_eq!(
            (&line["kind"], &line["cpu"], &line["tgid"]),
            (&"long_wait".into(), &on.into(), &std::process::id().into())
        );
        assert!(line["pid"].as_u64().is_some_and(|pid| pid > 0), "{line}");
        assert!(line["wait_seconds"].as_f64().is_some_and(|wait| (1e-3..30.0).contains(&wait)), "{line}");
    }
    let told = lines(&agent).iter().filter(|line| line["kind"] == "long_wait").count() as f64;
    let now = counted(&agent, "long_wait");
    println!("{told} told, {} counted since", now - before);
    assert!(now >= told && now - before >= ours.len() as f64);
}
