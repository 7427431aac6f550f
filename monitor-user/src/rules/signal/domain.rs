//! What signals are told apart by: every signal of one domain has the same rows in the same order, so that labels are looked at
//! once for all of them.
//!
//! In: a [`Moment`]. Out: the rows of each domain, as label values and as what their values are taken from.

use std::fmt::Write as _;

use monitor_common::{
    block::{Error, Operation as Kind},
    events::Kind as Event,
    indexed_enum,
};

use crate::{
    host::{Class, Filesystem},
    index::{Index, Mode, NodeIndex, Signal},
    rules::moment::{FleetNode, Moment},
    window::{Cpu, CpuModeShares, Device, NetworkRates, Operation},
};

indexed_enum! {
    /// What a signal has a value for.
    pub enum Domain {
        /// The node: one value.
        Node = "node",
        /// Each CPU that is online.
        Cpu = "cpu",
        /// Each mode of CPU time.
        CpuMode = "cpu_mode",
        /// Each load average.
        Load = "load",
        /// Each resource and kind of pressure.
        Pressure = "pressure",
        /// Each disk that did something or has something in flight.
        Device = "device",
        /// Each of them and each operation that completed a request.
        Operation = "operation",
        /// Each of them and each error that happened.
        Error = "error",
        /// Each filesystem.
        Filesystem = "filesystem",
        /// Each network interface that moved something.
        Network = "network",
        /// Each kind of event.
        Event = "event",
        /// Each probe that discards what it cannot believe.
        Discard = "discard",
        /// Each signal and mode of the index.
        Index = "index",
        /// Each of them and each node.
        NodeIndex = "node_index",
        /// Each node that a server knows.
        FleetNode = "fleet_node",
        /// Each figure that the kernel counts as well.
        Agreement = "agreement",
        /// Each probe that should measure.
        Probe = "probe",
    }
}

/// Takes one share.
type ShareOf = fn(&CpuModeShares) -> f64;

/// Modes of CPU time with their shares.
pub(super) const CPU_MODES: [(&str, ShareOf); 8] = [
    ("user", |m| m.user),
    ("nice", |m| m.nice),
    ("system", |m| m.system),
    ("idle", |m| m.idle),
    ("iowait", |m| m.iowait),
    ("irq", |m| m.irq),
    ("softirq", |m| m.softirq),
    ("steal", |m| m.steal),
];

/// What the kernel averages the load over.
const MINUTES: [&str; 3] = ["1", "5", "15"];

/// The probes that discard, with what they discarded and what they counted in the window.
pub(super) fn discards<'a>(moment: &Moment<'a>) -> impl Iterator<Item = (&'static str, u64, u64)> + use<'a> {
    let sched = moment.window.sched.as_ref();
    let block = moment.window.block.as_ref();
    let sched = sched.map(|sched| ("sched", sched.discards, sched.wait.map_or(0, |wait| wait.count)));
    let block = block.map(|block| {
        let requests = block.devices.iter().flat_map(|device| &device.operations).map(|operation| operation.requests);
        ("block", block.discards, requests.fold(0, u64::saturating_add))
    });
    sched.into_iter().chain(block)
}

pub(super) fn cpus<'a>(moment: &Moment<'a>) -> impl Iterator<Item = &'a Cpu> + use<'a> {
    moment.window.sched.iter().flat_map(|sched| &sched.cpus).filter(|cpu| cpu.online)
}

pub(super) fn devices<'a>(moment: &Moment<'a>) -> impl Iterator<Item = &'a Device> + use<'a> {
    moment.window.block.iter().flat_map(|block| &block.devices)
}

pub(super) fn operations<'a>(moment: &Moment<'a>) -> impl Iterator<Item = (&'a Device, &'a Operation)> + use<'a> {
    devices(moment).flat_map(|device| device.operations.iter().map(move |operation| (device, operation)))
}

pub(super) fn errors<'a>(
    moment: &Moment<'a>,
) -> impl Iterator<Item = (&'a Device, &'a Operation, &'a str, u64)> + use<'a> {
    operations(moment).flat_map(|(device, operation)| {
        operation.errors.iter().map(move |(error, &count)| (device, operation, error.as_str(), count))
    })
}

pub(super) fn pressures<'a>(
    moment: &Moment<'a>,
) -> impl Iterator<Item = (&'a str, &'static str, Option<f64>)> + use<'a> {
    moment
        .window
        .pressure
        .iter()
        .flat_map(|(resource, shares)| [("some", shares.some), ("full", shares.full)].map(|(k, v)| (&**resource, k, v)))
}

pub(super) fn filesystems<'a>(moment: &Moment<'a>) -> impl Iterator<Item = &'a Filesystem> + use<'a> {
    moment.window.filesystems.iter()
}

pub(super) fn networks<'a>(moment: &Moment<'a>) -> impl Iterator<Item = (&'a str, &'a NetworkRates)> + use<'a> {
    moment.window.networks.iter().map(|(name, rates)| (name.as_str(), rates))
}

pub(super) fn node_indices<'a>(moment: &Moment<'a>) -> impl Iterator<Item = (&'a Index, &'a NodeIndex)> + use<'a> {
    moment.indices.iter().flat_map(|index| index.nodes.iter().map(move |node| (index, node)))
}

