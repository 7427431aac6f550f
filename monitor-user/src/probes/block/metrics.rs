//! The block probe: requests by device and operation, and what is in flight.

use monitor_common::block::Discard;

use crate::{
    metric::{Kind, Metric, Series, View, seconds},
    sample::Class,
};

/// What the probe measures.
pub const METRICS: &[Metric] = &[
    Metric {
        name: "kpulse_block_queue_seconds",
        kind: Kind::Histogram,
        help: "Time of block requests in seconds from their start to their issue to the device.",
        labels: &["device", "operation"],
        collect: |view, out| histograms(view, out, 0),
    },
    Metric {
        name: "kpulse_block_device_seconds",
        kind: Kind::Histogram,
        help: "Time of block requests in seconds from their issue to the device to their completion.",
        labels: &["device", "operation"],
        collect: |view, out| histograms(view, out, 1),
    },
    Metric {
        name: "kpulse_block_request_seconds",
        kind: Kind::Histogram,
        help: "Time of block requests in seconds from start to completion. A request starts when the kernel allocates it: \
               waiting for a free one is not in it.",
        labels: &["device", "operation"],
        collect: |view, out| histograms(view, out, 2),
    },
    Metric {
        name: "kpulse_block_requests_total",
        kind: Kind::Counter,
        help: "Block requests completed, with errors or without. size is the upper bound of the request's size when it was \
               issued; other holds sizes without a series of their own.",
        labels: &["device", "operation", "size"],
        collect: |view, out| classes(view, out, |class| class.requests as f64),
    },
    Metric {
        name: "kpulse_block_bytes_total",
        kind: Kind::Counter,
        help: "Bytes of block requests completed, size as in kpulse_block_requests_total.",
        labels: &["device", "operation", "size"],
        collect: |view, out| classes(view, out, |class| class.bytes as f64),
    },
    Metric {
        name: "kpulse_block_time_seconds_total",
        kind: Kind::Counter,
        help: "Time of block requests in seconds, of those whose times are all known: in the queue (stage queue) and in the \
               device (stage device). size as in kpulse_block_requests_total.",
        labels: &["device", "operation", "size", "stage"],
        collect: |view, out| {
            for r in &view.requests {
                for (size, class) in &r.classes {
                    out.value(&[r.device, r.operation, size, "queue"], seconds(class.queue_ns));
                    out.value(&[r.device, r.operation, size, "device"], seconds(class.device_ns));
                }
            }
        },
    },
    Metric {
        name: "kpulse_block_kind_requests_total",
        kind: Kind::Counter,
        help: "Block requests whose times are all known, by kind: device class, operation and size, over all devices, \
               passthrough commands left out. With kpulse_block_kind_seconds_total it is what a fleet's P is made of.",
        labels: &["class", "operation", "size"],
        collect: |view, out| {
            for kind in &view.kinds {
                out.value(&[kind.class, kind.operation, kind.size], kind.requests as f64);
            }
        },
    },
    Metric {
        name: "kpulse_block_kind_seconds_total",
        kind: Kind::Counter,
        help: "Time of these requests from start to completion in seconds.",
        labels: &["class", "operation", "size"],
        collect: |view, out| {
            for kind in &view.kinds {
                out.value(&[kind.class, kind.operation, kind.size], seconds(kind.time_ns));
            }
        },
    },
    Metric {
        name: "kpulse_block_errors_total",
        kind: Kind::Counter,
        help: "Block requests that failed, by error. A series exists from its first error on; other holds errors without a \
               series of their own.",
        labels: &["device", "operation", "error"],
        collect: |view, out| {
            for r in &view.requests {
                r.errors.iter().for_each(|&(error, count)| out.value(&[r.device, r.operation, error], count as f64));
            }
        },
    },
    Metric {
        name: "kpulse_block_in_flight",
        kind: Kind::Gauge,
        help: "Block requests issued to the device and not complete.",
        labels: &["device"],
        collect: |view, out| view.in_flight.iter().for_each(|f| out.value(&[f.device], f.requests as f64)),
    },
    Metric {
        name: "kpulse_block_oldest_in_flight_seconds",
        kind: Kind::Gauge,
        help: "Age of the oldest block request in flight in seconds; 0 without one. It grows when a device hangs.",
        labels: &["device"],
        collect: |view, out| view.in_flight.iter().for_each(|f| out.value(&[f.device], seconds(f.oldest_ns))),
    },
    Metric {
        name: "kpulse_block_discarded_total",
        kind: Kind::Counter,
        help: "What was not counted, by reason: no_start_time, issue_lost, not_issued and clock_went_back leave a time out \
               of histograms and sums; table_full and no_disk leave a request out of every figure.",
        labels: &["reason"],
        collect: |view, out| {
            if let Some(block) = &view.snapshot.sample.block {
                for (reason, &count) in Discard::ALL.iter().zip(&block.discards) {
                    out.value(&[reason.name()], count as f64);
                }
            }
        },
    },
];

fn histograms(view: &View, out: &mut Series, which: usize) {
    for r in &view.requests {
        if let Some(times) = &r.times[which] {
            out.histogram(&[r.device, r.operation], times);
        }
    }
}

fn classes(view: &View, out: &mut Series, value: fn(&Class) -> f64) {
    for r in &view.requests {
        r.classes.iter().for_each(|(size, class)| out.value(&[r.device, r.operation, size], value(class)));
    }
}
