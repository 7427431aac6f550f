//! Samples as frames, each the difference from the one before it; now and then one that stands alone.
//!
//! | bytes of a frame | what |
//! |---|---|
//! | 4 | length of the rest, little endian |
//! | 4 | CRC-32 of the rest (IEEE 802.3), little endian |
//! | 1 | [`ALONE`], [`CHANGE`] or [`END`] |
//! | all others | what turns the sample before it, or an empty one, into this one: [`super::delta`] |

use super::{
    delta::Delta as _,
    wire::{Input, Malformed, Output},
};
use crate::sample::Sample;

/// A sample by itself.
pub(super) const ALONE: u8 = 0;
/// A sample as the difference from the one before it.
pub(super) const CHANGE: u8 = 1;
/// No sample: the recording ends here, and how many there were follows.
pub(super) const END: u8 = 2;

/// Length and checksum.
pub(super) const PREFIX: usize = 8;
/// The most that may follow a prefix: room for a sample of half a million tasks.
pub(super) const MAX_LENGTH: usize = 64 << 20;

/// After this many samples comes one that stands alone.
pub(super) const KEYFRAME_EVERY: u32 = 60;

/// The checksum of a frame's bytes behind the prefix.
pub(super) fn checksum(bytes: &[u8]) -> u32 {
    crc32fast::hash(bytes)
}

/// Writes length and checksum into the first bytes of a frame.
fn seal(frame: &mut [u8]) {
    if let Some((prefix, rest)) = frame.split_first_chunk_mut::<PREFIX>() {
        prefix[..4].copy_from_slice(&(rest.len() as u32).to_le_bytes());
        prefix[4..].copy_from_slice(&checksum(rest).to_le_bytes());
    }
}

/// A frame around bytes.
pub(super) fn framed(bytes: &[u8]) -> Vec<u8> {
    let mut frame = [&[0; PREFIX], bytes].concat();
    seal(&mut frame);
    frame
}

/// The last frame of a recording of so many samples.
pub(super) fn end(samples: u64) -> Vec<u8> {
    let mut out = Output(vec![END]);
    out.number(samples);
    framed(&out.0)
}

/// Turns samples into frames.
#[derive(Debug, Default)]
pub(super) struct Encoder {
    last: Sample,
    out: Output,
    /// Frames since the last that stands alone, that one included; 0 if the next one has to.
    run: u32,
}

impl Encoder {
    /// The most memory that a sample may take to be recorded: reading it back takes at most four times that.
    const MAX_SAMPLE: usize = Input::LIMIT / 4;

    /// The next frame, complete; none if the sample is too large to be recorded.
    pub(super) fn encode(&mut self, sample: &Sample) -> Option<(u8, &[u8])> {
        let kind = if self.run == 0 || self.run >= KEYFRAME_EVERY { ALONE } else { CHANGE };
        if kind == ALONE {
            (self.last, self.run) = (Sample::default(), 0);
        }
        if sample.heap() > Self::MAX_SAMPLE {
            self.run = 0;
            return None;
        }
        self.out.0.clear();
        self.out.0.extend([0; PREFIX]);
        self.out.0.push(kind);
        self.last.write(sample, &mut self.out);
        seal(&mut self.out.0);
        if self.out.0.len() - PREFIX > MAX_LENGTH {
            self.run = 0;
            return None;
        }
        self.run += 1;
        Some((kind, &self.out.0))
    }

    /// The next frame is to stand alone.
    pub(super) fn begin_anew(&mut self) {
        self.run = 0;
    }

    /// The memory it holds.
    pub(super) fn heap(&self) -> usize {
        self.last.heap() + self.out.0.capacity()
    }
}

/// Turns frames back into samples.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    sample: Sample,
    /// Whether `sample` is one.
    begun: bool,
}

/// What a frame was.
#[derive(Debug)]
pub(super) enum Step<'a> {
    /// A sample.
    Sample(&'a Sample),
    /// The end, and how many samples there should have been.
    End(u64),
}

impl Decoder {
    /// Takes up the bytes behind a prefix. After an error only a frame that stands alone can be read.
    pub(super) fn decode(&mut self, bytes: &[u8]) -> Result<Step<'_>, Malformed> {
        let mut input = Input::new(bytes);
        let kind = input.byte()?;
        match kind {
            ALONE => self.sample = Sample::default(),
            CHANGE if self.begun => {}
            CHANGE => return Err(input.malformed("a sample that stands alone")),
            END => {
                let samples = input.number()?;
                return input.end().map(|()| Step::End(samples));
            }
            _ => return Err(input.malformed("a kind of frame that this version knows (a newer kpulse reads it)")),
        }
        self.begun = false;
        self.sample.read(&mut input)?;
        input.end()?;
        self.begun = true;
        Ok(Step::Sample(&self.sample))
    }
}
