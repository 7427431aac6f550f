//! What survives crashes, damage and want of room.

use std::{
    collections::BTreeMap,
    fs::{self, OpenOptions},
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
};

use proptest::prelude::*;

use super::{
    testing::{Folder, alert},
    *,
};
use crate::alert::State::{self, Dropped, Firing, Pending, Resolved};

const LIMITS: Limits = Limits { bytes: 64 << 10 };

fn open(folder: &Folder, targets: &[&str]) -> (Journal, Recovered) {
    let (mut journal, recovered) = Journal::open(folder.path(), LIMITS).unwrap();
    journal.set_targets(&names(targets));
    (journal, recovered)
}

fn names(targets: &[&str]) -> Vec<String> {
    targets.iter().map(|target| (*target).to_owned()).collect()
}

/// What a target has not got: number, id and state.
fn owed(journal: &mut Journal, target: &str) -> Vec<(u64, String, State)> {
    let records = journal.owed(target, &HashSet::new(), usize::MAX, u64::MAX);
    records.into_iter().map(|record| (record.sequence, record.alert.id, record.alert.state)).collect()
}

fn ids(alerts: &[Alert]) -> Vec<(&str, State)> {
    alerts.iter().map(|alert| (alert.id.as_str(), alert.state)).collect()
}

fn files(folder: &Folder, extension: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.extension().is_some_and(|found| found == extension));
    found.sort();
    found
}

#[test]
fn a_restart_finds_the_alerts_that_are_not_over_and_what_each_target_has_not_got() {
    let folder = Folder::new();
    let (mut journal, recovered) = open(&folder, &["a", "b"]);
    assert_eq!(recovered, Recovered::default());
    journal.append(&[alert("1", Pending, 1), alert("2", Pending, 1), alert("3", Pending, 1)]).unwrap();
    journal.append(&[alert("1", Firing, 2), alert("2", Dropped, 2)]).unwrap();
    assert_eq!(journal.append(&[alert("3", Firing, 3), alert("1", Resolved, 9)]).unwrap(), 7);
    journal.ack("a", &[4, 6]);
    journal.save();
    drop(journal);

    let (mut journal, recovered) = open(&folder, &["a", "b"]);
    assert_eq!(recovered.current, [alert("3", Firing, 3)]);
    assert_eq!(owed(&mut journal, "a"), [(7, "1".into(), Resolved)]);
    let all = [(4, "1".into(), Firing), (6, "3".into(), Firing), (7, "1".into(), Resolved)];
    assert_eq!(owed(&mut journal, "b"), all);
    assert_eq!(journal.owed_in_short("b"), Owed { records: 3, oldest_ns: Some(2_000_000_000) });
    let one = journal.owed("b", &HashSet::from(["1".into()]), 9, 1);
    assert_eq!(one, [Record { sequence: 6, alert: alert("3", Firing, 3) }]);
    assert_eq!(journal.append(&[alert("4", Pending, 10)]).unwrap(), 8);
}

#[test]
fn a_number_is_given_once_whatever_is_left_of_its_record() {
    let folder = Folder::new();
    let (mut journal, _) = open(&folder, &["a"]);
    journal.append(&[alert("1", Pending, 1), alert("2", Firing, 1)]).unwrap();
    assert_eq!(journal.append(&[alert("1", Dropped, 2)]).unwrap(), 3);
    for _ in 0..2 {
        journal.compact();
        drop(journal);
        journal = open(&folder, &["a"]).0;
    }
    assert_eq!(journal.append(&[alert("3", Pending, 3)]).unwrap(), 4);
}

