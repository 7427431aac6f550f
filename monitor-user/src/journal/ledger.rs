//! Which records there are and who still needs them: the journal without its files.
//!
//! In: records as they are appended or recovered, and what targets have acknowledged. Out: what a target is owed, which
//! record is an alert's latest, what may go. Pure.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque},
    sync::Arc,
};

use super::{
    cursor::{Cursor, Owed},
    files::At,
    record,
};
use crate::alert::{Alert, State};

/// How many alerts that are over are kept.
const HISTORY: usize = 100;

/// A record that somebody needs.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The alert's id.
    pub id: Arc<str>,
    /// Its label set as a number.
    pub fingerprint: u64,
    /// Its state.
    pub state: State,
    /// When it came into that state, in nanoseconds since 1970.
    pub changed_ns: u64,
    /// Where the record is.
    pub place: Place,
    /// What it takes on disk.
    pub bytes: u64,
}

/// Where a record is.
#[derive(Clone, Debug)]
pub enum Place {
    /// In a file.
    Disk(At),
    /// Not written yet: its JSON.
    Memory(Arc<[u8]>),
}

impl Entry {
    /// The entry of an alert whose JSON is so long.
    pub fn new(alert: &Alert, json: usize, place: Place) -> Self {
        Self {
            id: alert.id.as_str().into(),
            fingerprint: alert.fingerprint(),
            state: alert.state,
            changed_ns: alert.changed_ns(),
            place,
            bytes: json as u64 + record::OVERHEAD,
        }
    }

    /// Whether it is told to anybody.
    fn is_told(&self) -> bool {
        matches!(self.state, State::Firing | State::Resolved)
    }
}

/// The records, by number, and how far each target is.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Those that somebody needs.
    pub entries: BTreeMap<u64, Entry>,
    /// The greatest number so far.
    pub head: u64,
    /// What the entries take on disk.
    pub bytes: u64,
    /// How far each target is.
    pub cursors: BTreeMap<String, Cursor>,
    /// Whether what is not written yet is still to be written, needed or not: a file may hold an older state.
    pub must_write: bool,
    /// The number of each alert's latest record: of those that are not over, and of those in `history`.
    latest: HashMap<Arc<str>, u64>,
    /// Alerts that are over, oldest first.
    history: VecDeque<Arc<str>>,
    /// Whether the targets are known: until then nothing may go.
    begun: bool,
}

impl Ledger {
    /// Takes up a record.
    pub fn add(&mut self, sequence: u64, entry: Entry) {
        let id = Arc::clone(&entry.id);
        self.head = self.head.max(sequence);
        self.bytes += entry.bytes;
        self.history.retain(|over| *over != id);
        let mut touched = vec![sequence];
        if entry.state == State::Dropped {
            touched.extend(self.latest.remove(&id));
        } else {
            touched.extend(self.latest.insert(Arc::clone(&id), sequence));
        }
        if entry.state == State::Resolved {
            self.history.push_back(id);
            if self.history.len() > HISTORY {
                touched.extend(self.forget_oldest());
            }
        }
        self.entries.insert(sequence, entry);
        self.settle(touched);
    }

    /// Says who is to be told. One that was not known before is owed the alerts that fire now, or, if it is not known how
    /// far anybody is (`all`), all there is.
    pub fn begin(&mut self, targets: &[String], all: bool) {
        self.cursors.retain(|name, _| targets.contains(name));
        let firing: BTreeSet<u64> = self.current().filter(|(_, e)| e.state == State::Firing).map(|(s, _)| s).collect();
        for target in targets {
            let told = self.entries.iter().filter(|(_, entry)| entry.is_told()).map(|(sequence, _)| *sequence);
            let new = || Cursor {
                done: firing.first().map_or(self.head, |first| first - 1),
                beyond: told.filter(|sequence| firing.first() < Some(sequence) && !firing.contains(sequence)).collect(),
            };
            let cursor = self.cursors.entry(target.clone());
            cursor.or_insert_with(|| if all { Cursor::default() } else { new() });
        }
        self.begun = true;
        self.settle(self.entries.keys().copied().collect());
    }

