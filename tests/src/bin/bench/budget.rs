//! What a switch costs at each step that the programs take to stay within their budget.

use anyhow::{Context as _, Result};
use kpulse::{
    kernel::load::{self, ProgramStats},
    probes::{PROBES, step::Step},
};

use crate::{
    loads, median,
    report::{Report, Unit},
};

const LOOPS: u32 = 200_000;

/// `perf bench sched pipe` at each step, and with nothing attached, interleaved: its own time, and that of the programs a switch.
pub fn run(rounds: usize, report: &mut Report) -> Result<()> {
    let names: Vec<_> = PROBES.iter().map(|probe| probe.name).collect();
    let mut loaded = load::load(&tests::probes::options(&names));
    let mut seconds = vec![Vec::new(); Step::COUNT];
    let mut costs = vec![Vec::new(); Step::COUNT];
    loads::sched_pipe(LOOPS)?;
    for round in 0..rounds {
        for i in 0..Step::COUNT {
            let step = Step::at((round + i) % Step::COUNT);
            loaded.take_step(step).map_err(anyhow::Error::msg)?;
            seconds[step as usize].push(loads::sched_pipe(LOOPS)?);
            let _statistics =
                aya::sys::enable_stats(aya::sys::Stats::RunTime).context("the kernel's BPF statistics")?;
            let before = run_ns(&loaded.program_stats());
            loads::sched_pipe(LOOPS)?;
            // Two switches a loop.
            costs[step as usize].push((run_ns(&loaded.program_stats()) - before) as f64 / f64::from(2 * LOOPS));
        }
    }
    for &step in Step::ALL {
        let name = step.name();
        report.figure(format!("`{name}`: all programs"), median(costs[step as usize].iter().copied()), Unit::Ns, None);
    }
    let last = Step::COUNT - 1;
    for &step in &Step::ALL[..last] {
        let ratios = seconds[step as usize].iter().zip(&seconds[last]).map(|(at, off)| at / off);
        report.figure(format!("`{}`: the load's time / with all off", step.name()), median(ratios), Unit::Ratio, None);
    }
    Ok(())
}

fn run_ns(programs: &[ProgramStats]) -> u64 {
    programs.iter().map(|program| program.run_time_ns).sum()
}
