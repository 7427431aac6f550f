//! What a context switch costs more.

use anyhow::Result;
use tests::reference::{EMPTY_SWITCH, EMPTY_WAKEUP, NAIVE_SCHED};

use crate::{
    loads, median,
    programs::{Attached, compare},
    report::{Floor, Report, Unit},
};

const LOOPS: u32 = 100_000;

/// `perf bench sched pipe` under empty programs, kpulse's and the naive ones.
pub fn run(rounds: usize, report: &mut Report) -> Result<()> {
    let sets = [
        || Attached::reference(&[EMPTY_SWITCH, EMPTY_WAKEUP]),
        || Attached::kpulse("sched"),
        || Attached::reference(&NAIVE_SCHED),
    ];
    let rounds = compare(&sets, rounds, &|| loads::sched_pipe(LOOPS).map(drop))?;
    for program in ["empty_switch", "empty_wakeup", "sched_switch", "naive_switch", "naive_wakeup"] {
        report.figure(format!("`{program}`"), median(rounds.iter().map(|round| round[program])), Unit::Ns, None);
    }
    let ratio = median(rounds.iter().map(|round| round["sched_switch"] / round["empty_switch"]));
    report.figure("kpulse / empty program", ratio, Unit::Ratio, Some(Floor::AtMost(1.7)));
    let ratio = median(rounds.iter().map(|round| {
        let naive = round["naive_switch"] + round["naive_wakeup"] - round["empty_switch"] - round["empty_wakeup"];
        (round["sched_switch"] - round["empty_switch"]) / naive
    }));
    report.figure(
        "kpulse / naive hash map, each without empty programs",
        ratio,
        Unit::Ratio,
        Some(Floor::AtMost(0.15)),
    );
    Ok(())
}
