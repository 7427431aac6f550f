//! Reports that cannot be, or may not come now: each is refused for its reason.

use prost::Message as _;

use super::super::{
    check::{self, Reason, Times},
    limits, testing, wire,
};

const SECOND: u64 = 1_000_000_000;

fn good() -> wire::Report {
    testing::whole().reports.remove(0)
}

fn reason(change: impl FnOnce(&mut wire::Report)) -> Reason {
    let mut report = good();
    change(&mut report);
    let refused = check::decode(&report.encode_to_vec().into()).unwrap_err();
    assert_eq!(refused.sequence, report.sequence, "{refused}");
    assert!(!refused.detail.is_empty() && refused.detail.len() < 300);
    refused.reason
}

fn device(report: &mut wire::Report) -> &mut wire::Device {
    &mut report.block.as_mut().unwrap().devices[0]
}

fn wait(report: &mut wire::Report) -> &mut wire::Histogram {
    report.sched.as_mut().unwrap().wait.as_mut().unwrap()
}

/// Spoils a report; the number is a counter that went back.
type Spoil = fn(&mut wire::Report, u64);

#[test]
fn a_whole_report_is_taken() {
    assert_eq!(check::decode(&good().encode_to_vec().into()).unwrap(), good());
}

#[test]
fn what_no_node_can_have_seen_is_refused() {
    let back = 5u64.wrapping_sub(9);
    let cases: &[(Reason, Spoil)] = &[
        (Reason::NoSequence, |r, _| r.sequence = 0),
        (Reason::LengthImpossible, |r, _| r.length_ns = 0),
        (Reason::LengthImpossible, |r, _| r.length_ns = 2 * limits::LENGTH_NS),
        (Reason::CounterImpossible, |r, back| r.sched.as_mut().unwrap().cpus[0].busy_ns = back),
        (Reason::CounterImpossible, |r, _| r.sched.as_mut().unwrap().cpus[0].busy_ns = 22 * SECOND),
        (Reason::CounterImpossible, |r, back| r.sched.as_mut().unwrap().switches = back),
        (Reason::CounterImpossible, |r, back| wait(r).sum_ns = back),
        (Reason::CounterImpossible, |r, back| wait(r).counts[0] = back),
        (Reason::CounterImpossible, |r, back| device(r).in_flight = back),
        (Reason::CounterImpossible, |r, back| device(r).operations[0].sizes[0].queue_ns = back),
        (Reason::CounterImpossible, |r, back| device(r).operations[0].errors[0].count = back),
        (Reason::CounterImpossible, |r, back| r.host.as_mut().unwrap().cpu_modes_ns[3] = back),
        (Reason::CounterImpossible, |r, back| r.host.as_mut().unwrap().pressure[0].full_ns = Some(back)),
        (Reason::CounterImpossible, |r, back| r.host.as_mut().unwrap().networks[0].faults = back),
        (Reason::CounterImpossible, |r, back| r.tasks.as_mut().unwrap().top[0].used.as_mut().unwrap().wait_ns = back),
        (Reason::CounterImpossible, |r, back| r.events[0].seen = back),
        (Reason::CounterImpossible, |r, back| r.own.as_mut().unwrap().cpu_ns = Some(back)),
        (Reason::HistogramImpossible, |r, _| wait(r).gaps.push(1)),
        (Reason::HistogramImpossible, |r, _| wait(r).gaps[1] = 0),
        (Reason::HistogramImpossible, |r, _| wait(r).gaps[2] = u32::MAX),
        (Reason::HistogramImpossible, |r, _| wait(r).counts = vec![u64::MAX; 3]),
        (Reason::NotFinite, |r, _| r.host.as_mut().unwrap().load[1] = f64::NAN),
        (Reason::NotFinite, |r, _| r.host.as_mut().unwrap().load[1] = -1.0),
        (Reason::NotFinite, |r, _| r.own.as_mut().unwrap().agreement[0].ratio = f64::INFINITY),
        (Reason::TooLong, |r, _| device(r).name = "n".repeat(limits::NAME_BYTES + 1)),
        (Reason::TooLong, |r, _| r.alerts[0].summary = "n".repeat(limits::TEXT_BYTES + 1)),
        (Reason::TooLong, |r, _| r.metadata.as_mut().unwrap().url = "n".repeat(limits::TEXT_BYTES + 1)),
    ];
    for (place, (expected, change)) in cases.iter().enumerate() {
        assert_eq!(reason(|report| change(report, back)), *expected, "case {place}");
    }
}

