//! Metrics of the node as a whole and of its network, from /proc and /sys.

use crate::{
    host::{CpuModes, Memory, Network},
    metric::{Kind, Metric, Series, View, seconds},
};

/// What could not be read has no series.
pub const METRICS: &[Metric] = &[
    Metric {
        name: "kpulse_host_cpu_seconds_total",
        kind: Kind::Counter,
        help: "CPU time in seconds of all CPUs by mode. The kernel samples these at its tick: load in step with \
               the tick is misjudged; kpulse_cpu_busy_seconds_total is exact.",
        labels: &["mode"],
        collect: |view, out| {
            if let Some(modes) = &view.snapshot.sample.host.cpu_modes {
                cpu_modes(modes).iter().for_each(|&(mode, ns)| out.value(&[mode], seconds(ns)));
            }
        },
    },
    Metric {
        name: "kpulse_host_context_switches_total",
        kind: Kind::Counter,
        help: "Context switches as the kernel counts them (ctxt of /proc/stat).",
        labels: &[],
        collect: |view, out| view.snapshot.sample.host.context_switches.iter().for_each(|&n| out.value(&[], n as f64)),
    },
    Metric {
        name: "kpulse_memory_total_bytes",
        kind: Kind::Gauge,
        help: "All memory, in bytes.",
        labels: &[],
        collect: |view, out| memory(view, out, |m| m.total),
    },
    Metric {
        name: "kpulse_memory_free_bytes",
        kind: Kind::Gauge,
        help: "Unused memory, in bytes.",
        labels: &[],
        collect: |view, out| memory(view, out, |m| m.free),
    },
    Metric {
        name: "kpulse_memory_available_bytes",
        kind: Kind::Gauge,
        help: "Memory that a new program could have without swapping, in bytes.",
        labels: &[],
        collect: |view, out| memory(view, out, |m| m.available),
    },
    Metric {
        name: "kpulse_memory_buffers_bytes",
        kind: Kind::Gauge,
        help: "Memory in block device buffers, in bytes.",
        labels: &[],
        collect: |view, out| memory(view, out, |m| m.buffers),
    },
    Metric {
        name: "kpulse_memory_cached_bytes",
        kind: Kind::Gauge,
        help: "Memory in the page cache, in bytes.",
        labels: &[],
        collect: |view, out| memory(view, out, |m| m.cached),
    },
    Metric {
        name: "kpulse_memory_dirty_bytes",
        kind: Kind::Gauge,
        help: "Memory waiting to be written to disk, in bytes.",
        labels: &[],
        collect: |view, out| memory(view, out, |m| m.dirty),
    },
    Metric {
        name: "kpulse_memory_writeback_bytes",
        kind: Kind::Gauge,
        help: "Memory being written to disk, in bytes.",
        labels: &[],
        collect: |view, out| memory(view, out, |m| m.writeback),
    },
    Metric {
        name: "kpulse_swap_total_bytes",
        kind: Kind::Gauge,
        help: "All swap, in bytes.",
        labels: &[],
        collect: |view, out| memory(view, out, |m| m.swap_total),
    },
    Metric {
        name: "kpulse_swap_free_bytes",
        kind: Kind::Gauge,
        help: "Unused swap, in bytes.",
        labels: &[],
        collect: |view, out| memory(view, out, |m| m.swap_free),
    },
    Metric {
        name: "kpulse_load",
        kind: Kind::Gauge,
        help: "Load average over the last 1, 5 and 15 minutes.",
        labels: &["minutes"],
        collect: |view, out| {
            if let Some(load) = &view.snapshot.sample.host.load {
                ["1", "5", "15"].iter().zip(load).for_each(|(minutes, &value)| out.value(&[minutes], value));
            }
        },
    },
    Metric {
        name: "kpulse_pressure_seconds_total",
        kind: Kind::Counter,
        help: "Time in seconds in which tasks stood still for want of a resource: some (at least one task) or \
               full (all at once).",
        labels: &["resource", "kind"],
        collect: |view, out| {
            for (resource, pressure) in &view.snapshot.sample.host.pressure {
                pressure.some_ns.iter().for_each(|&ns| out.value(&[resource, "some"], seconds(ns)));
                pressure.full_ns.iter().for_each(|&ns| out.value(&[resource, "full"], seconds(ns)));
            }
        },
    },
    Metric {
        name: "kpulse_network_receive_bytes_total",
        kind: Kind::Counter,
        help: "Bytes received by the interface.",
        labels: &["interface"],
        collect: |view, out| network(view, out, |n| n.receive_bytes),
    },
    Metric {
        name: "kpulse_network_receive_packets_total",
        kind: Kind::Counter,
        help: "Packets received by the interface.",
        labels: &["interface"],
        collect: |view, out| network(view, out, |n| n.receive_packets),
    },
    Metric {
        name: "kpulse_network_receive_errors_total",
        kind: Kind::Counter,
        help: "Packets not received because of errors by the interface.",
        labels: &["interface"],
        collect: |view, out| network(view, out, |n| n.receive_errors),
    },
    Metric {
        name: "kpulse_network_receive_drops_total",
        kind: Kind::Counter,
        help: "Packets dropped when they were to be received by the interface.",
        labels: &["interface"],
        collect: |view, out| network(view, out, |n| n.receive_drops),
    },
    Metric {
        name: "kpulse_network_transmit_bytes_total",
        kind: Kind::Counter,
        help: "Bytes sent by the interface.",
        labels: &["interface"],
        collect: |view, out| network(view, out, |n| n.transmit_bytes),
    },
    Metric {
        name: "kpulse_network_transmit_packets_total",
        kind: Kind::Counter,
        help: "Packets sent by the interface.",
        labels: &["interface"],
        collect: |view, out| network(view, out, |n| n.transmit_packets),
    },
    Metric {
        name: "kpulse_network_transmit_errors_total",
        kind: Kind::Counter,
        help: "Packets not sent because of errors by the interface.",
        labels: &["interface"],
        collect: |view, out| network(view, out, |n| n.transmit_errors),
    },
    Metric {
        name: "kpulse_network_transmit_drops_total",
        kind: Kind::Counter,
        help: "Packets dropped when they were to be sent by the interface.",
        labels: &["interface"],
        collect: |view, out| network(view, out, |n| n.transmit_drops),
    },
    Metric {
        name: "kpulse_uptime_seconds",
        kind: Kind::Gauge,
        help: "Time since the node booted in seconds.",
        labels: &[],
        collect: |view, out| view.snapshot.sample.host.uptime_ns.iter().for_each(|&ns| out.value(&[], seconds(ns))),
    },
    Metric {
        name: "kpulse_node_info",
        kind: Kind::Gauge,
        help: "Always 1; the labels say which node this is. What is not known is empty.",
        labels: &["hostname", "kernel", "boot_id"],
        collect: |view, out| {
            let host = &view.snapshot.sample.host;
            let [hostname, kernel, boot_id] =
                [&host.hostname, &host.kernel, &host.boot_id].map(|x| x.as_deref().unwrap_or_default());
            out.value(&[hostname, kernel, boot_id], 1.0);
        },
    },
];

fn memory(view: &View, out: &mut Series, field: fn(&Memory) -> u64) {
    view.snapshot.sample.host.memory.iter().for_each(|memory| out.value(&[], field(memory) as f64));
}

fn network(view: &View, out: &mut Series, field: fn(&Network) -> u64) {
    view.networks.iter().for_each(|(name, network)| out.value(&[name], field(network) as f64));
}

fn cpu_modes(modes: &CpuModes) -> [(&'static str, u64); 8] {
    let &CpuModes { user, nice, system, idle, iowait, irq, softirq, steal } = modes;
    [
        ("user", user),
        ("nice", nice),
        ("system", system),
        ("idle", idle),
        ("iowait", iowait),
        ("irq", irq),
        ("softirq", softirq),
        ("steal", steal),
    ]
}
