use std::{collections::BTreeMap, time::Duration};

use prost::Message as _;

use super::{node::Node, *};
use crate::{
    index::Signal,
    report::{check, view, wire},
    ship::testing::Stub,
};

fn settings(url: &str, nodes: usize) -> Settings {
    Settings {
        server: Url::parse(url).unwrap(),
        tokens: BTreeMap::new(),
        ca_file: None,
        nodes,
        interval: Duration::from_millis(200),
        duration: Duration::from_millis(500),
        grace: Duration::from_secs(20),
        seed: 1,
        prefix: "sim-".into(),
        slow: Vec::new(),
        slow_factor: 10.0,
    }
}

#[tokio::test]
async fn every_report_of_every_node_is_acknowledged_once() {
    let stub = Stub::new().await;
    // Some requests come to nothing, and are made again.
    let says = [503, 500, 429, 503].map(|status| (status, Vec::new()));
    stub.seen.lock().unwrap().says.extend(says);
    stub.seen.lock().unwrap().refuses = vec![2];
    let summary = run(settings(&stub.url(), 20), |_| ()).await.unwrap();
    let (progress, seen) = (&summary.progress, stub.seen.lock().unwrap());
    assert_eq!((summary.lost_total, progress.in_flight, progress.failed), (0, 0, 4));
    assert!(progress.made >= 40, "{progress:?}");
    assert_eq!(progress.made, progress.acknowledged + progress.refused["future"]);
    assert_eq!(seen.reports.len() as u64, progress.acknowledged);
    assert!(seen.reports.values().all(|&count| count == 1));
}

#[tokio::test]
async fn each_node_has_its_token_or_nobody_has_one() {
    let stub = Stub::new().await;
    let tokens = [("sim-00001", "kp_one"), ("sim-00002", "kp_two")].map(|(node, token)| (node.into(), token.into()));
    let with = |nodes| Settings { tokens: tokens.clone().into(), ..settings(&stub.url(), nodes) };
    run(with(2), |_| ()).await.unwrap();
    let said: std::collections::BTreeSet<String> = stub.seen.lock().unwrap().authorization.iter().cloned().collect();
    assert_eq!(said, ["Bearer kp_one", "Bearer kp_two"].map(ToOwned::to_owned).into());
    assert!(run(with(3), |_| ()).await.unwrap_err().contains("no token for sim-00003"));
}

#[tokio::test]
async fn a_report_that_nobody_answers_is_named() {
    let stub = Stub::new().await;
    let url = stub.url();
    drop(stub);
    let settings = Settings { grace: Duration::from_millis(100), ..settings(&url, 2) };
    let summary = run(settings, |_| ()).await.unwrap();
    assert!(summary.lost_total >= 4 && summary.lost_total == summary.progress.made);
    assert_eq!((&summary.lost[0].node[..], summary.lost[0].sequence), ("sim-00001", 1));
}

#[test]
fn what_is_made_up_is_possible_the_same_for_a_seed_and_slow_where_it_should_be() {
    let report = |seed, number, slow| {
        let mut node = Node::new(seed, "n", number, slow, Duration::from_secs(10));
        node.report(1, 10_000_000_000);
        node.report(2, 10_000_000_000)
    };
    let mean = |report: &wire::Report, signal| {
        let mut load = crate::index::Load::default();
        view::observe(signal, report).unwrap().into_values().for_each(|of| load.add(of));
        load.mean().unwrap()
    };
    for number in 1..200 {
        let plain = report(7, number, 1.0);
        let bytes = bytes::Bytes::from(plain.encode_to_vec());
        assert_eq!(check::decode(&bytes).unwrap(), plain);
        assert!((500..8_000).contains(&bytes.len()), "{} bytes", bytes.len());
        assert_eq!(report(7, number, 1.0), plain);
        for &signal in Signal::ALL {
            let ratio = mean(&report(7, number, 10.0), signal) / mean(&plain, signal);
            assert!((6.0..16.0).contains(&ratio), "{signal:?} of {number}: {ratio}");
        }
    }
    assert_ne!(report(7, 1, 1.0), report(8, 1, 1.0));
}
