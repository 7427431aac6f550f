//! `sched`: what each CPU did and how long tasks waited for it, from `sched_switch` alone.
//!
//! The programs and the reasons are in `monitor-ebpf/src/sched.rs`, the values in [`monitor_common::sched`].

mod metrics;
pub mod reader;

use super::{Probe, Program, required, step::Step};

/// See the module.
pub const PROBE: Probe = Probe {
    name: "sched",
    title: "The scheduler",
    yields: "busy and idle time, context switches and run-queue waits of each CPU",
    programs: &[
        Program::until("sched_switch", "sched_switch", Step::Histograms),
        Program::until("sched_switch_sums", "sched_switch", Step::Sched).from(Step::Histograms),
    ],
    fields: &[
        required("TASK_PID", &["task_struct.pid"]),
        required("TASK_TGID", &["task_struct.tgid"]),
        required("TASK_COMM", &["task_struct.comm"]),
        required("TASK_STATE", &["task_struct.__state", "task_struct.state"]),
        required("TASK_CFS_RQ", &["task_struct.se.cfs_rq"]),
        required("CFS_RQ_RQ", &["cfs_rq.rq"]),
        required("RQ_CLOCK", &["rq.clock"]),
        required("TASK_RUN_DELAY", &["task_struct.sched_info.run_delay"]),
        required("TASK_LAST_QUEUED", &["task_struct.sched_info.last_queued"]),
        required("TASK_PCOUNT", &["task_struct.sched_info.pcount"]),
    ],
    maps: &[],
    metrics: metrics::METRICS,
};
