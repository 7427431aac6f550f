//! What turns one list into another: of 5,000 tasks few run in a second, a few come and a few go.
//!
//! Both lists are walked once, in the order of their keys. What is written is a series of operations: how many items of the
//! old list stay as they are, and then one that differs, one that is new, one that has gone, or the end, with which the rest
//! of the old list goes. So a list is restored whatever its order; lists that are in the order of their keys are short.

use std::{cmp::Ordering, collections::BTreeMap};

use super::{
    delta::Delta,
    wire::{Input, Malformed, Output},
};

const END: u64 = 0;
const DIFFERS: u64 = 1;
const NEW: u64 = 2;
const GONE: u64 = 3;

/// An item of a `Vec`.
pub(super) trait Keyed: Delta + Sized {
    /// By what tells items apart.
    fn order(&self, other: &Self) -> Ordering;

    /// What a new item is written as the difference from, given the item before it. It must take little memory: two bytes
    /// in a file suffice for one.
    fn fresh(before: Option<&Self>) -> Self;
}

/// The key of a `BTreeMap`.
pub(super) trait Key: Delta + Ord + Clone {
    /// As [`Keyed::fresh`].
    fn fresh(before: Option<&Self>) -> Self;
}

/// An item of either, which the new list lends in its own way.
trait Item: Sized {
    type Lent<'a>: Copy;
    fn order(&self, now: Self::Lent<'_>) -> Ordering;
    fn same(&self, now: Self::Lent<'_>) -> bool;
    fn write(&mut self, now: Self::Lent<'_>, out: &mut Output);
    fn read(&mut self, input: &mut Input) -> Result<(), Malformed>;
    fn fresh(before: Option<&Self>) -> Self;
}

impl<T: Keyed + 'static> Item for T {
    type Lent<'a> = &'a T;

    fn order(&self, now: &T) -> Ordering {
        Keyed::order(self, now)
    }

    fn same(&self, now: &T) -> bool {
        Delta::same(self, now)
    }

    fn write(&mut self, now: &T, out: &mut Output) {
        Delta::write(self, now, out);
    }

    fn read(&mut self, input: &mut Input) -> Result<(), Malformed> {
        Delta::read(self, input)
    }

    fn fresh(before: Option<&Self>) -> Self {
        Keyed::fresh(before)
    }
}

/// A pair of a map, as a struct of two fields.
impl<K: Key + 'static, V: Delta + Default + 'static> Item for (K, V) {
    type Lent<'a> = (&'a K, &'a V);

    fn order(&self, (key, _): (&K, &V)) -> Ordering {
        self.0.cmp(key)
    }

    fn same(&self, (key, value): (&K, &V)) -> bool {
        self.0.same(key) && self.1.same(value)
    }

    fn write(&mut self, (key, value): (&K, &V), out: &mut Output) {
        let differ = [!self.0.same(key), !self.1.same(value)];
        out.mask(&differ);
        if differ[0] {
            self.0.write(key, out);
        }
        if differ[1] {
            self.1.write(value, out);
        }
    }

    fn read(&mut self, input: &mut Input) -> Result<(), Malformed> {
        let mask = input.mask(2)?;
        if mask & 1 != 0 {
            self.0.read(input)?;
        }
        if mask & 2 != 0 {
            self.1.read(input)?;
        }
        Ok(())
    }

    fn fresh(before: Option<&Self>) -> Self {
        (K::fresh(before.map(|(key, _)| key)), V::default())
    }
}

/// Gives the new list, made of the old one's items.
fn write<'a, T: Item + 'a>(
    old: impl Iterator<Item = T>,
    now: impl ExactSizeIterator<Item = T::Lent<'a>>,
    out: &mut Output,
) -> Vec<T> {
    let mut old = old.peekable();
    let mut items: Vec<T> = Vec::with_capacity(now.len());
    let mut stay = 0u64;
    for now in now {
        let operation = |stay: &mut u64, kind| std::mem::take(stay) << 2 | kind;
        while old.next_if(|old| old.order(now) == Ordering::Less).is_some() {
            out.number(operation(&mut stay, GONE));
        }
        let item = match old.next_if(|old| old.order(now) == Ordering::Equal) {
            Some(item) if item.same(now) => {
                stay += 1;
                item
            }
            Some(mut item) => {
                out.number(operation(&mut stay, DIFFERS));
                item.write(now, out);
                item
            }
            None => {
                out.number(operation(&mut stay, NEW));
                let mut item = T::fresh(items.last());
                item.write(now, out);
                item
            }
        };
        items.push(item);
    }
    out.number(stay << 2 | END);
    items
}

fn read<T: Item>(mut old: impl ExactSizeIterator<Item = T>, input: &mut Input) -> Result<Vec<T>, Malformed> {
    let mut items: Vec<T> = Vec::new();
    loop {
        let operation = input.number()?;
        let stay = usize::try_from(operation >> 2).unwrap_or(usize::MAX);
        if stay > old.len() {
            return Err(input.malformed("an item that exists"));
        }
        input.charge(stay.saturating_add(1).saturating_mul(size_of::<T>()))?;
        items.extend(old.by_ref().take(stay));
        let mut next = || old.next().ok_or_else(|| input.malformed("an item that exists"));
        match operation & 3 {
            DIFFERS => {
                let mut item = next()?;
                item.read(input)?;
                items.push(item);
            }
            NEW => {
                let mut item = T::fresh(items.last());
                item.read(input)?;
                items.push(item);
            }
            GONE => drop(next()?),
            _ => return Ok(items),
        }
    }
}

impl<T: Keyed + 'static> Delta for Vec<T> {
    fn same(&self, now: &Self) -> bool {
        self.len() == now.len() && self.iter().zip(now).all(|(item, now)| Delta::same(item, now))
    }

    fn write(&mut self, now: &Self, out: &mut Output) {
        *self = write(std::mem::take(self).into_iter(), now.iter(), out);
    }

    fn read(&mut self, input: &mut Input) -> Result<(), Malformed> {
        *self = read(std::mem::take(self).into_iter(), input)?;
        Ok(())
    }

    fn heap(&self) -> usize {
        self.capacity() * size_of::<T>() + self.iter().map(Delta::heap).sum::<usize>()
    }
}

impl<K: Key + 'static, V: Delta + Default + 'static> Delta for BTreeMap<K, V> {
    fn same(&self, now: &Self) -> bool {
        self.len() == now.len() && self.iter().zip(now).all(|(a, b)| a.0.same(b.0) && a.1.same(b.1))
    }

    fn write(&mut self, now: &Self, out: &mut Output) {
        *self = write(std::mem::take(self).into_iter(), now.iter(), out).into_iter().collect();
    }

    fn read(&mut self, input: &mut Input) -> Result<(), Malformed> {
        *self = read(std::mem::take(self).into_iter(), input)?.into_iter().collect();
        Ok(())
    }

    /// A node of the tree has room for 11 pairs and is at least half full.
    fn heap(&self) -> usize {
        self.len() * 2 * size_of::<(K, V)>() + self.iter().map(|(key, value)| key.heap() + value.heap()).sum::<usize>()
    }
}
