//! Signals of the CPUs and the run queue, as the scheduler's tracepoint saw them, and of CPU modes and load.

use super::{Signal, Take, Unit, domain::cpus, times};
use crate::{
    rules::moment::Moment,
    window::{Cpu, Sched, Times},
};

fn sched<'a>(moment: &Moment<'a>) -> Option<&'a Sched> {
    moment.window.sched.as_ref()
}

fn wait(moment: &Moment) -> Option<Times> {
    sched(moment)?.wait
}

fn cpu_wait(cpu: &Cpu) -> Option<Times> {
    cpu.wait
}

/// Waiting time over the window's length and the CPUs. Nobody waited is known to be 0.
fn waiting_per_cpu(moment: &Moment) -> Option<f64> {
    let waited = sched(moment)?.wait.map_or(0.0, |wait| wait.sum);
    Some(waited / moment.window.seconds / cpus(moment).count() as f64)
}

pub(super) const SIGNALS: &[&[Signal]] = &[
    &[
        Signal::new(
            "cpu_utilization",
            Unit::Share,
            Take::Node(|m| sched(m)?.utilization),
            "Busy time over online time of all CPUs, measured from switch to switch.",
        ),
        Signal::new(
            "cpu_utilization_by_cpu",
            Unit::Share,
            Take::Cpu(|cpu| cpu.utilization),
            "Busy time over online time of each CPU, measured from switch to switch.",
        ),
        Signal::new(
            "cpu_mode_share",
            Unit::Share,
            Take::CpuMode,
            "Share of all CPU time by mode, as the kernel sampled it at its tick: `user`, `nice`, `system`, `idle`, `iowait`, \
             `irq`, `softirq`, `steal`.",
        ),
        Signal::new(
            "run_queue_waiting_per_cpu",
            Unit::Ratio,
            Take::Node(waiting_per_cpu),
            "How many tasks wait for each CPU on average: waiting time over the window's length and the CPUs online.",
        ),
    ],
    &times!("run_queue_wait", Take::Node, wait, |m| Some(wait(m)?.mean), "the waits for a CPU"),
    &times!("run_queue_wait_by_cpu", Take::Cpu, cpu_wait, |c| Some(cpu_wait(c)?.mean), "the waits for this CPU"),
    &[
        Signal::new(
            "context_switches_per_second",
            Unit::PerSecond,
            Take::Node(|m| Some(sched(m)?.switches_per_second)),
            "Context switches a second.",
        ),
        Signal::new(
            "context_switches_per_second_by_cpu",
            Unit::PerSecond,
            Take::Cpu(|cpu| Some(cpu.switches_per_second)),
            "Context switches a second of each CPU.",
        ),
        Signal::new(
            "preemptions_per_second",
            Unit::PerSecond,
            Take::Node(|m| Some(sched(m)?.preemptions_per_second)),
            "Context switches a second that took the CPU from a task that could have run on.",
        ),
        Signal::new(
            "load_per_cpu",
            Unit::Ratio,
            Take::Load,
            "The kernel's load average over 1, 5 and 15 minutes, over the CPUs online.",
        ),
    ],
];
