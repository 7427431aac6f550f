//! How the values of a signal are taken from a moment: one number for each row of its domain.

use super::domain::{self, Domain};
use crate::{
    host::Filesystem,
    index::{Index, NodeIndex, Verdict},
    rules::moment::{FleetNode, Moment},
    window::{Cpu, Device, NetworkRates, Operation},
};

/// Where the values of a signal come from.
#[derive(Clone, Copy, Debug)]
pub enum Take {
    /// One value of the node.
    Node(fn(&Moment) -> Option<f64>),
    /// Of each CPU.
    Cpu(fn(&Cpu) -> Option<f64>),
    /// The share of each mode of CPU time.
    CpuMode,
    /// Each load average over the CPUs that are online.
    Load,
    /// The share of each kind of pressure.
    Pressure,
    /// Of each disk.
    Device(fn(&Device) -> Option<f64>),
    /// Of each disk and operation.
    Operation(fn(&Operation) -> Option<f64>),
    /// How often each error happened.
    Error,
    /// Of each filesystem.
    Filesystem(fn(&Filesystem) -> Option<f64>),
    /// Of each interface, with the window's length in seconds.
    Network(fn(&NetworkRates, f64) -> f64),
    /// How often each event happened.
    Event,
    /// Of each probe, from what it discarded, what it counted, and the window's length in seconds.
    Discard(fn(f64, f64, f64) -> Option<f64>),
    /// Of each verdict.
    Index(fn(&Verdict) -> f64),
    /// Of each node in an index.
    NodeIndex(fn(&NodeIndex) -> Option<f64>),
    /// Of each index.
    WholeIndex(fn(&Index) -> Option<f64>),
    /// Of each node in an index, with the index.
    NodeOfIndex(fn(&Index, &NodeIndex) -> Option<f64>),
    /// Of each node that a server knows.
    FleetNode(fn(&FleetNode) -> Option<f64>),
    /// From each ratio of our count to the kernel's.
    Agreement(fn(f64) -> f64),
    /// 1 for each probe that does not measure.
    ProbeOff,
}

impl Take {
    /// What the values are told apart by.
    pub const fn domain(&self) -> Domain {
        match self {
            Self::Node(_) => Domain::Node,
            Self::Cpu(_) => Domain::Cpu,
            Self::CpuMode => Domain::CpuMode,
            Self::Load => Domain::Load,
            Self::Pressure => Domain::Pressure,
            Self::Device(_) => Domain::Device,
            Self::Operation(_) => Domain::Operation,
            Self::Error => Domain::Error,
            Self::Filesystem(_) => Domain::Filesystem,
            Self::Network(_) => Domain::Network,
            Self::Event => Domain::Event,
            Self::Discard(_) => Domain::Discard,
            Self::Index(_) | Self::WholeIndex(_) => Domain::Index,
            Self::NodeIndex(_) | Self::NodeOfIndex(_) => Domain::NodeIndex,
            Self::FleetNode(_) => Domain::FleetNode,
            Self::Agreement(_) => Domain::Agreement,
            Self::ProbeOff => Domain::Probe,
        }
    }

    /// Appends one number for each row of the domain, in its order; NaN where there is none.
    pub(crate) fn values(&self, moment: &Moment, out: &mut Vec<f64>) {
        let begin = out.len();
        let window = moment.window;
        let or_nan = |value: Option<f64>| value.unwrap_or(f64::NAN);
        match self {
            Self::Node(take) => out.push(or_nan(take(moment))),
            Self::Cpu(take) => out.extend(domain::cpus(moment).map(|cpu| or_nan(take(cpu)))),
            Self::CpuMode => {
                out.extend(window.cpu_modes.iter().flat_map(|modes| domain::CPU_MODES.map(|(_, share)| share(modes))));
            }
            Self::Load => {
                let cpus = domain::cpus(moment).count() as f64;
                out.extend(window.load.iter().flatten().map(|load| load / cpus));
            }
            Self::Pressure => out.extend(domain::pressures(moment).map(|(_, _, share)| or_nan(share))),
            Self::Device(take) => out.extend(domain::devices(moment).map(|device| or_nan(take(device)))),
            Self::Operation(take) => out.extend(domain::operations(moment).map(|(_, op)| or_nan(take(op)))),
            Self::Error => out.extend(domain::errors(moment).map(|(.., count)| count as f64)),
            Self::Filesystem(take) => out.extend(domain::filesystems(moment).map(|fs| or_nan(take(fs)))),
            Self::Network(take) => {
                out.extend(domain::networks(moment).map(|(_, rates)| take(rates, window.seconds)));
            }
            Self::Event => out.extend(window.events.iter().flat_map(|events| events.seen).map(|seen| seen as f64)),
            Self::Discard(take) => out.extend(
                domain::discards(moment)
                    .map(|(_, discarded, counted)| or_nan(take(discarded as f64, counted as f64, window.seconds))),
            ),
            Self::Index(take) => {
                out.extend(moment.indices.iter().map(|index| or_nan(index.verdict.as_ref().map(take))));
            }
            Self::NodeIndex(take) => out.extend(domain::node_indices(moment).map(|(_, node)| or_nan(take(node)))),
            Self::WholeIndex(take) => out.extend(moment.indices.iter().map(|index| or_nan(take(index)))),
            Self::NodeOfIndex(take) => {
                out.extend(domain::node_indices(moment).map(|(index, node)| or_nan(take(index, node))));
            }
            Self::FleetNode(take) => out.extend(domain::fleet_nodes(moment).map(|node| or_nan(take(node)))),
            Self::Agreement(take) => {
                out.extend(moment.own.iter().flat_map(|own| &own.agreement).map(|&(_, ratio)| take(ratio)));
            }
            Self::ProbeOff => {
                out.extend(moment.own.iter().flat_map(|own| &own.probes).map(|&(_, on)| f64::from(!on)));
            }
        }
        // What is not finite is no value: a comparison with it would hold for ever.
        out[begin..].iter_mut().filter(|value| value.is_infinite()).for_each(|value| *value = f64::NAN);
    }
}
