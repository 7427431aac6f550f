//! How alerts lie on disk: groups of records, each group whole or not there.
//!
//! In: alerts with their sequence numbers. Out: bytes, and back. A group is
//!
//! ```text
//! magic "KPJ1" | length of the payload u32 | records u32 | CRC-32 of these twelve bytes and the payload u32 | payload
//! ```
//!
//! and its payload one record after another: sequence number u64, length u32, CRC-32 of the alert u32, the alert as JSON.
//! All numbers are little-endian. The group's checksum makes an append all or nothing; the record's own lets one be read
//! without its group.

use std::ops::Range;

use serde_json::Value;

use crate::alert::Alert;

const MAGIC: &[u8; 4] = b"KPJ1";
const GROUP_HEAD: usize = 16;
const RECORD_HEAD: usize = 16;

/// What a record takes on disk beyond its JSON, when it has a group of its own.
pub const OVERHEAD: u64 = (GROUP_HEAD + RECORD_HEAD) as u64;

/// A record as bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raw<'a> {
    /// Its number: later records have greater ones.
    pub sequence: u64,
    /// The alert as JSON.
    pub json: &'a [u8],
}

/// The bytes of a group, and where in them each record's JSON begins.
pub fn group(records: &[Raw<'_>]) -> (Vec<u8>, Vec<usize>) {
    let payload: usize = records.iter().map(|record| RECORD_HEAD + record.json.len()).sum();
    let mut bytes = Vec::with_capacity(GROUP_HEAD + payload);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&(payload as u32).to_le_bytes());
    bytes.extend_from_slice(&(records.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&[0; 4]);
    let mut starts = Vec::with_capacity(records.len());
    for record in records {
        bytes.extend_from_slice(&record.sequence.to_le_bytes());
        bytes.extend_from_slice(&(record.json.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&crc32fast::hash(record.json).to_le_bytes());
        starts.push(bytes.len());
        bytes.extend_from_slice(record.json);
    }
    let checksum = group_checksum(&bytes[..12], &bytes[GROUP_HEAD..]);
    bytes[12..GROUP_HEAD].copy_from_slice(&checksum.to_le_bytes());
    (bytes, starts)
}

fn group_checksum(head: &[u8], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(head);
    hasher.update(payload);
    hasher.finalize()
}

/// The group that begins at `at`: where it ends, and its records with the place of their JSON.
fn group_at(bytes: &[u8], at: usize) -> Option<(usize, Places)> {
    let head = bytes.get(at..at + GROUP_HEAD)?;
    let number = |place: Range<usize>| bytes.get(place)?.try_into().ok().map(u32::from_le_bytes);
    if &head[..4] != MAGIC {
        return None;
    }
    let end = (at + GROUP_HEAD).checked_add(number(at + 4..at + 8)? as usize)?;
    let payload = bytes.get(at + GROUP_HEAD..end)?;
    if group_checksum(&head[..12], payload) != number(at + 12..at + 16)? {
        return None;
    }
    let mut records = Vec::new();
    let mut next = at + GROUP_HEAD;
    for _ in 0..number(at + 8..at + 12)? {
        let sequence = u64::from_le_bytes(bytes.get(next..next + 8)?.try_into().ok()?);
        let json = next + RECORD_HEAD..next + RECORD_HEAD + number(next + 8..next + 12)? as usize;
        next = json.end;
        records.push((sequence, json));
    }
    (next == end).then_some((end, records))
}

/// The number of each record, and where its JSON is.
type Places = Vec<(u64, Range<usize>)>;

/// What is in a file.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Scan {
    /// Every record of a whole group, in the order of the file: its number and where its JSON is.
    pub records: Places,
    /// Where the last whole group ends.
    pub end: usize,
    /// Bytes before `end` that belong to no whole group.
    pub damaged: usize,
}

/// Finds all whole groups. What lies between them is skipped.
pub fn scan(bytes: &[u8]) -> Scan {
    let mut found = Scan::default();
    let mut at = 0;
    while at < bytes.len() {
        if let Some((end, records)) = group_at(bytes, at) {
            found.damaged += at - found.end;
            found.records.extend(records);
            found.end = end;
            at = end;
        } else {
            // The next place where a group could begin.
            let next = bytes[at + 1..].windows(MAGIC.len()).position(|window| window == MAGIC);
            at = next.map_or(bytes.len(), |next| at + 1 + next);
        }
    }
    found
}

/// The checksum that goes with a record's JSON.
pub fn checksum_before(bytes: &[u8], json: usize) -> Option<u32> {
    bytes.get(json.checked_sub(4)?..json)?.try_into().ok().map(u32::from_le_bytes)
}

/// An alert as JSON that [`decode`] is sure to read. Numbers that JSON does not have are not worth the alert: values
/// become the nearest that it has, and evidence with such numbers is left out.
pub fn encode(alert: &Alert) -> Vec<u8> {
    let json = serde_json::to_vec(alert).unwrap_or_default();
    if serde_json::from_slice::<Alert>(&json).is_ok() {
        return json;
    }
    let finite = |value: f64| if value.is_nan() { 0.0 } else { value.clamp(f64::MIN, f64::MAX) };
    let plain = Alert {
        value: finite(alert.value),
        threshold: finite(alert.threshold),
        pending_evidence: None,
        firing_evidence: None,
        ..alert.clone()
    };
    serde_json::to_vec(&plain).unwrap_or_default()
}

/// The alert, and whether all of it is there. Evidence of another version's shape is left out.
pub fn decode(json: &[u8]) -> Option<(Alert, bool)> {
    if let Ok(alert) = serde_json::from_slice(json) {
        return Some((alert, true));
    }
    let mut value: Value = serde_json::from_slice(json).ok()?;
    for evidence in ["pending_evidence", "firing_evidence"] {
        value.as_object_mut()?.insert(evidence.into(), Value::Null);
    }
    serde_json::from_value(value).ok().map(|alert| (alert, false))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        alert::State,
        evidence::Evidence,
        journal::testing::{alert, evidence},
    };

    fn raw(records: &[(u64, Vec<u8>)]) -> Vec<u8> {
        let records: Vec<Raw<'_>> = records.iter().map(|(sequence, json)| Raw { sequence: *sequence, json }).collect();
        group(&records).0
    }

    #[test]
    fn numbers_that_json_does_not_have_cost_no_alert() {
        let sick = Alert { value: f64::INFINITY, threshold: f64::NAN, ..alert("a", State::Firing, 5) };
        let (read, whole) = decode(&encode(&sick)).unwrap();
        assert_eq!((read.id, read.value, read.threshold, whole), (sick.id, f64::MAX, 0.0, true));
    }

    #[test]
    fn evidence_of_another_version_is_left_out_and_the_alert_stays() {
        let firing = Alert { firing_evidence: Some(std::sync::Arc::new(evidence())), ..alert("a", State::Firing, 5) };
        let mut json: Value = serde_json::from_slice(&encode(&firing)).unwrap();
        assert_eq!(decode(&serde_json::to_vec(&json).unwrap()), Some((firing.clone(), true)));
        json["firing_evidence"] = serde_json::json!({ "seconds": "of another shape" });
        let (read, whole) = decode(&serde_json::to_vec(&json).unwrap()).unwrap();
        assert_eq!((read, whole), (Alert { firing_evidence: None::<std::sync::Arc<Evidence>>, ..firing }, false));
    }

    proptest! {
        #[test]
        fn groups_are_whole_or_not_there(
            groups in prop::collection::vec(prop::collection::vec((any::<u64>(), prop::collection::vec(any::<u8>(), 0..40)), 0..4), 0..5),
            cut in any::<prop::sample::Index>(),
        ) {
            let bytes: Vec<Vec<u8>> = groups.iter().map(|group| raw(group)).collect();
            let all = bytes.concat();
            let cut = cut.index(all.len() + 1);
            let found = scan(&all[..cut]);
            let mut end = 0;
            let whole: Vec<_> = bytes.iter().take_while(|bytes| { end += bytes.len(); end <= cut }).collect();
            let expected: Vec<_> = groups[..whole.len()].iter().flatten().cloned().collect();
            let records: Vec<_> = found.records.iter().map(|(seq, json)| (*seq, all[json.clone()].to_vec())).collect();
            prop_assert_eq!(records, expected);
            prop_assert_eq!((found.end, found.damaged), (whole.iter().map(|bytes| bytes.len()).sum::<usize>(), 0));
        }

        #[test]
        fn a_broken_byte_costs_its_group_alone(
            groups in prop::collection::vec(prop::collection::vec((any::<u64>(), prop::collection::vec(any::<u8>(), 0..40)), 1..4), 1..5),
            at in any::<prop::sample::Index>(),
            bit in 0..8,
        ) {
            let bytes: Vec<Vec<u8>> = groups.iter().map(|group| raw(group)).collect();
            let mut all = bytes.concat();
            let at = at.index(all.len());
            all[at] ^= 1u8 << bit;
            let mut end = 0;
            let broken = bytes.iter().position(|bytes| { end += bytes.len(); at < end }).unwrap();
            let found = scan(&all);
            let expected: Vec<u64> =
                groups.iter().enumerate().filter(|(i, _)| *i != broken).flat_map(|(_, group)| group.iter().map(|r| r.0)).collect();
            prop_assert_eq!(found.records.iter().map(|r| r.0).collect::<Vec<_>>(), expected);
            prop_assert_eq!(found.damaged, if broken + 1 < groups.len() { bytes[broken].len() } else { 0 });
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), magic in any::<prop::sample::Index>()) {
            let mut bytes = bytes;
            let at = magic.index(bytes.len() + 1);
            bytes.splice(at..at, *MAGIC);
            let found = scan(&bytes);
            prop_assert!(found.end <= bytes.len());
            decode(&bytes);
        }
    }
}
