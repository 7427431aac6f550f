//! Shares of the machine as people write them: `0.5%`.
//!
//! Kept as whole parts in a million: what is written is read back as it was.

use std::fmt;

/// A share, from one part in a million to all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share(u32);

/// All of it.
const WHOLE: u32 = 1_000_000;
/// Digits after the point of a percentage.
const DIGITS: usize = 4;

impl Share {
    /// As a part of 1.
    pub fn part(self) -> f64 {
        f64::from(self.0) / f64::from(WHOLE)
    }

    /// Reads a share. The error says what is wrong, for the end of a sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let number = text.strip_suffix('%').ok_or("write a number with %")?;
        let (whole, part) = number.split_once('.').unwrap_or((number, ""));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || whole.len() > 3 || !digits(whole) || !digits(part) || number.ends_with('.') {
            return Err("write a number with %".into());
        }
        if part.len() > DIGITS {
            return Err(format!("at most {DIGITS} digits after the point"));
        }
        let number: u32 = format!("{whole}{part:0<DIGITS$}").parse().map_err(|_| "the number is too large")?;
        if (1..=WHOLE).contains(&number) { Ok(Self(number)) } else { Err(String::new()) }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.0 / 10_000, self.0 % 10_000);
        let part = format!("{part:04}");
        match part.trim_end_matches('0') {
            "" => write!(f, "{whole}%"),
            part => write!(f, "{whole}.{part}%"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn shares_are_read_and_what_is_none_is_refused() {
        for (text, part) in [("0.5%", 0.005), ("100%", 1.0), ("0.0001%", 1e-6), ("12.50%", 0.125)] {
            assert_eq!(Share::parse(text).unwrap().part(), part, "{text}");
        }
        for text in ["", "%", "0.5", "0%", "100.1%", "0.00001%", "-1%", "1e2%", "5.%", ".5%", "+5%", "5 %", "1000%"] {
            assert!(Share::parse(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(parts in 1..=WHOLE) {
            prop_assert_eq!(Share::parse(&Share(parts).to_string()), Ok(Share(parts)));
        }

        #[test]
        fn no_text_panics(text in ".*") {
            let _ = Share::parse(&text);
        }
    }
}
