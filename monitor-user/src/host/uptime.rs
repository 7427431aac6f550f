//! /proc/uptime and /proc/loadavg: a line each. (Kernel: fs/proc/uptime.c, fs/proc/loadavg.c.)
//!
//! In: the text. Out: nanoseconds since boot; the load averages over 1, 5 and 15 minutes.

use super::file::Expected;

/// Reads the text of /proc/uptime: seconds with two decimals. Out: nanoseconds.
pub(super) fn parse_uptime(text: &str) -> Result<u64, Expected> {
    let wrong = Expected("seconds since boot with two decimals");
    let (whole, hundredths) = text.split_ascii_whitespace().next().and_then(|s| s.split_once('.')).ok_or(wrong)?;
    if hundredths.len() != 2 {
        return Err(wrong);
    }
    // Integers all the way: a float of a year in nanoseconds has lost its last digits.
    let whole: u64 = whole.parse().map_err(|_| wrong)?;
    let hundredths: u64 = hundredths.parse().map_err(|_| wrong)?;
    Ok(whole.saturating_mul(1_000_000_000).saturating_add(hundredths * 10_000_000))
}

/// Reads the text of /proc/loadavg.
pub(super) fn parse_load(text: &str) -> Result<[f64; 3], Expected> {
    let mut load = [0.0; 3];
    let mut fields = text.split_ascii_whitespace();
    for average in &mut load {
        let field = fields.next().and_then(|field| field.parse::<f64>().ok());
        *average = field.filter(|load| load.is_finite() && *load >= 0.0).ok_or(Expected("three load averages"))?;
    }
    Ok(load)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_load_that_is_no_number_is_refused() {
        assert_eq!(parse_load("0.50 1.25 2.00 3/200 4711\n"), Ok([0.5, 1.25, 2.0]));
        for text in ["", "1.0 2.0", "nan 0 0", "inf 0 0", "-1 0 0"] {
            assert!(parse_load(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_them_panic(text in "([0-9.]{1,4}| |\\PC){0,12}") {
            let _ = parse_uptime(&text);
            let _ = parse_load(&text);
        }

        #[test]
        fn an_uptime_that_was_written_is_read(seconds in any::<u32>(), hundredths in 0u64..100) {
            let text = format!("{seconds}.{hundredths:02} 12.34\n");
            prop_assert_eq!(parse_uptime(&text), Ok(u64::from(seconds) * 1_000_000_000 + hundredths * 10_000_000));
        }
    }
}
