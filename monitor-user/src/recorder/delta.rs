//! What turns one value into another, as bytes: only what differs is written.
//!
//! A struct is a mask of the fields that differ, then their differences. A field that is added at the end of its struct gets
//! a bit that no older file has set, so older files stay readable; a bit that is not known is an error.

use std::sync::Arc;

use monitor_common::histogram::BUCKETS;

use super::wire::{Input, Malformed, Output};
use crate::histogram::Histogram;

/// A value that can be written as the difference from another.
pub(super) trait Delta {
    /// Whether nothing needs to be written: equal to the last bit, floats too.
    fn same(&self, now: &Self) -> bool;

    /// Writes what turns `self` into `now`, which is not the same, and makes it `now`.
    fn write(&mut self, now: &Self, out: &mut Output);

    /// Makes `self` what was written. After an error it is anything.
    fn read(&mut self, input: &mut Input) -> Result<(), Malformed>;

    /// The bytes that it holds besides its own size.
    fn heap(&self) -> usize {
        0
    }
}

macro_rules! integers {
    ($($type:ty),+) => {$(
        impl Delta for $type {
            fn same(&self, now: &Self) -> bool {
                self == now
            }

            fn write(&mut self, now: &Self, out: &mut Output) {
                out.step((*self).into(), (*now).into());
                *self = *now;
            }

            fn read(&mut self, input: &mut Input) -> Result<(), Malformed> {
                let now = input.step((*self).into())?;
                *self = now.try_into().map_err(|_| input.malformed(concat!("a number that fits ", stringify!($type))))?;
                Ok(())
            }
        }
    )+};
}
integers!(u8, u32, u64);

/// That it differs says all.
impl Delta for bool {
    fn same(&self, now: &Self) -> bool {
        self == now
    }

    fn write(&mut self, now: &Self, _: &mut Output) {
        *self = *now;
    }

    fn read(&mut self, _: &mut Input) -> Result<(), Malformed> {
        *self = !*self;
        Ok(())
    }
}

impl Delta for f64 {
    fn same(&self, now: &Self) -> bool {
        self.to_bits() == now.to_bits()
    }

    fn write(&mut self, now: &Self, out: &mut Output) {
        out.0.extend(now.to_bits().to_le_bytes());
        *self = *now;
    }

    fn read(&mut self, input: &mut Input) -> Result<(), Malformed> {
        *self = Self::from_bits(u64::from_le_bytes(input.array()?));
        Ok(())
    }
}

impl Delta for String {
    fn same(&self, now: &Self) -> bool {
        self == now
    }

    fn write(&mut self, now: &Self, out: &mut Output) {
        out.text(now);
        self.clone_from(now);
    }

    fn read(&mut self, input: &mut Input) -> Result<(), Malformed> {
        *self = input.text()?;
        Ok(())
    }

    fn heap(&self) -> usize {
        self.capacity()
    }
}

/// What many samples share is compared by its place first.
impl<T: Delta + Clone> Delta for Arc<T> {
    fn same(&self, now: &Self) -> bool {
        Arc::ptr_eq(self, now) || T::same(self, now)
    }

    fn write(&mut self, now: &Self, out: &mut Output) {
        Self::make_mut(self).write(now, out);
        *self = now.clone();
    }

    fn read(&mut self, input: &mut Input) -> Result<(), Malformed> {
        Self::make_mut(self).read(input)
    }

    fn heap(&self) -> usize {
        size_of::<T>() + T::heap(self)
    }
}

/// 0 is none, 1 a value that differs, 2 one that is its type's default.
impl<T: Delta + Default> Delta for Option<T> {
    fn same(&self, now: &Self) -> bool {
        match (self, now) {
            (None, None) => true,
            (Some(value), Some(now)) => value.same(now),
            _ => false,
        }
    }

    fn write(&mut self, now: &Self, out: &mut Output) {
        let Some(now) = now else {
            out.0.push(0);
            return *self = None;
        };
        let value = self.get_or_insert_default();
        let same = value.same(now);
        out.0.push(1 + u8::from(same));
        if !same {
            value.write(now, out);
        }
    }

    fn read(&mut self, input: &mut Input) -> Result<(), Malformed> {
        match input.byte()? {
            0 => *self = None,
            1 => self.get_or_insert_default().read(input)?,
            2 => *self = Some(self.take().unwrap_or_default()),
            _ => return Err(input.malformed("a value or none")),
        }
        Ok(())
    }

    fn heap(&self) -> usize {
        self.as_ref().map_or(0, T::heap)
    }
}

