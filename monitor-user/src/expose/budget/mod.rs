//! The budget of series: which CPU, device, interface and filesystem gets series of its own, and what is added up in
//! `other`.
//!
//! In: every snapshot, in order. Out: a [`View`] of the latest.
//!
//! The rules:
//! - A scrape never has more than the limit; every bucket of a histogram is a series.
//! - Totals are conserved: at any moment the series of a counter add up to what everything that is there has counted,
//!   and what those had counted in `other` that left it.
//! - The series of what vanishes end. What was in `other` leaves its totals there, so `other` never goes down.
//! - Assignments stick, so that no counter goes down for want of room: what began in `other` stays there until the agent
//!   restarts or it vanishes. Its share is free for another then.
//! - Something that vanished and comes back is a new thing. Something whose counters went back was replaced: its own
//!   series begin anew, which is a counter's reset.
//! - Gauges without a meaningful sum (filesystems, disk infos) are left out beyond their share and counted.
//!
//! A part that is absent from a sample (the probe is off, /proc could not be read) says nothing: its members stay.

mod devices;
mod group;
mod kinds;
mod members;
mod pair;
mod pool;

use std::{borrow::Cow, collections::BTreeSet, sync::Arc};

use crate::{
    host::{Diskstats, Filesystem, Host, Network},
    metric::{CpuView, ExpositionView, OTHER, View},
    sample::{Cpu, DeviceId},
    status::{Snapshot, Status},
};

pub use devices::expected as has_requests;

use devices::Devices;
use group::Group;
use kinds::Kinds;
use pool::Shares;

/// The least limit that leaves room for what belongs to the node as a whole and for `other`.
pub const MIN_SERIES: usize = 1000;

/// The most series that belong to the node as a whole, without those of its probes, programs and targets of alerts: no CPU, device, interface
/// or mount in their labels.
const NODE_SERIES: usize = 128 + crate::index::metrics::SERIES;

const CPU_SERIES: usize = 8;
const NETWORK_SERIES: usize = 8;
const FILESYSTEM_SERIES: usize = 6;
const DISKSTATS_SERIES: usize = 12;

/// Who has series of its own. Fed with every snapshot.
#[derive(Debug)]
pub struct Ledger {
    limit: usize,
    shares: Option<Shares>,
    cpus: Group<u32, Cpu>,
    devices: Devices,
    kinds: Kinds,
    networks: Group<String, Network>,
    diskstats: Group<String, Diskstats>,
    filesystems: Group<(String, String, String), ()>,
    disks: Group<DeviceId, ()>,
}

impl Ledger {
    /// For at most `limit` series, at least [`MIN_SERIES`].
    pub fn new(limit: usize) -> Self {
        Self {
            limit: limit.max(MIN_SERIES),
            shares: None,
            cpus: Group::new(CPU_SERIES),
            devices: Devices::default(),
            kinds: Kinds::default(),
            networks: Group::new(NETWORK_SERIES),
            diskstats: Group::new(DISKSTATS_SERIES),
            filesystems: Group::new(FILESYSTEM_SERIES),
            disks: Group::new(1),
        }
    }

    /// The limit in force.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// How many devices have series of their own, how many of them a histogram of the request time, and how many all
    /// histograms.
    pub fn own_devices(&self) -> [usize; 3] {
        self.devices.own()
    }

    /// Takes up a snapshot. The first decides how the budget is shared, by what there is.
    pub fn observe(&mut self, snapshot: &Arc<Snapshot>) {
        let (sample, host) = (&snapshot.sample, &snapshot.sample.host);
        let shares = self.shares.get_or_insert_with(|| Shares::plan(self.limit, snapshot));
        if let Some(sched) = &sample.sched {
            self.cpus.observe(sched.cpus.iter().map(|(&id, cpu)| (id, cpu)), &mut shares.cpus);
        }
        self.devices.observe(snapshot, &mut shares.devices);
        self.kinds.observe(snapshot, &mut shares.kinds);
        if !host.networks.is_empty() {
            let mut networks: Vec<_> = host.networks.iter().collect();
            networks.sort_by_key(|(_, n)| std::cmp::Reverse(n.receive_bytes.saturating_add(n.transmit_bytes)));
            self.networks.observe(networks.into_iter().map(|(name, n)| (interface_key(name), n)), &mut shares.networks);
        }
        if !host.disks.is_empty() {
            let mut disks: Vec<_> = host.disks.iter().collect();
            disks.sort_by_key(|(_, disk)| {
                std::cmp::Reverse(disk.stats.map_or(0, |s| s.read.requests.saturating_add(s.write.requests)))
            });
            let bio_based = disks.iter().filter(|(_, disk)| !disk.request_based);
            let stats = bio_based.filter_map(|(_, disk)| Some((disk.name.clone(), disk.stats.as_ref()?)));
            self.diskstats.observe(stats, &mut shares.disks);
            self.disks.observe(disks.iter().map(|(id, _)| (**id, &())), &mut shares.disks);
        }
        self.filesystems.observe(host.filesystems.iter().map(|f| (filesystem_key(f), &())), &mut shares.filesystems);
    }

