//! What holds for every report, on generated samples; and what holds for bytes from outside.

mod bytes;
mod refused;

use proptest::prelude::*;

use super::{build::*, check, envelope::Envelope, merge, view, wire};
use crate::{
    histogram::Histogram,
    index::{self, Signal},
    sample::{Block, Sample},
    window::{self, Options, Window, testing::*},
};

const TOP: usize = 100;
const ALL: Options = Options { top_tasks: TOP };

fn report(from: &Sample, to: &Sample) -> wire::Report {
    let edge = |sample| Edge { sample, status: None };
    build(edge(from), edge(to), TOP).unwrap()
}

fn encoded(report: &wire::Report) -> ::bytes::Bytes {
    prost::Message::encode_to_vec(report).into()
}

/// What a report does not carry, taken out of a window; and order where it has another.
fn carried(mut window: Window) -> Window {
    if let Some(sched) = &mut window.sched {
        // A CPU that was offline throughout is not in a report.
        sched.cpus.retain(|cpu| cpu.online || cpu.utilization.is_some() || cpu.switches_per_second > 0.0);
        sched.cpus.iter_mut().for_each(|cpu| cpu.wait = None);
    }
    window.filesystems.sort_by(|a, b| a.mount.cmp(&b.mount));
    window
}

/// At one instant a pid is one task's.
fn with_pids_once(mut series: Vec<Sample>) -> Vec<Sample> {
    let mut owners = std::collections::BTreeMap::new();
    for sample in &mut series {
        let tasks = sample.tasks.as_mut().unwrap();
        tasks.retain(|task| *owners.entry(task.pid).or_insert(task.start_ns) == task.start_ns);
        // Their name may change, and then they are two in a sum of reports.
        tasks.iter_mut().for_each(|task| task.comm = format!("t{}", task.pid));
    }
    series
}

