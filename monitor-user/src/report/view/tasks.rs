//! Who used what, as in a window.

use std::cmp::Reverse;

use super::super::wire;
use crate::window::{CgroupUse, Cgroups, Options, TaskUse, Tasks, Use};

pub(super) fn view(of: &wire::Tasks, options: &Options) -> Tasks {
    let tasks: Vec<TaskUse> = of.top.iter().map(task).collect();
    let groups: Vec<CgroupUse> = of.cgroups.iter().map(cgroup).collect();
    let n = options.top_tasks;
    let by = |measure: fn(&Use) -> u64| first(&tasks, n, |task| (measure(&task.used), task.pid.into()));
    let groups_by = |measure: fn(&Use) -> u64| first(&groups, n, |group| (measure(&group.used), group.cgroup));
    Tasks {
        count: of.count,
        by_cpu: by(|used| used.cpu_ns),
        by_wait: by(|used| used.wait_ns),
        by_bytes: by(Use::bytes),
        total: of.total.map(Use::from).unwrap_or_default(),
        ended_cpu_ns: of.ended_cpu_ns,
        ended_wait_ns: of.ended_wait_ns,
        cgroups: Cgroups {
            active: of.active_cgroups,
            kernel: of.kernel.map(Use::from).unwrap_or_default(),
            by_cpu: groups_by(|used| used.cpu_ns),
            by_wait: groups_by(|used| used.wait_ns),
            by_bytes: groups_by(Use::bytes),
        },
        resets: of.resets,
    }
}

/// Those with the most, most first; those with nothing are left out. Equals by their number.
fn first<T: Clone>(all: &[T], n: usize, measure: impl Fn(&T) -> (u64, u64)) -> Vec<T> {
    let mut ranked: Vec<&T> = all.iter().filter(|of| measure(of).0 > 0).collect();
    ranked.sort_by_key(|of| {
        let (amount, number) = measure(of);
        (Reverse(amount), number)
    });
    ranked.into_iter().take(n).cloned().collect()
}

fn task(of: &wire::TaskUse) -> TaskUse {
    TaskUse {
        pid: of.pid,
        tgid: of.tgid,
        comm: of.comm.clone(),
        cgroup: of.cgroup_number,
        kernel: of.kernel,
        path: (!of.cgroup.is_empty()).then(|| of.cgroup.clone()),
        used: of.used.map(Use::from).unwrap_or_default(),
    }
}

fn cgroup(of: &wire::CgroupUse) -> CgroupUse {
    CgroupUse {
        cgroup: of.number,
        path: (!of.path.is_empty()).then(|| of.path.clone()),
        tasks: of.tasks,
        used: of.used.map(Use::from).unwrap_or_default(),
    }
}