#[test]
fn more_than_a_node_has_is_refused_before_it_is_decoded() {
    let many = |n: usize| vec![Default::default(); n];
    assert_eq!(
        reason(|r| r.sched.as_mut().unwrap().cpus = vec![wire::Cpu::default(); limits::CPUS + 1]),
        Reason::TooManyCpus
    );
    assert_eq!(
        reason(|r| r.block.as_mut().unwrap().devices = vec![wire::Device::default(); limits::DEVICES + 1]),
        Reason::TooManyDevices
    );
    assert_eq!(reason(|r| device(r).operations = many(limits::KINDS + 1)), Reason::TooManyStrata);
    assert_eq!(
        reason(|r| device(r).operations[0].sizes = vec![wire::Size::default(); limits::KINDS + 1]),
        Reason::TooManyStrata
    );
    assert_eq!(
        reason(|r| r.host.as_mut().unwrap().filesystems = vec![wire::Filesystem::default(); 1_000]),
        Reason::TooManyParts
    );
    assert_eq!(reason(|r| r.alerts = vec![wire::ActiveAlert::default(); 1_000]), Reason::TooManyParts);
    // A hundred thousand strata, each within what one device may have.
    let stratum = wire::Operation { sizes: vec![wire::Size::default(); 7], ..wire::Operation::default() };
    let full = wire::Device { operations: vec![stratum; limits::KINDS], ..wire::Device::default() };
    assert_eq!(reason(|r| r.block.as_mut().unwrap().devices = vec![full; 450]), Reason::TooManyStrata);
}

#[test]
fn a_report_with_too_many_bytes_is_refused_and_named() {
    let large = |r: &mut wire::Report| r.alerts[0].summary = "n".repeat(limits::REPORT_BYTES);
    assert_eq!(reason(large), Reason::TooLarge);
}

#[test]
fn bytes_that_are_no_report_are_refused_by_themselves() {
    for bytes in [&b"\xff\xff\xff"[..], b"\x0b\x0c", b"\x22\x7f\x00", b"\x0a\x04abcd"] {
        let refused = check::decode(&bytes::Bytes::copy_from_slice(bytes)).unwrap_err();
        assert!(matches!(refused.reason, Reason::Malformed), "{refused}");
    }
    // Twice what there is once would be added up by the decoder, without an end.
    let twice = [good().encode_to_vec(), good().encode_to_vec()].concat();
    assert_eq!(check::decode(&twice.into()).unwrap_err().reason, Reason::Malformed);
}

#[test]
fn a_report_comes_in_its_time() {
    let times = Times { ahead_ns: 300 * SECOND, age_ns: 86_400 * SECOND };
    let report = good();
    let end_ns = report.end_ns;
    let at = |now_ns, last_ns| check::time(&report, now_ns, last_ns, &times).map_err(|refused| refused.reason);
    assert_eq!(at(end_ns, None), Ok(()));
    assert_eq!(at(end_ns - 300 * SECOND, None), Ok(()));
    assert_eq!(at(end_ns - 301 * SECOND, None), Err(Reason::Future));
    assert_eq!(at(end_ns + 86_400 * SECOND, Some(end_ns - 1)), Ok(()));
    assert_eq!(at(end_ns + 86_401 * SECOND, None), Err(Reason::TooOld));
    assert_eq!(at(end_ns, Some(end_ns)), Err(Reason::BeforeLast));
    assert_eq!(at(end_ns, Some(end_ns + SECOND)), Err(Reason::BeforeLast));
}
