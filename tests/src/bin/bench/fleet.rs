//! The server of a fleet, weighed from outside while simulated nodes report to it from the same machine.
//!
//! Three sizes in turns, at the usual interval: what a report costs may not grow with the number of nodes. Then ten thousand for longer than
//! two windows of judging and a round of adding up, for the sizing; and more and more often, until the server no longer keeps up.

use std::{
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use tests::{agent, exposition::Scrape, fleet::Server, guard::Running, http};

use crate::{
    daemon, median,
    report::{Floor, Report, Unit},
    store::Folder,
};

/// Between two reports of a node, as agents do by default.
const INTERVAL: Duration = Duration::from_secs(10);
const SIZES: [u32; 3] = [100, 1_000, 10_000];
/// Until every node has its connection, and the first judgements are done.
const WARM: Duration = Duration::from_secs(15);
/// What is weighed.
const WATCH: Duration = Duration::from_secs(40);
/// The same for the sizing: two windows of a minute are full, and everything was added up once.
const LONG_WARM: Duration = Duration::from_secs(150);
const LONG_WATCH: Duration = Duration::from_secs(60);
/// Reports a second of ten thousand nodes, in steps.
const RATES: [u32; 7] = [1_000, 1_500, 2_000, 2_500, 3_000, 4_000, 5_000];
/// How long each of them is offered after [`WARM`].
const STEP: Duration = Duration::from_secs(20);
/// The most rounds: each takes three minutes.
const ROUNDS: usize = 3;
/// An acknowledgement may take so long, in milliseconds.
const LATEST: f64 = 250.0;

/// What one run showed.
struct Run {
    /// CPU time of the server over the time that passed: 1 is one CPU.
    cpu: f64,
    /// Reports that were stored a second.
    rate: f64,
    rss_mib: f64,
    /// Of the whole run, its beginning included.
    p99_ms: f64,
    lost: f64,
    /// What waits in the nodes at the end of what was watched, over a second's reports.
    behind: f64,
}

impl Run {
    /// CPU time a report, in nanoseconds.
    fn cost_ns(&self) -> f64 {
        self.cpu / self.rate * 1e9
    }

    /// Whether reports came through as fast as they were made, and in time.
    fn held(&self, rate: f64) -> bool {
        self.rate >= rate * 0.98 && self.p99_ms <= LATEST && self.lost == 0.0 && self.behind < 1.0
    }
}

/// Reports of the server: how many it has stored.
fn stored(server: &Server) -> Result<f64> {
    let answer = http::get(server.address, "/metrics")?;
    let value = Scrape::parse(&answer.body).value("kpulse_fleet_reports_stored_total");
    value.context("the server does not say how many reports it has stored")
}

fn weigh(nodes: u32, interval: Duration, warm: Duration, watch: Duration) -> Result<Run> {
    let folder = Folder::new()?;
    let server = Server::start(&folder.0.join("state"), &[]);
    let duration = warm + watch;
    let mut simulation = simulate(&server, nodes, interval, duration);
    thread::sleep(warm);
    let (begun, cpu, before) = (Instant::now(), daemon::cpu(server.pid())?, stored(&server)?);
    thread::sleep(watch);
    let seconds = begun.elapsed().as_secs_f64();
    let cpu = (daemon::cpu(server.pid())? - cpu).as_secs_f64() / seconds;
    let rate = (stored(&server)? - before) / seconds;
    let rss_mib = server.resident() as f64 / f64::from(1 << 20);
    let output = simulation.0.stdout.take().context("what the simulation says")?;
    let summary: serde_json::Value = serde_json::from_reader(output).context("the simulation's summary")?;
    let number = |name: &str| summary[name].as_f64().with_context(|| format!("no {name} in {summary}"));
    let made = number("made")?;
    // It ends when nothing waits any more: the time beyond its duration is what was behind.
    let behind = (number("seconds")? - duration.as_secs_f64()).max(0.0);
    let p99_ms = number("ack_p99_seconds")? * 1e3;
    ensure!(made > 0.0, "no report was made");
    Ok(Run { cpu, rate, rss_mib, p99_ms, lost: number("lost_total")?, behind })
}

fn simulate(server: &Server, nodes: u32, interval: Duration, duration: Duration) -> Running {
    let mut command = agent::command(["simulate", "--json"]);
    command.args(["--server", &format!("http://{}", server.address)]);
    command.args(["--nodes", &nodes.to_string(), "--interval", &format!("{}us", interval.as_micros())]);
    command.args(["--duration", &format!("{}s", duration.as_secs())]);
    Running::start(command.stdout(Stdio::piped()).stderr(Stdio::null()))
}

/// See the module.
pub fn run(rounds: usize, report: &mut Report) -> Result<()> {
    let mut runs: [Vec<Run>; SIZES.len()] = Default::default();
    for _ in 0..rounds.min(ROUNDS) {
        for (nodes, runs) in SIZES.into_iter().zip(&mut runs) {
            runs.push(weigh(nodes, INTERVAL, WARM, WATCH)?);
        }
    }
    let figure = |of: &[Run], figure: fn(&Run) -> f64| median(of.iter().map(figure));
    for (nodes, runs) in SIZES.into_iter().zip(&runs) {
        report.figure(
            format!("{nodes} nodes every 10 s, CPU time a report"),
            figure(runs, Run::cost_ns) / 1e6,
            Unit::Ms,
            None,
        );
    }
    let [few, some, many] = [0, 1, 2].map(|size| figure(&runs[size], Run::cost_ns));
    report.figure("CPU time a report, 10,000 nodes over 100", many / few, Unit::Ratio, Some(Floor::AtMost(1.3)));
    report.figure("CPU time a report, 10,000 nodes over 1,000", many / some, Unit::Ratio, None);
    let late = figure(&runs[2], |run| run.p99_ms);
    report.figure("10,000 nodes, 99 of 100 acknowledgements within", late, Unit::Ms, Some(Floor::AtMost(LATEST)));

    let long = weigh(SIZES[2], INTERVAL, LONG_WARM, LONG_WATCH)?;
    let thousands = f64::from(SIZES[2]) / 1e3;
    report.figure(
        "10,000 nodes after 150 s, CPU of one core for 1,000 nodes",
        long.cpu * 100.0 / thousands,
        Unit::Percent,
        None,
    );
    report.figure("resident memory for 1,000 nodes", long.rss_mib / thousands, Unit::MiB, None);
    report.figure("99 of 100 acknowledgements within", long.p99_ms, Unit::Ms, Some(Floor::AtMost(LATEST)));
    let lost = runs.iter().flatten().chain([&long]).map(|run| run.lost).sum();
    report.figure("reports lost in all of these runs", lost, Unit::Number, Some(Floor::AtMost(0.0)));

    let mut most = 0.0;
    for rate in RATES {
        let step = weigh(SIZES[2], Duration::from_secs_f64(f64::from(SIZES[2]) / f64::from(rate)), WARM, STEP)?;
        if !step.held(f64::from(rate)) {
            report.figure(format!("offered {rate} reports a second, stored"), step.rate, Unit::Number, None);
            break;
        }
        most = step.rate;
    }
    report.figure(
        "most reports a second that are stored as they come, 99 of 100 within 250 ms",
        most,
        Unit::Number,
        None,
    );
    Ok(())
}
