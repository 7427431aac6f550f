//! The flight recorder: the last ten minutes of samples, in bounded memory.
//!
//! In: every [`Sample`], once a second. Out: a [`Tape`], which shares the recorder's memory and can be written while the
//! recorder goes on; and recordings as files, which are read again sample by sample, equal to the last bit.
//!
//! A sample is kept as its difference from the one before it, because little changes in a second: counters of CPUs that ran,
//! tasks that ran, disks that worked. Every sixtieth stands alone, and when room is needed the oldest run of sixty goes.
//! `docs/RECORDER.md` says what that takes.
//!
//! | module | what it is |
//! |---|---|
//! | `wire` | numbers and texts as bytes |
//! | `delta`, `list` | what turns one value, or one list, into another |
//! | `shape` | every field of a sample |
//! | `frame` | samples as frames, and back |
//! | [`file`] | a recording as a file: written and read |
//! | `tape` | what a recorder holds at one moment |
//! | [`save`] | files that are whole or not there |

mod delta;
pub mod file;
mod frame;
mod list;
pub mod save;
mod shape;
#[cfg(test)]
#[path = "../../../tests/src/story.rs"]
#[allow(dead_code, reason = "the tests of other crates use the rest")]
pub(crate) mod story;
mod tape;
#[cfg(test)]
mod tests;
mod wire;

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

pub use self::{
    file::{Error, Header, Recording, Writer},
    tape::{Tape, file_name},
};
use self::{
    frame::{ALONE, Encoder},
    tape::Frame,
};
use crate::sample::Sample;

/// How much a recorder keeps: whichever bound is met first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most memory in bytes.
    pub max_bytes: usize,
    /// For how long a sample is kept at least, if there is room: up to sixty samples are older.
    pub window: Duration,
}

impl Default for Limits {
    /// Ten minutes in 4 MiB.
    fn default() -> Self {
        Self { max_bytes: 4 << 20, window: Duration::from_secs(600) }
    }
}

/// Figures of a recorder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Samples that it holds.
    pub samples: u64,
    /// Memory that it holds, in bytes.
    pub bytes: u64,
    /// How far it reaches back from the latest sample, in nanoseconds.
    pub covers_ns: u64,
    /// Samples that were too large for it, since it began.
    pub skipped: u64,
}

/// Keeps the latest samples.
#[derive(Debug)]
pub struct Recorder {
    limits: Limits,
    header: Header,
    encoder: Encoder,
    frames: VecDeque<Frame>,
    /// Bytes in `frames`.
    held: usize,
    /// Bytes in the frames since the latest that stands alone.
    run: usize,
    skipped: u64,
}

impl Recorder {
    /// What a frame takes besides its bytes: its entry, half of the room in a queue being empty, and what the allocator and
    /// the counter of references take.
    const PER_FRAME: usize = 2 * size_of::<Frame>() + 32;

    /// Holds nothing yet.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            header: Header::default(),
            encoder: Encoder::default(),
            frames: VecDeque::new(),
            held: 0,
            run: 0,
            skipped: 0,
        }
    }

    /// Adds a sample; what is too old or has no room goes.
    pub fn push(&mut self, sample: &Sample) {
        // One run of frames may take an eighth: then an eighth is the most that goes at once.
        if self.run >= self.limits.max_bytes / 8 {
            self.encoder.begin_anew();
        }
        let Some((kind, bytes)) = self.encoder.encode(sample) else {
            self.skipped += 1;
            return;
        };
        let (monotonic_ns, realtime_ns) = (sample.monotonic_ns, sample.realtime_ns);
        let frame = Frame { monotonic_ns, realtime_ns, alone: kind == ALONE, bytes: bytes.into() };
        let size = Self::size(&frame);
        self.held += size;
        self.run = if frame.alone { size } else { self.run + size };
        if self.frames.is_empty() {
            self.header = Header::of(sample);
        }
        self.frames.push_back(frame);
        self.evict();
    }

    fn size(frame: &Frame) -> usize {
        frame.bytes.len() + Self::PER_FRAME
    }

    fn evict(&mut self) {
        let newest = self.frames.back().map_or(0, |frame| frame.monotonic_ns);
        let window = u64::try_from(self.limits.window.as_nanos()).unwrap_or(u64::MAX);
        loop {
            // The first run goes if the rest reaches back far enough, or if there is no room for it.
            let second = self.frames.iter().skip(1).position(|frame| frame.alone).map(|index| index + 1);
            let old = second.is_some_and(|index| newest.saturating_sub(self.frames[index].monotonic_ns) >= window);
            let full = self.bytes() > self.limits.max_bytes;
            if self.frames.is_empty() || !(old || full) {
                return;
            }
            if second.is_none() {
                // Not even one run has room.
                self.encoder = Encoder::default();
                self.skipped += 1;
            }
            let gone = self.frames.drain(..second.unwrap_or(self.frames.len()));
            self.held -= gone.map(|frame| Self::size(&frame)).sum::<usize>();
        }
    }

    /// How far it reaches back from the latest sample.
    pub fn covers(&self) -> Duration {
        let ends = self.frames.front().zip(self.frames.back());
        Duration::from_nanos(ends.map_or(0, |(first, last)| last.monotonic_ns.saturating_sub(first.monotonic_ns)))
    }

    /// The memory it holds: frames, a copy of the latest sample, a buffer.
    pub fn bytes(&self) -> usize {
        self.held + self.encoder.heap()
    }

    /// All its figures.
    pub fn figures(&self) -> Figures {
        Figures {
            samples: self.frames.len() as u64,
            bytes: self.bytes() as u64,
            covers_ns: self.covers().as_nanos() as u64,
            skipped: self.skipped,
        }
    }

    /// What it holds now. Takes microseconds, whatever it is: the memory is shared.
    pub fn tape(&self) -> Tape {
        Tape::new(self.header.clone(), self.frames.iter().cloned().collect())
    }

    /// Every sample that it holds, the oldest first.
    pub fn iter(&self) -> impl Iterator<Item = Sample> + use<> {
        self.tape().samples()
    }

    /// The latest sample that was taken at or before a moment on `CLOCK_MONOTONIC` in nanoseconds, if it is still there.
    /// Decodes up to sixty samples for it.
    pub fn at(&self, monotonic_ns: u64) -> Option<Sample> {
        let end = self.frames.partition_point(|frame| frame.monotonic_ns <= monotonic_ns);
        let begin = (0..end).rev().find(|&index| self.frames[index].alone)?;
        tape::decode(self.frames.range(begin..end)).last()
    }
}

/// A recorder that the collection fills while the server and the alerts read it.
#[derive(Clone, Debug)]
pub struct Shared(Arc<Mutex<Recorder>>);

impl Shared {
    /// Holds nothing yet.
    pub fn new(limits: Limits) -> Self {
        Self(Arc::new(Mutex::new(Recorder::new(limits))))
    }

    /// The recorder itself, for a moment.
    pub fn lock(&self) -> MutexGuard<'_, Recorder> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
