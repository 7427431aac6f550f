//! What goes wrong around the agent: nothing is lost, nothing is stuck, and it says what it is.
//!
//! Faults that have tests elsewhere: a disk that is torn out (`live_agent/figures.rs`), a kill during an alert
//! (`live_verdict/killed.rs`), receivers that fail (`live_notify`), clients that never read (`live_agent/clients.rs`), clocks that
//! are set (`monitor-user/src/judge/tests.rs`).
//!
//! With `KPULSE_FAULTS=full` the numbers are those that are promised; without, smaller ones of the same shape.
#![allow(clippy::unwrap_used, reason = "a test may panic, and so may what its tests share")]

#[path = "live_faults/cpus.rs"]
mod cpus;
#[path = "live_faults/disks.rs"]
mod disks;
#[path = "live_faults/files.rs"]
mod files;
#[path = "live_faults/memory.rs"]
mod memory;
#[path = "live_faults/restarts.rs"]
mod restarts;
#[path = "live_faults/slow_proc.rs"]
mod slow_proc;

/// What an agent that nothing should trouble may never say.
fn assert_calm(log: &[String]) {
    let bad = |line: &&String| line.contains("ERROR") || line.contains("panicked");
    assert_eq!(log.iter().find(bad), None);
}
