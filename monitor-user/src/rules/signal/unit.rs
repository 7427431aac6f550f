//! Units of signals: how a threshold is written, and how a value is shown to people.

use std::time::Duration;

use crate::{
    config::{duration, problem::quoted},
    table::units,
};

/// What a value counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Seconds.
    Seconds,
    /// A part of a whole, 0 to 1.
    Share,
    /// As a share, but it may be more than the whole.
    Proportion,
    /// Bytes.
    Bytes,
    /// Bytes a second.
    BytesPerSecond,
    /// Things a second.
    PerSecond,
    /// Things.
    Count,
    /// A number without a unit.
    Ratio,
    /// 1 for yes, 0 for no.
    Flag,
}

/// Units of bytes, from the largest.
const BYTES: [(&str, f64); 5] = [
    ("TiB", (1u64 << 40) as f64),
    ("GiB", (1u64 << 30) as f64),
    ("MiB", (1u64 << 20) as f64),
    ("KiB", (1u64 << 10) as f64),
    ("B", 1.0),
];

impl Unit {
    /// A word or two for a table.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Seconds => "seconds",
            Self::Share => "share",
            Self::Proportion => "proportion",
            Self::Bytes => "bytes",
            Self::BytesPerSecond => "bytes/s",
            Self::PerSecond => "1/s",
            Self::Count => "count",
            Self::Ratio => "ratio",
            Self::Flag => "0 or 1",
        }
    }

    /// What a threshold must be, with an article.
    pub const fn expects(self) -> &'static str {
        match self {
            Self::Seconds => "a duration such as \"20ms\", or a number of seconds",
            Self::Share => "a share such as \"95%\", or a number from 0 to 1",
            Self::Proportion => "a share such as \"5%\", or a number (1 is 100 %)",
            Self::Bytes => "a size such as \"64MiB\", or a number of bytes",
            Self::BytesPerSecond => "bytes a second such as \"64MiB\", or a number",
            Self::PerSecond => "a number of things a second",
            Self::Count | Self::Ratio => "a number",
            Self::Flag => "a number from 0 to 1",
        }
    }

    /// Reads a threshold that is written as text. The error says what is wrong, for the end of a sentence; empty if what was
    /// expected says it all.
    pub fn parse(self, text: &str) -> Result<f64, String> {
        match self {
            Self::Seconds => duration::parse(text).map(|duration: Duration| duration.as_secs_f64()),
            Self::Share | Self::Proportion => {
                let number = text.strip_suffix('%').ok_or("it does not end in %")?;
                Ok(decimal(number).ok_or("before the % must be a number")? / 100.0)
            }
            Self::Bytes | Self::BytesPerSecond => {
                let (number, length) = BYTES
                    .iter()
                    .find_map(|(unit, length)| Some((text.strip_suffix(unit)?, length)))
                    .ok_or_else(|| format!("{} has no unit: use B, KiB, MiB, GiB or TiB", quoted(text)))?;
                Ok(decimal(number).ok_or("before the unit must be a number")? * length)
            }
            Self::PerSecond | Self::Count | Self::Ratio | Self::Flag => Err("write a number without quotes".into()),
        }
    }

    /// The most that a value can be; absent if there is no such bound. The least is 0 for all.
    pub const fn most(self) -> Option<f64> {
        match self {
            Self::Share | Self::Flag => Some(1.0),
            _ => None,
        }
    }

    /// A value for people, such as `12.3ms`.
    pub fn format(self, value: f64) -> String {
        match self {
            Self::Seconds => units::time(value),
            Self::Share | Self::Proportion => units::percent(value),
            Self::Bytes => units::bytes(value),
            Self::BytesPerSecond => format!("{}/s", units::bytes(value)),
            Self::PerSecond if value > 0.0 && value < 0.95 => format!("{}/min", units::count(value * 60.0)),
            Self::PerSecond => format!("{}/s", units::count(value)),
            Self::Count => units::count(value),
            Self::Ratio if value.abs() < 1000.0 => format!("{value:.2}"),
            Self::Ratio => units::count(value),
            Self::Flag if value > 0.5 => "yes".into(),
            Self::Flag => "no".into(),
        }
    }
}

/// A plain number of digits and at most one point; what `f64` takes besides (`inf`, `1e9`, `-0`) nobody means.
fn decimal(text: &str) -> Option<f64> {
    let plain = text.bytes().all(|b| b.is_ascii_digit() || b == b'.') && text.starts_with(|c: char| c.is_ascii_digit());
    text.parse().ok().filter(|number: &f64| plain && number.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_are_written_as_people_write_them() {
        for (unit, text, value) in [
            (Unit::Seconds, "20ms", 0.02),
            (Unit::Seconds, "1m30s", 90.0),
            (Unit::Share, "95%", 0.95),
            (Unit::Share, "0.5%", 0.005),
            (Unit::Proportion, "150%", 1.5),
            (Unit::Bytes, "1.5KiB", 1536.0),
            (Unit::Bytes, "10B", 10.0),
            (Unit::BytesPerSecond, "2GiB", 2_147_483_648.0),
        ] {
            assert_eq!(unit.parse(text), Ok(value), "{text}");
        }
        for (unit, text) in [
            (Unit::Seconds, "20"),
            (Unit::Seconds, "95%"),
            (Unit::Share, "95"),
            (Unit::Share, "inf%"),
            (Unit::Share, "-1%"),
            (Unit::Share, "%"),
            (Unit::Bytes, "10MB "),
            (Unit::Bytes, "1e3B"),
            (Unit::Count, "10"),
        ] {
            assert!(unit.parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn values_read_well() {
        for (unit, value, text) in [
            (Unit::Seconds, 0.0123, "12.3ms"),
            (Unit::Share, 0.9512, "95.1%"),
            (Unit::Bytes, 2048.0, "2.00KiB"),
            (Unit::BytesPerSecond, 2048.0, "2.00KiB/s"),
            (Unit::PerSecond, 1.0 / 60.0, "1/min"),
            (Unit::PerSecond, 1234.0, "1.23k/s"),
            (Unit::Count, 3.0, "3"),
            (Unit::Ratio, 2.0, "2.00"),
            (Unit::Ratio, 123_456.0, "123k"),
            (Unit::Flag, 1.0, "yes"),
        ] {
            assert_eq!(unit.format(value), text);
        }
    }
}