    /// Notes that a target has these, or will never have them.
    pub fn ack(&mut self, target: &str, sequences: &[u64]) {
        let Some(mut cursor) = self.cursors.remove(target) else { return };
        cursor.beyond.extend(sequences.iter().filter(|sequence| **sequence > cursor.done));
        let unread = self.entries.range(cursor.done + 1..).find(|(s, entry)| entry.is_told() && !cursor.has(**s));
        cursor.done = unread.map_or(self.head, |(sequence, _)| sequence - 1);
        cursor.beyond = cursor.beyond.split_off(&(cursor.done + 1));
        self.cursors.insert(target.into(), cursor);
        self.settle(sequences.to_vec());
    }

    /// What a target has not got yet, oldest first.
    pub fn owed(&self, target: &str) -> impl Iterator<Item = (u64, &Entry)> {
        let cursor = self.cursors.get(target);
        let from = cursor.map_or(u64::MAX, |cursor| cursor.done.saturating_add(1));
        self.entries
            .range(from..)
            .filter(move |(sequence, entry)| entry.is_told() && cursor.is_some_and(|cursor| !cursor.has(**sequence)))
            .map(|(sequence, entry)| (*sequence, entry))
    }

    /// How much that is.
    pub fn owed_in_short(&self, target: &str) -> Owed {
        self.owed(target).fold(Owed::default(), |owed, (_, entry)| Owed {
            records: owed.records + 1,
            oldest_ns: Some(owed.oldest_ns.unwrap_or(u64::MAX).min(entry.changed_ns)),
        })
    }

    /// The latest record of each alert that is not over, in the order of their numbers.
    pub fn current(&self) -> impl Iterator<Item = (u64, &Entry)> {
        self.latest_records().filter(|(_, entry)| matches!(entry.state, State::Pending | State::Firing))
    }

    /// What a target has been told and may be told again: alerts that fire, and those that have been over only since
    /// `since_ns`. Of several lives of one label set only the latest, in the order of their numbers.
    pub fn standing(&self, target: &str, since_ns: u64) -> Vec<u64> {
        let Some(cursor) = self.cursors.get(target) else { return Vec::new() };
        let mut by_labels = BTreeMap::new();
        for (sequence, entry) in
            self.latest_records().filter(|(sequence, entry)| cursor.has(*sequence) && entry.is_told())
        {
            by_labels.insert(entry.fingerprint, (sequence, entry));
        }
        let wanted = |entry: &Entry| entry.state == State::Firing || entry.changed_ns >= since_ns;
        let mut found: Vec<u64> = by_labels.into_values().filter(|(_, e)| wanted(e)).map(|(s, _)| s).collect();
        found.sort_unstable();
        found
    }

    /// The number of the latest record of one alert, or of all: those that are not over, and the last hundred that are.
    pub fn latest(&self, id: Option<&str>) -> Vec<u64> {
        let mut found: Vec<u64> = match id {
            Some(id) => self.latest.get(id).copied().into_iter().collect(),
            None => self.latest.values().copied().collect(),
        };
        found.sort_unstable();
        found
    }

    fn latest_records(&self) -> impl Iterator<Item = (u64, &Entry)> {
        self.entries.iter().map(|(sequence, entry)| (*sequence, entry)).filter(|(s, entry)| self.is_latest(*s, entry))
    }

    /// Lets go until no more than `limit` bytes are needed (of those in memory, if `in_memory`): first alerts that are over
    /// and told, then what was not told yet, oldest first. The latest record of an alert that is not over stays. Counts in
    /// `lost` the records that each target will not get.
    pub fn make_room(&mut self, limit: u64, in_memory: bool, lost: &mut BTreeMap<String, u64>) {
        let taken = |ledger: &Self| if in_memory { ledger.bytes_in_memory() } else { ledger.bytes };
        while taken(self) > limit {
            if let Some(sequence) = self.forget_oldest() {
                self.settle(vec![sequence]);
                continue;
            }
            let may_go = |(sequence, entry): &(&u64, &Entry)| {
                !self.is_latest(**sequence, entry) && (!in_memory || matches!(entry.place, Place::Memory(_)))
            };
            let Some((&sequence, _)) = self.entries.iter().find(may_go) else { break };
            self.give_up(sequence, lost);
        }
    }

