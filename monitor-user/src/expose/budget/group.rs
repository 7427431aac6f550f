//! Things of one kind that cost the same: CPUs, interfaces, filesystems, disks.

use std::{borrow::Cow, collections::BTreeMap};

use super::{members::Totals, pool::Pool};

/// Things of one kind.
#[derive(Debug)]
pub struct Group<K, T> {
    cost: usize,
    members: BTreeMap<K, Member<T>>,
    gone: Option<T>,
}

#[derive(Debug)]
struct Member<T> {
    own: bool,
    now: T,
    /// Totals of those that had this name before.
    before: Option<T>,
    seen: bool,
}

impl<T: Totals> Member<T> {
    fn totals(&self) -> Cow<'_, T> {
        match &self.before {
            None => Cow::Borrowed(&self.now),
            Some(before) => {
                // `now` first: it has what is no counter, such as whether a CPU is online.
                let mut sum = self.now.clone();
                sum.add(before);
                Cow::Owned(sum)
            }
        }
    }
}

impl<K: Ord, T: Totals> Group<K, T> {
    /// Of things that have `cost` series each.
    pub fn new(cost: usize) -> Self {
        Self { cost, members: BTreeMap::new(), gone: None }
    }

    /// Takes up all there are now, the most important first.
    pub fn observe<'t>(&mut self, all: impl Iterator<Item = (K, &'t T)>, pool: &mut Pool)
    where
        T: 't,
    {
        let mut new = Vec::new();
        for (key, now) in all {
            let Some(member) = self.members.get_mut(&key) else {
                new.push((key, now));
                continue;
            };
            member.seen = true;
            if now.went_back(&member.now) {
                let last = std::mem::replace(&mut member.now, now.clone());
                member.before.get_or_insert_default().add(&last);
            } else {
                now.follow(&mut member.now);
            }
        }
        let (cost, gone) = (self.cost, &mut self.gone);
        self.members.retain(|_, member| {
            if std::mem::take(&mut member.seen) {
                return true;
            }
            gone.get_or_insert_default().add(&member.totals());
            if member.own {
                pool.give(cost);
            }
            false
        });
        for (key, now) in new {
            // The same key twice in one sample: the first counts.
            self.members.entry(key).or_insert_with(|| Member {
                own: pool.take(cost),
                now: now.clone(),
                before: None,
                seen: false,
            });
        }
    }

    /// Whether this one has series of its own.
    pub fn is_own(&self, key: &K) -> bool {
        self.members.get(key).is_some_and(|member| member.own)
    }

    /// Those with series of their own.
    pub fn own(&self) -> impl Iterator<Item = (&K, Cow<'_, T>)> {
        self.members.iter().filter(|(_, member)| member.own).map(|(key, member)| (key, member.totals()))
    }

    /// Those that are there and have none.
    pub fn folded(&self) -> impl Iterator<Item = &T> {
        self.members.values().filter(|member| !member.own).map(|member| &member.now)
    }

    /// Everything without series of its own; `None` if there never was any.
    pub fn other(&self) -> Option<T> {
        let mut other = self.gone.clone();
        for member in self.members.values().filter(|member| !member.own) {
            other.get_or_insert_default().add(&member.totals());
        }
        other
    }
}
