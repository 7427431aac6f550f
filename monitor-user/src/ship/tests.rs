//! The spool on disk, and the way to a server that is there, away, full or wrong.

mod sending;

use std::{fs, path::Path, time::Duration};

use bytes::Bytes;

use super::spool::{Limits, Spool};
use crate::{durable::tests::Directory, report::wire::Sender};

const SECOND: u64 = 1_000_000_000;
const LIMITS: Limits = Limits { bytes: 1 << 20, age: Duration::from_secs(3600) };
const NOW: u64 = 1_700_000_000 * SECOND;

fn sender(instance: u64) -> Sender {
    Sender { node: "n".into(), boot_id: "b".into(), instance, ..Sender::default() }
}

fn open(folder: &Path, limits: Limits, instance: u64) -> Spool {
    Spool::open(folder, limits, sender(instance), NOW).unwrap().unwrap()
}

fn report(sequence: u64) -> Bytes {
    vec![sequence as u8; 100].into()
}

fn push(spool: &mut Spool, sequences: std::ops::Range<u64>) {
    sequences.for_each(|sequence| spool.push(sequence, NOW + sequence, &report(sequence), NOW));
}

/// Takes everything, and says what each batch held.
fn drain(spool: &mut Spool) -> Vec<(u64, Vec<u64>)> {
    let mut out = Vec::new();
    while let Some(batch) = spool.oldest(4, 1 << 20) {
        batch.reports.iter().for_each(|waiting| assert_eq!(waiting.bytes, report(waiting.sequence)));
        let numbers: Vec<u64> = batch.reports.iter().map(|waiting| waiting.number).collect();
        out.push((batch.sender.instance, batch.reports.iter().map(|waiting| waiting.sequence).collect()));
        spool.settle(&numbers);
    }
    out
}

#[test]
fn what_waits_survives_and_keeps_its_order_and_who_wrote_it() {
    let folder = Directory::new();
    push(&mut open(&folder.0, LIMITS, 1), 1..7);
    let mut spool = open(&folder.0, LIMITS, 2);
    push(&mut spool, 1..3);
    assert_eq!(spool.figures().waiting, 8);
    assert_eq!(drain(&mut spool), [(1, vec![1, 2, 3, 4]), (1, vec![5, 6]), (2, vec![1, 2])]);
    spool.save();
    drop(spool);
    let mut spool = open(&folder.0, LIMITS, 3);
    assert_eq!(drain(&mut spool), []);
    push(&mut spool, 1..2);
    drop(spool);
    assert_eq!(drain(&mut open(&folder.0, LIMITS, 4)), [(3, vec![1])], "numbers are not used again");
}

#[test]
fn one_process_has_a_folder() {
    let folder = Directory::new();
    let _first = open(&folder.0, LIMITS, 1);
    assert!(Spool::open(&folder.0, LIMITS, sender(2), NOW).unwrap().is_none());
}

#[test]
fn what_is_not_settled_in_order_waits() {
    let folder = Directory::new();
    let mut spool = open(&folder.0, LIMITS, 1);
    push(&mut spool, 1..5);
    spool.settle(&[2, 4]);
    spool.save();
    assert_eq!(drain(&mut spool), [(1, vec![1, 3])]);
}

#[test]
fn without_room_the_oldest_are_dropped_and_that_is_not_forgotten() {
    let folder = Directory::new();
    let limits = Limits { bytes: 4_000, ..LIMITS };
    let mut spool = open(&folder.0, limits, 1);
    push(&mut spool, 1..101);
    let figures = spool.figures();
    assert!(figures.bytes <= 4_000 && figures.lost["no_room"] + figures.waiting == 100, "{figures:?}");
    let on_disk: u64 = fs::read_dir(&folder.0)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().extension().is_some_and(|extension| extension == "spool"))
        .map(|entry| entry.metadata().unwrap().len())
        .sum();
    assert!(on_disk <= 4_000, "{on_disk}");
    drop(spool);
    let mut spool = open(&folder.0, limits, 2);
    assert_eq!(spool.figures().lost, figures.lost);
    let batch = spool.oldest(1, 1).unwrap();
    assert_eq!((batch.lost.reports, batch.reports[0].sequence), (figures.lost["no_room"], 101 - figures.waiting));
}

