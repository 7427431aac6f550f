//! The journal of alerts: the one truth of their states, on disk.
//!
//! In: every transition of an alert, before anybody is told of it; what the targets of [`crate::notify`] acknowledge. Out:
//! after a restart, the alerts that are not over; for each target, what it has not got yet. What was appended is on the
//! disk when [`Journal::append`] returns, all of it or nothing. Blocking: the agent keeps it in a thread of its own.
//!
//! | module | what it is |
//! |---|---|
//! | `record` | alerts as bytes with checksums, and back |
//! | `ledger`, `cursor` | which records there are and who needs them; how far a target is |
//! | `files`, `folder` | the files: append, recover, compact; the folder that they are in |
//! | `report` | limits, what was found, how it is |
//!
//! Where the folder cannot be used, or has no room, alerts are kept in memory and go out from there: that they may be told
//! twice or lost with the process is said in the log and in the status.

mod cursor;
mod files;
pub(crate) mod folder;
mod ledger;
mod record;
mod report;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, HashSet},
    io,
    path::Path,
    sync::Arc,
};

pub use self::{
    cursor::Owed,
    report::{Health, InUse, Limits, Recovered},
};
use self::{
    files::Files,
    ledger::{Entry, Ledger, Place},
    record::Raw,
};
use crate::alert::Alert;

/// The file of the cursors.
const CURSORS: &str = "cursors";

/// The most that is kept in memory while the disk takes nothing, in bytes.
const IN_MEMORY: u64 = 4 << 20;

/// One transition of one alert.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Its number: later ones have greater numbers, for ever.
    pub sequence: u64,
    /// The alert as it was then.
    pub alert: Alert,
}

/// The journal.
#[derive(Debug)]
pub struct Journal {
    files: Option<Files>,
    ledger: Ledger,
    limits: Limits,
    trouble: Option<String>,
    no_room: BTreeMap<String, u64>,
    unreadable: BTreeMap<String, u64>,
    /// Nobody knows how far the targets are.
    cursors_lost: bool,
    /// Whether the cursors have moved since they were saved.
    moved: bool,
}

impl Journal {
    /// Opens the journal in a folder, which is made if it is not there, and says in the log whatever is wrong with it. If
    /// the folder cannot be used at all, the journal is in memory.
    ///
    /// # Errors
    ///
    /// If another process uses the folder.
    pub fn open(folder: &Path, limits: Limits) -> Result<(Self, Recovered), InUse> {
        let segment = (limits.bytes / 8).max(4096);
        let mut recovered = Recovered::default();
        let mut journal = match Files::lock(folder, segment) {
            Ok(Some(files)) => Self { files: Some(files), ..Self::in_memory(limits) },
            Ok(None) => return Err(InUse(folder.into())),
            Err(error) => return Ok(Self::unusable(folder, limits, &error)),
        };
        if let Err(error) = journal.recover(&mut recovered) {
            return Ok(Self::unusable(folder, limits, &error));
        }
        recovered.tell(folder);
        Ok((journal, recovered))
    }

    /// A journal without a disk.
    pub fn in_memory(limits: Limits) -> Self {
        Self {
            files: None,
            ledger: Ledger::default(),
            limits,
            trouble: None,
            no_room: BTreeMap::new(),
            unreadable: BTreeMap::new(),
            cursors_lost: false,
            moved: false,
        }
    }

    fn unusable(folder: &Path, limits: Limits, error: &io::Error) -> (Self, Recovered) {
        let why = format!("{} cannot be used: {error}", folder.display());
        tracing::error!("{why}: until the agent is restarted, alerts are kept in memory and do not survive its end");
        let journal = Self { trouble: Some(why.clone()), ..Self::in_memory(limits) };
        (journal, Recovered { unusable: Some(why), ..Recovered::default() })
    }

