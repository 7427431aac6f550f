//! The metrics of what /proc and /sys say.

use crate::{
    host::{Class, CpuModes, Diskstats, DiskOperation, Memory, Network, Space},
    metric::{Kind, Metric, Series, View, seconds},
};

/// Metrics from [`crate::host::Host`]; what could not be read has no series.
pub const METRICS: &[Metric] = &[
    Metric {
        name: "kpulse_host_cpu_seconds_total",
        kind: Kind::Counter,
        help: "CPU time in seconds of all CPUs by mode. The kernel samples these at its tick: load in step with the tick is misjudged; kpulse_cpu_busy_seconds_total is exact.",
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
        name: "kpulse_filesystem_size_bytes",
        kind: Kind::Gauge,
        help: "Size of the filesystem in bytes.",
        labels: &["mount", "device", "fstype"],
        collect: |view, out| space(view, out, |s| s.size),
    },
    Metric {
        name: "kpulse_filesystem_free_bytes",
        kind: Kind::Gauge,
        help: "Free space in bytes, the part reserved for root included.",
        labels: &["mount", "device", "fstype"],
        collect: |view, out| space(view, out, |s| s.free),
    },
    Metric {
        name: "kpulse_filesystem_available_bytes",
        kind: Kind::Gauge,
        help: "Space in bytes that everyone may use.",
        labels: &["mount", "device", "fstype"],
        collect: |view, out| space(view, out, |s| s.available),
    },
    Metric {
        name: "kpulse_filesystem_files",
        kind: Kind::Gauge,
        help: "Inodes of the filesystem.",
        labels: &["mount", "device", "fstype"],
        collect: |view, out| space(view, out, |s| s.files),
    },
    Metric {
        name: "kpulse_filesystem_files_free",
        kind: Kind::Gauge,
        help: "Free inodes of the filesystem.",
        labels: &["mount", "device", "fstype"],
        collect: |view, out| space(view, out, |s| s.files_free),
    },
    Metric {
        name: "kpulse_filesystem_up",
        kind: Kind::Gauge,
        help: "1 if the filesystem answered in time, 0 if not (a network filesystem whose server is gone).",
        labels: &["mount", "device", "fstype"],
        collect: |view, out| {
            for f in &view.filesystems {
                out.value(&[&f.mount, &f.source, &f.kind], f64::from(u8::from(f.space.is_some())));
            }
        },
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
        help: "Time in seconds in which tasks stood still for want of a resource: some (at least one task) or full (all at once).",
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
    Metric {
        name: "kpulse_disk_info",
        kind: Kind::Gauge,
        help: "Always 1; class is what kind of disk it is, source is where its figures come from: requests (the tracepoints see every request) or diskstats (dm, md, zram and others whose I/O never becomes a request: see kpulse_diskstats_*).",
        labels: &["device", "class", "source"],
        collect: |view, out| {
            for disk in &view.disks {
                let source = if disk.request_based { "requests" } else { "diskstats" };
                out.value(&[&disk.name, class_name(disk.class), source], 1.0);
            }
        },
    },
    Metric {
        name: "kpulse_diskstats_requests_total",
        kind: Kind::Counter,
        help: "Requests completed as the kernel counts them, of disks that the tracepoints do not see.",
        labels: &["device", "operation"],
        collect: |view, out| diskstats(view, out, |o| o.requests as f64),
    },
    Metric {
        name: "kpulse_diskstats_bytes_total",
        kind: Kind::Counter,
        help: "Bytes completed as the kernel counts them, of disks that the tracepoints do not see.",
        labels: &["device", "operation"],
        collect: |view, out| diskstats(view, out, |o| o.bytes as f64),
    },
    Metric {
        name: "kpulse_diskstats_time_seconds_total",
        kind: Kind::Counter,
        help: "Time of the requests in seconds as the kernel counts it, in whole milliseconds, of disks that the tracepoints do not see.",
        labels: &["device", "operation"],
        collect: |view, out| diskstats(view, out, |o| seconds(o.time_ns)),
    },
];

fn memory(view: &View, out: &mut Series, field: fn(&Memory) -> u64) {
    view.snapshot.sample.host.memory.iter().for_each(|memory| out.value(&[], field(memory) as f64));
}

fn space(view: &View, out: &mut Series, field: fn(&Space) -> u64) {
    for f in &view.filesystems {
        f.space.iter().for_each(|space| out.value(&[&f.mount, &f.source, &f.kind], field(space) as f64));
    }
}

fn network(view: &View, out: &mut Series, field: fn(&Network) -> u64) {
    view.networks.iter().for_each(|(name, network)| out.value(&[name], field(network) as f64));
}

fn diskstats(view: &View, out: &mut Series, field: fn(&DiskOperation) -> f64) {
    for (name, stats) in &view.diskstats {
        disk_operations(stats).iter().for_each(|(operation, o)| out.value(&[name, operation], field(o)));
    }
}

fn disk_operations(stats: &Diskstats) -> [(&'static str, &DiskOperation); 4] {
    [("read", &stats.read), ("write", &stats.write), ("discard", &stats.discard), ("flush", &stats.flush)]
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

fn class_name(class: Class) -> &'static str {
    match class {
        Class::Rotational => "rotational",
        Class::Ssd => "ssd",
        Class::Nvme => "nvme",
        Class::Virtual => "virtual",
        Class::Stacked => "stacked",
        Class::Unknown => "unknown",
    }
}
