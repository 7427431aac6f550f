//! A process that stores is killed again and again: what it was told is on disk is there once, and in its sums once.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{BuildHasher as _, Hasher as _, RandomState},
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use kpulse::{
    report::wire::Report,
    store::{Clock, Resolution, Store, reader::MOST_ROWS},
};
use prost::Message as _;
use tests::{
    reports::{BEGIN_NS, Fleet, limits},
    scratch::Scratch,
    skip::alone,
    wait,
};

const KILLS: usize = 50;
/// Nodes in `store_lives`.
const NODES: u64 = 2;
/// For how long a life goes on after it has begun with what is new, at most.
const LONGEST_MS: u64 = 150;
const HOUR_NS: u64 = 3_600_000_000_000;

/// What a process said.
#[derive(Default)]
struct Said {
    mean: BTreeSet<u64>,
    safe: BTreeSet<u64>,
}

/// Lets it live until some time after it has stored something new.
fn life(directory: &Path, from: u64, said: &mut Said) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_store_lives"));
    command.arg(directory).arg(from.to_string()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let wait_ms = RandomState::new().build_hasher().finish() % LONGEST_MS;
    let mut child = Some(child);
    let mut killer = None;
    for line in lines {
        // A last line that was cut off says nothing.
        let Ok(line) = line else { break };
        let Some((word, number)) = line.split_once(' ') else { continue };
        let Ok(number) = number.parse::<u64>() else { continue };
        match word {
            "mean" => drop(said.mean.insert(number)),
            _ => drop(said.safe.insert(number)),
        }
        if word == "safe"
            && number >= from
            && let Some(mut child) = child.take()
        {
            killer = Some(thread::spawn(move || {
                thread::sleep(Duration::from_millis(wait_ms));
                child.kill().unwrap();
                child.wait().unwrap();
            }));
        }
    }
    assert!(child.is_none(), "it ended by itself: {:?}", child.map(|mut child| child.wait()));
    killer.unwrap().join().unwrap();
}

/// All rows of a node.
fn rows(store: &Store, node: &str, resolution: Resolution) -> Vec<(u64, Report)> {
    let (mut from_ns, mut rows) = (0, Vec::new());
    loop {
        let page = store.reader().reports(node, resolution, from_ns, u64::MAX, MOST_ROWS).unwrap();
        rows.extend(page.items.iter().map(|stored| (stored.end_ns, stored.decode().unwrap())));
        let Some(next) = page.next else { return rows };
        from_ns = next;
    }
}

/// What tells sums apart: how long, how many switches, how many waits.
fn figures(report: &Report) -> [u64; 3] {
    let sched = report.sched.as_ref().unwrap();
    [report.length_ns, sched.switches, sched.wait.iter().flat_map(|wait| &wait.counts).sum()]
}

fn by_interval(rows: &[(u64, Report)], resolution: Resolution) -> BTreeMap<u64, [u64; 3]> {
    let mut sums: BTreeMap<u64, [u64; 3]> = BTreeMap::new();
    for (end_ns, report) in rows {
        let sum = sums.entry(resolution.end_ns(resolution.interval(*end_ns))).or_default();
        sum.iter_mut().zip(figures(report)).for_each(|(sum, figure)| *sum += figure);
    }
    sums
}

#[test]
fn what_was_acknowledged_is_there_once_after_fifty_kills() {
    let _alone = alone();
    let scratch = Scratch::new();
    let directory = scratch.path().join("store");
    let mut said = Said::default();
    for _ in 0..KILLS {
        let from = said.mean.last().map_or(0, |last| last + 1);
        life(&directory, from, &mut said);
    }

    let now_ns = Arc::new(AtomicU64::new(BEGIN_NS));
    let clock = Arc::clone(&now_ns);
    let clock: Clock = Arc::new(move || clock.load(Relaxed));
    let store = Store::open_at(&directory, limits(), clock).unwrap();
    let fleet = Fleet::new(NODES, 0);
    let last_ns = fleet.report(*said.mean.last().unwrap()).end_ns;
    // All hours are over.
    now_ns.store(last_ns + 2 * HOUR_NS, Relaxed);
    wait::until("everything is added up", || (store.status().unrolled == 0).then_some(()));
    let mut stored = BTreeSet::new();
    for node in 0..NODES {
        let name = fleet.report(node).node;
        let full = rows(&store, &name, Resolution::Full);
        for (_, report) in &full {
            let number = (report.sequence - 1) * NODES + node;
            assert!(stored.insert(number), "{number} is there twice");
            assert_eq!(report, &Report::decode(fleet.report(number).bytes).unwrap(), "{number}");
        }
        let minutes = rows(&store, &name, Resolution::Minute);
        let found: BTreeMap<_, _> = minutes.iter().map(|(end_ns, sum)| (*end_ns, figures(sum))).collect();
        assert_eq!(found, by_interval(&full, Resolution::Minute), "minutes of {name}");
        let expected = by_interval(&full, Resolution::Hour);
        wait::until("the hours are added up", || {
            (rows(&store, &name, Resolution::Hour).len() >= expected.len()).then_some(())
        });
        let hours = rows(&store, &name, Resolution::Hour);
        let found: BTreeMap<_, _> = hours.iter().map(|(end_ns, sum)| (*end_ns, figures(sum))).collect();
        assert_eq!(found, expected, "hours of {name}");
    }
    let lost: Vec<_> = said.safe.difference(&stored).collect();
    assert!(lost.is_empty(), "acknowledged, and not there: {lost:?}");
    let invented: Vec<_> = stored.difference(&said.mean).collect();
    assert!(invented.is_empty(), "there, and never sent: {invented:?}");
    println!(
        "{KILLS} kills: {} sent, {} acknowledged, {} there, each once",
        said.mean.len(),
        said.safe.len(),
        stored.len()
    );
}
