//! Times, bytes, counts and shares in three digits, as short as they can be read.

use monitor_common::histogram::MIN_EXPONENT;

/// Three digits, of a number below 999.5.
fn three(x: f64) -> String {
    match x {
        _ if x >= 99.95 => format!("{x:.0}"),
        _ if x >= 9.995 => format!("{x:.1}"),
        _ => format!("{x:.2}"),
    }
}

/// Divides until the number has three digits before the point.
fn scaled(mut x: f64, step: f64, units: &[&str]) -> String {
    let mut units = units.iter().peekable();
    while let Some(unit) = units.next() {
        if x < 999.5 || units.peek().is_none() {
            return format!("{}{unit}", three(x));
        }
        x /= step;
    }
    String::new()
}

/// Seconds, such as `12.3µs`. At most 6 characters. Times in the histogram's first bucket are not told apart.
pub fn time(seconds: f64) -> String {
    match seconds {
        _ if seconds <= 0.0 => "0".into(),
        _ if seconds <= f64::from(MIN_EXPONENT).exp2() => "<15ns".into(),
        _ if seconds >= 99.95 * 3600.0 => format!("{:.0}h", (seconds / 3600.0).min(99_999.0)),
        _ if seconds >= 99.95 * 60.0 => format!("{:.1}h", seconds / 3600.0),
        _ if seconds >= 99.95 => format!("{:.1}m", seconds / 60.0),
        _ if seconds < 999.5e-9 => format!("{:.0}ns", seconds * 1e9),
        _ => scaled(seconds * 1e6, 1000.0, &["µs", "ms", "s"]),
    }
}

/// Bytes, such as `12.3MiB`. At most 7 characters up to 999 EiB.
pub fn bytes(bytes: f64) -> String {
    match bytes {
        _ if bytes <= 0.0 => "0".into(),
        _ if bytes < 999.5 => format!("{bytes:.0}B"),
        _ => scaled(bytes / 1024.0, 1024.0, &["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]),
    }
}

/// A number or a rate, such as `12.3k`. At most 5 characters below a thousand billions.
pub fn count(x: f64) -> String {
    match x {
        _ if x < 9.95 && (x - x.round()).abs() > 0.05 => format!("{x:.1}"),
        _ if x < 999.5 => format!("{x:.0}"),
        _ => scaled(x / 1000.0, 1000.0, &["k", "M", "G"]),
    }
}

/// A share of 1, such as `37.4%`. At most 5 characters up to 9.99.
pub fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent >= 99.95 { format!("{percent:.0}%") } else { format!("{percent:.1}%") }
}

/// For how long a machine has been up, such as `3d 4h`.
pub fn uptime(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60 % 60, seconds / 3600 % 24, seconds / 86_400);
    match (days, hours) {
        (0, 0) => format!("{minutes}m"),
        (0, _) => format!("{hours}h {minutes}m"),
        _ => format!("{days}d {hours}h"),
    }
}

/// A moment in nanoseconds since 1970, such as `2026-11-23 22:50:35 UTC`.
pub fn utc(realtime_ns: u64) -> String {
    let seconds = realtime_ns / 1_000_000_000;
    let (second, minute, hour, mut days) = (seconds % 60, seconds / 60 % 60, seconds / 3600 % 24, seconds / 86_400);
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    // 64 bits of nanoseconds end in 2554: a walk over the years is short.
    let mut year = 1970;
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let mut month = 1;
    for length in [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    format!("{year}-{month:02}-{:02} {hour:02}:{minute:02}:{second:02} UTC", days + 1)
}

/// A moment in nanoseconds since 1970 as programs exchange it (RFC 3339), such as `2026-11-23T22:50:35.000000042Z`.
pub fn rfc3339(realtime_ns: u64) -> String {
    let whole = utc(realtime_ns).replacen(' ', "T", 1).replace(" UTC", "");
    format!("{whole}.{:09}Z", realtime_ns % 1_000_000_000)
}
