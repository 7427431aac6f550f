//! Shares and rates of what /proc counts: CPU modes, pressure, network interfaces.
//!
//! In: the host's part of two samples. Out: parts of a window. None of these counters is kpulse's own, and some of the
//! kernel's do go back; such a figure is absent from the window, and the window stands.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::sum;
use crate::host::{CpuModes, Host, Network};

/// Shares of CPU time by mode, 0 to 1, adding up to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the modes are those of host::CpuModes")]
pub struct CpuModeShares {
    pub user: f64,
    pub nice: f64,
    pub system: f64,
    pub idle: f64,
    pub iowait: f64,
    pub irq: f64,
    pub softirq: f64,
    pub steal: f64,
}

/// Shares of the window, 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PressureShares {
    /// At least one task stood still.
    pub some: Option<f64>,
    /// All did.
    pub full: Option<f64>,
}

/// One network interface in a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NetworkRates {
    /// Bytes received a second.
    pub receive_bytes_per_second: f64,
    /// Bytes sent a second.
    pub transmit_bytes_per_second: f64,
    /// Errors and drops, both ways, in the window.
    pub errors: u64,
}

/// `None` if the kernel counted no time at all, as may be in a window shorter than its tick.
pub(super) fn modes(from: &CpuModes, to: &CpuModes) -> Option<CpuModeShares> {
    // idle and iowait may go back a little when a CPU goes offline, says the kernel's documentation of /proc/stat.
    let grown = |mode: fn(&CpuModes) -> u64| mode(to).saturating_sub(mode(from));
    let modes = [
        grown(|m| m.user),
        grown(|m| m.nice),
        grown(|m| m.system),
        grown(|m| m.idle),
        grown(|m| m.iowait),
        grown(|m| m.irq),
        grown(|m| m.softirq),
        grown(|m| m.steal),
    ];
    let all: f64 = modes.iter().map(|&ns| ns as f64).sum();
    let [user, nice, system, idle, iowait, irq, softirq, steal] = modes.map(|ns| ns as f64 / all);
    (all > 0.0).then_some(CpuModeShares { user, nice, system, idle, iowait, irq, softirq, steal })
}

/// A resource that one of the samples lacks is left out.
pub(super) fn pressure(earlier: &Host, later: &Host, window_ns: u64) -> BTreeMap<String, PressureShares> {
    let share = |from: Option<u64>, to: Option<u64>| {
        let stalled = to?.checked_sub(from?)?;
        // The kernel folds in the stalls of all CPUs now and then, so a short window can hold more than its own.
        Some((stalled as f64 / window_ns as f64).min(1.0))
    };
    let resources = later.pressure.iter().filter_map(|(resource, to)| {
        let from = earlier.pressure.get(resource)?;
        let shares = PressureShares { some: share(from.some_ns, to.some_ns), full: share(from.full_ns, to.full_ns) };
        Some((resource.clone(), shares))
    });
    resources.collect()
}

/// Interfaces that moved something. One that is new counts from 0; one with a counter that went back is left out.
pub(super) fn networks(earlier: &Host, later: &Host, seconds: f64) -> BTreeMap<String, NetworkRates> {
    // No interface before means that they could not be read: there is always `lo`.
    if earlier.networks.is_empty() {
        return BTreeMap::new();
    }
    let interfaces = later.networks.iter().filter_map(|(name, to)| {
        let from = earlier.networks.get(name).copied().unwrap_or_default();
        let grown = |counter: fn(&Network) -> u64| counter(to).checked_sub(counter(&from));
        let (received, sent) = (grown(|n| n.receive_bytes)?, grown(|n| n.transmit_bytes)?);
        let errors = sum([
            grown(|n| n.receive_errors)?,
            grown(|n| n.receive_drops)?,
            grown(|n| n.transmit_errors)?,
            grown(|n| n.transmit_drops)?,
        ]);
        let rates = NetworkRates {
            receive_bytes_per_second: received as f64 / seconds,
            transmit_bytes_per_second: sent as f64 / seconds,
            errors,
        };
        (received > 0 || sent > 0 || errors > 0).then(|| (name.clone(), rates))
    });
    interfaces.collect()
}
