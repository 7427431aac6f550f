//! Stores reports until it is killed: `store_lives DIRECTORY FROM`, or keeps the database locked until its input ends:
//! `store_lives DIRECTORY lock`.
//!
//! Reports count over all nodes. It says which it is about to store (`mean`) and which are on disk (`safe`), one number on a line. Every
//! seventh comes late, after [`LATE`] others. At the beginning it stores again the last [`AGAIN`] before `FROM`, as agents do that
//! have not heard of them.

use std::{
    collections::VecDeque,
    io::{Read as _, Write as _},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use kpulse::store::{Limits, Store};
use rusqlite::Connection;
use tests::reports::{BEGIN_NS, Fleet, limits};

/// Nodes.
const NODES: u64 = 2;
/// Reports in one batch.
const BATCH: u64 = 40;
/// After how many others a late one comes: an hour of its node.
const LATE: u64 = 800;
/// How many are stored again.
const AGAIN: u64 = LATE + 200;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [directory, from] = &arguments[..] else { bail!("usage: store_lives DIRECTORY FROM|lock") };
    if from == "lock" {
        return lock(directory.as_ref());
    }
    live(directory.as_ref(), from.parse().context("FROM is a number")?)
}

fn lock(directory: &Path) -> Result<()> {
    let connection = Connection::open(directory.join(kpulse::store::FILE))?;
    connection.execute_batch("BEGIN IMMEDIATE")?;
    say("locked", 0..1)?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

fn live(directory: &Path, from: u64) -> Result<()> {
    // The time is that of the reports.
    let now_ns = Arc::new(AtomicU64::new(BEGIN_NS));
    let clock = Arc::clone(&now_ns);
    let limits = Limits { gather: Duration::ZERO, log_bytes: 256 << 10, ..limits() };
    let store = Store::open_at(directory, limits, Arc::new(move || clock.load(Relaxed)))?;
    let mut fleet = Fleet::new(NODES, from.saturating_sub(AGAIN));
    let mut late = VecDeque::new();
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    loop {
        let number = fleet.next();
        let reports = fleet.take(BATCH);
        now_ns.store(reports.iter().map(|report| report.end_ns).max().unwrap_or(BEGIN_NS), Relaxed);
        let (mut numbers, mut batch) = (Vec::new(), Vec::new());
        for (number, report) in (number..).zip(reports) {
            if number.is_multiple_of(7) {
                late.push_back(number);
            } else {
                numbers.push(number);
                batch.push(report);
            }
        }
        while let Some(number) = late.pop_front_if(|late| *late + LATE < number) {
            numbers.push(number);
            batch.push(fleet.report(number));
        }
        say("mean", numbers.iter().copied())?;
        runtime.block_on(store.submit(batch))?;
        say("safe", numbers.iter().copied())?;
    }
}

fn say(word: &str, numbers: impl Iterator<Item = u64>) -> Result<()> {
    let lines: String = numbers.map(|number| format!("{word} {number}\n")).collect();
    let mut out = std::io::stdout().lock();
    out.write_all(lines.as_bytes())?;
    out.flush()?;
    Ok(())
}
