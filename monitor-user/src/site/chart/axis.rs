//! Where the labels of an axis stand, at numbers that people count with.

use super::super::source::Span;
use crate::table::units;

const SECOND: u64 = 1_000_000_000;
/// Steps between two labels, in seconds.
const STEPS: [u64; 14] = [10, 30, 60, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 604_800];

/// Labels of a time axis: at most six, at whole minutes, hours or days of UTC.
pub fn times(span: &Span) -> Vec<(u64, String)> {
    let seconds = span.length_ns() / SECOND;
    let step = STEPS.into_iter().find(|step| seconds / step <= 5).unwrap_or(seconds / 5 + 1) * SECOND;
    let mut out = Vec::new();
    let mut at = span.from_ns.div_ceil(step).saturating_mul(step);
    while at <= span.to_ns {
        out.push((at, moment(at, step)));
        let Some(next) = at.checked_add(step) else { break };
        at = next;
    }
    out
}

/// `22:50`, `22:50:35` or `11-23`, as the steps are long.
fn moment(at_ns: u64, step_ns: u64) -> String {
    let text = units::utc(at_ns);
    let (date, time) = text.split_once(' ').unwrap_or((&text, ""));
    match step_ns / SECOND {
        0..60 => time.get(..8),
        60..43_200 => time.get(..5),
        _ => date.get(5..),
    }
    .unwrap_or_default()
    .to_owned()
}

/// The clock in a moment of a span, to be read beside its axis.
pub fn clock(at_ns: u64, span: &Span) -> String {
    let text = units::utc(at_ns);
    let day = span.length_ns() > 20 * 3600 * SECOND;
    text.get(if day { 5..16 } else { 11..19 }).unwrap_or_default().to_owned()
}

/// Labels of a linear axis from 0 to at least `max`: the upper end, and the labels.
pub fn linear(max: f64) -> (f64, Vec<f64>) {
    // Of what is nearly nothing a step would be nothing, and there would be no end of labels.
    let max = if max.is_normal() && max > 0.0 { max } else { 1.0 };
    let power = 10f64.powf((max / 4.0).log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().map(|n| n * power).find(|step| max / step <= 4.0);
    let step = step.unwrap_or(10.0 * power);
    let n = (max / step).ceil().max(1.0);
    (n * step, (0..=n as u32).map(|i| f64::from(i) * step).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_few_labels_at_round_times() {
        let from = 1_795_392_000 * SECOND + 17 * SECOND;
        for seconds in [30, 300, 3600, 6 * 3600, 86_400, 7 * 86_400, 365 * 86_400] {
            let span = Span { from_ns: from, to_ns: from + seconds * SECOND, step_ns: SECOND };
            let labels = times(&span);
            assert!((1..=7).contains(&labels.len()), "{seconds}: {labels:?}");
            assert!(labels.iter().all(|(at, _)| (span.from_ns..=span.to_ns).contains(at)));
        }
        let hour = Span { from_ns: from, to_ns: from + 3600 * SECOND, step_ns: SECOND };
        assert_eq!(times(&hour)[0].1, "00:15");
        assert_eq!(clock(from, &hour), "00:00:17");
    }

    #[test]
    fn a_linear_axis_ends_above_the_greatest_value() {
        for max in [1e-9, 0.3, 1.0, 1.7, 4.0, 9.99, 10.0, 123.0, 1e12] {
            let (end, labels) = linear(max);
            assert!(end >= max && end <= max * 2.5 && (2..=6).contains(&labels.len()), "{max}: {end} {labels:?}");
        }
        for odd in [0.0, -1.0, f64::NAN, f64::INFINITY, 5e-324] {
            assert_eq!(linear(odd).0, 1.0);
        }
    }
}
