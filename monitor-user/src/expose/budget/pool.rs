//! How the budget is shared out: by what there is when the agent begins, with the rest for what comes later.

use std::collections::BTreeSet;

use crate::status::Snapshot;

use super::{CPU_SERIES, DISKSTATS_SERIES, FILESYSTEM_SERIES, NETWORK_SERIES, devices, kinds, node_series};

/// Series that are left.
#[derive(Debug, Default)]
pub struct Pool {
    free: usize,
}

impl Pool {
    /// With so many series.
    pub fn new(free: usize) -> Self {
        Self { free }
    }

    /// How many there are.
    pub fn free(&self) -> usize {
        self.free
    }

    /// Takes `series` if they are there.
    pub fn take(&mut self, series: usize) -> bool {
        self.take_above(0, series)
    }

    /// Takes `series` if `reserve` are left after it.
    pub fn take_above(&mut self, reserve: usize, series: usize) -> bool {
        let fits = self.free >= series + reserve;
        if fits {
            self.free -= series;
        }
        fits
    }

    /// Gives `series` back.
    pub fn give(&mut self, series: usize) {
        self.free += series;
    }
}

/// A pool for each kind of thing. A crowd of one kind cannot use up what another needs.
#[derive(Debug, Default)]
pub struct Shares {
    pub cpus: Pool,
    pub devices: Pool,
    pub kinds: Pool,
    pub networks: Pool,
    pub filesystems: Pool,
    pub disks: Pool,
}

impl Shares {
    /// Shares out `limit`. Devices show only when they complete a request, so their share goes by the disks that exist.
    pub fn plan(limit: usize, snapshot: &Snapshot) -> Self {
        let (sample, host) = (&snapshot.sample, &snapshot.sample.host);
        let other = CPU_SERIES + NETWORK_SERIES + DISKSTATS_SERIES + devices::OTHER_SERIES + kinds::KIND_SERIES;
        let total = limit.saturating_sub(node_series(&snapshot.status) + other);
        let seen = sample.sched.as_ref().map_or(0, |sched| sched.cpus.len());
        let cpus = seen.max(host.online_cpus.as_ref().map_or(0, Vec::len)) * CPU_SERIES;
        let bio_based = host.disks.values().filter(|disk| !disk.request_based).count();
        let request_based = host.disks.values().filter(|disk| devices::expected(disk)).count();
        let classes: BTreeSet<_> =
            host.disks.values().filter(|disk| devices::expected(disk)).map(|disk| disk.class).collect();

        // A share of each kind is its own; what it does not need is free for all others.
        let mut free = total;
        let mut grant = |need: usize, percent: usize| {
            let granted = need.min(total * percent / 100);
            free -= granted;
            granted
        };
        let cpus_granted = grant(cpus, 42);
        let networks = grant(host.networks.len() * NETWORK_SERIES, 8);
        let filesystems = grant(host.filesystems.len() * FILESYSTEM_SERIES, 8);
        let disks = grant(bio_based * DISKSTATS_SERIES + host.disks.len(), 6);
        let kinds = grant(classes.len().max(1) * kinds::USUAL_KINDS * kinds::KIND_SERIES, 6);
        let devices_need = request_based.max(2) * devices::FULL_SERIES;
        let devices = devices_need.min(free);
        // Growth: interfaces and filesystems come and go with containers, disks seldom, CPUs and kinds almost never.
        let spare = free - devices;
        Self {
            cpus: Pool::new(cpus_granted + spare / 8),
            networks: Pool::new(networks + spare / 4),
            filesystems: Pool::new(filesystems + spare / 4),
            disks: Pool::new(disks + spare / 8),
            kinds: Pool::new(kinds + spare / 16),
            devices: Pool::new(devices + spare - spare / 8 - spare / 4 - spare / 4 - spare / 8 - spare / 16),
        }
    }
}
