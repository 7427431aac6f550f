//! The same figures from a real server that is sent what the nodes did as reports.

use std::collections::BTreeMap;

use kpulse::{
    index::{Mode, Signal},
    report::{
        build::{Edge, build},
        wire,
    },
    site::model::{self, Page},
};
use tests::{
    exposition::{Scrape, label},
    fleet::{Client, Server, batch, now_ns},
    scratch::Scratch,
    wait,
};

use super::{fleet::Node, same::Figures};

/// Of which the server tells each node's r.
const IN_FORCE: Mode = Mode::LeaveOneOut;
/// Those that a fleet has without having learned anything, nor an operator having pinned what it learned.
const MODES: [Mode; 4] = [Mode::FleetMedian, Mode::LeaveOneOut, Mode::RequestWeighted, Mode::InstantMean];

/// Whether the server tells this figure.
pub fn is_told((name, mode, ..): &(String, String, String, String)) -> bool {
    let of_fleet = name.starts_with("performance_index");
    MODES.iter().any(|told| told.name() == mode && (of_fleet || *told == IN_FORCE))
}

/// What a server says that is sent one report of each node.
pub fn figures(scratch: &Scratch, nodes: &[Node]) -> Figures {
    // Longer than this takes: all reports are in one window.
    let judging = ["--judge-interval=1s", "--judge-window=10m"].map(ToOwned::to_owned);
    let mode = format!("--index-mode={}", IN_FORCE.name());
    let server = Server::start(&scratch.path().join("server"), &[judging.as_slice(), &[mode]].concat());
    let mut client = Client::connect(server.address, None, None).unwrap();
    // A node's name there is its number: it has no spaces.
    let named: BTreeMap<String, &Node> = (0..).map(|n: usize| n.to_string()).zip(nodes).collect();
    let mut sent = 0;
    for (name, node) in &named {
        let [begin, end] = node.samples.each_ref().map(|sample| Edge { sample, status: None });
        // As an agent does: of an interval in which its programs were attached anew there is no report.
        let Ok(report) = build(begin, end, 0) else { continue };
        let report = wire::Report { sequence: 1, end_ns: now_ns(), ..report };
        assert_eq!(client.post(&batch(name, vec![report])).unwrap().report().stored, [1], "{name}");
        sent += 1;
    }
    let mut get = |path: &str| client.request("GET", path, &[], &[]).unwrap().text();
    // An interval is judged as a whole: what is there when all are is of one judgement.
    let scrape = wait::until("all nodes are judged", || {
        let scrape = Scrape::parse(&get("/metrics"));
        let up = scrape.sum("kpulse_fleet_nodes", &["state=\"up\""]);
        (up == Some(f64::from(sent))).then_some(scrape)
    });
    let mut out = Figures::new();
    for name in ["", "_shift", "_unevenness", "_nodes"].map(|rest| format!("performance_index{rest}")) {
        for (series, value) in scrape.of(&format!("kpulse_fleet_{name}"), &[]) {
            let [mode, signal] = ["mode", "signal"].map(|of| label(series, of).unwrap().to_owned());
            out.insert((name.clone(), mode, signal, String::new()), value);
        }
    }
    let page: Page<model::Node> = serde_json::from_str(&get("/api/v1/nodes?limit=1000")).unwrap();
    for node in &page.items {
        for &signal in Signal::ALL {
            let Some(judged) = node.judged(signal) else { continue };
            let mut put = |name: &str, value: Option<f64>| {
                let key = |value| {
                    let node = named[&node.name].name.to_owned();
                    ((name.to_owned(), IN_FORCE.name().to_owned(), signal.name().to_owned(), node), value)
                };
                out.extend(value.map(key));
            };
            put("response_ratio", judged.ratio);
            put("response_contribution", judged.contribution);
        }
    }
    out.retain(|figure, _| is_told(figure));
    assert!(server.end(libc::SIGTERM).success());
    out
}
