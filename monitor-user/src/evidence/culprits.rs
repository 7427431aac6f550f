//! Who: the cgroups and the tasks that used the CPUs, waited for them and moved the bytes.
//!
//! In: the tasks of a window. Out: [`Culprits`], whose columns add up to their totals, to the nanosecond and the byte.
//!
//! Bytes that threads of the kernel move are left out of the ranking: what fio writes to a loop device, a thread of the kernel
//! writes once more to the disk below, and each would have half of it. They are only named where nobody else moved
//! anything, as with the kernel's own file servers.

use serde::{Deserialize, Serialize};

use super::names;
use crate::window::{CgroupUse, TaskUse, Tasks, Use};

/// Rows in each list; the rest is in `other`.
pub const ROWS: usize = 8;
/// In place of the path of a cgroup, for threads of the kernel.
pub const KERNEL: &str = "(kernel)";

/// Who used what in the window.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Culprits {
    /// CPU time in nanoseconds.
    pub cpu_ns: Ranking,
    /// Waiting for a CPU in nanoseconds.
    pub wait_ns: Ranking,
    /// Bytes read and written by tasks that are not the kernel's threads.
    pub bytes: Ranking,
    /// Bytes that the kernel's threads read and wrote, beyond that total and mostly the same ones once more.
    pub kernel_bytes: u64,
}

/// One measure: `cgroups` with `cgroups_other`, `kernel` and `ended`, and `tasks` with `tasks_other` and `ended`, add up to
/// `total`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Ranking {
    /// All of it.
    pub total: u64,
    /// The cgroups that had the most, most first.
    pub cgroups: Vec<CgroupShare>,
    /// What all other cgroups had.
    pub cgroups_other: u64,
    /// What threads of the kernel had, which are in no cgroup but are among the tasks; 0 for bytes.
    pub kernel: u64,
    /// The tasks that had the most, most first.
    pub tasks: Vec<TaskShare>,
    /// What all other tasks had.
    pub tasks_other: u64,
    /// What tasks had that ended in the window. Nobody knows which.
    pub ended: u64,
}

/// A cgroup's share.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
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
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
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

impl Ranking {
    /// By cgroup: names and amounts that add up to the total, those without a group last.
    pub fn by_cgroup(&self) -> Vec<(String, u64)> {
        let named = self.cgroups.iter().map(|group| (group.path.clone(), group.amount));
        let rest = [("other cgroups", self.cgroups_other), ("threads of the kernel", self.kernel)];
        self.with(named, &rest)
    }

    /// By task, with at most `rows` of them by name: names and amounts that add up to the total.
    pub fn by_task(&self, rows: usize) -> Vec<(String, u64)> {
        let named = self.tasks.iter().take(rows).map(|task| (format!("{} ({})", task.name, task.pid), task.amount));
        let unnamed = self.tasks.iter().skip(rows).fold(self.tasks_other, |sum, task| sum.saturating_add(task.amount));
        self.with(named, &[("other tasks", unnamed)])
    }

    fn with(&self, named: impl Iterator<Item = (String, u64)>, rest: &[(&str, u64)]) -> Vec<(String, u64)> {
        let ended = [("tasks that ended", self.ended)];
        let rest = rest.iter().chain(&ended).filter(|row| row.1 > 0);
        named.chain(rest.map(|&(name, amount)| (name.to_owned(), amount))).collect()
    }
}

/// Nobody is known without tasks.
pub fn gather(tasks: Option<&Tasks>) -> Option<Culprits> {
    let tasks = tasks?;
    let groups = &tasks.cgroups;
    let kernel_bytes = groups.kernel.bytes();
    let bytes = Measured {
        total: tasks.total.bytes().saturating_sub(kernel_bytes),
        ended: 0,
        kernel: 0,
        cgroups: &groups.by_bytes,
        tasks: tasks.by_bytes.iter().filter(|task| !task.kernel).collect(),
        measure: Use::bytes,
    };
    let cpu = Measured {
        total: tasks.cpu_ns(),
        ended: tasks.ended_cpu_ns.unwrap_or(0),
        kernel: groups.kernel.cpu_ns,
        cgroups: &groups.by_cpu,
        tasks: tasks.by_cpu.iter().collect(),
        measure: |used| used.cpu_ns,
    };
    let wait = Measured {
        total: tasks.wait_ns(),
        ended: tasks.ended_wait_ns.unwrap_or(0),
        kernel: groups.kernel.wait_ns,
        cgroups: &groups.by_wait,
        tasks: tasks.by_wait.iter().collect(),
        measure: |used| used.wait_ns,
    };
    Some(Culprits { cpu_ns: cpu.ranking(), wait_ns: wait.ranking(), bytes: bytes.ranking(), kernel_bytes })
}

/// One measure of a window's tasks.
struct Measured<'a> {
    total: u64,
    ended: u64,
    kernel: u64,
    cgroups: &'a [CgroupUse],
    tasks: Vec<&'a TaskUse>,
    measure: fn(&Use) -> u64,
}

impl Measured<'_> {
    fn ranking(&self) -> Ranking {
        let share = |amount: u64| if self.total > 0 { amount as f64 / self.total as f64 } else { 0.0 };
        let group = |group: &CgroupUse| {
            let amount = (self.measure)(&group.used);
            let path = names::cgroup(group.cgroup, group.path.as_deref());
            CgroupShare { cgroup: group.cgroup, path, tasks: group.tasks, amount, share: share(amount) }
        };
        let task = |task: &&TaskUse| {
            let amount = (self.measure)(&task.used);
            let path = if task.kernel { KERNEL.to_owned() } else { names::cgroup(task.cgroup, task.path.as_deref()) };
            let name = names::name(&task.comm);
            TaskShare { pid: task.pid, tgid: task.tgid, name, path, amount, share: share(amount) }
        };
        let cgroups: Vec<CgroupShare> = self.cgroups.iter().take(ROWS).map(group).collect();
        let tasks: Vec<TaskShare> = self.tasks.iter().take(ROWS).map(task).collect();
        let sum = |amounts: &mut dyn Iterator<Item = u64>| amounts.fold(0, u64::saturating_add);
        let left = |named: u64| self.total.saturating_sub(self.ended).saturating_sub(named);
        Ranking {
            total: self.total,
            cgroups_other: left(sum(&mut cgroups.iter().map(|group| group.amount)).saturating_add(self.kernel)),
            kernel: self.kernel,
            tasks_other: left(sum(&mut tasks.iter().map(|task| task.amount))),
            cgroups,
            tasks,
            ended: self.ended,
        }
    }
}