#[test]
fn the_end_of_the_last_file_may_be_missing_at_any_byte_or_be_garbage() {
    let folder = Folder::new();
    let (mut journal, _) = open(&folder, &["a"]);
    let mut ends = vec![0];
    for group in
        [vec![alert("1", Firing, 1)], vec![alert("2", Firing, 2), alert("1", Resolved, 2)], vec![alert("3", Firing, 3)]]
    {
        journal.append(&group).unwrap();
        ends.push(journal.health().bytes);
    }
    drop(journal);
    let path = files(&folder, "log").remove(0);
    let whole = fs::read(&path).unwrap();
    let after = [0, 1, 3, 4];
    for cut in 0..=whole.len() {
        let garbage = [&b""[..], b"\0\0\0", b"KPJ1KPJ1"][cut % 3];
        fs::write(&path, [&whole[..cut], garbage].concat()).unwrap();
        let groups = ends.iter().filter(|end| **end <= cut as u64).count() - 1;
        let (mut journal, recovered) = open(&folder, &["a"]);
        assert_eq!(owed(&mut journal, "a").len(), after[groups], "{cut}");
        assert_eq!(recovered.cut_bytes, cut as u64 - ends[groups] + garbage.len() as u64, "{cut}");
        assert_eq!(recovered.damaged_bytes, 0);
        // What comes next is not lost behind it.
        journal.append(&[alert("9", Firing, 9)]).unwrap();
        drop(journal);
        let (mut journal, recovered) = open(&folder, &["a"]);
        assert_eq!((owed(&mut journal, "a").len(), recovered.cut_bytes), (after[groups] + 1, 0));
        drop(journal);
        for extension in ["log", "base"] {
            files(&folder, extension).into_iter().for_each(|file| fs::remove_file(file).unwrap());
        }
        fs::remove_file(folder.path().join("cursors")).unwrap();
    }
}

#[test]
fn damage_in_the_middle_costs_what_is_damaged_and_is_told() {
    let folder = Folder::new();
    let (mut journal, _) = open(&folder, &["a"]);
    for id in ["1", "2", "3"] {
        journal.append(&[alert(id, Firing, 1)]).unwrap();
    }
    drop(journal);
    let path = files(&folder, "log").remove(0);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let (mut journal, recovered) = open(&folder, &["a"]);
    assert_eq!(ids(&recovered.current), [("1", Firing), ("3", Firing)]);
    assert_eq!(recovered.damaged_bytes, bytes.len() as u64 / 3);
    assert_eq!(owed(&mut journal, "a").len(), 2);
}

#[test]
fn damage_while_it_runs_is_counted_and_holds_up_nobody() {
    let folder = Folder::new();
    let (mut journal, _) = open(&folder, &["a"]);
    journal.append(&[alert("1", Firing, 1)]).unwrap();
    journal.append(&[alert("2", Firing, 1)]).unwrap();
    let path = files(&folder, "log").remove(0);
    let mut bytes = fs::read(&path).unwrap();
    bytes[40] ^= 1;
    fs::write(&path, &bytes).unwrap();
    assert_eq!(owed(&mut journal, "a"), [(2, "2".into(), Firing)]);
    assert_eq!(journal.health().unreadable, BTreeMap::from([("a".into(), 1)]));
}

#[test]
fn cursors_that_cannot_be_read_mean_that_all_is_told_again() {
    let folder = Folder::new();
    let (mut journal, _) = open(&folder, &["a"]);
    journal.append(&[alert("1", Firing, 1), alert("2", Firing, 1)]).unwrap();
    journal.ack("a", &[1, 2]);
    journal.save();
    drop(journal);
    assert_eq!(owed(&mut open(&folder, &["a"]).0, "a"), []);
    fs::write(folder.path().join("cursors"), "00000000\n{}\n").unwrap();
    assert_eq!(owed(&mut open(&folder, &["a"]).0, "a").len(), 2);
}

#[test]
fn who_is_new_is_told_of_what_fires_and_what_comes_and_not_of_the_past() {
    let folder = Folder::new();
    let (mut journal, _) = open(&folder, &["a"]);
    let life = [alert("1", Firing, 1), alert("2", Firing, 1), alert("1", Resolved, 2), alert("3", Pending, 2)];
    journal.append(&life).unwrap();
    drop(journal);
    let (mut journal, _) = open(&folder, &["a", "new"]);
    assert_eq!(owed(&mut journal, "a").len(), 3);
    assert_eq!(owed(&mut journal, "new"), [(2, "2".into(), Firing)]);
    journal.append(&[alert("3", Firing, 3)]).unwrap();
    assert_eq!(owed(&mut journal, "new"), [(2, "2".into(), Firing), (5, "3".into(), Firing)]);
}

