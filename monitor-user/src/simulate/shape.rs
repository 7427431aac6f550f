//! Plausible histograms: times whose logarithm is spread like a bell, as those of disks and run queues nearly are.

use monitor_common::histogram::{self, BOUNDS, BUCKETS};

use super::random::Random;
use crate::report::wire::Histogram;

/// Buckets on each side of the middle; there are eight to a power of two.
const SIDE: i64 = 28;
/// The bell's width in buckets.
const WIDTH: f64 = 9.0;

/// `count` times around `middle_ns`. The sum is that of the buckets' bounds, so it is what such times can add up to.
pub fn times(count: u64, middle_ns: f64, random: &mut Random) -> Option<Histogram> {
    if count == 0 {
        return None;
    }
    let middle = histogram::index(middle_ns.max(1.0) as u64) as i64;
    let mut out = Histogram::default();
    let (mut left, mut before) = (count, 0);
    let place = |offset: i64| (middle + offset).clamp(1, BUCKETS as i64 - 2) as usize;
    for offset in -SIDE..=SIDE {
        let weight = (-0.5 * (offset as f64 / WIDTH).powi(2)).exp() / (WIDTH * std::f64::consts::TAU.sqrt());
        // The fraction that is left is one with that probability.
        let expected = (count as f64 * weight * random.about(0.3) + random.uniform()).floor() as u64;
        let here = if offset == SIDE { left } else { expected.min(left) };
        let index = place(offset);
        if here == 0 || (index <= before && !out.gaps.is_empty()) {
            continue;
        }
        left -= here;
        out.gaps.push((index - before) as u32);
        out.counts.push(here);
        out.sum_ns = out.sum_ns.saturating_add(here.saturating_mul(BOUNDS[index]));
        before = index;
    }
    Some(out)
}
