//! Histograms as they travel: the buckets that are not empty, each by its distance from the one before.

use monitor_common::histogram::BUCKETS;

use super::wire;
use crate::histogram::{Histogram, Invalid};

impl wire::Histogram {
    /// Of these times; absent if there are none.
    pub fn of(times: &Histogram) -> Option<Self> {
        let mut out = Self { sum_ns: times.sum_ns(), ..Self::default() };
        out.put(times.iter());
        (out != Self::default()).then_some(out)
    }

    /// The buckets that are not empty, as (index, count), in ascending order. An index may be too large if this came from
    /// outside and was not checked.
    pub fn buckets(&self) -> impl Iterator<Item = (usize, u64)> + '_ {
        let indices = self.gaps.iter().scan(0usize, |index, &gap| {
            *index = index.saturating_add(gap as usize);
            Some(*index)
        });
        indices.zip(self.counts.iter().copied())
    }

    /// The times.
    ///
    /// # Errors
    /// If there is no such bucket, or the counts are more than 64 bits hold: not after a check.
    pub fn times(&self) -> Result<Histogram, Invalid> {
        Histogram::from_sparse(self.buckets(), self.sum_ns)
    }

    /// Whether [`Self::times`] can be had, without making them: of every report that comes in.
    ///
    /// # Errors
    /// As there.
    pub fn check(&self) -> Result<(), Invalid> {
        let mut all = 0u64;
        for (index, count) in self.buckets() {
            if index >= BUCKETS {
                return Err(Invalid::OutOfRange { first: index.min(u16::MAX.into()) as u16, length: 1 });
            }
            all = all.checked_add(count).ok_or(Invalid::TooMany)?;
        }
        Ok(())
    }

    /// Adds others' times.
    pub fn add(&mut self, other: &Self) {
        let mut merged = Vec::with_capacity(self.counts.len().max(other.counts.len()) + 4);
        {
            let (mut ours, mut theirs) = (self.buckets().peekable(), other.buckets().peekable());
            loop {
                let next = match (ours.peek(), theirs.peek()) {
                    (Some(a), Some(b)) => a.0.min(b.0),
                    (Some(a), None) => a.0,
                    (None, Some(b)) => b.0,
                    (None, None) => break,
                };
                let take = |from: &mut dyn Iterator<Item = (usize, u64)>| from.next().map_or(0, |(_, n)| n);
                let a = if ours.peek().is_some_and(|a| a.0 == next) { take(&mut ours) } else { 0 };
                let b = if theirs.peek().is_some_and(|b| b.0 == next) { take(&mut theirs) } else { 0 };
                merged.push((next, a.saturating_add(b)));
            }
        }
        self.sum_ns = self.sum_ns.saturating_add(other.sum_ns);
        self.put(merged);
    }

    fn put(&mut self, buckets: impl IntoIterator<Item = (usize, u64)>) {
        self.gaps.clear();
        self.counts.clear();
        let mut before = 0;
        for (index, count) in buckets {
            self.gaps.push((index - before) as u32);
            self.counts.push(count);
            before = index;
        }
    }
}

/// Adds what may be absent to what may be absent.
pub(super) fn add(into: &mut Option<wire::Histogram>, other: &Option<wire::Histogram>) {
    match (into, other) {
        (_, None) => {}
        (Some(into), Some(other)) => into.add(other),
        (into, Some(other)) => *into = Some(other.clone()),
    }
}