#[test]
fn what_is_dropped_while_it_is_under_way_is_lost_only_if_it_does_not_arrive() {
    for arrived in [0, 2] {
        let folder = Directory::new();
        let mut spool = open(&folder.0, Limits { bytes: 4_000, ..LIMITS }, 1);
        push(&mut spool, 1..3);
        let batch = spool.oldest(4, 1 << 20).unwrap();
        push(&mut spool, 3..101);
        let numbers: Vec<u64> = batch.reports.iter().map(|waiting| waiting.number).take(arrived).collect();
        spool.settle(&numbers);
        let next = spool.oldest(4, 1 << 20).unwrap();
        let figures = spool.figures();
        assert_eq!(arrived as u64 + figures.lost["no_room"] + figures.waiting, 100, "{figures:?}");
        assert_eq!(next.lost.reports, figures.lost["no_room"]);
    }
}

#[test]
fn what_is_too_old_is_dropped() {
    let folder = Directory::new();
    let mut spool = open(&folder.0, LIMITS, 1);
    spool.push(1, NOW - 3601 * SECOND, &report(1), NOW - 3601 * SECOND);
    assert_eq!(spool.figures().waiting, 1);
    spool.push(2, NOW, &report(2), NOW);
    assert_eq!((spool.figures().waiting, spool.figures().lost["too_old"]), (1, 1));
    assert_eq!(drain(&mut spool), [(1, vec![2])]);
}

#[test]
fn a_loss_of_power_in_any_write_costs_that_report_alone() {
    let folder = Directory::new();
    push(&mut open(&folder.0, LIMITS, 1), 1..4);
    let path = folder.0.join(format!("{:020}.spool", 1));
    let whole = fs::read(&path).unwrap();
    let mut most = 0;
    for length in 0..whole.len() {
        for entry in fs::read_dir(&folder.0).unwrap() {
            fs::remove_file(entry.unwrap().path()).unwrap();
        }
        fs::write(&path, &whole[..length]).unwrap();
        let mut spool = open(&folder.0, LIMITS, 2);
        push(&mut spool, 9..10);
        let found: Vec<u64> = drain(&mut spool).into_iter().flat_map(|(_, sequences)| sequences).collect();
        let kept = found.len() - 1;
        assert!(found[..kept].iter().copied().eq(1..=kept as u64) && kept >= most && kept < 3, "{length}: {found:?}");
        assert_eq!(found[kept], 9);
        most = kept;
    }
    assert_eq!(most, 2);
}

#[test]
fn a_damaged_report_is_counted_and_the_others_go_on() {
    let folder = Directory::new();
    push(&mut open(&folder.0, LIMITS, 1), 1..4);
    let path = folder.0.join(format!("{:020}.spool", 1));
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2 + 20;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).unwrap();
    let mut spool = open(&folder.0, LIMITS, 1);
    assert_eq!(spool.figures().lost["damaged"], 1);
    assert_eq!(drain(&mut spool), [(1, vec![1, 3])]);
}

#[test]
fn what_the_disk_does_not_take_is_kept_in_memory() {
    let folder = Directory::new();
    let mut spool = open(&folder.0, LIMITS, 1);
    push(&mut spool, 1..2);
    // A folder that is gone takes no new file.
    spool.close();
    fs::remove_dir_all(&folder.0).unwrap();
    push(&mut spool, 2..4);
    assert!(spool.figures().trouble.is_some());
    fs::create_dir(&folder.0).unwrap();
    push(&mut spool, 4..5);
    assert_eq!(spool.figures().trouble, None);
    assert_eq!(drain(&mut spool), [(1, vec![2, 3, 4])]);
    assert_eq!(spool.figures().lost["damaged"], 1, "the one that went with the folder");
}
