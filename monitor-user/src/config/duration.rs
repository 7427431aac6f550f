//! Durations as people write them: `250ms`, `1s`, `1m30s`.
//!
//! Whole numbers with units, the larger unit first, each unit at most once. A bare number is refused: nobody can see
//! whether `5` means seconds or milliseconds.

use std::time::Duration;

/// Units with their length in nanoseconds, from the largest.
const UNITS: [(&str, u128); 5] =
    [("h", 3_600_000_000_000), ("m", 60_000_000_000), ("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000)];

/// Reads a duration. The error says what is wrong, for the end of a sentence.
pub fn parse(text: &str) -> Result<Duration, String> {
    let mut rest = text;
    let mut units = UNITS.as_slice();
    let mut nanoseconds = 0u128;
    if rest.is_empty() {
        return Err("nothing is there".into());
    }
    while !rest.is_empty() {
        let (number, after) = split(rest, |c| c.is_ascii_digit());
        let (unit, after) = split(after, |c| !c.is_ascii_digit());
        if number.is_empty() {
            return Err("it must be whole numbers with units".into());
        }
        if unit.is_empty() {
            return Err(format!("{number} has no unit: add us, ms, s, m or h"));
        }
        if unit.starts_with(['.', ',']) {
            return Err("only whole numbers are possible: use a smaller unit (us, ms, s, m, h)".into());
        }
        let Some(at) = units.iter().position(|(name, _)| *name == unit) else {
            return Err(match UNITS.iter().any(|(name, _)| *name == unit) {
                true => "write each unit once, the larger unit first".into(),
                false => format!("{unit:?} is no unit: use us, ms, s, m or h"),
            });
        };
        let number: u64 = number.parse().map_err(|_| "the number is too large")?;
        // At most five products of a u64 and 3.6e12: far below 2^128.
        nanoseconds += u128::from(number) * units[at].1;
        units = &units[at + 1..];
        rest = after;
    }
    u64::try_from(nanoseconds).map(Duration::from_nanos).map_err(|_| "the number is too large".into())
}

/// Writes a duration so that [`parse`] reads the same, down to microseconds.
pub fn format(duration: Duration) -> String {
    let mut rest = duration.as_nanos();
    let mut text = String::new();
    for (unit, length) in UNITS {
        let number = rest / length;
        rest %= length;
        if number > 0 {
            text.push_str(&format!("{number}{unit}"));
        }
    }
    if text.is_empty() { "0s".into() } else { text }
}

/// The longest start of `text` that consists of such characters, and what follows.
fn split(text: &str, belongs: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !belongs(c)).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_unit_is_read() {
        for (text, nanoseconds) in [
            ("5us", 5_000),
            ("250ms", 250_000_000),
            ("1s", 1_000_000_000),
            ("1m30s", 90_000_000_000),
            ("2h", 7_200_000_000_000),
            ("1h1m1s1ms1us", 3_661_001_001_000),
            ("90s", 90_000_000_000),
            ("0s", 0),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_nanos(nanoseconds)), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused_with_the_reason() {
        for (text, reason) in [
            ("", "nothing is there"),
            ("5", "5 has no unit: add us, ms, s, m or h"),
            ("1m30", "30 has no unit: add us, ms, s, m or h"),
            ("1.5s", "only whole numbers are possible: use a smaller unit (us, ms, s, m, h)"),
            ("5 s", "\" s\" is no unit: use us, ms, s, m or h"),
            ("5d", "\"d\" is no unit: use us, ms, s, m or h"),
            ("5ns", "\"ns\" is no unit: use us, ms, s, m or h"),
            ("s", "it must be whole numbers with units"),
            ("-5s", "it must be whole numbers with units"),
            ("30s1m", "write each unit once, the larger unit first"),
            ("1s1s", "write each unit once, the larger unit first"),
            ("99999999999999999999s", "the number is too large"),
            ("18446744073709551615h", "the number is too large"),
        ] {
            assert_eq!(parse(text), Err(reason.into()), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(microseconds in 0..u64::MAX / 1000) {
            let duration = Duration::from_micros(microseconds);
            prop_assert_eq!(parse(&format(duration)), Ok(duration));
        }

        #[test]
        fn no_text_panics(text in ".*") {
            let _ = parse(&text);
        }
    }
}
