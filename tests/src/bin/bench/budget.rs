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
const LOOPS: u32 = 200_000;
const REQUESTS: u64 = 100_000;

/// A load, and the programs that it runs.
struct Load<'a> {
    name: &'a str,
    run: &'a dyn Fn() -> Result<f64>,
    /// How their names begin.
    programs: &'a str,
    events: f64,
}

/// `perf bench sched pipe` on one CPU and fio's random reads at each step, interleaved: their own time, against that with all off, and
/// that of the programs, for a switch and for a request.
pub fn run(rounds: usize, report: &mut Report) -> Result<()> {
    let disk = Disk::make()?;
    let names: Vec<_> = PROBES.iter().map(|probe| probe.name).collect();
    let mut loaded = load::load(&tests::probes::options(&names));
    let pipe = || loads::sched_pipe_on_one_cpu(LOOPS);
    let reads = || loads::random_reads(&disk, 16, REQUESTS);
    let loads = [
        Load {
            name: "perf bench sched pipe on one CPU",
            run: &pipe,
            programs: "sched_switch",
            events: f64::from(2 * LOOPS),
        },
        Load { name: "fio randread, depth 16", run: &reads, programs: "block_rq", events: REQUESTS as f64 },
    ];
    for Load { name, run, programs, events } in loads {
        let mut seconds = vec![Vec::new(); Step::COUNT];
        let mut costs = vec![Vec::new(); Step::COUNT];
        run()?;
        for round in 0..rounds {
            for i in 0..Step::COUNT {
                let step = Step::at((round + i) % Step::COUNT);
                loaded.take_step(step).map_err(anyhow::Error::msg)?;
                seconds[step as usize].push(run()?);
                let _statistics =
                    aya::sys::enable_stats(aya::sys::Stats::RunTime).context("the kernel's BPF statistics")?;
                let before = run_ns(&loaded.program_stats(), programs);
                run()?;
                costs[step as usize].push((run_ns(&loaded.program_stats(), programs) - before) as f64 / events);
            }
        }
        let last = Step::COUNT - 1;
        for &step in &Step::ALL[..last] {
            let cost = median(costs[step as usize].iter().copied());
            report.figure(format!("{name}, `{}`: {programs}*", step.name()), cost, Unit::Ns, None);
        }
        for &step in &Step::ALL[..last] {
            let ratio = median(seconds[step as usize].iter().zip(&seconds[last]).map(|(at, off)| at / off));
            let what = format!("{name}, `{}`: its time / with all off", step.name());
            report.figure(what, ratio, Unit::Ratio, None);
        }
    }
    Ok(())
}

/// Of the programs whose names begin so.
fn run_ns(programs: &[ProgramStats], name: &str) -> u64 {
    programs.iter().filter(|program| program.name.starts_with(name)).map(|program| program.run_time_ns).sum()
}
