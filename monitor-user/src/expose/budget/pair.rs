//! One block device and operation: its totals, and which of its figures have series of their own.

use std::borrow::Cow;

use monitor_common::block::{Error, SizeClass};

use crate::{
    histogram::Histogram,
    metric::{HISTOGRAM_SERIES, OTHER},
    sample::{Class, Requests},
};

use super::{
    members::{Totals, add_all},
    pool::Pool,
};

/// Requests, bytes and the times of the two stages.
pub const CLASS_SERIES: usize = 4;
/// Queue time, device time and total.
pub const TIMES_SERIES: usize = 3 * HISTOGRAM_SERIES;

/// How much of a device and operation has series of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Nothing.
    Folded,
    /// Counters without size, errors.
    Counters,
    /// Histograms, counters by size, errors.
    Full,
}

impl Detail {
    /// Series taken at once. Those by size and by error come as they show.
    pub fn series(self) -> usize {
        match self {
            Self::Folded => 0,
            Self::Counters => CLASS_SERIES,
            Self::Full => CLASS_SERIES + TIMES_SERIES,
        }
    }
}

/// The counters of a [`Requests`].
#[derive(Clone, Debug, Default)]
pub struct PairTotals {
    pub classes: [Class; SizeClass::COUNT],
    pub errors: [u64; Error::COUNT],
    pub times: [Histogram; 3],
}

impl From<&Requests> for PairTotals {
    fn from(r: &Requests) -> Self {
        let times = [r.queue.clone(), r.device_time.clone(), r.total.clone()];
        Self { classes: r.classes, errors: r.errors, times }
    }
}

impl Totals for PairTotals {
    fn add(&mut self, other: &Self) {
        self.classes.iter_mut().zip(&other.classes).for_each(|(sum, class)| sum.add(class));
        add_all(&mut self.errors, &other.errors);
        self.times.iter_mut().zip(&other.times).for_each(|(sum, times)| sum.merge(times));
    }

    fn went_back(&self, before: &Self) -> bool {
        self.classes.iter().zip(&before.classes).any(|(now, before)| now.went_back(before))
            || self.errors.iter().zip(&before.errors).any(|(now, before)| now < before)
            || self.times.iter().zip(&before.times).any(|(now, before)| now.went_back(before))
    }
}

impl PairTotals {
    /// All sizes together.
    pub fn all_sizes(&self) -> Class {
        let mut all = Class::default();
        self.classes.iter().for_each(|class| all.add(class));
        all
    }
}

/// A set of indices below 16, split in those with series of their own and those without. An index is put into one of
/// them when it first shows, and stays.
#[derive(Clone, Copy, Debug, Default)]
struct Split {
    own: u16,
    folded: u16,
}

impl Split {
    fn settle(&mut self, index: usize, take: impl FnOnce() -> bool) {
        let bit = 1 << index;
        if (self.own | self.folded) & bit != 0 {
            return;
        }
        if take() {
            self.own |= bit;
        } else {
            self.folded |= bit;
        }
    }

    fn is_own(self, index: usize) -> bool {
        self.own & (1 << index) != 0
    }
}

/// One device and operation.
#[derive(Debug)]
pub struct Pair {
    pub detail: Detail,
    now: PairTotals,
    /// Totals of the devices that had this number before.
    before: Option<PairTotals>,
    classes: Split,
    errors: Split,
}

impl Pair {
    /// With nothing in it. The series of `detail` are taken.
    pub fn new(detail: Detail) -> Self {
        let (now, before) = (PairTotals::default(), None);
        Self { detail, now, before, classes: Split::default(), errors: Split::default() }
    }

    /// Whether `now` belongs to another device; `None` if there is nothing of this operation any more.
    pub fn went_back(&self, now: Option<&PairTotals>) -> bool {
        now.map_or_else(|| PairTotals::default().went_back(&self.now), |now| now.went_back(&self.now))
    }

    /// From here on the counters are another device's.
    pub fn restart(&mut self) {
        let last = std::mem::take(&mut self.now);
        self.before.get_or_insert_default().add(&last);
    }

    /// Takes up new totals, and series for what shows for the first time.
    pub fn update(&mut self, now: PairTotals, pool: &mut Pool, reserve: usize) {
        self.now = now;
        if self.detail == Detail::Folded {
            return;
        }
        let full = self.detail == Detail::Full;
        for (i, class) in self.now.classes.iter().enumerate().filter(|(_, class)| **class != Class::default()) {
            debug_assert!(class.requests > 0 || class.bytes > 0 || class.timed > 0);
            self.classes.settle(i, || full && pool.take_above(reserve, CLASS_SERIES));
        }
        for (i, _) in self.now.errors.iter().enumerate().filter(|(_, count)| **count > 0) {
            self.errors.settle(i, || pool.take(1));
        }
    }

    /// Series taken so far.
    pub fn series(&self) -> usize {
        let (classes, errors) = (self.classes.own.count_ones(), self.errors.own.count_ones());
        self.detail.series() + classes as usize * CLASS_SERIES + errors as usize
    }

    /// Everything that was seen under this number.
    pub fn totals(&self) -> Cow<'_, PairTotals> {
        match &self.before {
            None => Cow::Borrowed(&self.now),
            Some(before) => {
                let mut sum = before.clone();
                sum.add(&self.now);
                Cow::Owned(sum)
            }
        }
    }

    /// The figures by size, what has no series of its own under `other`.
    pub fn classes(&self, totals: &PairTotals) -> Vec<(&'static str, Class)> {
        let (mut out, mut other) = (Vec::new(), Class::default());
        for (i, (size, class)) in SizeClass::ALL.iter().zip(&totals.classes).enumerate() {
            if self.classes.is_own(i) {
                out.push((size.name(), *class));
            } else {
                other.add(class);
            }
        }
        if self.detail == Detail::Counters || self.classes.folded != 0 {
            out.push((OTHER, other));
        }
        out
    }

    /// The errors with series of their own; the others are added to `other`.
    pub fn errors(&self, totals: &PairTotals, other: &mut [u64; Error::COUNT]) -> Vec<(&'static str, u64)> {
        let mut out = Vec::new();
        for (i, (error, &count)) in Error::ALL.iter().zip(&totals.errors).enumerate() {
            if self.errors.is_own(i) {
                out.push((error.name(), count));
            } else {
                other[i] += count;
            }
        }
        out
    }
}
