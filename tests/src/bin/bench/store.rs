//! What the server's store takes, and what it costs.
//!
//! The time is that of the reports: a node reports every ten seconds of it, as fast as the store takes them, so that all upkeep is in
//! the figures in the proportion in which it comes in years of service.

use std::{
    fs,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use kpulse::store::{Limits, Store};
use tests::reports::{BEGIN_NS, Fleet};
use tokio::task::JoinSet;

use crate::{
    median,
    report::{Floor, Report, Unit},
};

/// Reports in one batch: an agent sends what it has, one as a rule; the server's queue has those of many agents.
const BATCH: u64 = 10;
/// Batches under way.
const UNDER_WAY: usize = 64;
/// Reports of a fleet, unless `KPULSE_BENCH_REPORTS` says otherwise.
const REPORTS: u64 = 120_000;
/// The rate at which the times of a submission are measured: ten thousand nodes.
const RATE: f64 = 1_000.0;
/// For how long.
const STEADY: Duration = Duration::from_secs(20);
/// The fewest reports a second that are taken.
const LEAST: f64 = 4_000.0;

/// Where the database lies: on a disk, not in memory.
pub struct Folder(pub PathBuf);

impl Folder {
    /// An empty one.
    ///
    /// # Errors
    ///
    /// If it cannot be made.
    pub fn new() -> Result<Self> {
        let path = std::env::current_dir()?.join(format!("target/bench-store-{}", std::process::id()));
        fs::create_dir_all(&path).with_context(|| format!("{} cannot be made", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A store whose time goes with the reports.
struct Bench {
    store: Store,
    fleet: Fleet,
    now_ns: Arc<AtomicU64>,
    _folder: Folder,
}

#[derive(Default)]
struct Figures {
    per_second: f64,
    cpu_us: f64,
    disk_bytes: f64,
    /// Ascending, in milliseconds.
    times: Vec<f64>,
}

impl Figures {
    fn time(&self, share: f64) -> f64 {
        let at = (self.times.len() as f64 * share) as usize;
        self.times.get(at.min(self.times.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
    }
}

impl Bench {
    /// `rate`: reports a second that are expected, from which follows how fast the time goes.
    fn new(nodes: u64, rate: f64, full: Duration) -> Result<Self> {
        let folder = Folder::new()?;
        let now_ns = Arc::new(AtomicU64::new(BEGIN_NS));
        let clock = Arc::clone(&now_ns);
        let normal = Limits::default();
        let speed = rate * 10.0 / nodes as f64;
        let limits = Limits { full, roll_up: normal.roll_up.div_f64(speed.max(1.0)), ..normal };
        let store = Store::open_at(&folder.0, limits, Arc::new(move || clock.load(Relaxed)))?;
        Ok(Self { store, fleet: Fleet::new(nodes, 0), now_ns, _folder: folder })
    }

    /// Stores so many reports; with a rate, at that rate.
    fn feed(&mut self, count: u64, rate: Option<f64>) -> Result<Figures> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        let (begun, cpu, written) = (Instant::now(), cpu_seconds(), written_bytes());
        let mut times: Vec<f64> = runtime.block_on(self.submit(count, rate))?;
        let seconds = begun.elapsed().as_secs_f64();
        times.sort_by(f64::total_cmp);
        Ok(Figures {
            per_second: count as f64 / seconds,
            cpu_us: (cpu_seconds() - cpu) * 1e6 / count as f64,
            disk_bytes: (written_bytes() - written) / count as f64,
            times,
        })
    }

    async fn submit(&mut self, count: u64, rate: Option<f64>) -> Result<Vec<f64>> {
        let (mut under_way, mut times, begun) = (JoinSet::new(), Vec::new(), Instant::now());
        for batch in 0..count / BATCH {
            if let Some(rate) = rate {
                let due = Duration::from_secs_f64((batch * BATCH) as f64 / rate);
                tokio::time::sleep(due.saturating_sub(begun.elapsed())).await;
            }
            while under_way.len() >= UNDER_WAY {
                times.extend(under_way.join_next().await.transpose()?.transpose()?);
            }
            let reports = self.fleet.take(BATCH);
            self.now_ns.fetch_max(reports.iter().map(|report| report.end_ns).max().unwrap_or(0), Relaxed);
            let (submitted, answer) = (Instant::now(), self.store.submit(reports));
            under_way.spawn(async move { answer.await.map(|()| submitted.elapsed().as_secs_f64() * 1e3) });
        }
        while let Some(time) = under_way.join_next().await {
            times.push(time??);
        }
        Ok(times)
    }
}

/// CPU time of this process.
fn cpu_seconds() -> f64 {
    // SAFETY: a plain structure of numbers, which the call fills.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut usage);
        usage
    };
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    seconds(usage.ru_utime) + seconds(usage.ru_stime)
}

/// Bytes that this process has written to disks.
fn written_bytes() -> f64 {
    let text = fs::read_to_string("/proc/self/io").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    line.and_then(|number| number.parse().ok()).unwrap_or(0.0)
}

/// As fast as it goes at 100, 1,000 and 10,000 nodes; then at the rate of ten thousand, and with retention against without.
pub fn run(_rounds: usize, report: &mut Report) -> Result<()> {
    let count = std::env::var("KPULSE_BENCH_REPORTS").ok().and_then(|n| n.parse().ok()).unwrap_or(REPORTS);
    let day = Limits::default().full;
    let mut costs = Vec::new();
    for nodes in [100, 1_000, 10_000] {
        let mut bench = Bench::new(nodes, LEAST, day)?;
        let figures = bench.feed(count, None)?;
        report.figure(
            format!("{nodes} nodes, reports a second, as fast as it goes"),
            figures.per_second,
            Unit::Number,
            (nodes == 10_000).then_some(Floor::AtLeast(LEAST)),
        );
        report.figure(format!("{nodes} nodes, CPU time a report"), figures.cpu_us * 1e3, Unit::Ns, None);
        report.figure(format!("{nodes} nodes, written a report"), figures.disk_bytes / 1024.0, Unit::KiB, None);
        costs.push(figures.cpu_us);
    }
    report.figure(
        "CPU time a report, 10,000 nodes over 100",
        costs[2] / costs[0],
        Unit::Ratio,
        Some(Floor::AtMost(1.3)),
    );

    let mut bench = Bench::new(10_000, RATE, day)?;
    let steady = bench.feed((RATE * STEADY.as_secs_f64()) as u64, Some(RATE))?;
    report.figure(
        "10,000 nodes every 10 s, 99 of 100 are on disk within",
        steady.time(0.99),
        Unit::Ms,
        Some(Floor::AtMost(250.0)),
    );
    report.figure("the longest", steady.time(1.0), Unit::Ms, None);
    drop(bench);

    // So short that as much goes as comes.
    let mut longest = [Vec::new(), Vec::new()];
    for _ in 0..3 {
        for (which, full) in [day, Duration::from_secs(20 * 60)].into_iter().enumerate() {
            let mut bench = Bench::new(100, LEAST, full)?;
            bench.feed(count / 6, None)?;
            let figures = bench.feed(count / 6, Some(LEAST / 2.0))?;
            longest[which].push(figures.time(1.0));
        }
    }
    let [without, with] = longest.map(median);
    report.figure(
        "the longest at 2,000 a second while as much is removed, over without",
        with / without,
        Unit::Ratio,
        None,
    );
    Ok(())
}
