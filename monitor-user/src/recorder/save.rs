//! Recordings on disk: a file is there whole or not at all, and the directory of alerts' recordings never holds more than so
//! many.
//!
//! Data is written to a hidden file beside its place, reaches the disk, and only then gets its name (rename(2) replaces a
//! file in one step). What a crash leaves behind is hidden, and goes with the next recording.

use std::{
    ffi::OsStr,
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, ErrorKind, Write},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    thread,
};

use super::tape::{self, Tape};

/// What the name of every recording ends with.
pub const EXTENSION: &str = "kpr";
/// What the name of a file that is not complete ends with.
const UNFINISHED: &str = ".kpr.tmp";

/// Why a file was not written.
#[derive(Debug, thiserror::Error)]
#[error("{}: {doing}: {error}", path.display())]
pub struct Unsaved {
    /// Which file or directory.
    path: PathBuf,
    /// What failed.
    doing: &'static str,
    /// Why.
    error: io::Error,
}

impl Unsaved {
    fn at(path: &Path, doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |error| Self { path: path.to_owned(), doing, error }
    }

    /// Whether a file of that name was there already.
    pub fn is_taken(&self) -> bool {
        self.error.kind() == ErrorKind::AlreadyExists
    }
}

/// A file that has no name yet. It vanishes if it gets none.
#[derive(Debug)]
pub struct Unfinished {
    path: PathBuf,
    file: BufWriter<File>,
}

impl Unfinished {
    /// Makes a hidden file in a directory. Only its owner can read it: a recording holds the names of tasks.
    ///
    /// # Errors
    ///
    /// If the directory does not exist or cannot be written.
    pub fn new(directory: &Path) -> Result<Self, Unsaved> {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Relaxed);
        let path = directory.join(format!(".{}-{number}{UNFINISHED}", std::process::id()));
        // One that a process of the same number has left behind is of no use to anybody.
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path);
        Ok(Self { file: BufWriter::new(file.map_err(Unsaved::at(&path, "it cannot be made"))?), path })
    }

    /// Where it is for now.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Waits until all of it is on the disk.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn sync(&mut self) -> Result<(), Unsaved> {
        let synced = self.file.flush().and_then(|()| self.file.get_ref().sync_all());
        synced.map_err(Unsaved::at(&self.path, "it cannot be written"))
    }

    /// Gives it its name, in the directory where it is, once all of it is on the disk.
    ///
    /// # Errors
    ///
    /// If it cannot be written, or if a file of that name is there already and must not be replaced:
    /// [`Unsaved::is_taken`].
    pub fn finish(mut self, name: &OsStr, replace: bool) -> Result<PathBuf, Unsaved> {
        self.sync()?;
        let path = self.path.with_file_name(name);
        if replace {
            fs::rename(&self.path, &path).map_err(Unsaved::at(&path, "it cannot be replaced"))?;
        } else {
            // A second name is refused if it is taken, which a rename would not be; but not every filesystem has them.
            let linked = match fs::hard_link(&self.path, &path) {
                Err(error) if error.kind() != ErrorKind::AlreadyExists && !path.exists() => {
                    fs::rename(&self.path, &path)
                }
                result => result,
            };
            linked.map_err(Unsaved::at(&path, "it cannot be made"))?;
        }
        if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
            let synced = File::open(directory).and_then(|directory| directory.sync_all());
            synced.map_err(Unsaved::at(directory, "it cannot be written"))?;
        }
        Ok(path)
    }
}

impl Write for Unfinished {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // After a rename there is nothing to remove.
        let _ = fs::remove_file(&self.path);
    }
}

/// Where [`save`] writes a tape: `DIRECTORY/20261123T225035Z-NAME.kpr`, by the time of its latest sample.
pub fn path(tape: &Tape, directory: &Path, name: &str) -> PathBuf {
    let stamp = tape::stamp(tape.end_realtime_ns().unwrap_or(0));
    directory.join(format!("{stamp}-{}.{EXTENSION}", tape::safe(name, "recording")))
}

/// Writes a tape into a directory, which is made if it is not there, and removes the oldest recordings beyond the `keep`
/// latest. Waits for the disk: [`Saver`] does it on a thread of its own.
///
/// # Errors
///
/// If the disk is full or read-only, or the directory is not ours to write.
pub fn save(tape: &Tape, directory: &Path, name: &str, keep: usize) -> Result<PathBuf, Unsaved> {
    fs::create_dir_all(directory).map_err(Unsaved::at(directory, "it cannot be made"))?;
    // Room first: the disk may be small.
    prune(directory, keep.saturating_sub(1)).map_err(Unsaved::at(directory, "old recordings cannot be removed"))?;
    let path = path(tape, directory, name);
    let mut file = Unfinished::new(directory)?;
    tape.write_to(&mut file).map_err(Unsaved::at(&path, "it cannot be written"))?;
    file.finish(path.file_name().unwrap_or_default(), true)
}

/// Leaves the latest recordings by name, which is by time; what a crash has left behind goes too.
fn prune(directory: &Path, keep: usize) -> io::Result<()> {
    let mut recordings = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with('.') && name.ends_with(UNFINISHED) {
            fs::remove_file(&path)?;
        } else if path.extension() == Some(OsStr::new(EXTENSION)) {
            recordings.push(path);
        }
    }
    recordings.sort();
    let beyond = recordings.len().saturating_sub(keep);
    recordings[..beyond].iter().try_for_each(fs::remove_file)
}

