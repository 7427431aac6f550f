//! Sums over minutes and hours, of reports that come in time and of those that do not.

use super::*;
use crate::store::testing::STEP_NS;

const MINUTE: u64 = 60_000_000_000;
const HOUR: u64 = 60 * MINUTE;
/// Switches of the six reports of a minute.
const ALL: u64 = 0b11_1111;

/// A clock at which all hours up to one after the beginning are over.
fn over(hours: u64) -> u64 {
    BEGIN_NS + hours * HOUR + HOUR / 2
}

#[test]
fn six_reports_make_a_minute_and_sixty_minutes_an_hour() {
    let place = Place::new(eager());
    place.submit("one", 1..=6 * 60 * 2);
    place.rolled_up();
    let minutes = place.rows("one", Resolution::Minute);
    assert_eq!(minutes.len(), 120);
    for (minute, (end_ns, sum)) in minutes.iter().enumerate() {
        assert_eq!(*end_ns, BEGIN_NS + (minute as u64 + 1) * MINUTE);
        assert_eq!((sum.sequence, sum.end_ns, sum.length_ns, switches(sum)), (0, *end_ns, 6 * STEP_NS, ALL));
        let wait = sum.sched.as_ref().unwrap().wait.as_ref().unwrap();
        assert_eq!(wait.counts.iter().sum::<u64>(), 6);
    }
    assert!(place.rows("one", Resolution::Hour).is_empty(), "no hour is over yet");
    place.set(over(2));
    place.until("the hours are added up", |_| place.rows("one", Resolution::Hour).len() == 2);
    for (end_ns, sum) in place.rows("one", Resolution::Hour) {
        assert_eq!((sum.end_ns, sum.length_ns, switches(&sum)), (end_ns, 360 * STEP_NS, 60 * ALL));
    }
}

#[test]
fn late_reports_are_added_to_their_own_minute_and_hour() {
    let place = Place::new(eager());
    place.set(over(3));
    let late = |sequence: &u64| sequence.is_multiple_of(5);
    place.submit("one", (1..=6 * 60 * 2).filter(|sequence| !late(sequence)));
    place.rolled_up();
    place.until("the hours are added up", |_| place.rows("one", Resolution::Hour).len() == 2);
    // Two days of them, in an order of their own, over a restart.
    let place = place.again();
    place.submit("one", (1..=6 * 60 * 2).rev().filter(late));
    place.rolled_up();
    assert_eq!(place.sequences("one"), (1..=6 * 60 * 2).collect::<Vec<_>>());
    for (end_ns, sum) in place.rows("one", Resolution::Minute) {
        assert_eq!((sum.end_ns, sum.length_ns, switches(&sum)), (end_ns, 6 * STEP_NS, ALL));
    }
    for (end_ns, sum) in place.rows("one", Resolution::Hour) {
        assert_eq!((sum.end_ns, sum.length_ns, switches(&sum)), (end_ns, 360 * STEP_NS, 60 * ALL));
    }
    // An hour before everything that there was.
    place.submit("one", []);
    let mut early = incoming("one", 10_000);
    early.end_ns = BEGIN_NS - HOUR;
    wait(place.store().submit(vec![early])).unwrap();
    place.rolled_up();
    assert_eq!(place.rows("one", Resolution::Minute).len(), 121);
    assert_eq!(place.rows("one", Resolution::Hour).len(), 3);
}

#[test]
fn what_is_no_report_is_kept_and_counted() {
    let place = Place::new(eager());
    let garbage = Incoming { bytes: Bytes::from_static(b"\xff\xff"), ..incoming("one", 2) };
    wait(place.store().submit(vec![incoming("one", 1), garbage, incoming("one", 3)])).unwrap();
    place.rolled_up();
    let (_, sum) = place.rows("one", Resolution::Minute).swap_remove(0);
    assert_eq!((switches(&sum), place.store().status().undecodable), (0b1010, 1));
    let page = place.store().reader().reports("one", Resolution::Full, 0, u64::MAX, MOST).unwrap();
    assert_eq!((page.items.len(), page.items[1].decode().is_err()), (3, true));
}
