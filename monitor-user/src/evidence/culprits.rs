//! Who: the cgroups and the tasks that used the CPUs, waited for them and moved the bytes.
//!
//! In: the tasks of a window. Out: [`Culprits`], whose columns add up to their totals, to the nanosecond and the byte.

use serde::{Deserialize, Serialize};

use super::names;
use crate::window::{CgroupUse, TaskUse, Tasks, Use};

/// Rows in each list; the rest is in `other`.
pub const ROWS: usize = 8;

/// Who used what in the window.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Culprits {
    /// CPU time in nanoseconds.
    pub cpu_ns: Ranking,
    /// Waiting for a CPU in nanoseconds.
    pub wait_ns: Ranking,
    /// Bytes read and written.
    pub bytes: Ranking,
}

/// One measure: `cgroups` with `cgroups_other` and `ended`, and `tasks` with `tasks_other` and `ended`, add up to `total`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ranking {
    /// All of it.
    pub total: u64,
    /// The cgroups that had the most, most first.
    pub cgroups: Vec<CgroupShare>,
    /// What all other cgroups had.
    pub cgroups_other: u64,
    /// The tasks that had the most, most first.
    pub tasks: Vec<TaskShare>,
    /// What all other tasks had.
    pub tasks_other: u64,
    /// What tasks had that ended in the window. Nobody knows which.
    pub ended: u64,
}

/// A cgroup's share.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CgroupShare {
    /// The inode number of its directory; 0 if unknown.
    pub cgroup: u64,
    /// Its path, or what can be said instead.
    pub path: String,
    /// How many of its tasks used anything.
    pub tasks: u64,
    /// How much.
    pub amount: u64,
    /// Of the total, 0 to 1.
    pub share: f64,
}

/// A task's share.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TaskShare {
    /// The task (thread).
    pub pid: u32,
    /// Its process.
    pub tgid: u32,
    /// Its name.
    pub name: String,
    /// The path of its cgroup, or what can be said instead.
    pub path: String,
    /// How much.
    pub amount: u64,
    /// Of the total, 0 to 1.
    pub share: f64,
}

/// Nobody is known without tasks.
pub fn gather(tasks: Option<&Tasks>) -> Option<Culprits> {
    let tasks = tasks?;
    let groups = &tasks.cgroups;
    let (cpu, wait) = (tasks.ended_cpu_ns.unwrap_or(0), tasks.ended_wait_ns.unwrap_or(0));
    Some(Culprits {
        cpu_ns: ranking(tasks.cpu_ns(), cpu, &groups.by_cpu, &tasks.by_cpu, |used| used.cpu_ns),
        wait_ns: ranking(tasks.wait_ns(), wait, &groups.by_wait, &tasks.by_wait, |used| used.wait_ns),
        bytes: ranking(tasks.total.bytes(), 0, &groups.by_bytes, &tasks.by_bytes, Use::bytes),
    })
}

fn ranking(total: u64, ended: u64, cgroups: &[CgroupUse], tasks: &[TaskUse], measure: fn(&Use) -> u64) -> Ranking {
    let share = |amount: u64| if total > 0 { amount as f64 / total as f64 } else { 0.0 };
    let left = |named: u64| total.saturating_sub(ended).saturating_sub(named);
    let cgroups: Vec<CgroupShare> = cgroups
        .iter()
        .take(ROWS)
        .map(|group| {
            let amount = measure(&group.used);
            let path = names::cgroup(group.cgroup, group.path.as_deref());
            CgroupShare { cgroup: group.cgroup, path, tasks: group.tasks, amount, share: share(amount) }
        })
        .collect();
    let tasks: Vec<TaskShare> = tasks
        .iter()
        .take(ROWS)
        .map(|task| {
            let amount = measure(&task.used);
            let path = names::cgroup(task.cgroup, task.path.as_deref());
            let name = names::name(&task.comm);
            TaskShare { pid: task.pid, tgid: task.tgid, name, path, amount, share: share(amount) }
        })
        .collect();
    let sum = |amounts: &mut dyn Iterator<Item = u64>| amounts.fold(0, u64::saturating_add);
    Ranking {
        total,
        cgroups_other: left(sum(&mut cgroups.iter().map(|group| group.amount))),
        tasks_other: left(sum(&mut tasks.iter().map(|task| task.amount))),
        cgroups,
        tasks,
        ended,
    }
}
