//! The benchmarks: what kpulse costs, against empty programs and against the usual way.
//!
//! `bench [NAMES..] [--rounds N] [--no-write]`: all, or those named. What is compared runs interleaved in one go, and every
//! figure is a median. They are printed, and written to `docs/BENCHMARKS.md`. A floor that is missed says FAIL and fails
//! nothing: a benchmark is no test.
//!
//! | module | what it is |
//! |---|---|
//! | [`programs`] | the run time of an event, of any set of programs |
//! | [`sched`], [`block`] | the same for each probe, against its floors |
//! | [`budget`] | what switches and requests cost at each step of the budget |
//! | [`slowdown`] | what loads lose |
//! | [`agent`] | CPU time, memory and scrapes of the daemon; [`daemon`] starts it |
//! | [`scale`], [`synthetic`] | as it grows with CPUs, devices and tasks |
//! | [`store`], [`fleet`] | what the server's store takes; what the whole server does |
//! | [`tasks`] | a task snapshot against a walk of /proc |
//! | [`loads`] | the loads and the disk they run on |
//! | [`report`] | the tables |

mod agent;
mod block;
mod budget;
mod daemon;
mod fleet;
mod loads;
mod programs;
mod report;
mod rules;
mod scale;
mod sched;
mod slowdown;
mod store;
mod synthetic;
mod tasks;

use anyhow::{Context as _, Result, bail, ensure};

use report::Report;

/// One benchmark.
struct Benchmark {
    name: &'static str,
    title: &'static str,
    run: fn(usize, &mut Report) -> Result<()>,
}

const BENCHMARKS: &[Benchmark] = &[
    Benchmark { name: "sched", title: "Run time of a context switch's programs", run: sched::run },
    Benchmark { name: "block", title: "Run time of a block request's programs", run: block::run },
    Benchmark { name: "budget", title: "The programs by step of the budget", run: budget::run },
    Benchmark { name: "slowdown", title: "What loads lose", run: slowdown::run },
    Benchmark { name: "agent", title: "The agent", run: agent::run },
    Benchmark { name: "tasks", title: "A snapshot of all tasks", run: tasks::run },
    Benchmark { name: "rules", title: "Rules", run: rules::run },
    Benchmark { name: "scale", title: "Growth with CPUs, devices and tasks", run: scale::run },
    Benchmark { name: "store", title: "The server's store", run: store::run },
    Benchmark { name: "fleet", title: "The server of a fleet", run: fleet::run },
];

/// Rounds of every comparison, unless told otherwise.
const ROUNDS: usize = 9;

fn main() -> Result<()> {
    let mut names = Vec::new();
    let mut rounds = ROUNDS;
    let mut write = true;
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--rounds" => rounds = args.next().and_then(|n| n.parse().ok()).context("--rounds wants a number")?,
            "--no-write" => write = false,
            name if BENCHMARKS.iter().any(|it| it.name == name) => names.push(arg),
            other => {
                let known: Vec<_> = BENCHMARKS.iter().map(|it| it.name).collect();
                bail!("there is no benchmark {other}: there are {}", known.join(", "));
            }
        }
    }
    ensure!(rounds > 0, "--rounds wants at least 1");
    let mut report = Report::default();
    for benchmark in BENCHMARKS.iter().filter(|it| names.is_empty() || names.iter().any(|name| name == it.name)) {
        report.begin(benchmark.name, benchmark.title);
        (benchmark.run)(rounds, &mut report).with_context(|| format!("benchmark {}", benchmark.name))?;
    }
    report.end();
    if write {
        report.write()?;
    }
    Ok(())
}

/// The value in the middle; the mean of the two in the middle of an even number.
fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => values[n / 2],
        n => (values[n / 2 - 1] + values[n / 2]) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(super::median([3.0, 1.0, 2.0]), 2.0);
        assert_eq!(super::median([4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(super::median([]).is_nan());
    }
}
