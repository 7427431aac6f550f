//! The journal's files: one that grows, and older ones that are only read.
//!
//! | file | what it is |
//! |---|---|
//! | `<number>.log` | records in the order in which they were appended; the number is that of the first |
//! | `<number>.base` | what was still needed of all records up to this number, whose files it replaces |
//! | `<name>.tmp` | one that was not finished: removed |
//! | `cursors` | how far each target is |
//! | `lock` | held by the process that uses the folder |
//!
//! In: groups of records to append; which are still needed. Out: where they are. Whatever is reported as done is on the
//! disk: data first, then the name, then the folder (fsync(2), "Calling fsync() does not necessarily ensure that the entry
//! in the directory ... has also reached disk").

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Write as _},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

use super::{
    folder::{self, create, sync, writable},
    ledger::{Entry, Place},
    record::{self, Raw},
};

/// Where in which file the JSON of a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At {
    file: u64,
    offset: u64,
    length: u32,
}

/// A record that was found.
#[derive(Debug)]
pub struct Found<'a> {
    /// Its number.
    pub sequence: u64,
    /// The alert.
    pub json: &'a [u8],
    /// Where it is.
    pub at: At,
}

/// What was wrong with the files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Damage {
    /// Bytes cut off the end of the latest file: an append that was never finished.
    pub cut: u64,
    /// Bytes elsewhere that belong to no record, and were passed over.
    pub skipped: u64,
}

/// The files of one folder.
#[derive(Debug)]
pub struct Files {
    folder: PathBuf,
    /// Held as long as this lives.
    _lock: File,
    /// All files by number, the one that grows among them: its path and length.
    files: BTreeMap<u64, (PathBuf, u64)>,
    /// The one that grows.
    growing: Option<(u64, File)>,
    /// How long it may become.
    longest: u64,
    /// The greatest number of a record that is or was in a file.
    written: u64,
}

impl Files {
    /// Takes the folder into use. `None` if another process has it.
    ///
    /// # Errors
    ///
    /// Whatever the system says.
    pub fn lock(folder: &Path, longest: u64) -> io::Result<Option<Self>> {
        let Some(lock) = folder::lock(folder)? else { return Ok(None) };
        let files = BTreeMap::new();
        Ok(Some(Self { folder: folder.into(), _lock: lock, files, growing: None, longest, written: 0 }))
    }

    /// Reads everything, oldest first, and cuts off what was never finished.
    ///
    /// # Errors
    ///
    /// Whatever the system says.
    pub fn recover(&mut self, mut each: impl FnMut(Found<'_>)) -> io::Result<Damage> {
        let mut damage = Damage::default();
        self.find()?;
        let last = self.files.keys().next_back().copied();
        for (&number, (path, length)) in &mut self.files {
            let bytes = fs::read(&*path)?;
            let found = record::scan(&bytes);
            for (sequence, json) in found.records {
                let at = At { file: number, offset: json.start as u64, length: json.len() as u32 };
                each(Found { sequence, json: &bytes[json], at });
                self.written = self.written.max(sequence);
            }
            damage.skipped += found.damaged as u64;
            let rest = (bytes.len() - found.end) as u64;
            *length = bytes.len() as u64;
            if rest == 0 {
                continue;
            }
            if Some(number) == last && is_log(path) {
                damage.cut += rest;
                let file = writable().open(&*path)?;
                file.set_len(found.end as u64)?;
                file.sync_all()?;
                *length = found.end as u64;
            } else {
                damage.skipped += rest;
            }
        }
        // The next record would want the number of a file that has none.
        for (_, (path, _)) in self.files.extract_if(.., |_, (path, length)| *length == 0 && is_log(path)) {
            fs::remove_file(path)?;
        }
        Ok(damage)
    }

    /// Looks which files there are, and removes those that have been replaced.
    fn find(&mut self) -> io::Result<()> {
        let mut found: Vec<(u64, bool, PathBuf)> = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            let number = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
            match (path.extension().and_then(|extension| extension.to_str()), number) {
                (Some("tmp"), _) => fs::remove_file(&path)?,
                (Some("log"), Some(number)) => found.push((number, false, path)),
                (Some("base"), Some(number)) => found.push((number, true, path)),
                _ => {}
            }
        }
        let base = found.iter().filter(|(_, base, _)| *base).map(|(number, ..)| *number).max();
        for (number, is_base, path) in found {
            let replaced = base.is_some_and(|base| number < base || (number == base && !is_base));
            if replaced {
                fs::remove_file(&path)?;
            } else {
                self.files.insert(number, (path, 0));
            }
        }
        Ok(())
    }

    /// The greatest number in a file's name: no record may get a smaller one.
    pub fn greatest(&self) -> u64 {
        self.files.keys().next_back().copied().unwrap_or(0)
    }

    /// What all files take on disk.
    pub fn bytes(&self) -> u64 {
        self.files.values().map(|(_, length)| length).sum()
    }

    /// What those take that do not grow.
    pub fn closed_bytes(&self) -> u64 {
        self.bytes() - self.growing.as_ref().and_then(|(number, _)| self.files.get(number)).map_or(0, |(_, n)| *n)
    }

