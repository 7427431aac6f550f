//! Who used what, for a report: the first tasks and cgroups by each measure, each of them once.

use std::collections::BTreeSet;

use super::super::{
    limits::{self, clip},
    wire,
};
use crate::window::{CgroupUse, TaskUse, Tasks, Use};

pub(super) fn build(tasks: &Tasks) -> wire::Tasks {
    let mut seen = BTreeSet::new();
    let ranked = tasks.by_cpu.iter().chain(&tasks.by_wait).chain(&tasks.by_bytes);
    let top = ranked.filter(|task| seen.insert(task.pid));
    let mut seen_groups = BTreeSet::new();
    let groups = &tasks.cgroups;
    let ranked = groups.by_cpu.iter().chain(&groups.by_wait).chain(&groups.by_bytes);
    let cgroups = ranked.filter(|group| seen_groups.insert(group.cgroup));
    wire::Tasks {
        count: tasks.count,
        top: top.take(limits::TASKS).map(task).collect(),
        total: Some(tasks.total.into()),
        ended_cpu_ns: tasks.ended_cpu_ns,
        ended_wait_ns: tasks.ended_wait_ns,
        cgroups: cgroups.take(limits::TASKS).map(cgroup).collect(),
        active_cgroups: groups.active,
        kernel: Some(groups.kernel.into()),
        resets: tasks.resets,
    }
}

fn task(task: &TaskUse) -> wire::TaskUse {
    wire::TaskUse {
        pid: task.pid,
        tgid: task.tgid,
        comm: clip(&task.comm, limits::NAME_BYTES),
        cgroup: task.path.as_deref().map(|path| clip(path, limits::TEXT_BYTES)).unwrap_or_default(),
        kernel: task.kernel,
        used: Some(task.used.into()),
        cgroup_number: task.cgroup,
    }
}

fn cgroup(group: &CgroupUse) -> wire::CgroupUse {
    wire::CgroupUse {
        path: group.path.as_deref().map(|path| clip(path, limits::TEXT_BYTES)).unwrap_or_default(),
        tasks: group.tasks,
        used: Some(group.used.into()),
        number: group.cgroup,
    }
}

impl From<Use> for wire::Use {
    fn from(Use { cpu_ns, wait_ns, read_bytes, write_bytes, switches }: Use) -> Self {
        Self { cpu_ns, wait_ns, read_bytes, write_bytes, switches }
    }
}

impl From<wire::Use> for Use {
    fn from(wire::Use { cpu_ns, wait_ns, read_bytes, write_bytes, switches }: wire::Use) -> Self {
        Self { cpu_ns, wait_ns, read_bytes, write_bytes, switches }
    }
}
