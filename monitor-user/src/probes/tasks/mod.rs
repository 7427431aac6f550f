//! `tasks`: every task's own books, read when someone asks.
//!
//! The program is in `monitor-ebpf/src/tasks.rs`, the record in [`monitor_common::tasks`].

mod metrics;
pub mod reader;

use super::{Hook, Probe, Program, optional, required, step::Step};

const CGROUP: &str = "the task's cgroup";
const IO: &str = "bytes read and written by task (CONFIG_TASK_IO_ACCOUNTING)";

/// See the module.
pub const PROBE: Probe = Probe {
    name: "tasks",
    title: "Tasks",
    yields: "who used the CPU, waited for it and moved bytes",
    programs: &[Program { name: "tasks", hook: Hook::Iterator("task"), from: Step::Full, until: None }],
    fields: &[
        required("TASK_PID", &["task_struct.pid"]),
        required("TASK_TGID", &["task_struct.tgid"]),
        required("TASK_COMM", &["task_struct.comm"]),
        required("TASK_START_TIME", &["task_struct.start_boottime", "task_struct.real_start_time"]),
        required("TASK_SUM_EXEC_RUNTIME", &["task_struct.se.sum_exec_runtime"]),
        required("TASK_RUN_DELAY", &["task_struct.sched_info.run_delay"]),
        required("TASK_LAST_QUEUED", &["task_struct.sched_info.last_queued"]),
        required("TASK_NVCSW", &["task_struct.nvcsw"]),
        required("TASK_NIVCSW", &["task_struct.nivcsw"]),
        optional("TASK_FLAGS", &["task_struct.flags"], "which tasks are threads of the kernel"),
        optional("TASK_READ_BYTES", &["task_struct.ioac.read_bytes"], IO),
        optional("TASK_WRITE_BYTES", &["task_struct.ioac.write_bytes"], IO),
        optional("TASK_CGROUPS", &["task_struct.cgroups"], CGROUP),
        optional("CSS_SET_DFL_CGRP", &["css_set.dfl_cgrp"], CGROUP),
        optional("CGROUP_KN", &["cgroup.kn"], CGROUP),
        optional("KERNFS_NODE_ID", &["kernfs_node.id"], CGROUP),
    ],
    maps: &[],
    metrics: metrics::METRICS,
};
