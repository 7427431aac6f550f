//! The agent, weighed from outside: CPU time, memory, scrapes.

use std::{
    fs,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;
use tests::guard::Running;

use crate::{
    daemon::{self, Daemon},
    median,
    report::{Floor, Report, Unit},
};

/// How long each share of CPU time is measured.
const WATCH: Duration = Duration::from_secs(20);
const SCRAPES: u32 = 200;
/// A little more than the agent's interval of 100 ms: every scrape meets a sample that nobody has scraped.
const BETWEEN_SCRAPES: Duration = Duration::from_millis(110);

/// One agent at its default interval, and one at the shortest for the scrapes.
pub fn run(rounds: usize, report: &mut Report) -> Result<()> {
    let size = fs::metadata(daemon::binary()?)?.len();
    report.figure("size of the program", mib(size), Unit::MiB, Some(Floor::AtMost(10.0)));

    let starts = (0..rounds).map(|_| Ok(Daemon::start("1s")?.first_scrape.as_secs_f64() * 1e3));
    let starts = starts.collect::<Result<Vec<_>>>()?;
    report.figure("start to first scrape", median(starts), Unit::Ms, None);

    let agent = Daemon::start("1s")?;
    thread::sleep(Duration::from_secs(3));
    report.figure("CPU, machine idle, of one core", agent.cpu_percent(WATCH)?, Unit::Percent, None);
    let load = Running::start(
        Command::new("perf").args(["bench", "sched", "pipe", "--threaded", "-l", "2000000000"]).stdout(Stdio::null()),
    );
    let busy = agent.cpu_percent(WATCH)?;
    report.figure("CPU under `perf bench sched pipe`, of one core", busy, Unit::Percent, Some(Floor::AtMost(0.3)));
    drop(load);
    let scrape = agent.get("/metrics")?;
    let memory = agent.memory()?;
    report.figure("resident memory (RSS)", memory.rss / 1024.0, Unit::MiB, Some(Floor::AtMost(16.0)));
    report.figure("proportional memory (PSS)", memory.pss / 1024.0, Unit::MiB, None);
    report.figure("kernel maps", mib(agent.map_bytes()?), Unit::MiB, Some(Floor::AtMost(4.0)));
    report.figure("size of a scrape", scrape.len() as f64 / 1024.0, Unit::KiB, None);
    drop(agent);

    let (cpu, time) = scrapes()?;
    let what = format!("CPU of a scrape (difference of {SCRAPES} intervals of {BETWEEN_SCRAPES:?} with and without)");
    report.figure(what, cpu, Unit::Ms, Some(Floor::AtMost(1.0)));
    report.figure("time of a scrape, of a sample not scraped before", time, Unit::Ms, None);
    Ok(())
}

/// Milliseconds of CPU time and of time for one scrape.
fn scrapes() -> Result<(f64, f64)> {
    let agent = Daemon::start("100ms")?;
    thread::sleep(Duration::from_secs(1));
    let mut times = Vec::new();
    // In turns, so that both kinds of intervals meet the same machine.
    let mut cpu = [0.0; 2];
    for turn in 0..2 * SCRAPES {
        let scrape = turn / 20 % 2 == 1;
        let (begun, before) = (Instant::now(), agent.cpu()?);
        if scrape {
            agent.get("/metrics")?;
            times.push(begun.elapsed().as_secs_f64() * 1e3);
        }
        thread::sleep(BETWEEN_SCRAPES.saturating_sub(begun.elapsed()));
        cpu[usize::from(scrape)] += (agent.cpu()? - before).as_secs_f64() * 1e3;
    }
    Ok(((cpu[1] - cpu[0]) / f64::from(SCRAPES), median(times)))
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