    /// Writes one group; when this returns, all of it is on the disk. After an error none of it counts.
    ///
    /// # Errors
    ///
    /// Whatever the system says.
    pub fn append(&mut self, records: &[Raw<'_>]) -> io::Result<Vec<(u64, At)>> {
        let Some(first) = records.first() else { return Ok(Vec::new()) };
        if self.growing.as_ref().and_then(|(number, _)| self.files.get(number)).is_some_and(|f| f.1 >= self.longest) {
            self.growing = None;
        }
        let (bytes, starts) = record::group(records);
        let (number, file) = match self.growing.take() {
            Some(growing) => growing,
            None => self.open(first.sequence)?,
        };
        let length = self.files.get(&number).map_or(0, |(_, length)| *length);
        if let Err(error) = file.write_all_at(&bytes, length).and_then(|()| file.sync_data()) {
            // Half of a group is skipped when the file is read; but where it cannot be taken back, another file is begun, so
            // that what comes next does not end up behind it.
            if file.set_len(length).is_ok() {
                self.growing = Some((number, file));
            }
            return Err(error);
        }
        self.files.entry(number).and_modify(|file| file.1 = length + bytes.len() as u64);
        self.written = records.iter().map(|record| record.sequence).fold(self.written, u64::max);
        self.growing = Some((number, file));
        let at = |(record, start): (&Raw<'_>, usize)| {
            (record.sequence, At { file: number, offset: length + start as u64, length: record.json.len() as u32 })
        };
        Ok(records.iter().zip(starts).map(at).collect())
    }

    /// The file to append to: the latest one if it has room, or else a new one.
    fn open(&mut self, first: u64) -> io::Result<(u64, File)> {
        if let Some((&number, (path, length))) = self.files.iter().next_back()
            && is_log(path)
            && *length < self.longest
            && fs::metadata(path)?.len() == *length
        {
            return Ok((number, writable().open(path)?));
        }
        let path = self.path(first, "log");
        let file = create(&path)?;
        sync(&self.folder)?;
        self.files.insert(first, (path, 0));
        Ok((first, file))
    }

    /// Lets the file that grows be replaced too, if there is anything in it.
    pub fn close(&mut self) {
        let length = |(number, _): &mut (u64, File)| self.files.get(number).map_or(0, |(_, length)| *length);
        self.growing.take_if(|growing| length(growing) > 0);
    }

    /// The JSON of a record.
    ///
    /// # Errors
    ///
    /// Whatever the system says, or if it is not what was written.
    pub fn read(&self, at: At) -> io::Result<Vec<u8>> {
        let damaged = || io::Error::new(io::ErrorKind::InvalidData, "a record is not what was written");
        let (path, _) = self.files.get(&at.file).ok_or_else(damaged)?;
        let mut bytes = vec![0; at.length as usize + 4];
        File::open(path)?.read_exact_at(&mut bytes, at.offset - 4)?;
        let checksum = record::checksum_before(&bytes, 4);
        let json = bytes.split_off(4);
        if checksum == Some(crc32fast::hash(&json)) { Ok(json) } else { Err(damaged()) }
    }

    /// Puts all that is still needed into one file, in place of all others but the one that grows. Records that
    /// cannot be read are given back: they are lost.
    ///
    /// # Errors
    ///
    /// Whatever the system says; the old files then stay.
    pub fn compact(&mut self, entries: &mut BTreeMap<u64, Entry>) -> io::Result<Vec<u64>> {
        let growing = self.growing.as_ref().map(|(number, _)| *number);
        let Some(last) = self.files.keys().copied().rfind(|number| Some(*number) != growing) else {
            return Ok(Vec::new());
        };
        // By its last record, needed or not: a number that was given is given once, whatever is left of its record.
        let number = growing.map_or(self.written, |growing| growing - 1).max(last);
        let (mut lost, mut places, mut length) = (Vec::new(), Vec::new(), 0);
        let tmp = self.path(number, "tmp");
        let mut out = io::BufWriter::new(create(&tmp)?);
        for (&sequence, entry) in entries.iter() {
            let Place::Disk(at) = entry.place else { continue };
            if Some(at.file) == growing {
                continue;
            }
            let Ok(json) = self.read(at) else {
                lost.push(sequence);
                continue;
            };
            let (bytes, starts) = record::group(&[Raw { sequence, json: &json }]);
            out.write_all(&bytes)?;
            places.extend(
                starts.first().map(|start| (sequence, At { file: number, offset: length + *start as u64, ..at })),
            );
            length += bytes.len() as u64;
        }
        out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        let path = self.path(number, "base");
        fs::rename(&tmp, &path)?;
        sync(&self.folder)?;
        // From here on the new file counts, whatever happens to the old ones.
        let old: Vec<u64> = self.files.keys().copied().filter(|n| *n <= number && Some(*n) != growing).collect();
        for (old, _) in old.into_iter().filter_map(|number| self.files.remove(&number)) {
            if old != path {
                let _ = fs::remove_file(old);
            }
        }
        self.files.insert(number, (path, length));
        for (sequence, at) in places {
            entries.entry(sequence).and_modify(|entry| entry.place = Place::Disk(at));
        }
        Ok(lost)
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Puts a file that cannot be written in place of the one that grows.
    #[cfg(test)]
    pub fn break_growing(&mut self, file: File) {
        self.growing = self.growing.take().map(|(number, _)| (number, file));
    }

    fn path(&self, number: u64, extension: &str) -> PathBuf {
        self.folder.join(format!("{number:020}.{extension}"))
    }
}

fn is_log(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "log")
}
