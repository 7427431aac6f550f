//! A stand-in: the sum of two reports, of what the store's own tests look at.

use std::collections::BTreeMap;

use crate::report::wire::{Histogram, Report};

/// Adds the next report.
pub(super) fn add(into: &mut Report, later: &Report) {
    into.sequence = 0;
    into.end_ns = later.end_ns;
    into.length_ns = into.length_ns.saturating_add(later.length_ns);
    if let (Some(into), Some(later)) = (&mut into.sched, &later.sched) {
        into.switches = into.switches.saturating_add(later.switches);
        if let (Some(into), Some(later)) = (&mut into.wait, &later.wait) {
            histogram(into, later);
        }
    }
}

fn histogram(into: &mut Histogram, later: &Histogram) {
    let mut sum = BTreeMap::new();
    for one in [&*into, later] {
        let mut bucket = 0;
        for (gap, count) in one.gaps.iter().zip(&one.counts) {
            bucket += gap;
            *sum.entry(bucket).or_insert(0) += count;
        }
    }
    let mut last = 0;
    into.gaps = sum.keys().map(|bucket| bucket - std::mem::replace(&mut last, *bucket)).collect();
    into.counts = sum.into_values().collect();
    into.sum_ns = into.sum_ns.saturating_add(later.sum_ns);
}