/// Saves tapes in a directory that is its own, one after another, on a thread that lives as long as there is one to save.
/// Whoever asks never waits for the disk.
#[derive(Clone, Debug)]
pub struct Saver(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    directory: PathBuf,
    /// One at a time.
    disk: Mutex<()>,
    waiting: AtomicUsize,
    saved: AtomicU64,
    failed: AtomicU64,
}

impl Saver {
    /// The most tapes that wait for the disk. They hold on to memory that the recorder has let go.
    const MOST: usize = 2;

    /// Writes nothing yet.
    pub fn new(directory: PathBuf) -> Self {
        let (saved, failed) = Default::default();
        Self(Arc::new(Shared { directory, disk: Mutex::new(()), waiting: AtomicUsize::new(0), saved, failed }))
    }

    /// Where the tape will be in a moment, if nothing fails. A failure is logged and counted; so is a tape that comes while
    /// two are waiting for the disk.
    pub fn save(&self, tape: Tape, name: &str, keep: usize) -> PathBuf {
        let path = path(&tape, &self.0.directory, name);
        if self.0.waiting.fetch_add(1, Relaxed) >= Self::MOST {
            self.done(Err("the disk is too slow: two others are waiting for it".into()), &path);
            return path;
        }
        let (this, name) = (self.clone(), name.to_owned());
        let to = path.clone();
        let thread = thread::Builder::new().name("kpulse-record".into()).spawn(move || {
            let turn = this.0.disk.lock().unwrap_or_else(PoisonError::into_inner);
            let saved = save(&tape, &this.0.directory, &name, keep);
            drop(turn);
            this.done(saved.map(drop).map_err(|error| error.to_string()), &to);
        });
        if let Err(error) = thread {
            self.done(Err(format!("there is no thread for it: {error}")), &path);
        }
        path
    }

    fn done(&self, result: Result<(), String>, path: &Path) {
        match result {
            Ok(()) => tracing::info!("recorded to {}", path.display()),
            Err(ref error) => tracing::error!("the recording {} is lost: {error}", path.display()),
        }
        let counter = if result.is_ok() { &self.0.saved } else { &self.0.failed };
        counter.fetch_add(1, Relaxed);
        self.0.waiting.fetch_sub(1, Relaxed);
    }

    /// How many were saved, and how many were not, since the saver began.
    pub fn counts(&self) -> (u64, u64) {
        (self.0.saved.load(Relaxed), self.0.failed.load(Relaxed))
    }

    /// Whether a tape waits for the disk. At its end the agent waits for it, but not for ever.
    pub fn is_busy(&self) -> bool {
        self.0.waiting.load(Relaxed) > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        host::testing::Machine as Directory,
        recorder::{Limits, Recorder, Recording, story},
    };

    fn tape(seconds: usize) -> Tape {
        let mut recorder = Recorder::new(Limits::default());
        story::hour_with_a_slow_disk(3).take(seconds).for_each(|sample| recorder.push(&sample));
        recorder.tape()
    }

    fn names(directory: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn the_latest_are_kept_and_what_a_crash_left_goes() {
        let directory = Directory::new("== r/.1-0.kpr.tmp\nhalf\n== r/notes.txt\nmine\n");
        let place = directory.root().join("r");
        for seconds in [3, 4, 5, 6] {
            let path = save(&tape(seconds), &place, "Disk slow/sda", 2).unwrap();
            assert_eq!(Recording::open(&path).unwrap().count(), seconds);
        }
        let kept = ["20261123T000005Z-Disk_slow_sda.kpr", "20261123T000006Z-Disk_slow_sda.kpr", "notes.txt"];
        assert_eq!(names(&place), kept);
    }

    #[test]
    fn a_directory_that_cannot_be_written_is_named() {
        let directory = Directory::new("== file\nno directory\n");
        let error = save(&tape(2), &directory.root().join("file/r"), "x", 2).unwrap_err().to_string();
        assert!(error.contains("file/r: it cannot be made: Not a directory"), "{error}");
        // A device that is always full.
        let error = tape(2).write_to(File::options().write(true).open("/dev/full").unwrap()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFull);
    }

    #[test]
    fn a_name_cannot_leave_the_directory() {
        let path = path(&tape(2), Path::new("/r"), "../../etc/passwd");
        assert_eq!(path, Path::new("/r/20261123T000002Z-_.._etc_passwd.kpr"));
    }

    #[test]
    fn the_saver_waits_for_nothing_and_counts() {
        let directory = Directory::new("");
        let good = Saver::new(directory.root().join("r"));
        let bad = Saver::new(directory.root().join("r/../none\0"));
        // While the disk is taken, two may wait and the third is refused.
        let disk = good.0.disk.lock().unwrap();
        let paths = ["a", "b", "c"].map(|name| good.save(tape(2), name, 5));
        assert_eq!(good.counts(), (0, 1));
        assert!(good.is_busy());
        drop(disk);
        bad.save(tape(2), "x", 5);
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
        while (good.is_busy() || bad.is_busy()) && std::time::Instant::now() < deadline {
            thread::yield_now();
        }
        assert_eq!((good.counts(), bad.counts()), ((2, 1), (0, 1)));
        assert_eq!(paths.map(|path| path.exists()), [true, true, false]);
    }
}
