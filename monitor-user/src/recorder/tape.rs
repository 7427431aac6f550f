//! What a recorder holds at one moment: it can be cut, read and written elsewhere, on another thread, while the recorder
//! goes on.

use std::{
    borrow::Borrow,
    io::{self, Write},
    sync::Arc,
    time::Duration,
};

use super::{
    file::Header,
    frame::{self, Decoder, Encoder, PREFIX, Step},
};
use crate::sample::Sample;

/// A sample as the recorder keeps it.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    /// When the sample was taken, on `CLOCK_MONOTONIC`.
    pub(super) monotonic_ns: u64,
    /// When it was taken, since 1970.
    pub(super) realtime_ns: u64,
    /// Whether it stands alone.
    pub(super) alone: bool,
    /// The whole frame.
    pub(super) bytes: Arc<[u8]>,
}

/// Some minutes of samples that do not change any more. The memory is shared with the recorder.
#[derive(Clone, Debug)]
pub struct Tape {
    header: Header,
    frames: Vec<Frame>,
}

impl Tape {
    pub(super) fn new(header: Header, frames: Vec<Frame>) -> Self {
        Self { header, frames }
    }

    /// Who recorded.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// How many samples.
    pub fn samples_count(&self) -> usize {
        self.frames.len()
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// When the latest sample was taken, in nanoseconds since 1970.
    pub fn end_realtime_ns(&self) -> Option<u64> {
        self.frames.last().map(|frame| frame.realtime_ns)
    }

    /// The samples of so long before the latest one, and that one. Decodes up to sixty samples for it.
    #[must_use]
    pub fn last(mut self, reach: Duration) -> Self {
        let end = self.frames.last().map_or(0, |frame| frame.monotonic_ns);
        let reach = u64::try_from(reach.as_nanos()).unwrap_or(u64::MAX);
        let first = self.frames.partition_point(|frame| end.saturating_sub(frame.monotonic_ns) > reach);
        let begin = (0..=first).rev().find(|&index| self.frames.get(index).is_some_and(|frame| frame.alone));
        // The first that is wanted has to stand alone; those after it stay as they are.
        if let Some(begin) = begin.filter(|&begin| begin < first)
            && let Some(sample) = decode(&self.frames[begin..=first]).last()
            && let Some((_, bytes)) = Encoder::default().encode(&sample)
        {
            self.frames[first].bytes = bytes.into();
            self.frames[first].alone = true;
        }
        self.frames.drain(..first);
        self
    }

    /// The samples, the oldest first.
    pub fn samples(self) -> impl Iterator<Item = Sample> {
        decode(self.frames)
    }

    /// The file, in pieces of which most are shared with the recorder.
    pub fn pieces(&self) -> impl Iterator<Item = Arc<[u8]>> {
        let ends = [self.header.bytes(), frame::end(self.frames.len() as u64)].map(Arc::<[u8]>::from);
        let [header, end] = ends;
        let frames = self.frames.iter().map(|frame| Arc::clone(&frame.bytes)).collect::<Vec<_>>();
        [header].into_iter().chain(frames).chain([end])
    }

    /// Writes the file.
    ///
    /// # Errors
    ///
    /// As `to` says.
    pub fn write_to(&self, mut to: impl Write) -> io::Result<()> {
        self.pieces().try_for_each(|piece| to.write_all(&piece))
    }

    /// A name for the file: the node and the time of the latest sample, such as `kpulse-web1-20261123T225035Z.kpr`.
    pub fn file_name(&self) -> String {
        file_name(&self.header.node, self.end_realtime_ns().unwrap_or(0))
    }
}

/// The name of a recording of a node that ended at a time, in nanoseconds since 1970.
pub fn file_name(node: &str, end_realtime_ns: u64) -> String {
    format!("kpulse-{}-{}.kpr", safe(node, "node"), stamp(end_realtime_ns))
}

/// A time that sorts as text, such as `20261123T225035Z`.
pub(super) fn stamp(realtime_ns: u64) -> String {
    let utc = crate::table::units::utc(realtime_ns);
    let digits: String = utc.chars().filter(char::is_ascii_digit).collect();
    let (day, time) = digits.split_at_checked(8).unwrap_or((&digits, ""));
    format!("{day}T{time}Z")
}

/// A text as part of a file's name.
pub(super) fn safe(text: &str, otherwise: &str) -> String {
    let fits = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    let name: String = text.chars().take(100).map(fits).collect();
    let name = name.trim_start_matches('.');
    if name.is_empty() { otherwise.into() } else { name.into() }
}

/// The samples of frames, of which the first stands alone. Our own frames are whole: what follows one that is not is left out.
pub(super) fn decode<F: Borrow<Frame>>(frames: impl IntoIterator<Item = F>) -> impl Iterator<Item = Sample> {
    let mut decoder = Decoder::default();
    frames.into_iter().map_while(move |frame| match decoder.decode(frame.borrow().bytes.get(PREFIX..)?) {
        Ok(Step::Sample(sample)) => Some(sample.clone()),
        Ok(Step::End(_)) | Err(_) => None,
    })
}
