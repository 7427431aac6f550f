//! The one histogram on the reader's side: difference, merge, quantiles.
//!
//! In: bucket counts as the programs keep them. Out: [`crate::window`]'s quantiles and the exposition's buckets. The
//! buckets are those of [`monitor_common::histogram`], so nothing is lost between the kernel and a reader of either.
//!
//! Source of the interpolation: the Prometheus documentation of `histogram_quantile` for native histograms.

use monitor_common::histogram::{BUCKETS, MAX_EXPONENT, MIN_EXPONENT, OVERFLOW, PER_POWER};
use serde::{Deserialize, Serialize};

/// Times by length. Only the range of buckets between the first and the last that are not empty is kept.
///
/// Sums that do not fit 64 bits stay at the greatest number; no operation panics.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Histogram {
    /// The bucket of `counts[0]`, below [`BUCKETS`]; 0 if `counts` is empty.
    first: u16,
    /// Times in each bucket from `first` on, at most up to the last bucket. Neither begins nor ends with a zero.
    counts: Vec<u64>,
    /// Sum of the times in nanoseconds.
    sum_ns: u64,
}

/// A [`Histogram`] as it comes from outside.
#[derive(Deserialize)]
struct Unchecked {
    first: u16,
    counts: Vec<u64>,
    sum_ns: u64,
}

/// Why a histogram from outside was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// A bucket that does not exist.
    #[error("a histogram's buckets end before number {BUCKETS}, but these are {length} from number {first} on")]
    OutOfRange {
        /// The first bucket.
        first: u16,
        /// How many buckets follow from there.
        length: usize,
    },
    /// Counts that are no counts.
    #[error("the counts of a histogram add up to more than 64 bits hold")]
    TooMany,
}

/// A counter that only grows was lower in the later of two readings: they are not readings of one histogram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{part} went down from {from} to {to}")]
pub struct Decreased {
    /// Which of the histogram's counters.
    pub part: Part,
    /// Its earlier value.
    pub from: u64,
    /// Its later value.
    pub to: u64,
}

/// A counter of a histogram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The count of the bucket with this index.
    Bucket(usize),
    /// The sum, in nanoseconds.
    Sum,
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bucket(index) => write!(f, "bucket {index}"),
            Self::Sum => f.write_str("the sum"),
        }
    }
}

impl TryFrom<Unchecked> for Histogram {
    type Error = Invalid;

    fn try_from(Unchecked { first, counts, sum_ns }: Unchecked) -> Result<Self, Invalid> {
        if usize::from(first) + counts.len() > BUCKETS {
            return Err(Invalid::OutOfRange { first, length: counts.len() });
        }
        counts.iter().try_fold(0u64, |sum, &count| sum.checked_add(count)).ok_or(Invalid::TooMany)?;
        Ok(Self::trimmed(first.into(), counts, sum_ns))
    }
}

impl Histogram {
    /// From the count of every bucket and the sum of the times in nanoseconds.
    pub fn from_buckets(buckets: &[u64; BUCKETS], sum_ns: u64) -> Self {
        let Some(first) = buckets.iter().position(|&count| count > 0) else {
            return Self { sum_ns, ..Self::default() };
        };
        let last = buckets.iter().rposition(|&count| count > 0).unwrap_or(first);
        Self { first: first as u16, counts: buckets[first..=last].to_vec(), sum_ns }
    }

    /// From (index, count) of buckets in any order, and the sum of the times in nanoseconds.
    ///
    /// # Errors
    /// If there is no such bucket, or the counts add up to more than 64 bits hold.
    pub fn from_sparse(sparse: impl IntoIterator<Item = (usize, u64)>, sum_ns: u64) -> Result<Self, Invalid> {
        let mut buckets = [0u64; BUCKETS];
        let mut all = 0u64;
        for (index, count) in sparse {
            let first = index.min(u16::MAX.into()) as u16;
            let bucket = buckets.get_mut(index).ok_or(Invalid::OutOfRange { first, length: 1 })?;
            all = all.checked_add(count).ok_or(Invalid::TooMany)?;
            // Not more than all of them.
            *bucket += count;
        }
        Ok(Self::from_buckets(&buckets, sum_ns))
    }

    /// Of any span of buckets: equal contents are equal values.
    fn trimmed(first: usize, mut counts: Vec<u64>, sum_ns: u64) -> Self {
        counts.truncate(counts.iter().rposition(|&count| count > 0).map_or(0, |last| last + 1));
        let empty = counts.iter().take_while(|&&count| count == 0).count();
        counts.drain(..empty);
        counts.shrink_to_fit();
        let first = if counts.is_empty() { 0 } else { first + empty };
        Self { first: first as u16, counts, sum_ns }
    }

