use proptest::prelude::*;

use super::*;
use crate::{
    host::Class,
    index::{Part, testing::any_observation},
};

const S: u64 = 1_000_000_000;
const READ: Stratum = Stratum { class: Class::Ssd, operation: 0, size: 1 };
const WRITE: Stratum = Stratum { class: Class::Ssd, operation: 1, size: 1 };

fn requests(device: &str, stratum: Stratum, requests: u64, mean: f64) -> Observation {
    let part = Part { device: device.into(), stratum };
    [(part, Load { requests, seconds: requests as f64 * mean })].into()
}

/// Minutes of 1,000 reads each, of that mean time.
fn learn(baselines: &mut Baselines, minutes: std::ops::Range<u64>, mean: f64, firing: bool) {
    for minute in minutes {
        let interval = Interval { seconds: 60.0, end_ns: (minute + 1) * 60 * S };
        let done = requests("sda", READ, 1_000, mean);
        baselines.learn(Signal::Block, "", &done, interval, firing, &Learning::default());
    }
}

fn trailing(baselines: &Baselines) -> Option<f64> {
    baselines.mean(Mode::Trailing, Signal::Block, "", READ)
}

fn pinned(baselines: &Baselines) -> Option<f64> {
    baselines.mean(Mode::Pinned, Signal::Block, "", READ)
}

fn state(baselines: &Baselines) -> State {
    baselines.states()[0].state
}

#[test]
fn it_is_absent_while_it_learns() {
    let mut baselines = Baselines::default();
    learn(&mut baselines, 0..9, 1e-3, false);
    assert_eq!((trailing(&baselines), state(&baselines)), (None, State::Learning));
    learn(&mut baselines, 9..10, 1e-3, false);
    assert_eq!(state(&baselines), State::Ready);
    assert!((trailing(&baselines).unwrap() - 1e-3).abs() < 1e-12);
    for (signal, scope, stratum) in
        [(Signal::RunQueue, "", READ), (Signal::Block, "b", READ), (Signal::Block, "", WRITE)]
    {
        assert_eq!(baselines.mean(Mode::Trailing, signal, scope, stratum), None);
    }
}

#[test]
fn it_stands_still_while_an_alert_fires_but_not_for_ever() {
    let mut baselines = Baselines::default();
    learn(&mut baselines, 0..10, 1e-3, false);
    let before = trailing(&baselines);
    learn(&mut baselines, 10..10 + 1_440, 9e-3, true);
    assert_eq!((trailing(&baselines), state(&baselines)), (before, State::Frozen));
    learn(&mut baselines, 1_450..1_451, 9e-3, true);
    assert_eq!(state(&baselines), State::Ready, "after a day it follows again");
    learn(&mut baselines, 1_451..5_000, 9e-3, true);
    assert!(trailing(&baselines).unwrap() > 8e-3, "{:?}", trailing(&baselines));
    // Another alert has a day of its own.
    learn(&mut baselines, 5_000..5_001, 9e-3, false);
    learn(&mut baselines, 5_001..5_002, 9e-3, true);
    assert_eq!(state(&baselines), State::Frozen);
}

#[test]
fn what_is_pinned_stays_when_the_rest_moves_is_reset_or_learns_anew() {
    let mut baselines = Baselines::default();
    assert_eq!(baselines.pin(Signal::Block, 7), Err(NothingKnown(Signal::Block)));
    learn(&mut baselines, 0..10, 1e-3, false);
    assert_eq!(pinned(&baselines), None);
    baselines.pin(Signal::Block, 7).unwrap();
    let fixed = pinned(&baselines);
    assert_eq!((fixed, baselines.states()[0].pinned_ns), (trailing(&baselines), Some(7)));
    learn(&mut baselines, 10..2_000, 2e-3, false);
    assert_eq!(pinned(&baselines), fixed);
    assert!(trailing(&baselines) > fixed);
    baselines.reset(Signal::Block);
    assert_eq!((pinned(&baselines), trailing(&baselines), state(&baselines)), (fixed, None, State::Learning));
    assert!(baselines.unpin(Signal::Block));
    assert!(!baselines.unpin(Signal::Block));
    assert_eq!(pinned(&baselines), None);
}

#[test]
fn an_operator_changes_one_signal_in_all_scopes() {
    let mut baselines = Baselines::default();
    let learning = Learning { requests: 1, time: Duration::ZERO, ..Learning::default() };
    for (signal, scope) in [(Signal::RunQueue, "b"), (Signal::Block, "b"), (Signal::Block, "a")] {
        let interval = Interval { seconds: 1.0, end_ns: S };
        baselines.learn(signal, scope, &requests("", READ, 1, 1.0), interval, false, &learning);
    }
    baselines.pin(Signal::Block, 7).unwrap();
    let pinned: Vec<_> = baselines.states().into_iter().map(|s| (s.signal, s.scope, s.pinned_ns)).collect();
    assert_eq!(
        pinned,
        [
            (Signal::Block, "a".into(), Some(7)),
            (Signal::Block, "b".into(), Some(7)),
            (Signal::RunQueue, "b".into(), None)
        ]
    );
    assert!(baselines.is_sound());
}

#[test]
fn what_cannot_be_is_refused_whole_and_counted() {
    let mut baselines = Baselines::default();
    learn(&mut baselines, 0..10, 1e-3, false);
    let before = baselines.books[0].strata.clone();
    for seconds in [f64::NAN, f64::INFINITY, -1e-9, 1e12] {
        let mut done = requests("sda", READ, 5, 1e-3);
        done.insert(Part { device: "sdb".into(), stratum: WRITE }, Load { requests: 5, seconds });
        baselines.learn(Signal::Block, "", &done, Interval { seconds: 60.0, end_ns: S }, false, &Learning::default());
    }
    assert_eq!((&baselines.books[0].strata, baselines.books[0].refused), (&before, 4));
}

#[test]
fn a_stratum_on_two_devices_is_one_lesson() {
    let mut one = Baselines::default();
    let mut two = Baselines::default();
    let interval = Interval { seconds: 60.0, end_ns: S };
    let mut done = requests("sda", READ, 10, 0.25);
    done.extend(requests("sdb", READ, 30, 0.75));
    two.learn(Signal::Block, "", &done, interval, false, &Learning::default());
    one.learn(Signal::Block, "", &requests("sda", READ, 40, 0.625), interval, false, &Learning::default());
    assert_eq!(one, two);
}

proptest! {
    #[test]
    fn whatever_is_learned_survives_json_to_the_last_bit(
        steps in prop::collection::vec((any_observation(), any::<bool>(), 0u64..3_000), 0..30),
    ) {
        let mut baselines = Baselines::default();
        let learning = Learning { requests: 20, time: Duration::from_secs(60), ..Learning::default() };
        for (done, firing, seconds) in steps {
            let interval = Interval { seconds: 10.0, end_ns: seconds * S };
            baselines.learn(Signal::Block, "scope", &done, interval, firing, &learning);
        }
        let _ = baselines.pin(Signal::Block, 5);
        prop_assert!(baselines.is_sound());
        let json = serde_json::to_string(&baselines).unwrap();
        prop_assert_eq!(serde_json::from_str::<Baselines>(&json).unwrap(), baselines);
    }
}
