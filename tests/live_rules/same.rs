//! The same P, r, F and S: by kpulse's index from two samples of each node, by a server that is sent reports of them, and by
//! Prometheus and VictoriaMetrics from scrapes of what kpulse exposes of the same samples, with the rules that are shipped.

use std::{collections::BTreeMap, fmt::Write as _, fs, net::SocketAddr, path::Path, process::Command};

use kpulse::index::{Mode, NodeIndex, Signal, Stratum};
use monitor_common::block::{Operation, SizeClass};
use serde_json::{Value, json};
use tests::{
    prometheus::{Store, scraping},
    scraped::Scraped,
    scratch::Scratch,
    skip::alone,
    tool_or_skip, wait,
};

use super::{
    fleet::{Node, expected, nodes, observations, pinned},
    served,
};

/// Of any figure, relative to it or to 1.
const CLOSE: f64 = 1e-6;

/// All modes but the trailing one, which both know only after a day, and with other weights.
const MODES: [Mode; 5] = [Mode::Pinned, Mode::FleetMedian, Mode::LeaveOneOut, Mode::RequestWeighted, Mode::InstantMean];

/// A figure by its name, the mode, the signal and, if it is a node's, the node.
pub type Figures = BTreeMap<(String, String, String, String), f64>;

#[test]
fn a_server_prometheus_and_victoria_metrics_find_the_same_p() {
    tool_or_skip!("a_server_prometheus_and_victoria_metrics_find_the_same_p", "prometheus");
    tool_or_skip!("a_server_prometheus_and_victoria_metrics_find_the_same_p", "victoria-metrics");
    let _alone = alone();
    let (scratch, nodes) = (Scratch::new(), nodes());
    let served: Vec<Scraped> = nodes.iter().map(|node| Scraped::start(node.samples[0].clone())).collect();
    let addresses: Vec<SocketAddr> = served.iter().map(Scraped::address).collect();
    let rules = [scratch.file("kpulse.rules.yml", quicker()), scratch.file("pinned.rules.yml", pinned_rules(&nodes))];
    let prometheus = Store::prometheus(&scratch, &scraping(&addresses, &rules.each_ref().map(|file| file.as_path())));
    let victoria = Store::victoria_metrics(&scratch, &scraping(&addresses, &[]));
    let all = Some(nodes.len() as f64);
    let counting = |store: &Store, query: &str| {
        store.query(query, None).filter(|answer| tests::prometheus::value(answer) == all).map(drop)
    };
    wait::until("that all have been scraped for a window", || {
        counting(&prometheus, "count(kpulse:counting)")?;
        counting(&victoria, &format!("count(kpulse_self_start_time_seconds offset {WINDOW})"))
    });

    served.iter().zip(&nodes).for_each(|(served, node)| served.show(node.samples[1].clone()));
    let expected = figures_of_kpulse(&nodes);
    let names: BTreeMap<String, &str> =
        addresses.iter().map(ToString::to_string).zip(nodes.iter().map(|node| node.name)).collect();
    let mut least = String::from("nothing");
    let same = wait::within(wait::patience(), || {
        let difference = compare(&expected, &figures_of(&prometheus, None, &names));
        if least == "nothing" || difference.len() < least.len() {
            least = difference;
        }
        least.is_empty().then_some(())
    });
    assert!(same.is_some(), "Prometheus says otherwise:\n{least}");

    let at = prometheus.now();
    wait::until("VictoriaMetrics' scrape of the same", || {
        let at_least = format!("count(timestamp(kpulse_self_start_time_seconds) > {at})");
        counting(&victoria, &at_least)
    });
    let at = victoria.now();
    evaluate(&victoria, &prometheus.rules(), at);
    let difference = compare(&expected, &figures_of(&victoria, Some(at), &names));
    assert!(difference.is_empty(), "VictoriaMetrics says otherwise:\n{difference}");

    let mut told = expected.clone();
    told.retain(|figure, _| served::is_told(figure));
    let difference = compare(&told, &served::figures(&scratch, &nodes));
    assert!(difference.is_empty(), "the server says otherwise:\n{difference}");
    println!("{} figures of {} nodes are the same, {} of them the server's", expected.len(), nodes.len(), told.len());
}

/// The window of the rules in this test: a scrape is every second instead of every fifteen.
const WINDOW: &str = "15s";

/// The rules that are shipped, four times as fast.
fn quicker() -> String {
    let rules = fs::read_to_string(shipped().join("kpulse.rules.yml")).unwrap();
    let (window, interval) = ("offset 1m", "interval: 15s");
    assert!(rules.contains(window) && rules.contains(interval));
    rules.replace(window, &format!("offset {WINDOW}")).replace(interval, "interval: 1s")
}

fn shipped() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/prometheus"))
}

