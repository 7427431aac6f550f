//! A server under a load of many nodes: every report is stored once, and nothing that waits becomes more.

use std::{process::Stdio, thread, time::Duration};

use kpulse::store::{Limits, Resolution, Store};
use tests::{agent, exposition::Scrape, fleet::Server, guard::Running, http, scratch::Scratch, skip};

/// So many that one report of each is many transactions of the store, and a debug build still keeps up.
const NODES: usize = 300;
const SECONDS: usize = 20;

/// What waits in the server, by name.
const QUEUES: [&str; 4] = [
    "kpulse_fleet_store_queue_reports",
    "kpulse_fleet_store_log_bytes",
    "kpulse_fleet_connections",
    "kpulse_fleet_alerts_suppressed",
];

#[test]
fn hundreds_of_nodes_lose_no_report_and_no_queue_grows() {
    let _alone = skip::alone();
    let scratch = Scratch::new();
    let state = scratch.path().join("state");
    let server = Server::start(&state, &[]);
    let mut command = agent::command(["simulate", "--json", "--interval=1s", "--grace=60s"]);
    command.arg(format!("--server=http://{}", server.address));
    command.arg(format!("--nodes={NODES}")).arg(format!("--duration={SECONDS}s"));
    let mut simulation = Running::start(command.stdout(Stdio::piped()));

    let mut samples = Vec::new();
    let status = loop {
        let text = http::get(server.address, "/metrics").expect("an answer").body;
        let scrape = Scrape::parse(&text);
        samples.push(QUEUES.map(|queue| scrape.value(queue).unwrap_or_else(|| panic!("no {queue}"))));
        if let Some(status) = simulation.0.try_wait().expect("our own child") {
            break status;
        }
        thread::sleep(Duration::from_millis(250));
    };
    let output = simulation.0.stdout.take().expect("what it says");
    let summary: serde_json::Value = serde_json::from_reader(output).expect("a summary");
    let number = |name: &str| summary[name].as_u64().unwrap_or_else(|| panic!("no {name} in {summary}"));
    assert!(status.success(), "{summary}");
    let made = number("made");
    assert_eq!(made, (NODES * SECONDS) as u64, "{summary}");
    let lost = (number("acknowledged"), number("lost_total"), number("failed"), number("in_flight"));
    assert_eq!(lost, (made, 0, 0, 0), "{summary}");
    assert_eq!(summary["refused"], serde_json::json!({}));

    // A node has one report under way; what asks for figures is a connection as well.
    let most = |queue: usize| samples.iter().map(|sample| sample[queue]).fold(0.0, f64::max);
    let [queue, log, connections, suppressed] = [0, 1, 2, 3].map(most);
    println!("{} samples: at most {queue} reports and {connections} connections, {log} bytes of log", samples.len());
    assert!(queue <= NODES as f64 && connections <= NODES as f64 + 4.0 && suppressed == 0.0, "{samples:?}");
    assert!(log <= 5.0 * Limits::default().log_bytes as f64, "{samples:?}");
    let last = samples.last().expect("a sample");
    assert_eq!(last[0], 0.0, "{samples:?}");

    assert!(server.end(libc::SIGTERM).success());
    let store = Store::open(&state.join("store"), Limits::default()).expect("the store");
    let reader = store.reader();
    let nodes = reader.nodes(None, NODES + 1).items;
    assert_eq!(nodes.len(), NODES);
    for node in nodes {
        let page = reader.reports(&node.name, Resolution::Full, 0, u64::MAX, SECONDS + 1).expect("reports");
        let mut sequences: Vec<_> =
            page.items.iter().map(|stored| stored.decode().expect("a report").sequence).collect();
        sequences.sort_unstable();
        assert_eq!(sequences, (1..=SECONDS as u64).collect::<Vec<_>>(), "{}", node.name);
    }
}
