//! Every report is there once, whatever is sent twice, late, in any order, over restarts.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    /// These sequences of a node, as one batch.
    Submit(u8, Vec<u64>),
    /// The store is closed and opened.
    Again,
    /// Everything is added up.
    RollUp,
    /// An hour goes by.
    Hour,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0u8..3, prop::collection::vec(1u64..900, 1..40)).prop_map(|(node, all)| Step::Submit(node, all)),
        1 => Just(Step::Again),
        2 => Just(Step::RollUp),
        1 => Just(Step::Hour),
    ];
    prop::collection::vec(step, 1..25)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn what_is_stored_is_what_was_sent(steps in steps()) {
        let mut place = Place::new(Limits { full: Duration::from_secs(1 << 20), ..eager() });
        let mut sent: BTreeMap<String, BTreeSet<u64>> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Submit(node, sequences) => {
                    let node = format!("node{node}");
                    place.submit(&node, sequences.iter().copied());
                    sent.entry(node).or_default().extend(sequences);
                }
                Step::Again => place = place.again(),
                Step::RollUp => place.rolled_up(),
                Step::Hour => place.set((place.store().shared.clock)() + 3_600_000_000_000),
            }
        }
        place.set(BEGIN_NS + 30 * 3_600_000_000_000);
        place.rolled_up();
        let count: usize = sent.values().map(BTreeSet::len).sum();
        prop_assert!(place.store().status().stored as usize <= count);
        for (node, sequences) in &sent {
            prop_assert_eq!(&place.sequences(node), &sequences.iter().copied().collect::<Vec<_>>());
            place.until("the hours are added up", |_| {
                let registry = place.store().shared.registry();
                registry.nodes.values().all(|node| node.hour >= Resolution::Hour.interval(BEGIN_NS) + 29)
            });
            for resolution in [Resolution::Minute, Resolution::Hour] {
                let mut expected: BTreeMap<u64, u64> = BTreeMap::new();
                for &sequence in sequences {
                    let interval = resolution.interval(incoming(node, sequence).end_ns);
                    *expected.entry(resolution.end_ns(interval)).or_default() += 1 << (sequence % 6);
                }
                let found = place.rows(node, resolution).into_iter().map(|(end_ns, sum)| (end_ns, switches(&sum)));
                prop_assert_eq!(found.collect::<BTreeMap<_, _>>(), expected, "{:?}", resolution);
            }
        }
    }
}

#[test]
fn two_agents_of_a_node_have_sequences_of_their_own() {
    let place = Place::new(Limits::default());
    let other = |mut incoming: Incoming| {
        incoming.sender.instance = 8;
        incoming
    };
    wait(place.store().submit(vec![incoming("one", 1), other(incoming("one", 1)), incoming("one", 1)])).unwrap();
    let place = place.again();
    wait(place.store().submit(vec![other(incoming("one", 1)), other(incoming("one", 2))])).unwrap();
    assert_eq!(place.sequences("one"), [1, 1, 2]);
    let streams = place.store().streams();
    let told: Vec<_> = streams.iter().map(|it| (it.instance, it.last_sequence)).collect();
    assert_eq!(told, [(7, 1), (8, 2)]);
    assert_eq!(streams[0].machine, b"one");
}

#[test]
fn a_full_queue_says_so_at_once_and_loses_nothing() {
    let place = Place::new(Limits { queue_reports: 10, group: 5, ..Limits::default() });
    let answers: Vec<_> = (0..200u64)
        .map(|batch| (batch, place.store().submit((1..=5).map(|n| incoming("one", batch * 5 + n)).collect())))
        .collect();
    let mut expected = Vec::new();
    for (batch, answer) in answers {
        match wait(answer) {
            Ok(()) => expected.extend((1..=5).map(|n| batch * 5 + n)),
            Err(error) => assert_eq!(error, Unavailable::Full),
        }
    }
    let status = place.store().status();
    assert_eq!(place.sequences("one"), expected);
    assert_eq!(status.stored + status.turned_away, 1_000);
    assert!(status.turned_away > 0, "the queue was never full");
}
