//! Metrics of filesystems and disks from /proc and /sys. What block requests say of a disk is in [`crate::probes::block`].

use crate::{
    host::{DiskOperation, Diskstats, Space},
    metric::{Kind, Metric, Series, View, seconds},
};

/// What could not be read has no series.
pub const METRICS: &[Metric] = &[
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
        name: "kpulse_disk_info",
        kind: Kind::Gauge,
        help: "Always 1; class is what kind of disk it is, source is where its figures come from: requests (the \
               tracepoints see every request) or diskstats (dm, md, zram and others whose I/O never becomes a \
               request: see kpulse_diskstats_*).",
        labels: &["device", "class", "source"],
        collect: |view, out| {
            for disk in &view.disks {
                let source = if disk.request_based { "requests" } else { "diskstats" };
                out.value(&[&disk.name, disk.class.name(), source], 1.0);
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
        help: "Time of the requests in seconds as the kernel counts it, in whole milliseconds, of disks that the \
               tracepoints do not see.",
        labels: &["device", "operation"],
        collect: |view, out| diskstats(view, out, |o| seconds(o.time_ns)),
    },
];

fn space(view: &View, out: &mut Series, field: fn(&Space) -> u64) {
    for f in &view.filesystems {
        f.space.iter().for_each(|space| out.value(&[&f.mount, &f.source, &f.kind], field(space) as f64));
    }
}

fn diskstats(view: &View, out: &mut Series, field: fn(&DiskOperation) -> f64) {
    for (name, stats) in &view.diskstats {
        disk_operations(stats).iter().for_each(|(operation, o)| out.value(&[name, operation], field(o)));
    }
}

fn disk_operations(stats: &Diskstats) -> [(&'static str, &DiskOperation); 4] {
    [("read", &stats.read), ("write", &stats.write), ("discard", &stats.discard), ("flush", &stats.flush)]
}