/// Arrays have one entry for each variant of an enum, of which new ones come at the end.
impl<T: Delta, const N: usize> Delta for [T; N] {
    fn same(&self, now: &Self) -> bool {
        self.iter().zip(now).all(|(value, now)| value.same(now))
    }

    fn write(&mut self, now: &Self, out: &mut Output) {
        const { assert!(N <= 64, "a mask has 64 bits") };
        let differ: [bool; N] = std::array::from_fn(|i| !self[i].same(&now[i]));
        out.mask(&differ);
        self.iter_mut().zip(now).zip(differ).filter(|(_, differs)| *differs).for_each(|((value, now), _)| {
            value.write(now, out);
        });
    }

    fn read(&mut self, input: &mut Input) -> Result<(), Malformed> {
        let mask = input.mask(N)?;
        let differ = self.iter_mut().enumerate().filter(|(i, _)| mask >> i & 1 == 1);
        differ.into_iter().try_for_each(|(_, value)| value.read(input))
    }

    fn heap(&self) -> usize {
        self.iter().map(T::heap).sum()
    }
}

/// The step of the sum; then runs of buckets: how many (0 is the end), how many to leave out before, and the step of each.
impl Delta for Histogram {
    fn same(&self, now: &Self) -> bool {
        self == now
    }

    fn write(&mut self, now: &Self, out: &mut Output) {
        out.step(self.sum_ns(), now.sum_ns());
        let (from, to) = (dense(self), dense(now));
        let mut at = 0;
        while let Some(gap) = (at..BUCKETS).position(|i| from[i] != to[i]) {
            let begin = at + gap;
            // Two in a row that stand still end the run: one costs no more than a new run would.
            let still = |i: usize| i >= BUCKETS || from[i] == to[i];
            let end = (begin..BUCKETS).find(|&i| still(i) && still(i + 1)).unwrap_or(BUCKETS);
            out.number((end - begin) as u64);
            out.number(gap as u64);
            (begin..end).for_each(|i| out.step(from[i], to[i]));
            at = end;
        }
        out.number(0);
        self.clone_from(now);
    }

    fn read(&mut self, input: &mut Input) -> Result<(), Malformed> {
        let sum_ns = input.step(self.sum_ns())?;
        let mut buckets = dense(self);
        let mut rest = &mut buckets[..];
        loop {
            let length = input.number()?;
            if length == 0 {
                break;
            }
            let gap = input.number()?;
            let index = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
            let after = rest.split_at_mut_checked(index(gap)).map(|(_, after)| after);
            let run = after.and_then(|after| after.split_at_mut_checked(index(length)));
            let (run, after) = run.ok_or_else(|| input.malformed("a bucket that exists"))?;
            run.iter_mut().try_for_each(|count| count.read(input))?;
            rest = after;
        }
        *self = Self::from_buckets(&buckets, sum_ns);
        Ok(())
    }

    /// It keeps everything from its first to its last bucket that is not empty.
    fn heap(&self) -> usize {
        let mut indices = self.iter().map(|(index, _)| index);
        let first = indices.next();
        let last = indices.last().or(first);
        first.zip(last).map_or(0, |(first, last)| (last - first + 1) * size_of::<u64>())
    }
}

fn dense(histogram: &Histogram) -> [u64; BUCKETS] {
    let mut buckets = [0; BUCKETS];
    histogram.iter().for_each(|(index, count)| buckets[index] = count);
    buckets
}

/// Implements [`Delta`] for structs. The order of the fields is the order of the bits: new ones come last.
macro_rules! fields {
    ($($type:path { $($field:ident),+ $(,)? })+) => {$(
        impl Delta for $type {
            fn same(&self, now: &Self) -> bool {
                $(self.$field.same(&now.$field))&&+
            }

            fn write(&mut self, now: &Self, out: &mut Output) {
                // Exhaustive: a field that is not recorded does not compile.
                let Self { $($field),+ } = self;
                let differ = [$(!$field.same(&now.$field)),+];
                out.mask(&differ);
                let mut differ = differ.into_iter();
                $(if differ.next().unwrap_or_default() {
                    $field.write(&now.$field, out);
                })+
            }

            fn read(&mut self, input: &mut Input) -> Result<(), Malformed> {
                let mut mask = input.mask([$(stringify!($field)),+].len())?;
                $(if mask & 1 == 1 {
                    self.$field.read(input)?;
                }
                mask >>= 1;)+
                debug_assert_eq!(mask, 0);
                Ok(())
            }

            fn heap(&self) -> usize {
                0 $(+ self.$field.heap())+
            }
        }
    )+};
}
pub(super) use fields;
