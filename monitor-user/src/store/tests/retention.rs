//! What is too old or too much goes.

use super::*;

const HOUR: u64 = 3_600_000_000_000;

#[test]
fn each_resolution_is_kept_for_its_time() {
    let hours = |hours: u64| Duration::from_secs(3_600 * hours);
    let place = Place::new(Limits { full: hours(1), minutes: hours(3), hours: hours(6), ..eager() });
    place.submit("one", 1..=360);
    place.rolled_up();
    let rows = |resolution| place.rows("one", resolution).len();
    let goes = |resolution| place.until("the old goes", |_| rows(resolution) == 0);
    place.set(BEGIN_NS + HOUR + HOUR / 2);
    place.until("half of the reports are gone", |_| rows(Resolution::Full) == 181);
    assert_eq!(rows(Resolution::Minute), 60);
    place.set(BEGIN_NS + 3 * HOUR);
    goes(Resolution::Full);
    assert_eq!((rows(Resolution::Minute), rows(Resolution::Hour)), (60, 1));
    place.set(BEGIN_NS + 5 * HOUR);
    goes(Resolution::Minute);
    assert_eq!(rows(Resolution::Hour), 1);
    // What is gone is not taken for new when it comes again.
    place.submit("one", 1..=360);
    assert_eq!(place.store().status().known, 360);
}

#[test]
fn a_node_of_which_nothing_is_left_is_forgotten() {
    let hours = |hours: u64| Duration::from_secs(3_600 * hours);
    let place = Place::new(Limits { full: hours(1), minutes: hours(2), hours: hours(3), ..eager() });
    place.submit("one", 1..=10);
    place.rolled_up();
    place.set(BEGIN_NS + 9 * HOUR);
    place.until("it is forgotten", |_| place.store().streams().is_empty());
    assert!(place.store().reader().nodes(None, 1).items.is_empty());
    let place = place.again();
    place.submit("one", 11..=12);
    assert_eq!(place.sequences("one"), [11, 12]);
}

#[test]
fn above_so_many_bytes_the_oldest_goes_and_the_room_is_given_back() {
    // A field of a later version, which is not in the sums: number 100, so many bytes, which cannot be packed.
    let mixed = |n: u64| {
        let z = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        ((z ^ (z >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 56) as u8
    };
    let unknown = [vec![0xa2, 0x06, 0xb8, 0x17], (0..3_000).map(mixed).collect()].concat();
    let big = |sequence| {
        let incoming = incoming("one", sequence);
        Incoming { bytes: [&incoming.bytes[..], &unknown].concat().into(), ..incoming }
    };
    let limits = Limits { bytes: 4 << 20, ..eager() };
    let place = Place::new(limits);
    for batch in 0..40 {
        wait(place.store().submit((1..=200).map(|n| big(batch * 200 + n)).collect())).unwrap();
    }
    place.rolled_up();
    // The status is of the last slice, and what is there of now: the two belong together once they agree.
    let left = std::cell::RefCell::default();
    place.until("there is room", |status| {
        left.replace(place.sequences("one"));
        status.removed > 0 && status.used_bytes <= 4 << 20 && left.borrow().first() == Some(&status.oldest_report)
    });
    let left: Vec<u64> = left.into_inner();
    assert_eq!(left.last(), Some(&8_000), "the newest stay");
    assert!(left.windows(2).all(|pair| pair[0] + 1 == pair[1]), "the oldest go first");
    place.until("the room is given back", |status| status.file_bytes <= 9 << 20);
}

#[test]
fn where_only_sums_are_left_they_make_room_as_well() {
    let place = Place::new(Limits { bytes: 200 << 10, ..eager() });
    place.submit("one", (1..=6_000).map(|minute| minute * 6));
    place.set(BEGIN_NS + 101 * HOUR);
    place.rolled_up();
    place.until("there is room", |status| status.removed > 0 && status.used_bytes <= 200 << 10);
    assert!(place.sequences("one").is_empty());
    assert_eq!(place.rows("one", Resolution::Hour).len(), 100, "the hours stay");
    assert!(place.rows("one", Resolution::Minute).len() < 6_000);
}
