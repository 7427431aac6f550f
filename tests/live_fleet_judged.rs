//! A server that judges: six nodes, one of them slow, and a real Alertmanager that is told of it. And a simulated fleet, with a
//! token for each node as real ones have.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use tests::{
    agent,
    alertmanager::{Alertmanager, free_address},
    exposition::Scrape,
    fleet::{Authority, Client, Server, batch, report, token, token_command, write_certificates},
    receiver::Receiver,
    scratch::Scratch,
    skip, tool_or_skip, wait,
};

/// The built-in rules, but soon.
const SOON: &str = "[[rule]]\nname = \"NodeOutlier\"\nfor = \"2s\"\nkeep_firing_for = \"0s\"\n\n\
                    [[rule]]\nname = \"NodeAgentDown\"\nfor = \"0s\"\n";
/// A node whose reads take a millisecond.
const USUAL: u64 = 1_000;

#[test]
fn an_outlier_and_a_node_that_is_down_are_told_over_tls_with_tokens() {
    tool_or_skip!("live_fleet_judged", "prometheus-alertmanager");
    let _alone = skip::alone();
    let (scratch, authority) = (Scratch::new(), Authority::new());
    let state = scratch.path().join("state");
    let hook = Receiver::content();
    let alertmanager = Alertmanager::start(&scratch, free_address(), hook.address(), "1h");
    let rules = scratch.file("rules.toml", SOON);
    let mut arguments = write_certificates(scratch.path(), &authority);
    let fast = ["--judge-interval=1s", "--judge-window=6s", "--index-learn-time=5s", "--nodes-down-after=3s"];
    arguments.extend(fast.map(ToOwned::to_owned));
    arguments.push(format!("--rules-file={}", rules.display()));
    arguments.push(format!("--notify-alertmanagers=http://{}", alertmanager.address));
    let names: Vec<String> = (0..6).map(|node| format!("node{node}")).collect();
    let tokens: Vec<String> = names.iter().map(|name| token(&state, "--node", name)).collect();
    let reader = token(&state, "--reader", "test");
    let server = Server::start(&state, &arguments);
    let tls = authority.client(None);

    let over = Arc::<AtomicBool>::default();
    let slowness: Vec<Arc<AtomicU64>> = names.iter().map(|_| Arc::new(AtomicU64::new(USUAL))).collect();
    let nodes: Vec<_> = (names.iter().cloned().zip(tokens).zip(slowness.iter().cloned()))
        .map(|((name, token), slow)| {
            let (tls, over, address) = (tls.clone(), over.clone(), server.address);
            thread::spawn(move || {
                let mut client = Client::connect(address, Some(&tls), Some(&token)).expect("a connection");
                let mut sequence = 0;
                while !over.load(Relaxed) {
                    let mean = slow.load(Relaxed);
                    if mean > 0 {
                        sequence += 1;
                        let answer = client.post(&batch(&name, vec![report(sequence, mean)])).expect("an answer");
                        assert_eq!(answer.report().stored, [sequence]);
                    }
                    thread::sleep(Duration::from_secs(1));
                }
            })
        })
        .collect();

    let scrape = || {
        let mut client = Client::connect(server.address, Some(&tls), Some(&reader)).expect("a connection");
        let answer = client.request("GET", "/metrics", &[], &[]).expect("an answer");
        assert_eq!(answer.status, 200);
        Scrape::parse(&answer.text())
    };
    let index = |scrape: &Scrape, name: &str| {
        let name = format!("kpulse_fleet_performance_index{name}");
        scrape.sum(&name, &["signal=\"block\"", "mode=\"trailing\""])
    };
    let known = wait::until("a verdict on all", || {
        let scrape = scrape();
        index(&scrape, "_nodes").filter(|nodes| *nodes == 6.0).map(|_| scrape)
    });
    let p = index(&known, "").expect("P");
    assert!((p - 1.0).abs() < 0.2, "{p}");

    // Ten times as slow: P = 1 + 9/6 once the window is full of it.
    slowness[3].store(10 * USUAL, Relaxed);
    wait::until("P of one slow node in six", || index(&scrape(), "").filter(|p| (*p - 2.5).abs() < 0.1));
    let found = |rule: &str| alertmanager.alerts().into_iter().find(|alert| alert["labels"]["alertname"] == rule);
    let alert = wait::until("the outlier in Alertmanager", || found("NodeOutlier"));
    assert_eq!((&alert["labels"]["node"], &alert["labels"]["signal"]), (&"node3".into(), &"block".into()));
    let annotations: BTreeMap<String, String> =
        serde_json::from_value(alert["annotations"].clone()).expect("annotations");
    // Its own r, at the moment at which it fired.
    let line = &annotations["performance_index"];
    assert!(line.starts_with("P ") && line.contains(", N 1, trailing"), "{annotations:?}");
    assert!(annotations["because"].contains("nvme0n1"), "{annotations:?}");
    slowness[3].store(USUAL, Relaxed);
    wait::until("its end", || found("NodeOutlier").is_none().then_some(()));

    // One falls silent: N is five, and somebody is told.
    slowness[5].store(0, Relaxed);
    let down = wait::until("the silent node in Alertmanager", || found("NodeAgentDown"));
    assert_eq!(down["labels"]["node"], "node5");
    wait::until("N without it", || index(&scrape(), "_nodes").filter(|nodes| *nodes == 5.0));
    over.store(true, Relaxed);
    nodes.into_iter().for_each(|node| node.join().expect("a node"));
    assert!(server.end(libc::SIGTERM).success());
}

#[test]
fn a_simulated_fleet_has_a_token_for_each_node_and_every_report_is_taken() {
    let _alone = skip::alone();
    let (scratch, authority) = (Scratch::new(), Authority::new());
    let state = scratch.path().join("state");
    let names: Vec<String> = (1..=20).map(|node| format!("sim-{node:05}")).collect();
    let create: Vec<&str> = ["create", "--nodes"].into_iter().chain(names.iter().map(String::as_str)).collect();
    let made = token_command(&state, &create);
    assert_eq!(made.lines().map(|line| line.split_once(' ').expect("a name and a token").0).collect::<Vec<_>>(), names);
    let tokens = scratch.file("tokens", &made);
    let ca = scratch.file("ca.pem", authority.pem());
    let server = Server::start(&state, &write_certificates(scratch.path(), &authority));
    let simulate = |nodes: &str| {
        let mut command = agent::command(["simulate", "--interval=500ms", "--duration=2s", "--grace=20s", "--json"]);
        command.arg(format!("--server=https://{}", server.address)).args(["--nodes", nodes]);
        command.arg(format!("--tokens-file={}", tokens.display())).arg(format!("--ca-file={}", ca.display()));
        agent::run(command)
    };
    let output = simulate("20");
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    assert!(output.status.success(), "{summary}");
    assert_eq!((&summary["acknowledged"], &summary["failed"]), (&summary["made"], &0.into()), "{summary}");
    assert!(summary["made"].as_u64() >= Some(60), "{summary}");
    // One more than there are tokens.
    let output = simulate("21");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("there is no token for sim-00021"), "{said}");
    assert!(server.end(libc::SIGTERM).success());
}
