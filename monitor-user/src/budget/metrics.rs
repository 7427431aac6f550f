//! The metrics of the budget.

use super::{Clock, ProcessStep};
use crate::{
    metric::{Kind, Metric, Series, View},
    probes::step::Step,
    status::Budget,
};

/// The two that have a budget, in the order of [`Budget::moves`].
const PARTS: [&str; 2] = ["programs", "process"];

/// What is shown of the budget.
pub const METRICS: &[Metric] = &[
    Metric {
        name: "kpulse_self_program_cpu_ratio",
        kind: Kind::Gauge,
        help: "CPU time that a program in the kernel took, in seconds a second, at the latest measurement; other programs of the \
               same hook stand in when something is given up.",
        labels: &["program"],
        collect: |view, out| {
            with(view, |budget| budget.programs.iter().for_each(|(program, cpus)| out.value(&[program], *cpus)));
        },
    },
    Metric {
        name: "kpulse_budget_share",
        kind: Kind::Gauge,
        help: "Share of the machine's CPU time that the programs in the kernel or the agent's process took, 0 to 1.",
        labels: &["part"],
        collect: |view, out| with(view, |it| both(out, [it.programs_share, it.process_share])),
    },
    Metric {
        name: "kpulse_budget_limit_share",
        kind: Kind::Gauge,
        help: "Share of the machine's CPU time that they may take (budget.programs, budget.process), 0 to 1.",
        labels: &["part"],
        collect: |view, out| with(view, |it| both(out, [Some(it.programs_limit), Some(it.process_limit)])),
    },
    Metric {
        name: "kpulse_budget_step",
        kind: Kind::Gauge,
        help: "How many things are given up to stay within the budget; step names the last of them. Programs: 1 events, 2 sizes, \
               3 histograms, 4 sched, 5 block. Process: 1 tasks, 2 interval.",
        labels: &["part", "step"],
        collect: |view, out| {
            with(view, |it| {
                let process = ProcessStep::ALL.get(it.process_step).map_or("?", |step| step.name());
                out.value(&[PARTS[0], Step::at(it.step).name()], it.step as f64);
                out.value(&[PARTS[1], process], it.process_step as f64);
            });
        },
    },
    Metric {
        name: "kpulse_budget_moves_total",
        kind: Kind::Counter,
        help: "Steps taken down, where one thing more is given up, and up, where it is tried again.",
        labels: &["part", "direction"],
        collect: |view, out| {
            with(view, |it| {
                for (part, moves) in PARTS.iter().zip(it.moves) {
                    out.value(&[part, "down"], moves[0] as f64);
                    out.value(&[part, "up"], moves[1] as f64);
                }
            });
        },
    },
    Metric {
        name: "kpulse_budget_timed_share",
        kind: Kind::Gauge,
        help: "How much of what the programs do is timed, 0 to 1: by kernel for this share of the time, or where nobody may ask it \
               to, by the programs themselves in this share of their runs. It costs two readings of the clock a run.",
        labels: &["by"],
        collect: |view, out| {
            with(view, |it| out.value(&[Clock::ALL.get(it.timed_by).map_or("?", |by| by.name())], it.timed_share));
        },
    },
    Metric {
        name: "kpulse_budget_unmeasured",
        kind: Kind::Gauge,
        help: "Always 1: why it is not known what the programs took at the latest measurement.",
        labels: &["reason"],
        collect: |view, out| with(view, |it| it.unmeasured.iter().for_each(|reason| out.value(&[reason], 1.0))),
    },
    Metric {
        name: "kpulse_self_open_files",
        kind: Kind::Gauge,
        help: "Open files of the agent's process.",
        labels: &[],
        collect: |view, out| with(view, |it| it.open_files.iter().for_each(|&n| out.value(&[], n as f64))),
    },
    Metric {
        name: "kpulse_self_threads",
        kind: Kind::Gauge,
        help: "Threads of the agent's process.",
        labels: &[],
        collect: |view, out| with(view, |it| it.threads.iter().for_each(|&n| out.value(&[], n as f64))),
    },
];

fn with(view: &View, collect: impl FnOnce(&Budget)) {
    if let Some(budget) = &view.snapshot.status.budget {
        collect(budget);
    }
}

fn both(out: &mut Series, values: [Option<f64>; 2]) {
    for (part, value) in PARTS.iter().zip(values) {
        value.iter().for_each(|&value| out.value(&[part], value));
    }
}
