//! `events`: rare things, one by one: a request that failed or was slow, a task killed for want of memory. Long waits
//! for the CPU join them here, though they come with the values of [`super::sched`].
//!
//! The program is in `monitor-ebpf/src/events.rs`, the record in [`monitor_common::events`].

mod metrics;
pub mod reader;

use super::{Probe, Program, required, step::Step};

/// See the module.
pub const PROBE: Probe = Probe {
    name: "events",
    title: "Events",
    yields: "the log's lines about single requests, waits and killed tasks",
    programs: &[Program::until("mark_victim", "mark_victim", Step::Events)],
    fields: &[required("TASK_PID", &["task_struct.pid"]), required("TASK_COMM", &["task_struct.comm"])],
    maps: &[],
    metrics: metrics::METRICS,
};
