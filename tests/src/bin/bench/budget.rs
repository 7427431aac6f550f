//! What a switch and a request cost at each step that the programs take to stay within their budget.

use anyhow::{Context as _, Result};
use kpulse::{
    kernel::load::{self, ProgramStats},
    probes::{PROBES, step::Step},
};

use crate::{
    loads::{self, Disk},
    median,
    report::{Report, Unit},
};

/// Two switches each.
const LOOPS: u32 = 20_000;
const REQUESTS: u64 = 100_000;

/// `perf bench sched pipe` and fio's random reads at each step, interleaved: their own time, against that with all off, and
/// that of the programs, for a switch and for a request.
pub fn run(rounds: usize, report: &mut Report) -> Result<()> {
    let disk = Disk::make()?;
    let names: Vec<_> = PROBES.iter().map(|probe| probe.name).collect();
    let mut loaded = load::load(&tests::probes::options(&names));
    let pipe = || loads::sched_pipe(LOOPS);
    let reads = || loads::random_reads(&disk, 16, REQUESTS);
    let loads: [(&str, &dyn Fn() -> Result<f64>, &str, f64); 2] = [
        ("perf bench sched pipe", &pipe, "sched_switch", f64::from(2 * LOOPS)),
        ("fio randread, depth 16", &reads, "block_rq", REQUESTS as f64),
    ];
    for (load_name, load, programs, events) in loads {
        let mut seconds = vec![Vec::new(); Step::COUNT];
        let mut costs = vec![Vec::new(); Step::COUNT];
        load()?;
        for round in 0..rounds {
            for i in 0..Step::COUNT {
                let step = Step::at((round + i) % Step::COUNT);
                loaded.take_step(step).map_err(anyhow::Error::msg)?;
                seconds[step as usize].push(load()?);
                let _statistics =
                    aya::sys::enable_stats(aya::sys::Stats::RunTime).context("the kernel's BPF statistics")?;
                let before = run_ns(&loaded.program_stats(), programs);
                load()?;
                costs[step as usize].push((run_ns(&loaded.program_stats(), programs) - before) as f64 / events);
            }
        }
        let last = Step::COUNT - 1;
        for &step in &Step::ALL[..last] {
            let cost = median(costs[step as usize].iter().copied());
            report.figure(format!("{load_name}, `{}`: {programs}*", step.name()), cost, Unit::Ns, None);
        }
        for &step in &Step::ALL[..last] {
            let ratio = median(seconds[step as usize].iter().zip(&seconds[last]).map(|(at, off)| at / off));
            let what = format!("{load_name}, `{}`: its time / with all off", step.name());
            report.figure(what, ratio, Unit::Ratio, None);
        }
    }
    Ok(())
}

/// Of the programs whose names begin so.
fn run_ns(programs: &[ProgramStats], name: &str) -> u64 {
    programs.iter().filter(|program| program.name.starts_with(name)).map(|program| program.run_time_ns).sum()
}