#[test]
fn what_stands_is_told_again_but_never_an_older_life_of_the_same_labels() {
    let folder = Folder::new();
    let (mut journal, _) = open(&folder, &["a"]);
    let relive = |id: &str, state, seconds| Alert { labels: alert("x", Firing, 1).labels, ..alert(id, state, seconds) };
    journal.append(&[relive("1", Firing, 10), relive("1", Resolved, 20), alert("z", Firing, 20)]).unwrap();
    assert_eq!(journal.standing("a", 0), [0; 0], "it has got nothing yet");
    journal.ack("a", &[1, 2, 3]);
    assert_eq!(journal.standing("a", 0), [2, 3]);
    assert_eq!(journal.standing("a", 21_000_000_000), [3], "over for too long");
    journal.append(&[relive("2", Firing, 30)]).unwrap();
    assert_eq!(journal.standing("a", 0), [2, 3], "the new life is not told yet");
    journal.ack("a", &[4]);
    assert_eq!(journal.standing("a", 0), [3, 4]);
}

#[test]
fn a_full_journal_drops_the_oldest_for_each_target_and_keeps_what_is_not_over() {
    let folder = Folder::new();
    let (mut journal, _) = open(&folder, &["up", "down"]);
    journal.append(&[alert("stays", Firing, 1)]).unwrap();
    journal.ack("up", &[1]);
    let mut appended = 1;
    for n in 0..300u64 {
        let id = n.to_string();
        let last = journal.append(&[alert(&id, Firing, 2), alert(&id, Resolved, 3)]).unwrap();
        appended += 2;
        journal.ack("up", &[last - 1, last]);
        assert!(journal.health().bytes <= LIMITS.bytes, "{}", journal.health().bytes);
    }
    let left = owed(&mut journal, "down");
    assert_eq!(journal.health().no_room, BTreeMap::from([("down".into(), appended - left.len() as u64)]));
    assert_eq!((&left[0], left.last().unwrap()), (&(1, "stays".into(), Firing), &(601, "299".into(), Resolved)));
    drop(journal);
    let (mut journal, recovered) = open(&folder, &["up", "down"]);
    assert_eq!(ids(&recovered.current), [("stays", Firing)]);
    assert_eq!(owed(&mut journal, "down"), left);
    journal.ack("down", &left.iter().map(|(sequence, ..)| *sequence).collect::<Vec<_>>());
    let standing = journal.standing("down", 0);
    assert_eq!((standing[0], *standing.last().unwrap()), (1, 601));
}

#[test]
fn the_last_hundred_that_are_over_are_kept() {
    let folder = Folder::new();
    let (mut journal, _) = Journal::open(folder.path(), Limits::default()).unwrap();
    journal.set_targets(&names(&["a"]));
    for id in 0..150 {
        journal.append(&[alert(&id.to_string(), Firing, 1), alert(&id.to_string(), Resolved, 2)]).unwrap();
    }
    journal.ack("a", &(1..=300).collect::<Vec<_>>());
    journal.compact();
    assert_eq!(journal.standing("a", 0), (0..100).map(|n| 102 + 2 * n).collect::<Vec<u64>>());
}

#[test]
fn a_crash_in_the_middle_of_a_compaction_brings_nothing_back() {
    let folder = Folder::new();
    let (mut journal, _) = open(&folder, &["a"]);
    for id in 0..20 {
        journal.append(&[alert(&id.to_string(), Pending, 1)]).unwrap();
    }
    for id in 1..20 {
        journal.append(&[alert(&id.to_string(), Dropped, 2)]).unwrap();
    }
    let before: Vec<_> = files(&folder, "log").into_iter().map(|path| (fs::read(&path).unwrap(), path)).collect();
    journal.compact();
    drop(journal);
    assert_eq!((files(&folder, "log").len(), files(&folder, "base").len()), (0, 1));
    // The old files were not removed yet, and the next compaction not finished.
    before.iter().for_each(|(bytes, path)| fs::write(path, bytes).unwrap());
    fs::write(folder.path().join("00000000000000000099.tmp"), "half").unwrap();
    let (_journal, recovered) = open(&folder, &["a"]);
    assert_eq!(ids(&recovered.current), [("0", Pending)]);
    assert_eq!((files(&folder, "log").len(), files(&folder, "tmp").len()), (0, 0));
}