    fn recover(&mut self, recovered: &mut Recovered) -> io::Result<()> {
        let Some(files) = &mut self.files else { return Ok(()) };
        let cursors = folder::small(files.folder(), CURSORS)?;
        let ledger = &mut self.ledger;
        let damage = files.recover(|found| {
            // What is there twice was written again after an error.
            if found.sequence <= ledger.head {
                return;
            }
            match record::decode(found.json) {
                Some((alert, whole)) => {
                    recovered.without_evidence += u64::from(!whole);
                    ledger.add(found.sequence, Entry::new(&alert, found.json.len(), Place::Disk(found.at)));
                }
                None => recovered.damaged_bytes += found.json.len() as u64,
            }
        })?;
        recovered.cut_bytes = damage.cut;
        recovered.damaged_bytes += damage.skipped;
        let read = cursors.as_deref().and_then(cursor::parse);
        self.cursors_lost = read.is_none() && !ledger.entries.is_empty();
        ledger.cursors = read.unwrap_or_default();
        let furthest = ledger.cursors.values().map(|cursor| cursor.done).max();
        ledger.head = ledger.head.max(files.greatest()).max(furthest.unwrap_or(0));
        ledger.must_write = true;
        let current: Vec<u64> = ledger.current().map(|(sequence, _)| sequence).collect();
        recovered.current = self.read(&current).into_iter().map(|record| record.alert).collect();
        Ok(())
    }

    /// Says who is to be told, by name; how far each of them is, is kept under its name. Somebody new is told of the
    /// alerts that fire now and of what comes. Forgets those that are not named.
    pub fn set_targets(&mut self, targets: &[String]) {
        self.ledger.begin(targets, self.cursors_lost);
        self.cursors_lost = false;
        self.moved = true;
        self.save();
        self.keep_within_limits(0);
    }

    /// Appends transitions: all of them or, after a crash, none. Gives the number of the last.
    ///
    /// # Errors
    ///
    /// If they could not be written. They are then in memory: they go to the targets from there, and to the disk with the
    /// next append or [`Self::retry`].
    pub fn append(&mut self, alerts: &[Alert]) -> io::Result<u64> {
        if alerts.is_empty() {
            return Ok(self.ledger.head);
        }
        let json: Vec<Arc<[u8]>> = alerts.iter().map(|alert| record::encode(alert).into()).collect();
        self.keep_within_limits(json.iter().map(|json| json.len() as u64 + record::OVERHEAD).sum());
        for (alert, json) in alerts.iter().zip(json) {
            let length = json.len();
            self.ledger.add(self.ledger.head + 1, Entry::new(alert, length, Place::Memory(json)));
        }
        self.write()?;
        Ok(self.ledger.head)
    }

    /// Whether there is a disk that did not take what it was to keep.
    pub fn must_retry(&self) -> bool {
        self.files.is_some() && self.trouble.is_some()
    }

    /// Tries again to write what is in memory alone. How it went is in [`Self::health`].
    pub fn retry(&mut self) {
        // The first failure was told; until it ends there is no more to tell.
        let _ = self.write();
    }

    /// Writes what is in memory alone.
    fn write(&mut self) -> io::Result<()> {
        let Some(files) = &mut self.files else { return Ok(()) };
        let unwritten = self.ledger.unwritten();
        let records: Vec<Raw<'_>> =
            unwritten.iter().map(|(sequence, json)| Raw { sequence: *sequence, json }).collect();
        let result = files.append(&records);
        match result {
            Ok(places) => {
                self.ledger.written(places);
                if self.trouble.take().is_some() {
                    tracing::info!("alerts are kept on disk again");
                }
                Ok(())
            }
            Err(error) => {
                if self.trouble.is_none() {
                    tracing::error!(
                        "alerts cannot be kept on disk and would not survive the agent's end; they go out from memory: \
                         {error}"
                    );
                }
                self.trouble = Some(error.to_string());
                Err(error)
            }
        }
    }

    /// What a target has not got yet, oldest first, without that of the alerts `without`: at most `most` records, and
    /// about `bytes` of them, but at least one.
    pub fn owed(&mut self, target: &str, without: &HashSet<String>, most: usize, bytes: u64) -> Vec<Record> {
        loop {
            let sequences = self.ledger.next_for(target, without, most, bytes);
            let records = self.read(&sequences);
            // If none of them could be read, they are gone, and others are next.
            if !records.is_empty() || sequences.is_empty() {
                return records;
            }
        }
    }

    /// How much that is.
    pub fn owed_in_short(&self, target: &str) -> Owed {
        self.ledger.owed_in_short(target)
    }

