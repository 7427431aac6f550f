//! What the agent says: one structured line for each rare thing, and the first figures in one line.

use std::collections::BTreeMap;

use crate::{
    collect::Collected,
    host::{Disk, device_name},
    probes::{
        events::reader::{Happened, Request},
        sched::reader::Waited,
    },
    sample::DeviceId,
    table::units,
    window::Window,
};

/// Logs what happened since the collection before.
pub fn log(collected: &Collected) {
    collected.happened.iter().for_each(|event| happened(event, &collected.sample.host.disks));
    collected.waited.iter().for_each(waited);
}

fn happened(event: &Happened, disks: &BTreeMap<DeviceId, Disk>) {
    let (pid, task) = (event.pid, event.comm.as_str());
    let kind = event.kind.name();
    let Some(Request { device, sector, bytes, operation, error, queue_ns, device_ns }) = event.request else {
        tracing::warn!(kind, pid, task, "the kernel killed a task for want of memory");
        return;
    };
    let device = device_name(disks, device);
    // A flush is nowhere.
    let sector = (sector != u64::MAX).then_some(sector);
    let (queue_seconds, device_seconds) = (queue_ns.map(seconds), device_ns.map(seconds));
    match error {
        Some(error) => tracing::warn!(
            kind,
            device,
            operation,
            sector,
            bytes,
            error,
            queue_seconds,
            device_seconds,
            pid,
            task,
            "a block request failed"
        ),
        None => tracing::warn!(
            kind,
            device,
            operation,
            sector,
            bytes,
            queue_seconds,
            device_seconds,
            pid,
            task,
            "a block request was slow"
        ),
    }
}

fn waited(wait: &Waited) {
    let Waited { cpu, pid, tgid, comm, wait_ns } = wait;
    let wait_seconds = seconds(*wait_ns);
    tracing::warn!(
        kind = "long_wait",
        cpu,
        wait_seconds,
        pid,
        tgid,
        task = comm.as_str(),
        "a task waited long for a CPU"
    );
}

fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

/// The window in one line.
pub fn summary(window: &Window) -> String {
    let mut parts = Vec::new();
    if let Some(sched) = &window.sched {
        if let Some(utilization) = sched.utilization {
            parts.push(format!("CPU {:.1} %", utilization * 100.0));
        }
        parts.push(format!("{:.0} switches/s", sched.switches_per_second));
        if let Some(wait) = &sched.wait {
            parts.push(format!("run-queue wait p50 {} p99 {}", units::time(wait.p50), units::time(wait.p99)));
        }
    }
    if let Some(block) = &window.block {
        let requests: f64 = block
            .devices
            .iter()
            .flat_map(|device| &device.operations)
            .map(|operation| operation.requests_per_second)
            // The sum of nothing is minus zero.
            .fold(0.0, |sum, rate| sum + rate);
        parts.push(format!("{requests:.0} block requests/s"));
        if let Some(time) = block.mean_request_time {
            parts.push(format!("mean request time {}", units::time(time)));
        }
    }
    if parts.is_empty() {
        parts.push("no figures from the kernel's tracepoints; those from /proc and /sys are served".into());
    }
    format!("over {}: {}", units::time(window.seconds), parts.join(", "))
}