#[test]
fn numbers_never_go_back() {
    let folder = Folder::new();
    let (mut journal, _) = open(&folder, &["a"]);
    let last = journal.append(&[alert("1", Firing, 1), alert("1", Resolved, 2)]).unwrap();
    journal.ack("a", &[1, 2]);
    journal.save();
    drop(journal);
    files(&folder, "log").into_iter().for_each(|path| fs::remove_file(path).unwrap());
    let (mut journal, _) = open(&folder, &["a"]);
    assert_eq!(journal.append(&[alert("2", Firing, 3)]).unwrap(), last + 1);
    assert_eq!(owed(&mut journal, "a"), [(last + 1, "2".into(), Firing)]);
}

#[test]
fn a_second_process_is_told_who_is_in_its_way() {
    let folder = Folder::new();
    let first = open(&folder, &[]);
    let error = Journal::open(folder.path(), LIMITS).unwrap_err().to_string();
    assert!(error.contains(folder.path().to_str().unwrap()) && error.contains("another kpulse"), "{error}");
    drop(first);
    open(&folder, &[]);
}

#[test]
fn without_a_folder_alerts_are_in_memory() {
    let folder = Folder::new();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let (mut journal, recovered) = Journal::open(&file.join("journal"), LIMITS).unwrap();
    assert!(recovered.unusable.unwrap().contains("cannot be used"));
    journal.set_targets(&names(&["a"]));
    journal.append(&[alert("1", Firing, 1)]).unwrap();
    assert_eq!(owed(&mut journal, "a"), [(1, "1".into(), Firing)]);
    assert!(journal.health().trouble.is_some());
    for n in 0..1000u64 {
        journal.append(&[alert(&n.to_string(), Firing, 2), alert(&n.to_string(), Resolved, 2)]).unwrap();
    }
    assert!(journal.ledger.bytes <= LIMITS.bytes);
    assert!(journal.health().no_room["a"] > 1000, "{:?}", journal.health());
}

#[test]
fn what_could_not_be_written_goes_out_from_memory_and_is_written_later() {
    let folder = Folder::new();
    let (mut journal, _) = open(&folder, &["a"]);
    journal.append(&[alert("1", Pending, 1)]).unwrap();
    // The file is in the way of itself: nothing can be appended any more.
    let path = files(&folder, "log").remove(0);
    let read_only = fs::File::open(&path).unwrap();
    journal.files.as_mut().unwrap().break_growing(read_only);
    journal.append(&[alert("1", Dropped, 2), alert("2", Firing, 2)]).unwrap_err();
    assert!(journal.health().trouble.is_some());
    assert_eq!(owed(&mut journal, "a"), [(3, "2".into(), Firing)]);
    // A new file takes it all.
    journal.append(&[alert("2", Resolved, 3)]).unwrap();
    assert_eq!(journal.health().trouble, None);
    drop(journal);
    let (mut journal, recovered) = open(&folder, &["a"]);
    assert_eq!(ids(&recovered.current), [], "that 1 was dropped is known too");
    assert_eq!(owed(&mut journal, "a"), [(3, "2".into(), Firing), (4, "2".into(), Resolved)]);
}

#[test]
fn what_could_not_be_written_is_written_though_nothing_new_happens() {
    let folder = Folder::new();
    let (mut journal, _) = open(&folder, &["a"]);
    journal.append(&[alert("1", Pending, 1)]).unwrap();
    assert!(!journal.must_retry());
    let read_only = fs::File::open(files(&folder, "log").remove(0)).unwrap();
    journal.files.as_mut().unwrap().break_growing(read_only);
    journal.append(&[alert("1", Firing, 2)]).unwrap_err();
    assert!(journal.must_retry());
    journal.retry();
    assert!(!journal.must_retry());
    assert_eq!(journal.health().trouble, None);
    drop(journal);
    let (mut journal, _) = open(&folder, &["a"]);
    assert_eq!(owed(&mut journal, "a"), [(2, "1".into(), Firing)]);
}

#[test]
fn the_folder_is_nobody_elses() {
    let folder = Folder::new();
    open(&folder, &["a"]).0.append(&[alert("1", Firing, 1)]).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o077;
    for path in files(&folder, "log") {
        assert_eq!(mode(&path), 0, "{}", path.display());
    }
}

