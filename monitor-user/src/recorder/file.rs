//! A recording as a file: who recorded, and one frame after another.
//!
//! | bytes of a file | what |
//! |---|---|
//! | 8 | [`MAGIC`] |
//! | 4 | [`VERSION`], little endian |
//! | a frame | the [`Header`] as JSON |
//! | frames | samples, see [`super::frame`] |
//! | a frame | the end, and how many samples there were: whoever misses it knows that something is cut off |
//!
//! A reader needs the memory of one sample, whatever the file says.

use std::{
    fs::File,
    io::{self, BufReader, ErrorKind, Read, Write},
    path::Path,
};

use serde::{Deserialize, Serialize};

use super::frame::{self, Decoder, Encoder, MAX_LENGTH, PREFIX, Step};
use crate::sample::Sample;

/// What every recording begins with.
pub const MAGIC: [u8; 8] = *b"KPULSREC";
/// The version of the format that is written. Another number means that an older reader would misread it.
pub const VERSION: u32 = 1;
/// The most bytes a header may have.
const MAX_HEADER: usize = 64 << 10;

/// Who recorded. Nothing of the configuration is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Header {
    /// The node's name; empty if it is not known.
    pub node: String,
    /// Its kernel's version; empty if it is not known.
    pub kernel: String,
    /// The version of kpulse.
    pub kpulse: String,
}

impl Header {
    /// Of a node that yields such samples.
    pub fn of(sample: &Sample) -> Self {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        Self {
            node: text(&sample.host.hostname),
            kernel: text(&sample.host.kernel),
            kpulse: env!("CARGO_PKG_VERSION").into(),
        }
    }

    /// Everything that comes before the first sample.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let json = serde_json::to_vec(self).unwrap_or_default();
        [&MAGIC[..], &VERSION.to_le_bytes(), &frame::framed(&json)].concat()
    }
}

/// Writes a recording sample by sample, in the memory of one.
#[derive(Debug)]
pub struct Writer<W> {
    to: W,
    encoder: Encoder,
    samples: u64,
    skipped: u64,
}

impl<W: Write> Writer<W> {
    /// Begins a recording.
    ///
    /// # Errors
    ///
    /// If the header cannot be written.
    pub fn new(mut to: W, header: &Header) -> io::Result<Self> {
        to.write_all(&header.bytes())?;
        Ok(Self { to, encoder: Encoder::default(), samples: 0, skipped: 0 })
    }

    /// Adds a sample. One that takes more than 64 MiB of memory is left out and counted.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn push(&mut self, sample: &Sample) -> io::Result<()> {
        let Some((_, frame)) = self.encoder.encode(sample) else {
            self.skipped += 1;
            return Ok(());
        };
        self.to.write_all(frame)?;
        self.samples += 1;
        Ok(())
    }

    /// How many samples were too large to be recorded.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Ends the recording.
    ///
    /// # Errors
    ///
    /// If its end cannot be written.
    pub fn finish(mut self) -> io::Result<W> {
        self.to.write_all(&frame::end(self.samples))?;
        self.to.flush()?;
        Ok(self.to)
    }
}

/// Why a recording cannot be read, or not further.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be had at all.
    #[error("the recording cannot be read after {samples} samples (byte {at}): {error}")]
    Unreadable {
        /// How many samples were read before.
        samples: u64,
        /// How far the file was read.
        at: u64,
        /// Why.
        error: io::Error,
    },
    /// It begins with something else.
    #[error("this is no recording: it does not begin with KPULSREC, as a file of `kpulse record` does")]
    NoRecording,
    /// A newer version of kpulse has written it.
    #[error("the recording has format {0}, this kpulse reads up to {VERSION}: read it with a newer one")]
    Newer(u32),
    /// The file ends too early.
    #[error("the recording is cut off at byte {at}: {samples} samples were read, the end is missing")]
    CutOff {
        /// How many samples were read before.
        samples: u64,
        /// Where the part begins that is not complete.
        at: u64,
    },
    /// Something in it is wrong.
    #[error("the recording is damaged at byte {at}: {what}; {samples} samples were read before")]
    Damaged {
        /// How many samples were read before.
        samples: u64,
        /// Where the part begins that is wrong.
        at: u64,
        /// What is wrong.
        what: String,
    },
}

/// A recording that is being read. Yields each sample, and an error in the place of the first that cannot be read: then it
/// is over.
#[derive(Debug)]
pub struct Recording<R> {
    from: R,
    header: Header,
    decoder: Decoder,
    buffer: Vec<u8>,
    samples: u64,
    at: u64,
    over: bool,
}

