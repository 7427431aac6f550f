//! Ascending numbers in few bytes: the distance of each from the one before, seven bits to a byte, as in protobuf.

/// Puts numbers behind those that there are; `last` is the last of them, 0 if there are none.
pub(super) fn encode(out: &mut Vec<u8>, last: u64, numbers: impl IntoIterator<Item = u64>) {
    let mut last = last;
    for number in numbers {
        prost::encoding::encode_varint(number.wrapping_sub(last), out);
        last = number;
    }
}

/// The numbers, up to the first byte that makes no sense.
pub(super) fn decode(bytes: &[u8]) -> impl Iterator<Item = u64> + '_ {
    let (mut rest, mut last) = (bytes, 0u64);
    std::iter::from_fn(move || {
        let distance = prost::encoding::decode_varint(&mut rest).ok()?;
        last = last.wrapping_add(distance);
        Some(last)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn they_come_back(mut all in prop::collection::vec(any::<u64>(), 0..20), at in 0usize..20) {
            all.sort_unstable();
            let (first, second) = all.split_at(at.min(all.len()));
            let mut bytes = Vec::new();
            encode(&mut bytes, 0, first.iter().copied());
            encode(&mut bytes, first.last().copied().unwrap_or(0), second.iter().copied());
            prop_assert_eq!(decode(&bytes).collect::<Vec<_>>(), all);
        }
    }

    #[test]
    fn six_reports_of_a_minute_take_little() {
        let mut bytes = Vec::new();
        encode(&mut bytes, 0, (0..6).map(|n| 80_000_000 + n * 10_000));
        assert!(bytes.len() <= 14, "{}", bytes.len());
    }
}