#[derive(Clone, Debug)]
enum Step {
    /// The next transition of some alerts, in one group.
    Append(Vec<u8>),
    /// So many of the oldest that a target is owed, without some.
    Ack(bool, usize, usize),
    Save,
    /// The end, with so much of an append that was not finished.
    Crash(Vec<u8>),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => prop::collection::vec(0..12u8, 1..4).prop_map(Step::Append),
        6 => (any::<bool>(), 0..9usize, 1..4usize).prop_map(|(target, count, every)| Step::Ack(target, count, every)),
        1 => Just(Step::Save),
        1 => prop::collection::vec(any::<u8>(), 0..30).prop_map(Step::Crash),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]
    #[test]
    fn no_committed_transition_is_lost_and_none_invented(steps in prop::collection::vec(step(), 1..150)) {
        let folder = Folder::new();
        let (mut journal, _) = open(&folder, &["a", "b"]);
        let mut states: BTreeMap<u8, (u32, State)> = BTreeMap::new();
        let mut committed: Vec<Alert> = Vec::new();
        // What each target has certainly got, and what it may have got.
        let mut acked: BTreeMap<&str, (BTreeMap<u64, bool>, bool)> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Append(which) => {
                    let group: Vec<Alert> = which.into_iter().map(|n| {
                        let (life, state) = states.get(&n).copied().unwrap_or((0, Resolved));
                        let (life, state) = match state {
                            Pending if life % 3 == 0 => (life, Dropped),
                            Pending => (life, Firing),
                            Firing => (life, Resolved),
                            Resolved | Dropped => (life + 1, Pending),
                        };
                        states.insert(n, (life, state));
                        alert(&format!("{n}-{life}"), state, u64::from(life) + 5)
                    }).collect();
                    prop_assert_eq!(journal.append(&group).unwrap(), (committed.len() + group.len()) as u64);
                    committed.extend(group);
                }
                Step::Ack(target, count, every) => {
                    let target = if target { "a" } else { "b" };
                    let some: Vec<u64> = owed(&mut journal, target).iter().map(|owed| owed.0).step_by(every).take(count).collect();
                    journal.ack(target, &some);
                    let (acked, _) = acked.entry(target).or_default();
                    acked.extend(some.into_iter().map(|sequence| (sequence, false)));
                }
                Step::Save => {
                    journal.save();
                    acked.values_mut().for_each(|(acked, _)| acked.values_mut().for_each(|saved| *saved = true));
                }
                Step::Crash(rest) => {
                    drop(journal);
                    if let Some(last) = files(&folder, "log").pop() {
                        use std::io::Write as _;
                        OpenOptions::new().append(true).open(last).unwrap().write_all(&rest).unwrap();
                    }
                    let (again, recovered) = open(&folder, &["a", "b"]);
                    journal = again;
                    prop_assert_eq!(recovered.damaged_bytes, 0);
                    let mut current: Vec<Alert> = Vec::new();
                    for alert in &committed {
                        current.retain(|before| before.id != alert.id);
                        if matches!(alert.state, Pending | Firing) {
                            current.push(alert.clone());
                        }
                    }
                    prop_assert_eq!(recovered.current, current);
                }
            }
            for target in ["a", "b"] {
                let (acked, _) = acked.entry(target).or_default();
                let left = owed(&mut journal, target);
                let told: Vec<_> = (1u64..).zip(&committed)
                    .filter(|(_, alert)| matches!(alert.state, Firing | Resolved))
                    .map(|(sequence, alert)| (sequence, alert.id.clone(), alert.state)).collect();
                for one in &told {
                    prop_assert!(acked.contains_key(&one.0) || left.contains(one), "{:?} is lost", one);
                }
                for one in &left {
                    prop_assert!(told.contains(one), "{:?} is invented", one);
                    prop_assert!(acked.get(&one.0) != Some(&true), "{:?} was acknowledged, and that was saved", one);
                }
                // What came back after a crash is not acknowledged any more.
                acked.retain(|sequence, _| !left.iter().any(|one| one.0 == *sequence));
            }
        }
    }
}