    /// The buckets that are not empty, as (index, count), in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = (usize, u64)> + '_ {
        (usize::from(self.first)..).zip(self.counts.iter().copied()).filter(|&(_, count)| count > 0)
    }

    /// How many times are in it.
    pub fn count(&self) -> u64 {
        self.counts.iter().fold(0, |sum, &count| sum.saturating_add(count))
    }

    /// The exact sum of the times, in nanoseconds.
    pub fn sum_ns(&self) -> u64 {
        self.sum_ns
    }

    /// The mean in seconds; absent if the histogram is empty.
    pub fn mean(&self) -> Option<f64> {
        match self.count() {
            0 => None,
            count => Some(self.sum_ns as f64 / 1e9 / count as f64),
        }
    }

    /// What came in since an earlier reading of the same histogram.
    ///
    /// # Errors
    /// If a bucket or the sum is lower than it was.
    pub fn since(&self, earlier: &Self) -> Result<Self, Decreased> {
        let difference = |part, from: u64, to: u64| to.checked_sub(from).ok_or(Decreased { part, from, to });
        let sum_ns = difference(Part::Sum, earlier.sum_ns, self.sum_ns)?;
        let counts = self
            .span(earlier)
            .map(|index| difference(Part::Bucket(index), earlier.at(index), self.at(index)))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self::trimmed(self.span(earlier).start, counts, sum_ns))
    }

    /// Adds another histogram's times: of another CPU, device or node.
    pub fn merge(&mut self, other: &Self) {
        let span = self.span(other);
        let counts = span.clone().map(|index| self.at(index).saturating_add(other.at(index))).collect();
        *self = Self::trimmed(span.start, counts, self.sum_ns.saturating_add(other.sum_ns));
    }

    /// The time in seconds below which the share `q` of the times lies; absent if the histogram is empty or `q` is not
    /// in 0..=1.
    ///
    /// Inside a bucket the times are taken to lie evenly on a logarithmic scale, so the answer is in the same bucket as the
    /// true quantile and off by less than 9.1 %. Two buckets are different: the first begins at 0, where a
    /// logarithm has no value, and is interpolated linearly; the last has no end, so its answer is where it begins (34 min),
    /// as for a classic histogram.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        if !(0.0..=1.0).contains(&q) {
            return None;
        }
        let rank = q * self.count() as f64;
        let mut below = 0u64;
        for (index, count) in self.iter() {
            let up_to = below.saturating_add(count);
            // A sum of floating point numbers may end a hair below the rank: the last bucket takes that too.
            if up_to as f64 >= rank || index == self.last() {
                let share = ((rank - below as f64) / count as f64).clamp(0.0, 1.0);
                return Some(match index {
                    0 => bound(0) * share,
                    OVERFLOW => bound(OVERFLOW - 1),
                    _ => exponent(index - 1, share).exp2(),
                });
            }
            below = up_to;
        }
        None
    }

    /// The upper bound in seconds of the highest bucket that is not empty; absent if all are. For the bucket that has none,
    /// where it begins (34 min): JSON knows no infinity.
    pub fn max(&self) -> Option<f64> {
        (!self.counts.is_empty()).then(|| bound(self.last().min(OVERFLOW - 1)))
    }

    /// Buckets of a classic histogram: for each exponent `e` the bound `2^e` in seconds and how many times are at most that
    /// long. Exact, because every eighth bound is a power of two; exponents beyond the histogram's own bounds
    /// ([`MIN_EXPONENT`]..=[`MAX_EXPONENT`]) are left out, because there it would be a guess.
    pub fn cumulative_at_powers_of_two(
        &self,
        exponents: std::ops::RangeInclusive<i32>,
    ) -> impl Iterator<Item = (f64, u64)> + '_ {
        let (start, end) = exponents.into_inner();
        let mut buckets = self.iter().peekable();
        let mut sum = 0u64;
        (start.max(MIN_EXPONENT)..=end.min(MAX_EXPONENT)).map(move |e| {
            let last = (e - MIN_EXPONENT) as usize * PER_POWER;
            while let Some((_, count)) = buckets.next_if(|&(index, _)| index <= last) {
                sum = sum.saturating_add(count);
            }
            (f64::from(e).exp2(), sum)
        })
    }

    /// The index of the last bucket kept; 0 if there is none.
    fn last(&self) -> usize {
        (usize::from(self.first) + self.counts.len()).saturating_sub(1)
    }

    fn at(&self, index: usize) -> u64 {
        index.checked_sub(self.first.into()).and_then(|i| self.counts.get(i)).copied().unwrap_or(0)
    }

    /// The indices that either keeps.
    fn span(&self, other: &Self) -> std::ops::Range<usize> {
        match (self.counts.is_empty(), other.counts.is_empty()) {
            (true, true) => 0..0,
            (false, true) => self.first.into()..self.last() + 1,
            (true, false) => other.span(self),
            (false, false) => self.first.min(other.first).into()..self.last().max(other.last()) + 1,
        }
    }
}

/// The exponent of two at a share of the way from the upper bound of a bucket to the next bucket's, in seconds.
fn exponent(index: usize, share: f64) -> f64 {
    f64::from(MIN_EXPONENT) + (index as f64 + share) / PER_POWER as f64
}

/// The upper bound of a bucket in seconds, for every bucket but [`OVERFLOW`].
fn bound(index: usize) -> f64 {
    exponent(index, 0.0).exp2()
}

#[cfg(test)]
mod tests;