    /// The latest snapshot, which must be the one that was observed last.
    pub fn view<'a>(&'a self, snapshot: &'a Snapshot, scrapes: u64) -> View<'a> {
        let host = &snapshot.sample.host;
        let filesystems = self.own_filesystems(host);
        let disks: Vec<_> = host.disks.iter().filter(|(id, _)| self.disks.is_own(id)).map(|(_, disk)| disk).collect();
        let left_out = host.filesystems.iter().filter(|f| !self.filesystems.is_own(&filesystem_key(f))).count();
        let dropped = left_out * FILESYSTEM_SERIES + host.disks.len() - disks.len();
        let block = snapshot.sample.block.as_ref();
        let has_disks = !host.disks.is_empty();
        View {
            snapshot,
            cpus: if snapshot.sample.sched.is_some() { self.cpu_views() } else { Vec::new() },
            requests: self.devices.requests(snapshot),
            kinds: block.map(|_| self.kinds.views()).unwrap_or_default(),
            in_flight: block.map(|block| self.devices.in_flight(block)).unwrap_or_default(),
            networks: if host.networks.is_empty() { Vec::new() } else { named(&self.networks) },
            filesystems,
            disks,
            diskstats: if has_disks { named(&self.diskstats) } else { Vec::new() },
            exposition: ExpositionView { scrapes, series: 0, limit: self.limit, dropped },
        }
    }

    fn cpu_views(&self) -> Vec<CpuView<'_>> {
        let own = self.cpus.own().map(|(id, cpu)| {
            let online = u64::from(cpu.online);
            CpuView { label: id.to_string().into(), online, cpu: Cow::Borrowed(cpu) }
        });
        let online = self.cpus.folded().filter(|cpu| cpu.online).count() as u64;
        let other = self.cpus.other().map(|cpu| CpuView { label: OTHER.into(), online, cpu: Cow::Owned(cpu) });
        own.chain(other).collect()
    }

    /// Each once, although one can be mounted twice over itself.
    fn own_filesystems<'a>(&self, host: &'a Host) -> Vec<&'a Filesystem> {
        let mut seen = BTreeSet::new();
        let own = host.filesystems.iter().filter(|f| self.filesystems.is_own(&filesystem_key(f)));
        own.filter(|f| seen.insert((&f.mount, &f.source, &f.kind))).collect()
    }
}

/// As many as belong to the node as a whole.
pub(super) fn node_series(status: &Status) -> usize {
    const PROGRAM_SERIES: usize = 3;
    const DELIVERY_SERIES: usize = 7;
    let own = status.probes.len() + status.programs.len() * PROGRAM_SERIES;
    const SHIPPING_SERIES: usize = 7;
    let shipping = status.shipping.as_ref().map_or(0, |of| SHIPPING_SERIES + of.refused.len() + of.lost.len());
    NODE_SERIES + own + status.delivery.len() * DELIVERY_SERIES + shipping
}

fn named<T: members::Totals>(group: &Group<String, T>) -> Vec<(&str, Cow<'_, T>)> {
    let own = group.own().map(|(name, totals)| (name.as_str(), Cow::Borrowed(totals)));
    own.chain(group.other().map(|totals| (OTHER, Cow::Owned(totals)))).collect()
}

/// An administrator may well call an interface `other`.
fn interface_key(name: &str) -> String {
    if name == OTHER { format!("{OTHER} (interface)") } else { name.to_owned() }
}

fn filesystem_key(f: &Filesystem) -> (String, String, String) {
    (f.mount.clone(), f.source.clone(), f.kind.clone())
}

#[cfg(test)]
mod tests;
