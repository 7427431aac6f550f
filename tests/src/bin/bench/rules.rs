//! What rules cost at each judgement.

use std::{hint::black_box, time::Instant};

use anyhow::Result;
use kpulse::rules::{Moment, synthetic};

use crate::{
    median,
    report::{Floor, Report, Unit},
};

const RULES: usize = 1_000;
const DISKS: u32 = 200;
/// Judgements that are timed in each round.
const STEPS: u64 = 20;
/// From one judgement to the next, in nanoseconds.
const INTERVAL: u64 = 10_000_000_000;

/// A thousand rules over two hundred disks, of which one is slow.
pub fn run(rounds: usize, report: &mut Report) -> Result<()> {
    let windows: Vec<_> = (0..STEPS).map(|step| synthetic::slow_window(DISKS, step)).collect();
    let mut engine = synthetic::engine(RULES);
    let (mut now_ns, mut times) = (0, Vec::new());
    // The first round makes the tables.
    for _ in 0..=rounds {
        let begun = Instant::now();
        for window in &windows {
            now_ns += INTERVAL;
            let moment = Moment { now_ns, now_realtime_ns: now_ns, window, indices: &[], own: None, fleet: None };
            black_box(engine.step(&moment));
        }
        times.push(begun.elapsed().as_secs_f64() * 1e3 / STEPS as f64);
    }
    let time = median(times.into_iter().skip(1));
    report.figure(format!("{RULES} rules over {DISKS} disks, a judgement"), time, Unit::Ms, Some(Floor::AtMost(1.0)));
    Ok(())
}
