//! The probes: one module for each, with the same name in `monitor-common` and `monitor-ebpf`.

pub mod block;
pub mod events;
pub mod sched;
pub mod tasks;
