//! What /proc and /sys say, for a report.

use std::cmp::Reverse;

use super::super::{
    limits::{self, clip},
    wire,
};
use crate::{
    host::{Filesystem, Host, Memory, Network},
    window::{
        both,
        host::{faults, growth_of_modes, growth_of_networks, growth_of_pressure},
    },
};

pub(super) fn build(from: &Host, to: &Host) -> wire::Host {
    let pressure = growth_of_pressure(from, to).map(|(resource, grown)| wire::Pressure {
        resource: clip(resource, limits::NAME_BYTES),
        some_ns: grown.some_ns,
        full_ns: grown.full_ns,
    });
    let mut networks: Vec<wire::Network> = growth_of_networks(from, to).map(network).collect();
    if networks.len() > limits::NETWORKS {
        networks.sort_by_key(|network| Reverse(network.receive_bytes.saturating_add(network.transmit_bytes)));
        networks.truncate(limits::NETWORKS);
        networks.sort_by(|a, b| a.name.cmp(&b.name));
    }
    wire::Host {
        cpu_modes_ns: both(&from.cpu_modes, &to.cpu_modes)
            .map(|(from, to)| growth_of_modes(from, to).to_vec())
            .unwrap_or_default(),
        pressure: pressure.take(limits::FEW).collect(),
        memory: to.memory.map(memory),
        load: to.load.map(|load| load.to_vec()).unwrap_or_default(),
        filesystems: filesystems(&to.filesystems),
        networks,
        uptime_ns: to.uptime_ns.unwrap_or(0),
    }
}

fn memory(memory: Memory) -> wire::Memory {
    let Memory { total, free, available, buffers, cached, dirty, writeback, swap_total, swap_free } = memory;
    wire::Memory { total, free, available, buffers, cached, dirty, writeback, swap_total, swap_free }
}

/// The fullest first; what did not answer before all.
fn filesystems(all: &[Filesystem]) -> Vec<wire::Filesystem> {
    let used = |filesystem: &Filesystem| {
        filesystem.space.map_or(2.0, |space| 1.0 - space.available as f64 / space.size.max(1) as f64)
    };
    let mut ranked: Vec<&Filesystem> = all.iter().collect();
    ranked.sort_by(|a, b| used(b).total_cmp(&used(a)).then_with(|| a.mount.cmp(&b.mount)));
    ranked.into_iter().take(limits::FILESYSTEMS).map(filesystem).collect()
}

fn filesystem(filesystem: &Filesystem) -> wire::Filesystem {
    let space = filesystem.space.unwrap_or_default();
    wire::Filesystem {
        mount: clip(&filesystem.mount, limits::TEXT_BYTES),
        source: clip(&filesystem.source, limits::TEXT_BYTES),
        kind: clip(&filesystem.kind, limits::NAME_BYTES),
        read_only: filesystem.read_only,
        size: space.size,
        free: space.free,
        available: space.available,
        files: space.files,
        files_free: space.files_free,
        silent: filesystem.space.is_none(),
    }
}

fn network((name, moved): (&String, Network)) -> wire::Network {
    wire::Network {
        name: clip(name, limits::NAME_BYTES),
        receive_bytes: moved.receive_bytes,
        transmit_bytes: moved.transmit_bytes,
        receive_packets: moved.receive_packets,
        transmit_packets: moved.transmit_packets,
        faults: faults(&moved),
    }
}
