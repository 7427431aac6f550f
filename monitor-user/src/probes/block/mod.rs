//! `block`: requests by device and operation, and what is in flight.
//!
//! The programs and the reasons are in `monitor-ebpf/src/block.rs`, the values in [`monitor_common::block`].

mod metrics;
pub mod reader;

use super::{Probe, Program, one_of, optional, required, step::Step};

/// See the module.
pub const PROBE: Probe = Probe {
    name: "block",
    title: "Block requests",
    yields: "queue and device times, sizes, errors and requests in flight of each disk (diskstats is used instead)",
    programs: &[
        Program::until("block_rq_complete", "block_rq_complete", Step::Sizes),
        Program::until("block_rq_complete_sizeless", "block_rq_complete", Step::Histograms).from(Step::Sizes),
        Program::until("block_rq_complete_sums", "block_rq_complete", Step::Block).from(Step::Histograms),
        Program::until("block_rq_issue", "block_rq_issue", Step::Block),
    ],
    fields: &[
        required("REQUEST_QUEUE", &["request.q"]),
        required("REQUEST_CMD_FLAGS", &["request.cmd_flags"]),
        required("REQUEST_RQ_FLAGS", &["request.rq_flags"]),
        required("REQUEST_DATA_LEN", &["request.__data_len"]),
        required("REQUEST_SECTOR", &["request.__sector"]),
        required("REQUEST_START_TIME", &["request.start_time_ns"]),
        optional(
            "REQUEST_IO_START_TIME",
            &["request.io_start_time_ns"],
            "the kernel's own issue times: one more reading of the clock for each request",
        ),
        one_of("the request's disk", "QUEUE_DISK", &["request_queue.disk"]),
        one_of("the request's disk", "REQUEST_RQ_DISK", &["request.rq_disk"]),
        required("GENDISK_MAJOR", &["gendisk.major"]),
        required("GENDISK_FIRST_MINOR", &["gendisk.first_minor"]),
    ],
    maps: &["BLOCK_STATS", "BLOCK_RESERVE", "BLOCK_IN_FLIGHT"],
    metrics: metrics::METRICS,
};
