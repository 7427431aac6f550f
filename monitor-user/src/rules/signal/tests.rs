//! The table as a whole, and values taken from windows.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::{
    rules::{moment::Own, synthetic},
    window::Window,
};

/// The values of a signal with their labels joined by commas.
fn values(name: &str, moment: &Moment) -> BTreeMap<String, f64> {
    let signal = Signal::find(name).unwrap();
    let (mut rows, mut values) = (Vec::new(), Vec::new());
    signal.take.domain().rows(moment, |row| rows.push(row.join(",")));
    signal.take.values(moment, &mut values);
    assert_eq!(rows.len(), values.len(), "{name}");
    rows.into_iter().zip(values).collect()
}

fn moment(window: &Window) -> Moment<'_> {
    Moment { now_ns: 0, now_realtime_ns: 0, window, indices: &[], own: None, fleet: None }
}

#[test]
fn names_and_helps_follow_one_form() {
    let mut seen = BTreeSet::new();
    for signal in signals() {
        let name = signal.name;
        assert!(seen.insert(name), "{name} is there twice");
        assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'), "{name}");
        assert_eq!(signal.unit == Unit::Seconds, name.ends_with("_seconds"), "{name}");
        assert!(signal.help.ends_with('.') && !signal.help.contains('|'), "{name}");
        assert!(!signal.labels().iter().any(|label| ["alertname", "severity"].contains(label)), "{name}");
    }
}

#[test]
fn every_signal_has_a_value_for_each_row_and_none_that_is_infinite() {
    let mut window = synthetic::window(3, 1);
    window.seconds = f64::MIN_POSITIVE;
    for window in [window, synthetic::window(2, 7), Window::empty(0, 60.0)] {
        let indices = synthetic::indices(3.0);
        let own = Own {
            cpu: Some(1.0),
            agreement: vec![("block_bytes".into(), f64::INFINITY)],
            probes: vec![("sched".into(), false)],
            ..Own::default()
        };
        let moment = Moment { indices: &indices, own: Some(&own), ..moment(&window) };
        for signal in signals() {
            for (row, value) in values(signal.name, &moment) {
                assert!(!value.is_infinite(), "{} {row}", signal.name);
            }
        }
    }
}

#[test]
fn an_empty_window_has_no_values() {
    let window = Window::empty(0, 60.0);
    for signal in signals() {
        let present = values(signal.name, &moment(&window)).into_values().filter(|value| !value.is_nan()).count();
        assert_eq!(present, 0, "{}", signal.name);
    }
}

#[test]
fn values_carry_the_labels_that_the_domain_names() {
    let window = synthetic::window(2, 1);
    let moment = moment(&window);
    let requests = values("block_requests_per_second", &moment);
    assert_eq!(requests.keys().next().unwrap(), "nvme0n1,nvme,discard");
    assert_eq!(requests.len(), 10);
    for domain in Domain::ALL {
        domain.rows(&moment, |row| assert_eq!(row.len(), domain.labels().len(), "{domain:?}"));
    }
}

#[test]
fn what_a_label_can_be_is_what_windows_hold() {
    let window = synthetic::window(2, 1);
    let indices = synthetic::indices(2.0);
    let moment = Moment { indices: &indices, ..moment(&window) };
    for domain in Domain::ALL {
        domain.rows(&moment, |row| {
            for (label, value) in domain.labels().iter().zip(row) {
                if let Some(known) = domain.known(label) {
                    assert!(known.contains(value), "{domain:?} {label} {value}");
                }
            }
        });
    }
}

#[test]
fn space_is_counted_as_df_does() {
    let mut window = Window::empty(0, 60.0);
    let space = crate::host::Space { size: 100, free: 30, available: 20, files: 0, files_free: 0 };
    let fs = crate::host::Filesystem {
        mount: "/".into(),
        source: "/dev/vda".into(),
        kind: "ext4".into(),
        read_only: false,
        space: Some(space),
    };
    window.filesystems = vec![fs];
    let used = values("filesystem_used_share", &moment(&window));
    assert!((used["/,/dev/vda,ext4"] - 70.0 / 90.0).abs() < 1e-9);
    assert!(values("filesystem_inodes_used_share", &moment(&window))["/,/dev/vda,ext4"].is_nan());
}

#[test]
fn a_disk_that_is_not_listed_did_nothing_only_if_it_would_have_been_seen() {
    let window = synthetic::window(1, 1);
    let oldest = Signal::find("block_oldest_in_flight_seconds").unwrap();
    let p99 = Signal::find("block_request_p99_seconds").unwrap();
    assert_eq!(oldest.when_missing(&moment(&window)), Some(0.0));
    assert_eq!(p99.when_missing(&moment(&window)), None);
    let off = Own { probes: vec![("block".into(), false)], ..Own::default() };
    assert_eq!(oldest.when_missing(&Moment { own: Some(&off), ..moment(&window) }), None);
    assert_eq!(oldest.when_missing(&moment(&Window::empty(0, 60.0))), None);
}