    /// What the entries take that are in memory alone.
    pub fn bytes_in_memory(&self) -> u64 {
        self.entries.values().filter(|entry| matches!(entry.place, Place::Memory(_))).map(|entry| entry.bytes).sum()
    }

    /// Takes out a record that cannot be read, or has no room; counts those who are owed it in `lost`.
    pub fn give_up(&mut self, sequence: u64, lost: &mut BTreeMap<String, u64>) {
        let Some(entry) = self.entries.get(&sequence) else { return };
        let owing = |cursor: &Cursor| entry.is_told() && !cursor.has(sequence);
        let targets: Vec<String> =
            self.cursors.iter().filter(|(_, cursor)| owing(cursor)).map(|(name, _)| name.clone()).collect();
        if self.is_latest(sequence, entry) {
            let id = Arc::clone(&entry.id);
            self.latest.remove(&id);
            self.history.retain(|over| *over != id);
        }
        self.remove(sequence);
        for target in targets {
            self.ack(&target, &[sequence]);
            *lost.entry(target).or_default() += 1;
        }
    }

    fn forget_oldest(&mut self) -> Option<u64> {
        self.history.pop_front().and_then(|id| self.latest.remove(&id))
    }

    fn is_latest(&self, sequence: u64, entry: &Entry) -> bool {
        self.latest.get(&entry.id) == Some(&sequence)
    }

    /// Lets go of those that nobody needs any more.
    fn settle(&mut self, sequences: Vec<u64>) {
        if !self.begun {
            return;
        }
        for sequence in sequences {
            let Some(entry) = self.entries.get(&sequence) else { continue };
            let unwritten = self.must_write && matches!(entry.place, Place::Memory(_));
            let owed = entry.is_told() && self.cursors.values().any(|cursor| !cursor.has(sequence));
            if !unwritten && !owed && !self.is_latest(sequence, entry) {
                self.remove(sequence);
            }
        }
    }

    fn remove(&mut self, sequence: u64) {
        if let Some(entry) = self.entries.remove(&sequence) {
            self.bytes -= entry.bytes;
        }
    }

    /// Notes where records are that were in memory.
    pub fn written(&mut self, places: Vec<(u64, At)>) {
        for (sequence, at) in &places {
            if let Some(entry) = self.entries.get_mut(sequence) {
                entry.place = Place::Disk(*at);
            }
        }
        self.settle(places.into_iter().map(|(sequence, _)| sequence).collect());
    }

    /// What is in memory alone, in the order of the numbers.
    pub fn unwritten(&self) -> Vec<(u64, Arc<[u8]>)> {
        let memory = |(sequence, entry): (&u64, &Entry)| match &entry.place {
            Place::Memory(json) => Some((*sequence, Arc::clone(json))),
            Place::Disk(_) => None,
        };
        self.entries.iter().filter_map(memory).collect()
    }

    /// The oldest that a target is owed, without those of the alerts in `without`: at most `most`, and no more than `bytes`
    /// but for the first.
    pub fn next_for(&self, target: &str, without: &HashSet<String>, most: usize, bytes: u64) -> Vec<u64> {
        let mut room = bytes;
        self.owed(target)
            .filter(|(_, entry)| !without.contains(&*entry.id))
            .take(most)
            .enumerate()
            .take_while(|(index, (_, entry))| {
                let fits = *index == 0 || entry.bytes <= room;
                room = room.saturating_sub(entry.bytes);
                fits
            })
            .map(|(_, (sequence, _))| sequence)
            .collect()
    }
}
