//! How reports lie on disk: a file names who wrote them, and then has one after the other.
//!
//! In: reports as they travel. Out: bytes, and back. All numbers are little-endian.
//!
//! ```text
//! head    magic "KPS1" | length u32 | CRC-32 of the sender u32 | the sender, as in a batch
//! record  magic "KPSr" | length u32 | CRC-32 of all that follows u32 | number u64 | sequence u64 | end u64 | the report
//! ```

use std::ops::Range;

use prost::Message as _;

use crate::report::{limits, wire::Sender};

const HEAD: &[u8; 4] = b"KPS1";
const RECORD: &[u8; 4] = b"KPSr";
/// Of magic, length and checksum.
const FRONT: usize = 12;
/// Of number, sequence and end.
const NUMBERS: usize = 24;

/// A report in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// In the spool: later reports have greater ones.
    pub number: u64,
    /// Of its sender.
    pub sequence: u64,
    /// The end of its interval, in nanoseconds since 1970.
    pub end_ns: u64,
    /// Where the whole record is.
    pub place: Range<usize>,
}

/// What is in a file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scan {
    /// Who wrote it; absent if that is damaged, and then its reports are nobody's.
    pub sender: Option<Sender>,
    /// What is whole, in order.
    pub records: Vec<Found>,
    /// Bytes up to the end of the last of them.
    pub end: usize,
    /// Places in which something is damaged that more follows after.
    pub damaged: u64,
}

/// The beginning of a file.
pub fn head(sender: &Sender) -> Vec<u8> {
    let body = sender.encode_to_vec();
    frame(HEAD, &[&body])
}

/// A report.
pub fn record(number: u64, sequence: u64, end_ns: u64, report: &[u8]) -> Vec<u8> {
    frame(RECORD, &[&number.to_le_bytes(), &sequence.to_le_bytes(), &end_ns.to_le_bytes(), report])
}

fn frame(magic: &[u8; 4], parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut out = Vec::with_capacity(FRONT + length);
    out.extend(magic);
    // A report is never as long as that: the agent keeps to the limits.
    out.extend(u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
    out.extend([0; 4]);
    parts.iter().for_each(|part| out.extend(*part));
    let checksum = crc32fast::hash(&out[FRONT..]).to_le_bytes();
    out[8..FRONT].copy_from_slice(&checksum);
    out
}

/// The report in the bytes of a record; `None` if it is not what was written.
pub fn report(bytes: &[u8]) -> Option<&[u8]> {
    open(bytes, RECORD)?.get(NUMBERS..)
}

/// What stands behind a front; `None` if it is not whole.
fn open<'a>(bytes: &'a [u8], magic: &[u8; 4]) -> Option<&'a [u8]> {
    let number = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let (length, checksum) = (number(4)? as usize, number(8)?);
    if bytes.get(..4)? != magic || length > 2 * limits::REPORT_BYTES {
        return None;
    }
    let body = bytes.get(FRONT..FRONT.checked_add(length)?)?;
    (crc32fast::hash(body) == checksum).then_some(body)
}

/// Reads a file. What is damaged is passed over.
pub fn scan(bytes: &[u8]) -> Scan {
    let mut out = Scan::default();
    let mut at = 0;
    if let Some(body) = open(bytes, HEAD) {
        out.sender = Sender::decode(body).ok();
        at = FRONT + body.len();
        out.end = at;
    }
    let mut passed = 0;
    while at < bytes.len() {
        let Some(found) = one(&bytes[at..]) else {
            at += 1;
            passed += 1;
            continue;
        };
        out.damaged += u64::from(passed > 0);
        passed = 0;
        let place = at..at + found.place.end;
        at = place.end;
        out.end = at;
        out.records.push(Found { place, ..found });
    }
    out
}

fn one(bytes: &[u8]) -> Option<Found> {
    let body = open(bytes, RECORD)?;
    let number = |at: usize| Some(u64::from_le_bytes(body.get(at..at + 8)?.try_into().ok()?));
    Some(Found { number: number(0)?, sequence: number(8)?, end_ns: number(16)?, place: 0..FRONT + body.len() })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sender() -> Sender {
        Sender { node: "n".into(), boot_id: "b".into(), instance: 1, ..Sender::default() }
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_up_to_a_cut(
            reports in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..6), cut in any::<prop::sample::Index>(),
        ) {
            let mut bytes = head(&sender());
            let mut ends = vec![bytes.len()];
            for (number, report) in (1..).zip(&reports) {
                bytes.extend(record(number, 10 + number, 20 + number, report));
                ends.push(bytes.len());
            }
            let cut = cut.index(bytes.len() + 1);
            let scan = scan(&bytes[..cut]);
            prop_assert_eq!(scan.sender.is_some(), cut >= ends[0]);
            let whole = ends[1..].iter().filter(|end| **end <= cut).count();
            if cut >= ends[0] {
                prop_assert_eq!((scan.records.len(), scan.end, scan.damaged), (whole, ends[whole], 0));
                for (found, report) in scan.records.iter().zip(&reports) {
                    prop_assert_eq!(super::report(&bytes[found.place.clone()]), Some(&report[..]));
                    prop_assert_eq!((found.sequence, found.end_ns), (10 + found.number, 20 + found.number));
                }
            }
        }

        #[test]
        fn a_broken_bit_costs_one_report(at in any::<prop::sample::Index>(), bit in 0..8) {
            let reports: Vec<_> = (1..4).map(|number| record(number, number, number, &[number as u8; 20])).collect();
            let head = head(&sender());
            let mut bytes = [head.clone(), reports.concat()].concat();
            let at = at.index(bytes.len() - head.len()) + head.len();
            bytes[at] ^= 1u8 << bit;
            let broken = (at - head.len()) / reports[0].len();
            let numbers: Vec<u64> = scan(&bytes).records.iter().map(|found| found.number - 1).collect();
            prop_assert_eq!(numbers, (0..3).filter(|n| *n != broken as u64).collect::<Vec<_>>());
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            scan(&bytes);
            scan(&[&RECORD[..], &bytes].concat());
            report(&bytes);
        }
    }
}
