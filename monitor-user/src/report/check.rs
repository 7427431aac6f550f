//! Whether a report can be, and whether it may come now. One that may not is refused by itself, with a reason that is counted.
//!
//! In: the bytes of a report, and for its time the server's clock and the node's last report. Out: the report, or a [`Refused`].
//! What is checked is what would break arithmetic, memory or the order of time. What is merely strange is kept: a report that
//! is refused is lost.

mod parts;

use bytes::Bytes;
use monitor_common::indexed_enum;
use prost::Message as _;

use super::{limits, scan, wire};

indexed_enum! {
    /// Why a report is refused.
    pub enum Reason {
        /// It is no report.
        Malformed = "malformed",
        /// It has no sequence.
        NoSequence = "no_sequence",
        /// It ended later than now.
        Future = "future",
        /// It ended longer ago than reports are kept.
        TooOld = "too_old",
        /// It ended before the last report of the node that came earlier.
        BeforeLast = "before_last",
        /// It has no length, or one that no interval has.
        LengthImpossible = "length_impossible",
        /// A count, a time or a size is one that no interval has, as when a counter went back.
        CounterImpossible = "counter_impossible",
        /// The buckets of a histogram do not exist, or hold more than they can.
        HistogramImpossible = "histogram_impossible",
        /// A number is not finite, or negative.
        NotFinite = "not_finite",
        /// A text is too long.
        TooLong = "too_long",
        /// It has too many bytes.
        TooLarge = "too_large",
        /// It has too many CPUs.
        TooManyCpus = "too_many_cpus",
        /// It has too many block devices.
        TooManyDevices = "too_many_devices",
        /// It has too many pairs of device, operation and size.
        TooManyStrata = "too_many_strata",
        /// It has too many filesystems, interfaces, tasks, alerts or other things.
        TooManyParts = "too_many_parts",
    }
}

/// A report that is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("report {sequence} is refused ({}): {detail}", reason.name())]
pub struct Refused {
    /// Its sequence; 0 if it is not known.
    pub sequence: u64,
    /// Why, for the metric.
    pub reason: Reason,
    /// Why, for people.
    pub detail: String,
}

impl From<Refused> for wire::Refusal {
    fn from(Refused { sequence, reason, detail }: Refused) -> Self {
        Self { sequence, reason: reason.name().into(), detail }
    }
}

/// When reports may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// How far a node's clock may be ahead of the server's, in nanoseconds.
    pub ahead_ns: u64,
    /// How old a report may be, in nanoseconds.
    pub age_ns: u64,
}

impl Default for Times {
    fn default() -> Self {
        const MINUTE: u64 = 60 * 1_000_000_000;
        Self { ahead_ns: 5 * MINUTE, age_ns: 7 * 1440 * MINUTE }
    }
}

/// A report from its bytes, if it can be. Memory is bounded before anything is decoded.
///
/// # Errors
/// If it is no report, or one that no node can have seen.
pub fn decode(bytes: &Bytes) -> Result<wire::Report, Refused> {
    if bytes.len() > limits::REPORT_BYTES {
        let sequence = scan::report(bytes).unwrap_or_else(|(sequence, _)| sequence);
        let detail = format!("it has {} bytes, and at most {} are taken", bytes.len(), limits::REPORT_BYTES);
        return Err(Refused { sequence, reason: Reason::TooLarge, detail });
    }
    let sequence = scan::report(bytes).map_err(|(sequence, reason)| {
        let detail = "its bytes are no report of this protocol, or of more than a node has".into();
        Refused { sequence, reason, detail }
    })?;
    let refused = |(reason, detail)| Refused { sequence, reason, detail };
    // Of a slice: out of shared bytes every text would become one more share of them first.
    let report = wire::Report::decode(&bytes[..]).map_err(|e| refused((Reason::Malformed, e.to_string())))?;
    possible(&report).map_err(refused)?;
    Ok(report)
}

/// Whether a node can have seen this.
fn possible(report: &wire::Report) -> Result<(), (Reason, String)> {
    if report.sequence == 0 {
        return Err((Reason::NoSequence, "a sequence begins with 1".into()));
    }
    if report.length_ns == 0 || report.length_ns > limits::LENGTH_NS {
        let detail = format!("it is {} ns long: expected 1 ns to a day", report.length_ns);
        return Err((Reason::LengthImpossible, detail));
    }
    parts::check(report)
}

/// Whether a report may come at `now_ns`. `last_ns` is the end of the node's latest report, whoever sent it; one with the same
/// sender and sequence as a report that is there already is not new and not to be asked about.
///
/// # Errors
/// If it is from the future, too old, or not later than the last.
pub fn time(report: &wire::Report, now_ns: u64, last_ns: Option<u64>, times: &Times) -> Result<(), Refused> {
    let refused = |reason, detail| Err(Refused { sequence: report.sequence, reason, detail });
    let seconds = |ns: u64| ns as f64 / 1e9;
    if report.end_ns > now_ns.saturating_add(times.ahead_ns) {
        let ahead = seconds(report.end_ns - now_ns);
        return refused(Reason::Future, format!("it ended {ahead:.0} s from now: set the node's clock"));
    }
    if report.end_ns < now_ns.saturating_sub(times.age_ns) {
        let age = seconds(now_ns - report.end_ns);
        return refused(Reason::TooOld, format!("it ended {age:.0} s ago, longer than reports are kept"));
    }
    if let Some(last_ns) = last_ns.filter(|&last_ns| report.end_ns <= last_ns) {
        let before = seconds(last_ns - report.end_ns);
        return refused(Reason::BeforeLast, format!("it ended {before:.3} s before the node's last report"));
    }
    Ok(())
}