/// The pinned baseline as kpulse-pinned.rules.yml has it, in constants.
fn pinned_rules(nodes: &[Node]) -> String {
    let mut out = String::from("groups:\n  - name: kpulse-pinned\n    interval: 1s\n    rules:\n");
    for &signal in Signal::ALL {
        let strata =
            observations(nodes, signal).into_values().flat_map(|done| done.into_keys().map(|part| part.stratum));
        for stratum in strata.collect::<std::collections::BTreeSet<Stratum>>() {
            let Some(seconds) = pinned(stratum) else { continue };
            let kind = match signal {
                Signal::RunQueue => String::new(),
                Signal::Block => format!(
                    ", class: {}, operation: {}, size: \"{}\"",
                    stratum.class.name(),
                    Operation::ALL[usize::from(stratum.operation)].name(),
                    SizeClass::ALL[usize::from(stratum.size)].name()
                ),
            };
            let signal = signal.name();
            writeln!(out, "      - record: kpulse:usual_seconds").unwrap();
            writeln!(out, "        labels: {{ mode: pinned, job: kpulse, signal: {signal}{kind} }}").unwrap();
            writeln!(out, "        expr: vector({seconds:?})").unwrap();
        }
    }
    out
}

/// Runs recording rules in their order, as a Prometheus or a Mimir does.
fn evaluate(victoria: &Store, rules: &[Value], at: f64) {
    // What others build upon comes first, although it is in a group of its own.
    let is_pinned = |rule: &&Value| rule["labels"]["mode"] == "pinned" && rule["name"] == "kpulse:usual_seconds";
    let (first, then): (Vec<_>, Vec<_>) = rules.iter().partition(is_pinned);
    for rule in first.into_iter().chain(then) {
        let mut lines = String::new();
        for (mut labels, value) in victoria.series(rule["query"].as_str().unwrap(), Some(at)) {
            labels["__name__"] = rule["name"].clone();
            for (name, value) in rule["labels"].as_object().into_iter().flatten() {
                labels[name] = value.clone();
            }
            let line = json!({ "metric": labels, "values": [value], "timestamps": [(at * 1000.0).round() as u64] });
            writeln!(lines, "{line}").unwrap();
        }
        victoria.import(&lines);
    }
}

fn figures_of_kpulse(nodes: &[Node]) -> Figures {
    let mut out = Figures::new();
    for &signal in Signal::ALL {
        for mode in MODES {
            let index = expected(nodes, signal, mode);
            let mut put = |name: &str, node: &str, value: f64| {
                out.insert((name.into(), mode.name().into(), signal.name().into(), node.into()), value);
            };
            let Some(verdict) = index.verdict else { panic!("{} {} has no verdict", signal.name(), mode.name()) };
            put("performance_index", "", verdict.p);
            put("performance_index_shift", "", verdict.shift);
            put("performance_index_unevenness", "", verdict.unevenness);
            put("performance_index_nodes", "", verdict.nodes as f64);
            for NodeIndex { node, ratio, contribution, .. } in &index.nodes {
                ratio.iter().for_each(|ratio| put("response_ratio", node, *ratio));
                contribution.iter().for_each(|contribution| put("response_contribution", node, *contribution));
            }
        }
    }
    out
}

fn figures_of(store: &Store, at: Option<f64>, names: &BTreeMap<String, &str>) -> Figures {
    let query = "{__name__=~\"kpulse:(performance_index.*|response_ratio|response_contribution)\", mode!=\"trailing\"}";
    let label = |labels: &Value, name: &str| labels[name].as_str().unwrap_or_default().to_owned();
    let series = store.series(query, at).into_iter().map(|(labels, value)| {
        let name = label(&labels, "__name__").replace("kpulse:", "");
        let node = names.get(&label(&labels, "instance")).copied().unwrap_or_default();
        ((name, label(&labels, "mode"), label(&labels, "signal"), node.to_owned()), value)
    });
    series.collect()
}

/// What is not the same, a line each.
fn compare(expected: &Figures, found: &Figures) -> String {
    let mut out = String::new();
    for (figure, value) in expected {
        match found.get(figure) {
            Some(other) if (other - value).abs() <= CLOSE * value.abs().max(1.0) => {}
            other => writeln!(out, "{figure:?}: {other:?}, but it is {value}").unwrap(),
        }
    }
    for figure in found.keys().filter(|figure| !expected.contains_key(*figure)) {
        writeln!(out, "{figure:?} is there, and should not be").unwrap();
    }
    out
}

#[test]
fn vmalert_reads_the_rules() {
    tool_or_skip!("vmalert_reads_the_rules", "vmalert");
    for file in ["kpulse.rules.yml", "kpulse-pinned.rules.yml"] {
        let mut command = Command::new("vmalert");
        command.arg(format!("-rule={}", shipped().join(file).display())).arg("-dryRun");
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn promtool_finds_the_rules_right() {
    tool_or_skip!("promtool_finds_the_rules_right", "promtool");
    let cases = fs::read_dir(shipped().join("tests")).unwrap().map(|entry| entry.unwrap().path());
    let cases: Vec<_> = cases.filter(|path| !path.to_string_lossy().ends_with(".rules.yml")).collect();
    assert!(cases.len() >= 3, "{cases:?}");
    let output = Command::new("promtool").args(["test", "rules"]).args(&cases).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    println!("{}", String::from_utf8_lossy(&said));
    assert!(output.status.success());
}
