//! Things of one kind that cost the same: CPUs, interfaces, filesystems, disks.

use std::collections::BTreeMap;

use super::{members::Totals, pool::Pool};

/// Things of one kind.
#[derive(Debug)]
pub struct Group<K, T> {
    cost: usize,
    members: BTreeMap<K, Member<T>>,
    /// What those counted that left `other`, or began anew in it.
    base: Option<T>,
}

#[derive(Debug)]
struct Member<T> {
    own: bool,
    now: T,
    seen: bool,
}

impl<K: Ord, T: Totals> Group<K, T> {
    /// Of things that have `cost` series each.
    pub fn new(cost: usize) -> Self {
        Self { cost, members: BTreeMap::new(), base: None }
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
            if now.went_back(&member.now) && !member.own {
                self.base.get_or_insert_default().add(&member.now);
            }
            now.follow(&mut member.now);
        }
        let (cost, base) = (self.cost, &mut self.base);
        self.members.retain(|_, member| {
            if std::mem::take(&mut member.seen) {
                return true;
            }
            if member.own {
                pool.give(cost);
            } else {
                base.get_or_insert_default().add(&member.now);
            }
            false
        });
        for (key, now) in new {
            // The same key twice in one sample: the first counts.
            self.members.entry(key).or_insert_with(|| Member { own: pool.take(cost), now: now.clone(), seen: false });
        }
    }

    /// Whether this one has series of its own.
    pub fn is_own(&self, key: &K) -> bool {
        self.members.get(key).is_some_and(|member| member.own)
    }

    /// Those with series of their own.
    pub fn own(&self) -> impl Iterator<Item = (&K, &T)> {
        self.members.iter().filter(|(_, member)| member.own).map(|(key, member)| (key, &member.now))
    }

    /// Those that are there and have none.
    pub fn folded(&self) -> impl Iterator<Item = &T> {
        self.members.values().filter(|member| !member.own).map(|member| &member.now)
    }

    /// Everything without series of its own; `None` if there never was any.
    pub fn other(&self) -> Option<T> {
        let mut other = self.base.clone();
        self.folded().for_each(|now| other.get_or_insert_default().add(now));
        other
    }
}
