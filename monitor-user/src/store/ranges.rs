//! Which sequences of a stream are there: runs of numbers without a gap. An agent sends in order, so there is one run, and
//! one more for each time that something was refused or dropped on the way.

/// The most runs that are kept. Beyond it the oldest gap counts as filled: what should have been in it will never come from
/// an agent that sends in order.
const MOST: usize = 256;

/// A set of numbers as runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ranges {
    /// First and last, both included, ascending, with at least one number missing in between.
    runs: Vec<(u64, u64)>,
}

impl Ranges {
    /// Whether a number is there.
    pub(super) fn contains(&self, number: u64) -> bool {
        let after = self.runs.partition_point(|&(first, _)| first <= number);
        after > 0 && self.runs[after - 1].1 >= number
    }

    /// Adds a number; whether it is new.
    pub(super) fn insert(&mut self, number: u64) -> bool {
        let after = self.runs.partition_point(|&(first, _)| first <= number);
        if after > 0 && self.runs[after - 1].1 >= number {
            return false;
        }
        let joins_before = after > 0 && self.runs[after - 1].1.checked_add(1) == Some(number);
        let joins_after = self.runs.get(after).is_some_and(|&(first, _)| number.checked_add(1) == Some(first));
        match (joins_before, joins_after) {
            (true, true) => {
                self.runs[after - 1].1 = self.runs[after].1;
                self.runs.remove(after);
            }
            (true, false) => self.runs[after - 1].1 = number,
            (false, true) => self.runs[after].0 = number,
            (false, false) => self.runs.insert(after, (number, number)),
        }
        if self.runs.len() > MOST {
            self.runs[0].1 = self.runs[1].1;
            self.runs.remove(1);
        }
        true
    }

    /// The greatest number; 0 if there is none.
    pub(super) fn last(&self) -> u64 {
        self.runs.last().map_or(0, |&(_, last)| last)
    }

    /// As bytes: first and last of each run, little-endian.
    pub(super) fn encode(&self) -> Vec<u8> {
        self.runs.iter().flat_map(|&(first, last)| [first.to_le_bytes(), last.to_le_bytes()]).flatten().collect()
    }

    /// From what [`Self::encode`] gave; `None` if it is not that.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (pairs, rest) = bytes.as_chunks::<16>();
        let number = |bytes: &[u8]| Some(u64::from_le_bytes(bytes.try_into().ok()?));
        let runs: Option<Vec<_>> = pairs.iter().map(|pair| Some((number(&pair[..8])?, number(&pair[8..])?))).collect();
        let runs = runs.filter(|runs| rest.is_empty() && runs.len() <= MOST)?;
        let apart = |pair: &[(u64, u64)]| pair[0].1.checked_add(1).is_some_and(|next| next < pair[1].0);
        (runs.iter().all(|&(first, last)| first <= last) && runs.windows(2).all(apart)).then_some(Self { runs })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn they_are_a_set(numbers in prop::collection::vec(prop_oneof![0u64..40, Just(u64::MAX), Just(u64::MAX - 1)], 0..80)) {
            let (mut ranges, mut set) = (Ranges::default(), BTreeSet::new());
            for &number in &numbers {
                prop_assert_eq!(ranges.insert(number), set.insert(number));
                prop_assert_eq!(Ranges::decode(&ranges.encode()), Some(ranges.clone()));
            }
            for number in (0..42).chain([u64::MAX - 2, u64::MAX - 1, u64::MAX]) {
                prop_assert_eq!(ranges.contains(number), set.contains(&number));
            }
            prop_assert_eq!(ranges.last(), set.last().copied().unwrap_or(0));
        }
    }

    #[test]
    fn there_are_never_more_than_so_many_runs() {
        let mut ranges = Ranges::default();
        for number in (0..10_000).step_by(2) {
            assert!(ranges.insert(number));
            assert!(ranges.encode().len() <= MOST * 16);
        }
        assert!(ranges.contains(1) && !ranges.contains(9_997));
    }

    #[test]
    fn what_is_not_a_set_is_not_read() {
        let bytes = |runs: &[(u64, u64)]| Ranges { runs: runs.to_vec() }.encode();
        for runs in [&[(2, 1)][..], &[(1, 2), (3, 4)], &[(5, 6), (1, 2)], &[(1, u64::MAX), (1, 1)]] {
            assert_eq!(Ranges::decode(&bytes(runs)), None, "{runs:?}");
        }
        assert_eq!(Ranges::decode(&[0; 15]), None);
    }
}
