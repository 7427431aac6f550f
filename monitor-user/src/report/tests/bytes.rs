//! Bytes of every released version: read today as they were meant; and bytes of versions yet to come.

use bytes::Bytes;
use prost::Message as _;

use super::super::{
    check,
    envelope::{Envelope, Malformed},
    limits, testing, wire,
};

/// What an agent of version 1 sent. Never written again.
const V1: &[u8] = include_bytes!("../fixtures/v1.bin");

#[test]
fn what_version_1_sent_is_read_as_it_was_meant() {
    let envelope = Envelope::open(Bytes::from_static(V1)).unwrap();
    let report = check::decode(&envelope.reports[0]).unwrap();
    let whole = testing::whole();
    assert_eq!((envelope.version, &envelope.sender, envelope.lost), (1, &whole.sender, whole.lost));
    assert_eq!((envelope.sent_ns, envelope.waiting), (whole.sent_ns, whole.waiting));
    assert_eq!(report, whole.reports[0]);
}

#[test]
fn what_is_sent_today_is_what_version_1_sent() {
    assert_eq!(testing::whole().encode_to_vec(), V1, "the bytes have changed: an older server may misread them");
}

#[test]
fn an_envelope_has_the_bytes_of_a_batch() {
    let batch = testing::whole();
    let envelope = Envelope {
        version: batch.version,
        sender: batch.sender.clone(),
        reports: batch.reports.iter().map(|report| report.encode_to_vec().into()).collect(),
        lost: batch.lost,
        sent_ns: batch.sent_ns,
        waiting: batch.waiting,
    };
    assert_eq!(envelope.encode_to_vec(), batch.encode_to_vec());
    assert_eq!(wire::Batch::decode(envelope.encode_to_vec().as_slice()).unwrap(), batch);
}

/// A field that nobody knows yet, of each kind that there is.
fn unknown_fields() -> Vec<u8> {
    let mut bytes = Vec::new();
    for (tag, kind, value) in
        [(900u32, 0u8, vec![5u8]), (901, 1, vec![0; 8]), (902, 2, vec![3, 1, 2, 3]), (903, 5, vec![0; 4])]
    {
        prost::encoding::encode_varint(u64::from(tag << 3 | u32::from(kind)), &mut bytes);
        bytes.extend(value);
    }
    bytes
}

#[test]
fn what_a_later_version_adds_is_skipped_and_kept() {
    let whole = testing::whole();
    let report = [whole.reports[0].encode_to_vec(), unknown_fields()].concat();
    let mut envelope = Envelope::open(Bytes::from_static(V1)).unwrap();
    envelope.reports = vec![report.clone().into()];
    let body = [envelope.encode_to_vec(), unknown_fields()].concat();
    let opened = Envelope::open(body.into()).unwrap();
    assert_eq!(opened.reports[0], report, "kept as it came");
    assert_eq!(check::decode(&opened.reports[0]).unwrap(), whole.reports[0]);
}

#[test]
fn what_an_earlier_version_lacks_is_absent() {
    let bare = wire::Report { sequence: 1, length_ns: 1, ..wire::Report::default() };
    let report = check::decode(&bare.encode_to_vec().into()).unwrap();
    let window = super::view::window(&report, &super::ALL);
    assert!(window.sched.is_none() && window.block.is_none() && window.memory.is_none() && window.events.is_none());
}

#[test]
fn a_body_that_is_no_batch_of_a_known_node_is_not_taken() {
    let open = |change: fn(&mut wire::Batch)| {
        let mut batch = testing::whole();
        change(&mut batch);
        Envelope::open(batch.encode_to_vec().into()).unwrap_err()
    };
    assert_eq!(open(|batch| batch.version = 2), Malformed::TooNew { found: 2 });
    assert!(matches!(open(|batch| batch.version = 0), Malformed::Undecodable(_)));
    let nobody: [fn(&mut wire::Batch); 6] = [
        |batch| batch.sender = None,
        |batch| batch.sender.as_mut().unwrap().node = " ".into(),
        |batch| batch.sender.as_mut().unwrap().node = "a\nb".into(),
        |batch| batch.sender.as_mut().unwrap().node = "n".repeat(256),
        |batch| batch.sender.as_mut().unwrap().machine = vec![0; 256],
        |batch| batch.sender.as_mut().unwrap().instance = 0,
    ];
    for change in nobody {
        assert!(matches!(open(change), Malformed::Sender(_)));
    }
    let many = |batch: &mut wire::Batch| batch.reports = vec![wire::Report::default(); limits::REPORTS + 1];
    assert_eq!(open(many), Malformed::TooMany { reports: limits::REPORTS + 1 });
    let large = Envelope::open(vec![0; limits::BODY_BYTES + 1].into()).unwrap_err();
    assert_eq!(large, Malformed::TooLarge { bytes: limits::BODY_BYTES + 1 });
    assert!(matches!(Envelope::open(Bytes::from_static(b"GET / HTTP/1.1")), Err(Malformed::Undecodable(_))));
}

#[test]
fn a_cut_body_is_no_batch_or_one_with_less_in_it() {
    for length in 0..V1.len() {
        let Ok(envelope) = Envelope::open(Bytes::from_static(&V1[..length])) else { continue };
        assert!(envelope.reports.is_empty() || check::decode(&envelope.reports[0]).is_ok());
    }
}