/// A device is of one kind, and what it is called at the end is what it is called.
fn with_devices_of_one_kind(mut series: Vec<Sample>) -> Vec<Sample> {
    let mut known = true;
    for sample in &mut series {
        let block = sample.block.as_mut().unwrap();
        block.requests.retain(|of| of.device.major == 8);
        block.in_flight.retain(|of| of.device.major == 8);
        sample.host.disks.retain(|id, _| known && id.major == 7);
        known = !sample.host.disks.is_empty();
        sample.host.disks.values_mut().for_each(|disk| disk.request_based = false);
    }
    series
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_report_says_what_the_nodes_own_window_says(s in full_series(2), top_tasks in 1usize..9) {
        let s = with_pids_once(s);
        let edge = |sample| Edge { sample, status: None };
        let report = build(edge(&s[0]), edge(&s[1]), top_tasks).unwrap();
        let options = Options { top_tasks };
        let window = window::derive(&s[0], &s[1], &options).unwrap();
        prop_assert_eq!(carried(view::window(&report, &options)), carried(window.clone()));
        for &signal in Signal::ALL {
            prop_assert_eq!(view::observe(signal, &report), index::observe(signal, &window));
        }
    }

    #[test]
    fn a_report_comes_through_the_wire_whole_and_is_possible(s in full_series(2)) {
        let mut report = report(&s[0], &s[1]);
        report.sequence = 1;
        // What is generated is busier and older than time allows.
        report.length_ns = 1 << 40;
        let devices = report.block.iter_mut().flat_map(|block| &mut block.devices);
        devices.for_each(|device| device.oldest_ns &= 0xffff);
        prop_assert_eq!(check::decode(&encoded(&report)).unwrap(), report);
    }

    #[test]
    fn two_reports_in_a_row_add_up_to_the_one_over_both(s in full_series(3)) {
        let s = with_devices_of_one_kind(with_pids_once(s));
        let mut sum = report(&s[0], &s[1]);
        merge::add(&mut sum, &report(&s[1], &s[2]));
        let mut whole = report(&s[0], &s[2]);
        // Of tasks the totals only: which are first is known of each part alone, and what is left over is never negative.
        for tasks in [&mut sum.tasks, &mut whole.tasks].into_iter().flatten() {
            let (count, total, resets) = (tasks.count, tasks.total, tasks.resets);
            *tasks = wire::Tasks { count, total, resets, ..wire::Tasks::default() };
        }
        prop_assert_eq!(&sum.sched, &whole.sched);
        prop_assert_eq!(&sum.block, &whole.block);
        prop_assert_eq!(&sum.host, &whole.host);
        prop_assert_eq!(&sum.tasks, &whole.tasks);
        prop_assert_eq!(sum, whole);
    }

    #[test]
    fn adding_up_in_pairs_or_in_a_row_is_the_same(s in full_series(5)) {
        let s = with_devices_of_one_kind(s);
        let parts: Vec<_> = (0..4).map(|i| { let mut r = report(&s[i], &s[i + 1]); r.tasks = None; r }).collect();
        let mut row = parts[0].clone();
        parts[1..].iter().for_each(|part| merge::add(&mut row, part));
        let (mut first, mut second) = (parts[0].clone(), parts[2].clone());
        merge::add(&mut first, &parts[1]);
        merge::add(&mut second, &parts[3]);
        merge::add(&mut first, &second);
        prop_assert_eq!(&row.block, &first.block);
        prop_assert_eq!(row, first);
    }

    #[test]
    fn no_samples_make_a_report_that_panics(a in any_sample(), b in any_sample(), top_tasks in 0usize..4) {
        let edge = |sample| Edge { sample, status: None };
        if let Ok(mut report) = build(edge(&a), edge(&b), top_tasks) {
            let window = view::window(&report, &ALL);
            prop_assert_eq!(window.seconds, report.length_ns as f64 / 1e9);
            let other = report.clone();
            merge::add(&mut report, &other);
            let _ = check::decode(&encoded(&report));
        }
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Envelope::open(bytes.clone().into());
        let _ = check::decode(&bytes.into());
    }

    #[test]
    fn sparse_histograms_add_as_the_others_do(s in series(2)) {
        let waits = |sample: &Sample| {
            let mut all = Histogram::default();
            sample.sched.iter().flat_map(|sched| sched.cpus.values()).for_each(|cpu| all.merge(&cpu.wait));
            all
        };
        let (mut a, b) = (waits(&s[0]), waits(&s[1]));
        let mut sparse = wire::Histogram::of(&a).unwrap_or_default();
        sparse.add(&wire::Histogram::of(&b).unwrap_or_default());
        a.merge(&b);
        prop_assert_eq!(sparse.times().unwrap(), a);
    }
}

#[test]
fn tasks_are_said_only_where_they_are_asked_for() {
    let sample = |monotonic_ns| Sample { monotonic_ns, tasks: Some(vec![]), ..Sample::default() };
    let edge = |sample| Edge { sample, status: None };
    let (from, to) = (sample(1), sample(2));
    assert!(build(edge(&from), edge(&to), 0).unwrap().tasks.is_none());
    assert!(build(edge(&from), edge(&to), 1).unwrap().tasks.is_some());
}

#[test]
fn what_is_in_flight_is_what_is_in_flight_at_the_end() {
    let device = crate::device::DeviceId { major: 8, minor: 0 };
    let sample = |monotonic_ns, requests| {
        let in_flight = vec![crate::sample::InFlight { device, requests, oldest_ns: 5 }];
        Sample { monotonic_ns, block: Some(Block { in_flight, ..Block::default() }), ..Sample::default() }
    };
    let samples = [sample(1, 0), sample(2, 3), sample(3, 0)];
    let mut sum = report(&samples[0], &samples[1]);
    assert_eq!(sum.block.as_ref().unwrap().devices[0].in_flight, 3);
    merge::add(&mut sum, &report(&samples[1], &samples[2]));
    assert_eq!(sum.block.unwrap().devices, []);
}

#[test]
fn a_probe_that_is_off_says_nothing() {
    let sample = |monotonic_ns| Sample { monotonic_ns, ..Sample::default() };
    let report = report(&sample(1), &sample(2));
    assert_eq!((&report.sched, &report.block, &report.tasks), (&None, &None, &None));
    assert!(report.events.is_empty());
    let window = view::window(&report, &ALL);
    assert_eq!(carried(window), carried(window::derive(&sample(1), &sample(2), &ALL).unwrap()));
}