impl Recording<BufReader<File>> {
    /// Opens a file and reads its header.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or is no recording.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let file = File::open(path).map_err(|error| Error::Unreadable { samples: 0, at: 0, error })?;
        Self::read(BufReader::new(file))
    }
}

impl<R: Read> Recording<R> {
    /// Reads the header.
    ///
    /// # Errors
    ///
    /// If it is no recording.
    pub fn read(from: R) -> Result<Self, Error> {
        let (header, decoder) = (Header::default(), Decoder::default());
        let mut it = Self { from, header, decoder, buffer: Vec::new(), samples: 0, at: 0, over: false };
        let begin = it.chunk(MAGIC.len() + 4)?;
        let begins_well = MAGIC.starts_with(&begin[..begin.len().min(MAGIC.len())]);
        let version = begin.split_first_chunk::<8>().and_then(|(_, version)| version.first_chunk().copied());
        let version = match version.map(u32::from_le_bytes) {
            _ if !begins_well || begin.is_empty() => return Err(Error::NoRecording),
            None => return Err(it.cut_off()),
            Some(version) => version,
        };
        if version > VERSION {
            return Err(Error::Newer(version));
        }
        it.at += (MAGIC.len() + 4) as u64;
        let length = it.frame(MAX_HEADER)?;
        it.header = serde_json::from_slice(&it.buffer)
            .map_err(|error| it.damaged(format!("a header in JSON was expected: {error}")))?;
        it.at += length;
        Ok(it)
    }

    /// Who recorded.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Reads up to `length` bytes into the buffer. Memory is taken only for what is there.
    fn chunk(&mut self, length: usize) -> Result<&[u8], Error> {
        self.buffer.clear();
        let read = self.from.by_ref().take(length as u64).read_to_end(&mut self.buffer);
        read.map_err(|error| Error::Unreadable { samples: self.samples, at: self.at, error })?;
        Ok(&self.buffer)
    }

    /// Reads a frame; what is behind its prefix is then in the buffer. Gives the length of the whole.
    fn frame(&mut self, most: usize) -> Result<u64, Error> {
        let prefix = self.chunk(PREFIX)?;
        let word = |at: usize| Some(u32::from_le_bytes(*prefix.get(at..)?.first_chunk()?));
        let (Some(length), Some(checksum)) = (word(0), word(4)) else { return Err(self.cut_off()) };
        let whole = u64::from(length) + PREFIX as u64;
        if length as usize > most {
            return Err(self.damaged(format!("a part of {length} bytes, more than the {most} that are possible")));
        }
        if self.chunk(length as usize)?.len() < length as usize {
            return Err(self.cut_off());
        }
        if frame::checksum(&self.buffer) != checksum {
            return Err(self.damaged("the checksum is wrong".into()));
        }
        Ok(whole)
    }

    fn cut_off(&self) -> Error {
        Error::CutOff { samples: self.samples, at: self.at }
    }

    fn damaged(&self, what: String) -> Error {
        Error::Damaged { samples: self.samples, at: self.at, what }
    }

    /// The next sample; none at the end, if it is the right one.
    fn step(&mut self) -> Result<Option<Sample>, Error> {
        let length = self.frame(MAX_LENGTH)?;
        let step = self.decoder.decode(&self.buffer);
        let (samples, at) = (self.samples, self.at);
        let damaged = |what| Error::Damaged { samples, at, what };
        match step.map_err(|malformed| damaged(malformed.to_string()))? {
            Step::Sample(sample) => {
                self.samples += 1;
                self.at += length;
                Ok(Some(sample.clone()))
            }
            Step::End(counted) if counted != samples => {
                Err(damaged(format!("the end speaks of {counted} samples, but there were {samples}")))
            }
            Step::End(_) => {
                self.at += length;
                if self.chunk(1)?.is_empty() { Ok(None) } else { Err(self.damaged("more follows the end".into())) }
            }
        }
    }
}

impl<R: Read> Iterator for Recording<R> {
    type Item = Result<Sample, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let step = self.step();
        self.over = !matches!(step, Ok(Some(_)));
        step.transpose()
    }
}

impl Error {
    /// Whether nothing was there to be read: the file itself is missing or forbidden.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Unreadable { error, .. } if error.kind() == ErrorKind::NotFound)
    }
}
