//! The agent in real time under a mixed load, looked at from outside every few seconds.

use std::{
    fs,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use tests::{agent::Agent, limits, verdict::Place};

use crate::{
    figures::{self, Row, Series, table},
    loads::Mixed,
};

const EVERY: Duration = Duration::from_secs(5);
/// The recorder fills for ten minutes, and then has its size; a shorter run is looked at from its middle on.
const FILLING: Duration = Duration::from_secs(660);

/// Runs it.
pub fn run(time: Duration) -> Result<String> {
    println!("the agent for {} minutes under a mixed load", time.as_secs() / 60);
    let place = Place::new("");
    let agent = Agent::start([format!("--state-dir={}", place.state().display())]);
    let load = Mixed::start();
    let begun = Instant::now();
    let skip = FILLING.min(time / 2);
    let mut series: [Series; 5] = Default::default();
    let mut scrapes = 0u64;
    while begun.elapsed() < time {
        std::thread::sleep(EVERY);
        let scrape = agent.scrape();
        scrapes += 1;
        if begun.elapsed() < skip {
            continue;
        }
        let hours = begun.elapsed().as_secs_f64() / 3600.0;
        let threads = fs::read_dir(format!("/proc/{}/task", agent.pid()))?.count() as f64;
        let figure = |name: &str| scrape.value(name).unwrap_or(f64::NAN);
        let now = [
            figures::own_kib(agent.pid())?,
            limits::files_of(agent.pid()) as f64,
            threads,
            figure("kpulse_self_map_bytes") / 1024.0,
            figure("kpulse_series"),
        ];
        series.iter_mut().zip(now).for_each(|(series, value)| series.push(hours, value));
    }
    drop(load);
    let last = agent.scrape();
    let failed = last.value("kpulse_collections_failed_total").unwrap_or(f64::NAN);
    let cpu = agent.cpu_ns() as f64 / begun.elapsed().as_nanos() as f64;
    let bad = agent.log().iter().filter(|line| line.contains("ERROR") || line.contains("panicked")).count();
    let kind = if tests::agent::is_shipped() { "as it is shipped" } else { "built for debugging" };
    let title = format!(
        "**{:.0} minutes in real time** under a mixed load, the agent {kind}, looked at {scrapes} times: {failed} collections \
         failed, {bad} errors in the log, {:.2} % of one CPU; from minute {:.0} on:",
        begun.elapsed().as_secs_f64() / 60.0,
        cpu * 100.0,
        skip.as_secs_f64() / 60.0
    );
    let [memory, files, threads, maps, count] = series;
    let row = |name, unit, series| Row { name, unit, series, most: None };
    let text = table(
        &title,
        &[
            row("memory of its own", "KiB", memory),
            row("open files", "", files),
            row("threads", "", threads),
            row("maps in the kernel", "KiB", maps),
            row("series", "", count),
        ],
    );
    agent.signal(libc::SIGTERM);
    ensure!(agent.ended().0.success(), "the agent did not end well");
    Ok(text)
}
