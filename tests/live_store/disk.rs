//! A disk that is full for a while, one that may not be written, and a database that another process has locked.

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use kpulse::store::{Error, Limits, Resolution, Store, Unavailable, backup, reader::MOST_ROWS};
use tests::{
    loop_device::{Mount, run},
    reports::Fleet,
    root_or_skip,
    scratch::Scratch,
    skip::alone,
    wait,
};

fn limits() -> Limits {
    let soon = Duration::from_millis(50);
    Limits { patience: soon, roll_up: soon, gather: Duration::ZERO, log_bytes: 1 << 20, ..Limits::default() }
}

fn memory(size: &str) -> Mount {
    Mount::new(&["-t", "tmpfs", "-o", &format!("size={size}"), "kpulse-test"])
}

fn remount(mount: &Mount, option: &str) {
    run("mount", &["-o", &format!("remount,{option}"), mount.point.to_str().unwrap()]);
}

/// Stores the next reports; what becomes of it.
fn submit(store: &Store, fleet: &Fleet, from: u64) -> Result<(), Unavailable> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(store.submit((from..from + BATCH).map(|number| fleet.report(number)).collect()))
}

const BATCH: u64 = 20;
const NODES: u64 = 4;

/// The numbers of all reports that are there.
fn stored(store: &Store, fleet: &Fleet) -> Vec<u64> {
    let mut all = Vec::new();
    for node in 0..NODES {
        let name = fleet.report(node).node;
        let (mut from_ns, mut next) = (0, Some(()));
        while next.take().is_some() {
            let page = store.reader().reports(&name, Resolution::Full, from_ns, u64::MAX, MOST_ROWS).unwrap();
            all.extend(page.items.iter().map(|it| (it.decode().unwrap().sequence - 1) * NODES + node));
            (from_ns, next) = (page.next.unwrap_or(0), page.next.map(drop));
        }
    }
    all.sort_unstable();
    all
}

#[test]
fn a_full_disk_refuses_and_takes_again_when_there_is_room() {
    root_or_skip!("a_full_disk_refuses_and_takes_again_when_there_is_room");
    let _alone = alone();
    let mount = memory("6m");
    let fleet = Fleet::new(NODES, 0);
    let store = Store::open(&mount.point.join("store"), limits()).unwrap();
    let (mut safe, mut refused) = (BTreeSet::new(), BTreeSet::new());
    for number in (0..).step_by(BATCH as usize) {
        match submit(&store, &fleet, number) {
            Ok(()) => safe.extend(number..number + BATCH),
            Err(Unavailable::Failed(reason)) => {
                assert!(reason.contains("full"), "{reason}");
                refused.extend(number..number + BATCH);
                if refused.len() as u64 > 20 * BATCH {
                    break;
                }
            }
            Err(other) => unreachable!("{other}"),
        }
    }
    assert!(store.status().trouble.is_some_and(|trouble| trouble.contains("full")));
    assert!(safe.is_subset(&stored(&store, &fleet).into_iter().collect()), "reading goes on");
    remount(&mount, "size=64m");
    for number in refused.iter().copied().step_by(BATCH as usize) {
        wait::until("it takes reports again", || submit(&store, &fleet, number).ok());
    }
    assert_eq!(store.status().trouble, None);
    let all: Vec<_> = safe.union(&refused).copied().collect();
    assert_eq!(stored(&store, &fleet), all);
    wait::until("everything is added up", || (store.status().unrolled == 0).then_some(()));
    drop(store);
    let store = Store::open(&mount.point.join("store"), limits()).unwrap();
    assert_eq!(stored(&store, &fleet), all);
}

#[test]
fn what_is_wrong_with_a_disk_is_said_by_name() {
    root_or_skip!("what_is_wrong_with_a_disk_is_said_by_name");
    let _alone = alone();
    let mount = memory("4m");
    let (directory, fleet) = (mount.point.join("store"), Fleet::new(NODES, 0));
    let store = Store::open(&directory, limits()).unwrap();
    (0..200).step_by(BATCH as usize).for_each(|number| submit(&store, &fleet, number).unwrap());
    drop(store);
    let fill = |path: &Path| {
        let error = fs::write(path, vec![7; 8 << 20]).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    };
    fill(&mount.point.join("filler"));
    let error = backup(&directory, &mount.point.join("copy")).unwrap_err();
    assert!(matches!(error, Error::NoRoom(_)), "{error}");
    assert!(!mount.point.join("copy.new").exists());
    let error = Store::open(&mount.point.join("another"), limits()).err().unwrap();
    assert!(matches!(error, Error::NoRoom(_)), "{error}");
    fs::remove_file(mount.point.join("filler")).unwrap();
    remount(&mount, "ro");
    let error = Store::open(&directory, limits()).err().unwrap();
    assert!(matches!(error, Error::ReadOnly(_)), "{error}");
    remount(&mount, "rw");
    let store = Store::open(&directory, limits()).unwrap();
    assert_eq!(stored(&store, &fleet), (0..200).collect::<Vec<_>>());
}

#[test]
fn a_database_that_another_process_has_locked_takes_again_when_it_is_free() {
    let _alone = alone();
    let scratch = Scratch::new();
    let (directory, fleet) = (scratch.path().join("store"), Fleet::new(NODES, 0));
    let store = Store::open(&directory, limits()).unwrap();
    submit(&store, &fleet, 0).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_store_lives"));
    let mut other = command.arg(&directory).arg("lock").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(other.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "locked 0\n");
    let refused = submit(&store, &fleet, BATCH);
    assert!(matches!(&refused, Err(Unavailable::Failed(reason)) if reason.contains("locked")), "{refused:?}");
    assert_eq!(stored(&store, &fleet), (0..BATCH).collect::<Vec<_>>(), "reading goes on");
    drop(other.stdin.take());
    other.wait().unwrap();
    submit(&store, &fleet, BATCH).unwrap();
    assert_eq!(stored(&store, &fleet), (0..2 * BATCH).collect::<Vec<_>>());
}
