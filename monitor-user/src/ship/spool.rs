//! The reports that the server does not have yet, on disk: bounded by bytes and by age, in order, whole after a loss of power.
//!
//! | file | what it is |
//! |---|---|
//! | `<number>.spool` | reports in order, see [`super::record`]; the number is that of the first |
//! | `settled` | up to which number the server has all, and what was lost, as [`crate::durable`] |
//! | `lock` | held by the process that uses the folder |
//!
//! In: reports; what the server has. Out: the oldest that it has not. A report counts as kept when it is on the disk; while the
//! disk takes none, it is kept in memory. The server knows a report that it gets twice, so what it has is noted lazily.

use std::{
    collections::{BTreeMap, VecDeque},
    fs::{self, File},
    io,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::record;
use crate::{
    durable,
    journal::folder,
    report::wire::{Lost, Sender},
};

/// The most in one file.
const FILE_BYTES: u64 = 256 << 10;
/// The most in memory while the disk takes nothing.
const MEMORY_BYTES: u64 = 4 << 20;

/// How much may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// On disk, in bytes.
    pub bytes: u64,
    /// Since the end of its interval.
    pub age: Duration,
}

/// Reports of one sender, the oldest that wait.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// Who wrote them.
    pub sender: Arc<Sender>,
    /// In order.
    pub reports: Vec<Waiting>,
    /// What was lost so far.
    pub lost: Lost,
    /// How many wait beside these.
    pub others: u64,
}

/// One that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// In the spool.
    pub number: u64,
    /// Of its sender.
    pub sequence: u64,
    /// The report.
    pub bytes: Bytes,
}

/// How the spool is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Reports that wait.
    pub waiting: u64,
    /// What they and the files take, in bytes.
    pub bytes: u64,
    /// When the oldest ended, in nanoseconds since 1970.
    pub oldest_ns: Option<u64>,
    /// Lost by reason, since the spool was made.
    pub lost: BTreeMap<&'static str, u64>,
    /// Why reports are in memory alone.
    pub trouble: Option<String>,
}

/// What is kept beside the reports.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Settled {
    number: u64,
    no_room: u64,
    too_old: u64,
    damaged: u64,
    bytes: u64,
}

/// Which number counts a loss.
type Reason = fn(&mut Settled) -> &mut u64;

#[derive(Debug)]
struct Entry {
    number: u64,
    sequence: u64,
    end_ns: u64,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Disk { file: u64, offset: u64, length: u32 },
    Memory(Bytes),
}

#[derive(Debug)]
struct Segment {
    path: PathBuf,
    length: u64,
    /// Reports in it that still wait.
    waiting: u64,
    sender: Arc<Sender>,
}

/// See the module.
#[derive(Debug)]
pub struct Spool {
    folder: PathBuf,
    _lock: File,
    limits: Limits,
    sender: Arc<Sender>,
    files: BTreeMap<u64, Segment>,
    /// The one that grows.
    growing: Option<(u64, File)>,
    entries: VecDeque<Entry>,
    /// The last of the batch that is under way.
    under_way: u64,
    /// Those of it that were dropped meanwhile, and their bytes: the server may have them all the same.
    doubtful: Vec<(u64, Reason, u64)>,
    in_memory: u64,
    next: u64,
    settled: Settled,
    trouble: Option<String>,
}

impl Spool {
    /// Goes on where another ended. `None` if another process has the folder. `sender` writes what comes.
    ///
    /// # Errors
    ///
    /// Whatever the system says.
    pub fn open(folder: &Path, limits: Limits, sender: Sender, now_ns: u64) -> io::Result<Option<Self>> {
        let Some(lock) = folder::lock(folder)? else { return Ok(None) };
        let mut spool = Self {
            folder: folder.into(),
            _lock: lock,
            limits,
            sender: Arc::new(sender),
            files: BTreeMap::new(),
            growing: None,
            entries: VecDeque::new(),
            under_way: 0,
            doubtful: Vec::new(),
            in_memory: 0,
            next: 1,
            settled: load(folder),
            trouble: None,
        };
        spool.recover()?;
        spool.bound(now_ns);
        Ok(Some(spool))
    }

