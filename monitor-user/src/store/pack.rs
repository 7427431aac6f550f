//! Reports in fewer bytes: raw deflate, at its fastest. The slower levels make them 3 % smaller and take twice as long.
//!
//! | first byte | what follows |
//! |---|---|
//! | 0 | the length as it was (a varint), then raw deflate |
//! | any other | the report as it came: no field of protobuf begins with 0 |
//!
//! Each row by itself, because one is read without the others: a node's twelve reports of two minutes lie among those of all other nodes.

use std::cell::RefCell;

use bytes::Bytes;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use crate::report::limits::BODY_BYTES;

/// The first byte of what is packed.
const PACKED: u8 = 0;
/// The most that a row unpacks to: a damaged one must not take all memory. Sums have more buckets than a report can have.
const LONGEST: u64 = 4 * BODY_BYTES as u64;

thread_local! {
    // Their tables take some hundred KiB, and longer to make than a report to pack.
    static PACKER: RefCell<Compress> = RefCell::new(Compress::new(Compression::fast(), false));
    static UNPACKER: RefCell<Decompress> = RefCell::new(Decompress::new(false));
}

/// As it is stored: packed, if that is shorter.
pub(super) fn pack(bytes: Bytes) -> Bytes {
    let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 1_000 + 64);
    out.push(PACKED);
    prost::encoding::encode_varint(bytes.len() as u64, &mut out);
    let done = PACKER.with_borrow_mut(|packer| {
        packer.reset();
        packer.compress_vec(&bytes, &mut out, FlushCompress::Finish)
    });
    // What begins as a packed one must be packed.
    let needed = bytes.first() == Some(&PACKED);
    let shorter = matches!(done, Ok(Status::StreamEnd)) && out.len() < bytes.len();
    if shorter || needed { Bytes::from(out.into_boxed_slice()) } else { bytes }
}

/// As it came; `None` if that cannot be told.
pub(super) fn unpack(stored: &[u8]) -> Option<Bytes> {
    let Some((&PACKED, mut rest)) = stored.split_first() else { return Some(Bytes::copy_from_slice(stored)) };
    let length = prost::encoding::decode_varint(&mut rest).ok().filter(|length| *length <= LONGEST)? as usize;
    let mut out = Vec::with_capacity(length);
    let done = UNPACKER.with_borrow_mut(|unpacker| {
        unpacker.reset(false);
        unpacker.decompress_vec(rest, &mut out, FlushDecompress::Finish)
    });
    (matches!(done, Ok(Status::StreamEnd)) && out.len() == length).then(|| out.into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_comes_back(bytes in prop::collection::vec(any::<u8>(), 0..600), again in 1usize..8) {
            let bytes = Bytes::from(bytes.repeat(again));
            let stored = pack(bytes.clone());
            prop_assert_eq!(unpack(&stored), Some(bytes.clone()));
            prop_assert!(stored.len() <= bytes.len() || bytes.first() == Some(&PACKED));
        }

        #[test]
        fn what_is_damaged_is_told_or_has_its_length(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Some(out) = unpack(&bytes) {
                prop_assert!(out.len() as u64 <= LONGEST);
            }
        }
    }

    #[test]
    fn a_report_becomes_shorter_and_a_cut_one_is_none() {
        let stored = pack(vec![8; 1000].into());
        assert!(stored.len() < 50 && stored[0] == PACKED);
        assert_eq!(unpack(&stored[..stored.len() - 1]), None);
        assert_eq!(unpack(&[PACKED]), None);
        assert_eq!(unpack(&[]), Some(Bytes::new()));
    }
}