    /// Notes that a target has these, or will never have them. Saved with [`Self::save`].
    pub fn ack(&mut self, target: &str, sequences: &[u64]) {
        self.ledger.ack(target, sequences);
        self.moved = true;
    }

    /// Saves how far the targets are. What was acknowledged since the last time is otherwise sent again after a crash.
    pub fn save(&mut self) {
        let Some(files) = self.files.as_ref().filter(|_| self.moved) else { return };
        match folder::replace(files.folder(), CURSORS, &cursor::format(&self.ledger.cursors)) {
            Ok(()) => self.moved = false,
            // The next append says so loudly.
            Err(error) => tracing::debug!("how far alerts have been delivered cannot be saved: {error}"),
        }
    }

    /// The numbers of what a target has been told and may be told again: alerts that fire, and those that have been
    /// over only since `since_ns`; of several lives of one label set, the latest.
    pub fn standing(&self, target: &str, since_ns: u64) -> Vec<u64> {
        self.ledger.standing(target, since_ns)
    }

    /// The latest record of one alert, or of all: those that are not over, and the last hundred that are.
    pub fn latest(&mut self, id: Option<&str>) -> Vec<Record> {
        let sequences = self.ledger.latest(id);
        self.read(&sequences)
    }

    /// The records of these numbers, as far as they are there. What cannot be read is given up.
    pub fn read(&mut self, sequences: &[u64]) -> Vec<Record> {
        let mut records = Vec::with_capacity(sequences.len());
        for &sequence in sequences {
            let Some(entry) = self.ledger.entries.get(&sequence) else { continue };
            let json = match &entry.place {
                Place::Memory(json) => Ok(json.to_vec()),
                Place::Disk(at) => self.files.as_ref().ok_or(io::ErrorKind::NotFound.into()).and_then(|f| f.read(*at)),
            };
            match json.map(|json| record::decode(&json)) {
                Ok(Some((alert, _))) => records.push(Record { sequence, alert }),
                damaged => {
                    let why = damaged.err().map_or("it is no alert".into(), |error| error.to_string());
                    tracing::error!(alert = &*entry.id, sequence, "a transition in the journal cannot be read: {why}");
                    self.ledger.give_up(sequence, &mut self.unreadable);
                    self.moved = true;
                }
            }
        }
        records
    }

    /// How it is.
    pub fn health(&self) -> Health {
        let bytes = self.files.as_ref().map_or(0, Files::bytes);
        Health {
            trouble: self.trouble.clone(),
            bytes,
            no_room: self.no_room.clone(),
            unreadable: self.unreadable.clone(),
        }
    }

    /// Makes room for `more` bytes.
    fn keep_within_limits(&mut self, more: u64) {
        // Somewhat more than what is needed, so that not every append has to.
        let goal = |limit: u64| (limit - limit / 8).saturating_sub(more);
        let limit = self.limits.bytes;
        let mut lost = BTreeMap::new();
        if self.ledger.bytes + more > limit {
            self.ledger.make_room(goal(limit), false, &mut lost);
        }
        let memory = limit.min(IN_MEMORY);
        if self.ledger.bytes_in_memory() + more > memory {
            self.ledger.make_room(goal(memory), true, &mut lost);
        }
        for (target, records) in lost {
            tracing::error!(to = target, records, "alerts were not delivered in time and had no more room");
            *self.no_room.entry(target).or_default() += records;
            self.moved = true;
        }
        let Some(files) = &self.files else { return };
        let garbage = files.bytes().saturating_sub(self.ledger.bytes);
        if files.bytes() + more > limit || (files.closed_bytes() > limit / 4 && garbage > files.closed_bytes() / 2) {
            self.compact();
        }
    }

    fn compact(&mut self) {
        // What is dropped must not be owed again after a crash.
        self.save();
        let Some(files) = &mut self.files else { return };
        files.close();
        match files.compact(&mut self.ledger.entries) {
            Ok(unreadable) => {
                unreadable.into_iter().for_each(|sequence| self.ledger.give_up(sequence, &mut self.unreadable));
            }
            Err(error) => tracing::debug!("the journal of alerts cannot be made smaller: {error}"),
        }
    }
}
