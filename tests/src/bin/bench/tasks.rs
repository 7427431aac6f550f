//! A snapshot of all tasks against a walk of /proc that reads the same: `stat`, `schedstat` and `io` of each.

use std::{
    fs::{self, File},
    hint::black_box,
    io::Read as _,
    time::Instant,
};

use anyhow::{Context as _, Result};
use kpulse::{kernel::load, probes};
use tests::guard::fork;

use crate::{
    median,
    report::{Floor, Report, Unit},
};

const TASKS: usize = 5_000;

/// Both, in turns, over thousands of sleeping processes.
pub fn run(rounds: usize, report: &mut Report) -> Result<()> {
    let sleep = || loop {
        // SAFETY: sleeps until a signal.
        unsafe { libc::pause() };
    };
    let _sleepers = (0..TASKS).map(|_| fork(None, sleep)).collect::<Result<Vec<_>, _>>().context("5,000 processes")?;
    let mut loaded = load::load(&tests::probes::options(&["tasks"]));
    let tasks = loaded.tasks.as_mut().context("the probe of the tasks is off")?;
    let mut times = Vec::new();
    for _ in 0..=rounds {
        let begun = Instant::now();
        let found = black_box(probes::tasks::reader::read(tasks, None)?).len();
        let snapshot = begun.elapsed().as_secs_f64() * 1e3;
        anyhow::ensure!(found >= TASKS, "a snapshot has {found} tasks");
        let begun = Instant::now();
        let found = black_box(walk()?).len();
        let walk = begun.elapsed().as_secs_f64() * 1e3;
        anyhow::ensure!(found >= TASKS, "/proc has {found} tasks");
        times.push((snapshot, walk));
    }
    // The first one fills buffers and caches.
    let times = &times[1..];
    report.figure(format!("a snapshot of {TASKS} tasks"), median(times.iter().map(|it| it.0)), Unit::Ms, None);
    report.figure("a walk of /proc for the same", median(times.iter().map(|it| it.1)), Unit::Ms, None);
    let ratio = median(times.iter().map(|(snapshot, walk)| walk / snapshot));
    report.figure("walk / snapshot", ratio, Unit::Ratio, Some(Floor::AtLeast(30.0)));
    Ok(())
}

/// What /proc says of a process: CPU ticks, run delay in nanoseconds, bytes read and written.
struct Process {
    _pid: u32,
    _comm: String,
    _ticks: u64,
    _run_delay_ns: u64,
    _read_bytes: u64,
    _write_bytes: u64,
}

fn walk() -> Result<Vec<Process>> {
    let mut buffer = Vec::with_capacity(4096);
    let mut read = |pid: u32, file: &str| -> Option<String> {
        buffer.clear();
        File::open(format!("/proc/{pid}/{file}")).ok()?.read_to_end(&mut buffer).ok()?;
        String::from_utf8(buffer.clone()).ok()
    };
    let mut process = |pid: u32| -> Option<Process> {
        let stat = read(pid, "stat")?;
        let (head, tail) = stat.rsplit_once(") ")?;
        let mut times = tail.split(' ').skip(11).map(|field| field.parse::<u64>().unwrap_or(0));
        let ticks = times.next()? + times.next()?;
        let schedstat = read(pid, "schedstat")?;
        let io = read(pid, "io")?;
        let bytes = |name: &str| io.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
        Some(Process {
            _pid: pid,
            _comm: head.split_once('(')?.1.to_owned(),
            _ticks: ticks,
            _run_delay_ns: schedstat.split(' ').nth(1)?.parse().ok()?,
            _read_bytes: bytes("read_bytes:")?,
            _write_bytes: bytes("write_bytes:")?,
        })
    };
    let entries = fs::read_dir("/proc")?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    // A process may end meanwhile.
    Ok(entries.filter_map(|pid: u32| process(pid)).collect())
}