pub(super) fn fleet_nodes<'a>(moment: &Moment<'a>) -> impl Iterator<Item = &'a FleetNode> + use<'a> {
    moment.fleet.into_iter().flat_map(|fleet| &fleet.nodes)
}

impl Domain {
    /// The names of its labels.
    pub const fn labels(self) -> &'static [&'static str] {
        match self {
            Self::Node => &[],
            Self::Cpu => &["cpu"],
            Self::CpuMode => &["mode"],
            Self::Load => &["minutes"],
            Self::Pressure => &["resource", "kind"],
            Self::Device => &["device", "class"],
            Self::Operation => &["device", "class", "operation"],
            Self::Error => &["device", "class", "operation", "error"],
            Self::Filesystem => &["mount", "device", "fstype"],
            Self::Network => &["interface"],
            Self::Event => &["kind"],
            Self::Discard | Self::Probe => &["probe"],
            Self::Index => &["signal", "mode"],
            Self::NodeIndex => &["signal", "mode", "node"],
            Self::FleetNode => &["node"],
            Self::Agreement => &["figure"],
        }
    }

    /// Everything that a label can be, where that is fixed: a matcher that fits none of it is a mistake.
    pub fn known(self, label: &str) -> Option<Vec<&'static str>> {
        let classes = [Class::Rotational, Class::Ssd, Class::Nvme, Class::Virtual, Class::Stacked, Class::Unknown]
            .map(Class::name);
        let names = match (self, label) {
            (Self::CpuMode, "mode") => CPU_MODES.map(|(name, _)| name).to_vec(),
            (Self::Load, "minutes") => MINUTES.to_vec(),
            (Self::Pressure, "resource") => vec!["cpu", "memory", "io", "irq"],
            (Self::Pressure, "kind") => vec!["some", "full"],
            (Self::Device | Self::Operation | Self::Error, "class") => classes.to_vec(),
            (Self::Operation | Self::Error, "operation") => Kind::ALL.iter().map(|kind| kind.name()).collect(),
            (Self::Error, "error") => Error::ALL.iter().map(|error| error.name()).collect(),
            (Self::Event, "kind") => Event::ALL.iter().map(|kind| kind.name()).collect(),
            (Self::Discard, "probe") => vec!["sched", "block"],
            (Self::Probe, "probe") => crate::probes::PROBES.iter().map(|probe| probe.name).collect(),
            (Self::Index | Self::NodeIndex, "signal") => Signal::ALL.iter().map(|signal| signal.name()).collect(),
            (Self::Index | Self::NodeIndex, "mode") => Mode::ALL.iter().map(|mode| mode.name()).collect(),
            (Self::Agreement, "figure") => {
                vec!["context_switches", "run_delay", "block_requests", "block_bytes", "block_time"]
            }
            _ => return None,
        };
        Some(names)
    }

    /// Names each row by the values of its labels, in one order, the same for every signal of the domain.
    pub(crate) fn rows(self, moment: &Moment, mut row: impl FnMut(&[&str])) {
        match self {
            Self::Node => row(&[]),
            Self::Cpu => {
                let mut number = String::new();
                for cpu in cpus(moment) {
                    number.clear();
                    let _ = write!(number, "{}", cpu.cpu);
                    row(&[&number]);
                }
            }
            Self::CpuMode if moment.window.cpu_modes.is_some() => CPU_MODES.iter().for_each(|(name, _)| row(&[name])),
            Self::Load if moment.window.load.is_some() => MINUTES.iter().for_each(|minutes| row(&[minutes])),
            Self::CpuMode | Self::Load => {}
            Self::Pressure => pressures(moment).for_each(|(resource, kind, _)| row(&[resource, kind])),
            Self::Device => devices(moment).for_each(|device| row(&[&device.name, device.class.name()])),
            Self::Operation => operations(moment)
                .for_each(|(device, operation)| row(&[&device.name, device.class.name(), &operation.operation])),
            Self::Error => errors(moment).for_each(|(device, operation, error, _)| {
                row(&[&device.name, device.class.name(), &operation.operation, error]);
            }),
            Self::Filesystem => filesystems(moment).for_each(|fs| row(&[&fs.mount, &fs.source, &fs.kind])),
            Self::Network => networks(moment).for_each(|(interface, _)| row(&[interface])),
            Self::Event if moment.window.events.is_some() => Event::ALL.iter().for_each(|kind| row(&[kind.name()])),
            Self::Event => {}
            Self::Discard => discards(moment).for_each(|(probe, ..)| row(&[probe])),
            Self::Index => moment.indices.iter().for_each(|index| row(&[index.signal.name(), index.mode.name()])),
            Self::NodeIndex => node_indices(moment)
                .for_each(|(index, node)| row(&[index.signal.name(), index.mode.name(), &node.node])),
            Self::FleetNode => fleet_nodes(moment).for_each(|node| row(&[&node.node])),
            Self::Agreement => {
                moment.own.iter().flat_map(|own| &own.agreement).for_each(|(figure, _)| row(&[figure]));
            }
            Self::Probe => moment.own.iter().flat_map(|own| &own.probes).for_each(|(probe, _)| row(&[probe])),
        }
    }
}
