//! Signals from /proc and /sys: memory, pressure, filesystems, network interfaces; and rare events.

use super::{Signal, Take, Unit};
use crate::host::{Filesystem, Space};

fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// As `df` counts: what root has for itself is neither used nor available.
fn used(space: &Space) -> Option<f64> {
    let used = space.size.checked_sub(space.free)?;
    share(used, used.saturating_add(space.available))
}

fn space(filesystem: &Filesystem) -> Option<&Space> {
    filesystem.space.as_ref()
}

pub(super) const SIGNALS: &[&[Signal]] = &[&[
    Signal::new(
        "pressure_share",
        Unit::Share,
        Take::Pressure,
        "Share of the window in which `some` tasks, or all (`full`), stood still for want of a resource.",
    ),
    Signal::new(
        "memory_available_share",
        Unit::Share,
        Take::Node(|m| m.window.memory.and_then(|memory| share(memory.available, memory.total))),
        "Share of memory that a new program could have without swapping.",
    ),
    Signal::new(
        "memory_available_bytes",
        Unit::Bytes,
        Take::Node(|m| m.window.memory.map(|memory| memory.available as f64)),
        "Memory that a new program could have without swapping.",
    ),
    Signal::new(
        "memory_dirty_share",
        Unit::Share,
        Take::Node(|m| {
            let memory = m.window.memory?;
            share(memory.dirty.saturating_add(memory.writeback), memory.total)
        }),
        "Share of memory that waits to be written to disk or is being written.",
    ),
    Signal::new(
        "swap_used_share",
        Unit::Share,
        Take::Node(|m| {
            let memory = m.window.memory?;
            share(memory.swap_total.checked_sub(memory.swap_free)?, memory.swap_total)
        }),
        "Share of swap space in use; absent without swap.",
    ),
    Signal::new(
        "filesystem_used_share",
        Unit::Share,
        Take::Filesystem(|fs| used(space(fs)?)),
        "Share of a filesystem's space in use, as `df` counts: what is reserved for root is left out.",
    ),
    Signal::new(
        "filesystem_available_bytes",
        Unit::Bytes,
        Take::Filesystem(|fs| Some(space(fs)?.available as f64)),
        "Space of a filesystem that is free for everyone.",
    ),
    Signal::new(
        "filesystem_inodes_used_share",
        Unit::Share,
        Take::Filesystem(|fs| {
            let space = space(fs)?;
            share(space.files.checked_sub(space.files_free)?, space.files)
        }),
        "Share of a filesystem's inodes in use; absent where it has no fixed number of them.",
    ),
    Signal::new(
        "filesystem_read_only",
        Unit::Flag,
        Take::Filesystem(|fs| Some(f64::from(fs.read_only))),
        "Whether a filesystem is mounted read-only.",
    ),
    Signal::new(
        "filesystem_silent",
        Unit::Flag,
        Take::Filesystem(|fs| Some(f64::from(fs.space.is_none()))),
        "Whether a filesystem did not answer in time when it was asked for its space.",
    ),
    Signal::new(
        "network_receive_bytes_per_second",
        Unit::BytesPerSecond,
        Take::Network(|rates, _| rates.receive_bytes_per_second),
        "Bytes received a second.",
    )
    .or_zero(|m| !m.window.networks.is_empty()),
    Signal::new(
        "network_transmit_bytes_per_second",
        Unit::BytesPerSecond,
        Take::Network(|rates, _| rates.transmit_bytes_per_second),
        "Bytes sent a second.",
    )
    .or_zero(|m| !m.window.networks.is_empty()),
    Signal::new(
        "network_errors_per_second",
        Unit::PerSecond,
        Take::Network(|rates, seconds| rates.errors as f64 / seconds),
        "Packets that were received or sent with errors, or dropped, a second.",
    )
    .or_zero(|m| !m.window.networks.is_empty()),
    Signal::new("events", Unit::Count, Take::Event, "Rare events in the window, by kind."),
]];
