//! One block device and operation: which of its figures have series of their own.

use std::borrow::Cow;

use monitor_common::block::{Error, SizeClass};

use crate::{
    histogram::Histogram,
    metric::{HISTOGRAM_SERIES, OTHER},
    sample::{Class, Requests},
};

use super::{
    members::{Totals, lower},
    pool::Pool,
};

/// Requests, bytes and the times of the two stages.
pub const CLASS_SERIES: usize = 4;
/// Queue time, device time and total.
pub const TIMES: usize = 3;
/// Which of them is the total.
const TOTAL: usize = 2;

/// How much of a device and operation has series of its own. Each has what those before it have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Detail {
    /// Nothing.
    Folded,
    /// Counters without size, errors.
    Counters,
    /// The histogram of the request time.
    RequestTime,
    /// The histograms of queue and device time, counters by size.
    Full,
}

impl Detail {
    /// Series taken at once. Those by size and by error come as they show.
    pub const fn series(self) -> usize {
        match self {
            Self::Folded => 0,
            Self::Counters => CLASS_SERIES,
            Self::RequestTime => CLASS_SERIES + HISTOGRAM_SERIES,
            Self::Full => CLASS_SERIES + TIMES * HISTOGRAM_SERIES,
        }
    }

    /// Whether this one of the [`TIMES`] has a histogram.
    fn has(self, time: usize) -> bool {
        self == Self::Full || self == Self::RequestTime && time == TOTAL
    }
}

/// Queue time, device time and total.
pub fn times(r: &Requests) -> [&Histogram; TIMES] {
    [&r.queue, &r.device_time, &r.total]
}

/// All sizes together.
pub fn all_sizes(r: &Requests) -> Class {
    let mut all = Class::default();
    r.classes.iter().for_each(|class| all.add(class));
    all
}

/// Whether a counter is lower than `before`: these are another device's.
pub fn went_back(now: &Requests, before: &Requests) -> bool {
    now.classes.iter().zip(&before.classes).any(|(now, before)| now.went_back(before))
        || now.errors.iter().zip(&before.errors).any(|(now, before)| now < before)
        || times(now).into_iter().zip(times(before)).any(|(now, before)| lower(now, before))
}

/// What is in `device="other"`, of one operation there.
#[derive(Clone, Debug, Default)]
pub struct Folded {
    /// Of all sizes.
    pub class: Class,
    /// Of all kinds.
    pub errors: u64,
    /// Queue time, device time and total.
    pub times: [Histogram; TIMES],
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
    detail: Detail,
    classes: Split,
    errors: Split,
}

impl Pair {
    /// The series of `detail` are taken.
    pub fn new(detail: Detail) -> Self {
        Self { detail, classes: Split::default(), errors: Split::default() }
    }

    /// Takes series for what shows for the first time: those by size if `reserve` are left, errors if there are any.
    pub fn update(&mut self, r: &Requests, pool: &mut Pool, reserve: usize) {
        if self.detail == Detail::Full {
            for (i, _) in r.classes.iter().enumerate().filter(|(_, class)| **class != Class::default()) {
                self.classes.settle(i, || pool.take_above(reserve, CLASS_SERIES));
            }
        }
        if self.detail != Detail::Folded {
            for (i, _) in r.errors.iter().enumerate().filter(|(_, count)| **count > 0) {
                self.errors.settle(i, || pool.take(1));
            }
        }
    }

    /// Series taken so far.
    pub fn series(&self) -> usize {
        let (classes, errors) = (self.classes.own.count_ones(), self.errors.own.count_ones());
        self.detail.series() + classes as usize * CLASS_SERIES + errors as usize
    }

    /// Whether it has series of its own at all.
    pub fn is_own(&self) -> bool {
        self.detail != Detail::Folded
    }

    /// Adds what has no series of its own.
    pub fn fold(&self, r: &Requests, other: &mut Option<Folded>) {
        let failed: u64 = (0..Error::COUNT).filter(|&i| !self.errors.is_own(i)).map(|i| r.errors[i]).sum();
        if self.detail == Detail::Full && failed == 0 {
            return;
        }
        let other = other.get_or_insert_default();
        other.errors += failed;
        if !self.is_own() {
            other.class.add(&all_sizes(r));
        }
        for (i, time) in times(r).into_iter().enumerate().filter(|(i, _)| !self.detail.has(*i)) {
            other.times[i].merge(time);
        }
    }

    /// The histograms with series of their own.
    pub fn times<'a>(&self, r: &'a Requests) -> [Option<Cow<'a, Histogram>>; TIMES] {
        let mut all = times(r).map(Some);
        (0..TIMES).filter(|&i| !self.detail.has(i)).for_each(|i| all[i] = None);
        all.map(|time| time.map(Cow::Borrowed))
    }

    /// The figures by size, what has no series of its own under `other`.
    pub fn classes(&self, r: &Requests) -> Vec<(&'static str, Class)> {
        let (mut out, mut other) = (Vec::new(), Class::default());
        for (i, (size, class)) in SizeClass::ALL.iter().zip(&r.classes).enumerate() {
            if self.classes.is_own(i) {
                out.push((size.name(), *class));
            } else {
                other.add(class);
            }
        }
        if self.detail != Detail::Full || self.classes.folded != 0 {
            out.push((OTHER, other));
        }
        out
    }

    /// The errors with series of their own.
    pub fn errors(&self, r: &Requests) -> Vec<(&'static str, u64)> {
        let all = Error::ALL.iter().zip(&r.errors).enumerate();
        all.filter(|(i, _)| self.errors.is_own(*i)).map(|(_, (error, &count))| (error.name(), count)).collect()
    }
}
