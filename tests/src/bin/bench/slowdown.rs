//! What loads lose: their own run time with nothing attached, with empty programs on kpulse's tracepoints, and with the agent.

use std::{any::Any, time::Duration};

use anyhow::Result;
use tests::reference::{EMPTY_COMPLETE, EMPTY_ISSUE, EMPTY_SWITCH};

use crate::{
    daemon::{Daemon, Scraper},
    loads::{self, Disk},
    median,
    programs::Attached,
    report::{Floor, Report, Unit},
};

/// What runs beside the load until it is dropped.
type Beside = fn() -> Result<Box<dyn Any>>;

/// Triples for each round that is asked for. What is looked for is smaller than what two runs of a load differ by.
const REPEATED: usize = 3;

const NOTHING: usize = 0;
const EMPTY: usize = 1;
const AGENT: usize = 2;

const VARIANTS: [Beside; 3] = [
    || Ok(Box::new(())),
    || Ok(Box::new(Attached::reference(&[EMPTY_SWITCH, EMPTY_ISSUE, EMPTY_COMPLETE])?)),
    || Ok(Box::new(Scraper::start(Daemon::start("1s")?, Duration::from_secs(1)))),
];

/// Interleaved triples of each load, each beginning with another variant.
pub fn run(rounds: usize, report: &mut Report) -> Result<()> {
    let (memory, real) = (Disk::make()?, Disk::real()?);
    let pipe = || loads::sched_pipe(30_000);
    let on_one_cpu = || loads::sched_pipe_on_one_cpu(200_000);
    let messaging = || loads::sched_messaging(4, 500);
    let reads = || loads::random_reads(&memory, 16, 200_000);
    let real_reads = || loads::random_reads(&real, 16, 20_000);
    let loads: [(&str, &dyn Fn() -> Result<f64>); 5] = [
        ("perf bench sched pipe", &pipe),
        ("perf bench sched pipe on one CPU", &on_one_cpu),
        ("perf bench sched messaging", &messaging),
        ("fio randread, depth 16, this machine's disk", &real_reads),
        ("fio randread, depth 16, a loop device on memory", &reads),
    ];
    for (name, load) in loads {
        load()?;
        let rounds = (0..rounds * REPEATED)
            .map(|round| {
                let mut seconds = [0.0; VARIANTS.len()];
                for i in 0..VARIANTS.len() {
                    let variant = (round + i) % VARIANTS.len();
                    let _beside = VARIANTS[variant]()?;
                    seconds[variant] = load()?;
                }
                Ok(seconds)
            })
            .collect::<Result<Vec<_>>>()?;
        let mut ratio = |what: &str, of: usize, to: usize, floor| {
            let ratio = median(rounds.iter().map(|seconds| seconds[of] / seconds[to]));
            report.figure(format!("{name}: {what}"), ratio, Unit::Ratio, floor);
        };
        ratio("empty programs / nothing", EMPTY, NOTHING, None);
        ratio("agent / nothing", AGENT, NOTHING, None);
        ratio("agent / empty programs", AGENT, EMPTY, Some(Floor::AtMost(1.02)));
    }
    Ok(())
}
