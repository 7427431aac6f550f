//! The CPUs, the pressure, the memory and the space, before and during.

use std::{cmp::Ordering, collections::BTreeMap};

use serde::{Deserialize, Serialize};

use super::{
    Subject,
    change::{Change, Quantiles},
    names,
};
use crate::window::{self, CpuModeShares, Window};

/// CPUs that are shown.
pub const CPUS: usize = 4;
/// Filesystems that are shown.
pub const FILESYSTEMS: usize = 3;
/// Kinds of pressure that are shown. The kernel has as many.
const PRESSURES: usize = 4;

/// The CPUs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Cpus {
    /// How many were online at the end.
    pub online: u64,
    /// Busy time over online time of all CPUs, 0 to 1.
    pub utilization: Change<f64>,
    /// Context switches a second.
    pub switches_per_second: Change<f64>,
    /// Waits for a CPU.
    pub wait: Change<Quantiles>,
    /// Share of CPU time taken by the hypervisor, 0 to 1.
    pub steal: Change<f64>,
    /// Shares of CPU time by mode, as the kernel sampled them.
    pub modes: Option<CpuModeShares>,
    /// The CPU that the alert is about, then the busiest.
    pub busiest: Vec<CpuEvidence>,
}

/// One CPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct CpuEvidence {
    /// Its number.
    pub cpu: u32,
    /// Busy time over online time, 0 to 1.
    pub utilization: Change<f64>,
    /// Waits of the tasks that got it.
    pub wait: Change<Quantiles>,
}

/// Share of the window in which tasks stood still for want of a resource, 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PressureEvidence {
    /// At least one task.
    pub some: Change<f64>,
    /// All of them.
    pub full: Change<f64>,
}

/// Memory and swap in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct MemoryEvidence {
    /// All memory.
    pub total: u64,
    /// What a new program could have.
    pub available: Change<u64>,
    /// Waiting to be written to disk or being written.
    pub dirty: Change<u64>,
    /// All swap.
    pub swap_total: u64,
    /// Swap in use.
    pub swap_used: Change<u64>,
}

/// Space of one filesystem.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct SpaceEvidence {
    /// Where it is mounted.
    pub mount: String,
    /// Its size in bytes.
    pub size: u64,
    /// Free for everyone, in bytes.
    pub available: Change<u64>,
    /// Inodes; 0 where they are not counted.
    pub files: u64,
    /// Free inodes.
    pub files_free: Change<u64>,
}

pub(super) fn cpus(before: Option<&Window>, during: &Window, subject: &Subject) -> Cpus {
    let earlier = before.and_then(|window| window.sched.as_ref());
    let sched = during.sched.as_ref();
    let steal = Change::of(before, Some(during), |window| window.cpu_modes.map(|modes| modes.steal));
    let Some(now) = sched else { return Cpus { steal, modes: during.cpu_modes, ..Cpus::default() } };
    let asked: Option<u32> = subject.label("cpu").and_then(|cpu| cpu.parse().ok());
    let mut ranked: Vec<&window::Cpu> = now.cpus.iter().filter(|cpu| cpu.utilization.is_some()).collect();
    ranked.sort_by(|a, b| busier(b, a, asked));
    let evidence = |cpu: &&window::Cpu| {
        let was = earlier.and_then(|sched| sched.cpus.iter().find(|was| was.cpu == cpu.cpu));
        CpuEvidence {
            cpu: cpu.cpu,
            utilization: Change::of(was, Some(*cpu), |cpu| cpu.utilization),
            wait: Change::of(was, Some(*cpu), |cpu| cpu.wait.map(Quantiles::from)),
        }
    };
    Cpus {
        online: now.cpus.iter().filter(|cpu| cpu.online).count() as u64,
        utilization: Change::of(earlier, sched, |sched| sched.utilization),
        switches_per_second: Change::of(earlier, sched, |sched| Some(sched.switches_per_second)),
        wait: Change::of(earlier, sched, |sched| sched.wait.map(Quantiles::from)),
        steal,
        modes: during.cpu_modes,
        busiest: ranked.iter().take(CPUS).map(evidence).collect(),
    }
}

/// The one that the alert is about is the busiest of all; equals by their number.
fn busier(a: &window::Cpu, b: &window::Cpu, asked: Option<u32>) -> Ordering {
    let asked = |cpu: &window::Cpu| asked == Some(cpu.cpu);
    let busy = |cpu: &window::Cpu| cpu.utilization.unwrap_or(0.0);
    let waited = |cpu: &window::Cpu| cpu.wait.map_or(0.0, |wait| wait.sum);
    let by_wait = || waited(a).total_cmp(&waited(b));
    asked(a).cmp(&asked(b)).then_with(|| busy(a).total_cmp(&busy(b))).then_with(by_wait).then_with(|| b.cpu.cmp(&a.cpu))
}

pub(super) fn pressure(before: Option<&Window>, during: &Window) -> BTreeMap<String, PressureEvidence> {
    let evidence = |resource: &String| {
        let of = |share: fn(&window::PressureShares) -> Option<f64>| {
            Change::of(before, Some(during), |window| window.pressure.get(resource).and_then(share))
        };
        (names::name(resource), PressureEvidence { some: of(|p| p.some), full: of(|p| p.full) })
    };
    during.pressure.keys().take(PRESSURES).map(evidence).collect()
}

pub(super) fn memory(before: Option<&Window>, during: &Window) -> Option<MemoryEvidence> {
    let now = during.memory?;
    let of = |figure: fn(&crate::host::Memory) -> u64| {
        Change::of(before, Some(during), |window| window.memory.as_ref().map(figure))
    };
    Some(MemoryEvidence {
        total: now.total,
        available: of(|memory| memory.available),
        dirty: of(|memory| memory.dirty.saturating_add(memory.writeback)),
        swap_total: now.swap_total,
        swap_used: of(|memory| memory.swap_total.saturating_sub(memory.swap_free)),
    })
}

/// The filesystem that the alert is about, then the fullest.
pub(super) fn space(before: Option<&Window>, during: &Window, subject: &Subject) -> Vec<SpaceEvidence> {
    let sized = during.filesystems.iter().filter_map(|filesystem| {
        let space = filesystem.space.filter(|space| space.size > 0)?;
        let asked = ["mount", "mountpoint"].iter().any(|name| subject.label(name) == Some(&filesystem.mount));
        // What can only be read is as full as it ever will be.
        let used = 1.0 - space.available as f64 / space.size as f64;
        Some((asked, if filesystem.read_only { 0.0 } else { used }, filesystem, space))
    });
    let mut ranked: Vec<_> = sized.collect();
    ranked.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| b.1.total_cmp(&a.1)).then_with(|| a.2.mount.cmp(&b.2.mount)));
    let evidence = |(_, _, filesystem, space): (bool, f64, &crate::host::Filesystem, crate::host::Space)| {
        let was = before.and_then(|w| w.filesystems.iter().find(|was| was.mount == filesystem.mount)?.space);
        SpaceEvidence {
            mount: names::path(&filesystem.mount),
            size: space.size,
            available: Change { before: was.map(|was| was.available), during: Some(space.available) },
            files: space.files,
            files_free: Change { before: was.map(|was| was.files_free), during: Some(space.files_free) },
        }
    };
    ranked.into_iter().take(FILESYSTEMS).map(evidence).collect()
}