    fn recover(&mut self) -> io::Result<()> {
        self.next = self.settled.number + 1;
        let mut found = BTreeMap::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            let number = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse::<u64>().ok());
            if let Some(number) = number.filter(|_| path.extension().is_some_and(|extension| extension == "spool")) {
                found.insert(number, path);
            }
        }
        for (file, path) in found {
            let scan = record::scan(&fs::read(&path)?);
            self.next = self.next.max(file.saturating_add(1));
            self.settled.damaged += scan.damaged;
            let Some(sender) = scan.sender else {
                // Nobody knows whose these are.
                self.settled.damaged += scan.records.len().max(1) as u64;
                fs::remove_file(&path)?;
                continue;
            };
            let mut segment = Segment { path, length: scan.end as u64, waiting: 0, sender: Arc::new(sender) };
            for found in scan.records {
                self.next = self.next.max(found.number.saturating_add(1));
                let in_order = self.entries.back().is_none_or(|last| last.number < found.number);
                if found.number > self.settled.number && in_order {
                    let (offset, length) = (found.place.start as u64, found.place.len() as u32);
                    let place = Place::Disk { file, offset, length };
                    let (number, sequence, end_ns) = (found.number, found.sequence, found.end_ns);
                    self.entries.push_back(Entry { number, sequence, end_ns, place });
                    segment.waiting += 1;
                }
            }
            if segment.waiting == 0 {
                fs::remove_file(&segment.path)?;
            } else {
                self.files.insert(file, segment);
            }
        }
        Ok(())
    }

    /// Keeps a report. When this returns it is on the disk, or in memory and [`Figures::trouble`] says why.
    pub fn push(&mut self, sequence: u64, end_ns: u64, report: &Bytes, now_ns: u64) {
        let number = self.next;
        self.next += 1;
        let place = match self.write(&record::record(number, sequence, end_ns, report)) {
            Ok(place) => {
                self.trouble = None;
                place
            }
            Err(error) => {
                self.trouble = Some(format!("{}: {error}", self.folder.display()));
                self.in_memory += report.len() as u64;
                Place::Memory(report.clone())
            }
        };
        self.entries.push_back(Entry { number, sequence, end_ns, place });
        self.bound(now_ns);
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<Place> {
        let longest = FILE_BYTES.min(self.limits.bytes / 4);
        self.growing.take_if(|(file, _)| self.files.get(file).is_none_or(|segment| segment.length >= longest));
        let (name, file) = match self.growing.take() {
            Some(growing) => growing,
            None => self.begin()?,
        };
        let segment = self.files.get_mut(&name).ok_or_else(|| io::Error::other("the file is gone"))?;
        let offset = segment.length;
        if let Err(error) = file.write_all_at(bytes, offset).and_then(|()| file.sync_data()) {
            // What comes next must not end up behind half a record: if it cannot be cut off, another file is begun.
            if file.set_len(offset).is_ok() {
                self.growing = Some((name, file));
            }
            return Err(error);
        }
        segment.length += bytes.len() as u64;
        segment.waiting += 1;
        self.growing = Some((name, file));
        Ok(Place::Disk { file: name, offset, length: bytes.len() as u32 })
    }

    fn begin(&mut self) -> io::Result<(u64, File)> {
        // The number of the report that is being written.
        let number = self.next - 1;
        let path = self.folder.join(format!("{number:020}.spool"));
        let head = record::head(&self.sender);
        let file = folder::create(&path)?;
        let written = file.write_all_at(&head, 0).and_then(|()| folder::sync(&self.folder));
        if let Err(error) = written {
            // A full disk should not be fuller for it.
            let _ = fs::remove_file(&path);
            return Err(error);
        }
        let segment = Segment { path, length: head.len() as u64, waiting: 0, sender: self.sender.clone() };
        self.files.insert(number, segment);
        Ok((number, file))
    }

    /// Drops what is too old or has no room, the oldest first.
    fn bound(&mut self, now_ns: u64) {
        let before = (self.settled.no_room, self.settled.too_old);
        let oldest_ns = now_ns.saturating_sub(self.limits.age.as_nanos() as u64);
        while self.entries.front().is_some_and(|entry| entry.end_ns < oldest_ns) {
            self.drop_first(|settled| &mut settled.too_old);
        }
        while self.in_memory > MEMORY_BYTES || (self.bytes() > self.limits.bytes && !self.entries.is_empty()) {
            self.drop_first(|settled| &mut settled.no_room);
        }
        if before != (self.settled.no_room, self.settled.too_old) {
            self.save();
        }
    }

    fn drop_first(&mut self, reason: Reason) {
        let Some(entry) = self.entries.pop_front() else { return };
        let bytes = match &entry.place {
            Place::Disk { length, .. } => u64::from(*length),
            Place::Memory(bytes) => bytes.len() as u64,
        };
        match entry.number <= self.under_way {
            true => self.doubtful.push((entry.number, reason, bytes)),
            false => self.lose(reason, bytes),
        }
        self.release(entry);
    }

    fn lose(&mut self, reason: Reason, bytes: u64) {
        *reason(&mut self.settled) += 1;
        self.settled.bytes += bytes;
    }

    /// What was dropped while it was under way, and has not arrived, is lost: nothing is under way any more.
    pub fn doubt_no_more(&mut self) {
        self.under_way = 0;
        for (_, reason, bytes) in std::mem::take(&mut self.doubtful) {
            self.lose(reason, bytes);
        }
    }

    /// Gives back the room of one that waits no more.
    fn release(&mut self, entry: Entry) {
        let file = match entry.place {
            Place::Memory(bytes) => {
                self.in_memory = self.in_memory.saturating_sub(bytes.len() as u64);
                return;
            }
            Place::Disk { file, .. } => file,
        };
        let Some(segment) = self.files.get_mut(&file) else { return };
        segment.waiting = segment.waiting.saturating_sub(1);
        let grows = self.growing.as_ref().is_some_and(|(growing, _)| *growing == file);
        // One that grows is used on while it is short: a file for each report would be many.
        if segment.waiting == 0 && (!grows || segment.length >= FILE_BYTES.min(self.limits.bytes / 4) / 4) {
            if grows {
                self.growing = None;
            }
            // If it cannot be removed, the next start finds reports that the server knows.
            let _ = fs::remove_file(&segment.path);
            self.files.remove(&file);
        }
    }

    /// The oldest that wait, of one sender: at most so many reports and, beyond the first, so many bytes.
    pub fn oldest(&mut self, reports: usize, bytes: u64) -> Option<Batch> {
        self.doubt_no_more();
        let mut batch = Batch { sender: self.sender.clone(), reports: Vec::new(), lost: self.lost(), others: 0 };
        let (mut size, mut damaged) = (0, Vec::new());
        for entry in &self.entries {
            let sender = match &entry.place {
                Place::Memory(_) => &self.sender,
                Place::Disk { file, .. } => self.files.get(file).map_or(&self.sender, |segment| &segment.sender),
            };
            if batch.reports.len() >= reports || (!batch.reports.is_empty() && *sender != batch.sender) {
                break;
            }
            let Some(report) = self.read(entry) else {
                damaged.push(entry.number);
                continue;
            };
            size += report.len() as u64;
            if !batch.reports.is_empty() && size > bytes {
                break;
            }
            batch.sender = sender.clone();
            batch.reports.push(Waiting { number: entry.number, sequence: entry.sequence, bytes: report });
        }
        self.settled.damaged += damaged.len() as u64;
        self.settle(&damaged);
        self.under_way = batch.reports.last().map_or(0, |report| report.number);
        batch.others = (self.entries.len() - batch.reports.len()) as u64;
        (!batch.reports.is_empty()).then_some(batch)
    }

    fn read(&self, entry: &Entry) -> Option<Bytes> {
        let (file, offset, length) = match &entry.place {
            Place::Memory(bytes) => return Some(bytes.clone()),
            Place::Disk { file, offset, length } => (file, *offset, *length),
        };
        let mut bytes = vec![0; length as usize];
        File::open(&self.files.get(file)?.path).ok()?.read_exact_at(&mut bytes, offset).ok()?;
        record::report(&bytes).map(Bytes::copy_from_slice)
    }

    /// Forgets those with these numbers: the server has them, or will never.
    pub fn settle(&mut self, numbers: &[u64]) {
        self.doubtful.retain(|(number, ..)| !numbers.contains(number));
        for number in numbers {
            if let Ok(place) = self.entries.binary_search_by_key(number, |entry| entry.number)
                && let Some(entry) = self.entries.remove(place)
            {
                self.release(entry);
            }
        }
    }

    /// Begins another file with the next report.
    #[cfg(test)]
    pub fn close(&mut self) {
        self.growing = None;
    }

    /// Counts what never reached the spool.
    pub fn count_lost(&mut self, reports: u64) {
        self.settled.no_room += reports;
    }

    /// Notes on the disk what the server has. If that fails, it is only told again of what it knows.
    pub fn save(&mut self) {
        self.settled.number = self.entries.front().map_or(self.next - 1, |entry| entry.number - 1);
        let json = serde_json::to_vec(&self.settled).unwrap_or_default();
        let _ = durable::save(&self.folder.join("settled"), &json);
    }

    fn bytes(&self) -> u64 {
        self.files.values().map(|segment| segment.length).sum::<u64>() + self.in_memory
    }

    fn lost(&self) -> Lost {
        let Settled { no_room, too_old, damaged, bytes, .. } = self.settled;
        Lost { reports: no_room + too_old + damaged, bytes }
    }

    /// How it is.
    pub fn figures(&self) -> Figures {
        let Settled { no_room, too_old, damaged, .. } = self.settled;
        Figures {
            waiting: self.entries.len() as u64,
            bytes: self.bytes(),
            oldest_ns: self.entries.front().map(|entry| entry.end_ns),
            lost: [("no_room", no_room), ("too_old", too_old), ("damaged", damaged)].into(),
            trouble: self.trouble.clone(),
        }
    }
}

/// What was noted; nothing if that is damaged: the server is told again of what it knows.
fn load(folder: &Path) -> Settled {
    let saved = durable::load(&folder.join("settled")).ok().flatten();
    saved.and_then(|json| serde_json::from_slice(&json).ok()).unwrap_or_default()
}
