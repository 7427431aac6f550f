//! Numbers and texts as bytes: what a frame is written with and read from.
//!
//! Numbers are variable in length, seven bits a byte, the least significant first; the difference of two numbers is zigzag
//! coded, so that a small step is short in either direction. (Protocol Buffers documentation, "Encoding": base 128 varints,
//! signed integers.)

use std::str;

/// The bytes of a frame that is being written.
#[derive(Debug, Default)]
pub(super) struct Output(pub(super) Vec<u8>);

impl Output {
    pub(super) fn number(&mut self, mut n: u64) {
        while n >= 0x80 {
            self.0.push(n as u8 | 0x80);
            n >>= 7;
        }
        self.0.push(n as u8);
    }

    /// The step from one number to another, whatever they are: it wraps.
    pub(super) fn step(&mut self, from: u64, to: u64) {
        let step = to.wrapping_sub(from) as i64;
        self.number(((step << 1) ^ (step >> 63)) as u64);
    }

    /// Which of up to 64 things follow.
    pub(super) fn mask(&mut self, set: &[bool]) {
        self.number(set.iter().rev().fold(0, |mask, &set| mask << 1 | u64::from(set)));
    }

    pub(super) fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.0.extend(text.as_bytes());
    }
}

/// Bytes that are no frame, although their checksum is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{expected} was expected at byte {at} of the frame")]
pub(super) struct Malformed {
    /// What should be there.
    expected: &'static str,
    /// Where, from the frame's begin.
    at: usize,
}

/// The bytes of a frame that is being read. Never panics, and gives out no more memory than [`Input::LIMIT`].
#[derive(Debug)]
pub(super) struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
    charged: usize,
}

impl<'a> Input<'a> {
    /// The most memory that the lists and texts of one sample may take: two bytes in a file can stand for an item of some
    /// hundred bytes in memory. A sample of 5,000 tasks takes one MiB.
    pub(super) const LIMIT: usize = 256 << 20;

    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, charged: 0 }
    }

    pub(super) fn malformed(&self, expected: &'static str) -> Malformed {
        Malformed { expected, at: self.at }
    }

    /// To be called before memory is taken.
    pub(super) fn charge(&mut self, bytes: usize) -> Result<(), Malformed> {
        self.charged = self.charged.saturating_add(bytes);
        if self.charged > Self::LIMIT { Err(self.malformed("a sample that fits in 256 MiB")) } else { Ok(()) }
    }

    pub(super) fn byte(&mut self) -> Result<u8, Malformed> {
        let byte = *self.bytes.get(self.at).ok_or_else(|| self.malformed("another byte"))?;
        self.at += 1;
        Ok(byte)
    }

    pub(super) fn number(&mut self) -> Result<u64, Malformed> {
        let mut n = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            n |= bits << shift;
            if bits << shift >> shift != bits {
                break;
            }
            if byte & 0x80 == 0 {
                return Ok(n);
            }
        }
        Err(self.malformed("a number of at most 64 bits"))
    }

    pub(super) fn step(&mut self, from: u64) -> Result<u64, Malformed> {
        let n = self.number()?;
        Ok(from.wrapping_add((n >> 1) ^ (n & 1).wrapping_neg()))
    }

    /// Which of `count` things follow, the first in the lowest bit.
    pub(super) fn mask(&mut self, count: usize) -> Result<u64, Malformed> {
        let mask = self.number()?;
        if count < 64 && mask >> count != 0 {
            return Err(self.malformed("only fields that this version knows (a newer kpulse reads it)"));
        }
        Ok(mask)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let array = self.bytes[self.at..].first_chunk().ok_or_else(|| self.malformed("eight more bytes"))?;
        self.at += N;
        Ok(*array)
    }

    pub(super) fn text(&mut self) -> Result<String, Malformed> {
        let length = self.number()?;
        let rest = &self.bytes[self.at..];
        let bytes = usize::try_from(length).ok().and_then(|length| rest.get(..length));
        let text = bytes.and_then(|bytes| str::from_utf8(bytes).ok()).ok_or_else(|| self.malformed("a text"))?;
        self.charge(text.len())?;
        self.at += text.len();
        Ok(text.to_owned())
    }

    /// All must have been read.
    pub(super) fn end(&self) -> Result<(), Malformed> {
        if self.at == self.bytes.len() { Ok(()) } else { Err(self.malformed("the end")) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn small_steps_are_one_byte_in_either_direction() {
        for (from, to, length) in [(7, 7, 1), (7, 70, 1), (70, 7, 1), (7, 71, 2), (0, 1 << 61, 9), (0, u64::MAX, 1)] {
            let mut output = Output::default();
            output.step(from, to);
            assert_eq!(output.0.len(), length, "{from} to {to}");
        }
    }

    #[test]
    fn a_number_of_more_than_64_bits_is_refused() {
        for bytes in [&[0xff; 11][..], &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2], &[0x80]] {
            assert!(Input::new(bytes).number().is_err(), "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(from: u64, to: u64, text in ".*", set in proptest::collection::vec(any::<bool>(), 0..=64)) {
            let mut output = Output::default();
            output.number(from);
            output.step(from, to);
            output.text(&text);
            output.mask(&set);
            let mut input = Input::new(&output.0);
            prop_assert_eq!(input.number(), Ok(from));
            prop_assert_eq!(input.step(from), Ok(to));
            prop_assert_eq!(input.text(), Ok(text));
            let mask = input.mask(set.len()).unwrap();
            prop_assert!(set.iter().enumerate().all(|(i, &set)| (mask >> i & 1 == 1) == set));
            prop_assert_eq!(input.end(), Ok(()));
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let mut input = Input::new(&bytes);
            while input.text().is_ok() && input.step(1).is_ok() && input.array::<8>().is_ok() {}
        }
    }
}
