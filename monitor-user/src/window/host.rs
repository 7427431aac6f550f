//! Shares and rates of what /proc counts: CPU modes, pressure, network interfaces.
//!
//! In: the host's part of two samples. Out: parts of a window. None of these counters is kpulse's own, and some of the
//! kernel's do go back; such a figure is absent from the window, and the window stands.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::sum;
use crate::host::{CpuModes, Host, Network, Pressure};

/// Shares of CPU time by mode, 0 to 1, adding up to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PressureShares {
    /// At least one task stood still.
    pub some: Option<f64>,
    /// All did.
    pub full: Option<f64>,
}

/// One network interface in a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct NetworkRates {
    /// Bytes received a second.
    pub receive_bytes_per_second: f64,
    /// Bytes sent a second.
    pub transmit_bytes_per_second: f64,
    /// Errors and drops, both ways, in the window.
    pub errors: u64,
}

/// CPU time by mode between two readings in nanoseconds, in the order of [`CpuModes`].
pub(crate) fn growth_of_modes(from: &CpuModes, to: &CpuModes) -> [u64; 8] {
    // idle and iowait may go back a little when a CPU goes offline, says the kernel's documentation of /proc/stat.
    let grown = |mode: fn(&CpuModes) -> u64| mode(to).saturating_sub(mode(from));
    [
        grown(|m| m.user),
        grown(|m| m.nice),
        grown(|m| m.system),
        grown(|m| m.idle),
        grown(|m| m.iowait),
        grown(|m| m.irq),
        grown(|m| m.softirq),
        grown(|m| m.steal),
    ]
}

/// `None` if the kernel counted no time at all, as may be in a window shorter than its tick.
pub(crate) fn shares(modes_ns: [u64; 8]) -> Option<CpuModeShares> {
    let all: f64 = modes_ns.iter().map(|&ns| ns as f64).sum();
    let [user, nice, system, idle, iowait, irq, softirq, steal] = modes_ns.map(|ns| ns as f64 / all);
    (all > 0.0).then_some(CpuModeShares { user, nice, system, idle, iowait, irq, softirq, steal })
}

/// Time stood still by resource. One that a sample lacks is left out.
pub(crate) fn growth_of_pressure<'a>(
    earlier: &'a Host,
    later: &'a Host,
) -> impl Iterator<Item = (&'a String, Pressure)> {
    later.pressure.iter().filter_map(|(resource, to)| {
        let from = earlier.pressure.get(resource)?;
        let grown = |from: Option<u64>, to: Option<u64>| to?.checked_sub(from?);
        let (some_ns, full_ns) = (grown(from.some_ns, to.some_ns), grown(from.full_ns, to.full_ns));
        Some((resource, Pressure { some_ns, full_ns }))
    })
}

/// As shares of a window.
pub(crate) fn pressure_shares(grown: &Pressure, window_ns: u64) -> PressureShares {
    // The kernel folds in the stalls of all CPUs now and then, so a short window can hold more than its own.
    let share = |stalled: Option<u64>| Some((stalled? as f64 / window_ns as f64).min(1.0));
    PressureShares { some: share(grown.some_ns), full: share(grown.full_ns) }
}

/// What interfaces moved, those that moved something. One that is new counts from 0; one with a counter that went back is
/// left out.
pub(crate) fn growth_of_networks<'a>(
    earlier: &'a Host,
    later: &'a Host,
) -> impl Iterator<Item = (&'a String, Network)> {
    // No interface before means that they could not be read: there is always `lo`.
    let networks = (!earlier.networks.is_empty()).then_some(&later.networks);
    networks.into_iter().flatten().filter_map(|(name, to)| {
        let from = earlier.networks.get(name).copied().unwrap_or_default();
        let grown = |counter: fn(&Network) -> u64| counter(to).checked_sub(counter(&from));
        let grown = Network {
            receive_bytes: grown(|n| n.receive_bytes)?,
            receive_packets: grown(|n| n.receive_packets)?,
            receive_errors: grown(|n| n.receive_errors)?,
            receive_drops: grown(|n| n.receive_drops)?,
            transmit_bytes: grown(|n| n.transmit_bytes)?,
            transmit_packets: grown(|n| n.transmit_packets)?,
            transmit_errors: grown(|n| n.transmit_errors)?,
            transmit_drops: grown(|n| n.transmit_drops)?,
        };
        (grown.receive_bytes > 0 || grown.transmit_bytes > 0 || faults(&grown) > 0).then_some((name, grown))
    })
}

/// Errors and drops, both ways.
pub(crate) fn faults(network: &Network) -> u64 {
    sum([network.receive_errors, network.receive_drops, network.transmit_errors, network.transmit_drops])
}

pub(super) fn pressure(earlier: &Host, later: &Host, window_ns: u64) -> BTreeMap<String, PressureShares> {
    growth_of_pressure(earlier, later)
        .map(|(resource, grown)| (resource.clone(), pressure_shares(&grown, window_ns)))
        .collect()
}

pub(super) fn networks(earlier: &Host, later: &Host, seconds: f64) -> BTreeMap<String, NetworkRates> {
    let rates = |grown: &Network| NetworkRates {
        receive_bytes_per_second: grown.receive_bytes as f64 / seconds,
        transmit_bytes_per_second: grown.transmit_bytes as f64 / seconds,
        errors: faults(grown),
    };
    growth_of_networks(earlier, later).map(|(name, grown)| (name.clone(), rates(&grown))).collect()
}
