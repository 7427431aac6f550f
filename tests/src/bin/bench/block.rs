//! What a block request costs more.

use anyhow::Result;
use tests::reference::{EMPTY_COMPLETE, EMPTY_ISSUE, NAIVE_BLOCK};

use crate::{
    loads::{self, Disk},
    median,
    programs::{Attached, compare},
    report::{Floor, Report, Unit},
};

const REQUESTS: u64 = 50_000;
const DEPTH: u32 = 8;

/// fio on a loop device under empty programs, kpulse's and the naive ones.
pub fn run(rounds: usize, report: &mut Report) -> Result<()> {
    let disk = Disk::make()?;
    let sets = [
        || Attached::reference(&[EMPTY_ISSUE, EMPTY_COMPLETE]),
        || Attached::kpulse("block"),
        || Attached::reference(&NAIVE_BLOCK),
    ];
    let rounds = compare(&sets, rounds, &|| loads::random_reads(&disk, DEPTH, REQUESTS).map(drop))?;
    for side in ["issue", "complete"] {
        for program in [format!("empty_{side}"), format!("block_rq_{side}"), format!("naive_{side}")] {
            let time = median(rounds.iter().map(|round| round[program.as_str()]));
            report.figure(format!("`{program}`"), time, Unit::Ns, None);
        }
    }
    let ratio = median(rounds.iter().map(|round| {
        let empty = round["empty_issue"] + round["empty_complete"];
        let kpulse = round["block_rq_issue"] + round["block_rq_complete"] - empty;
        kpulse / (round["naive_issue"] + round["naive_complete"] - empty)
    }));
    report.figure("kpulse / naive hash map, each without empty programs", ratio, Unit::Ratio, Some(Floor::AtMost(0.4)));
    Ok(())
}
