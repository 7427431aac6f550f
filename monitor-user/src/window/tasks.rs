//! Who used what in a window: the first tasks by each measure, and everything added up.
//!
//! In: every task of two samples, and what the scheduler's probe saw of all of them together. Out: [`Tasks`]. Made for
//! 10,000 tasks: both lists are walked once, and only the tasks that are shown are sorted and copied.
//!
//! A task that ended in the window is in the earlier sample only, or in neither, and nobody has read its last books. But the
//! scheduler's probe saw it run and wait, so what all tasks together used beyond the books of those that are left is known.

use std::cmp::Reverse;

use serde::{Deserialize, Serialize};

use super::{Cgroups, ESTIMATE_NS, Options, both, cgroups, sum};
use crate::sample::{Sample, Sched, Task};

/// Who used what: the first tasks by each measure, the rest added up, so that each column adds up to the total.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Tasks {
    /// How many tasks there were at the window's end.
    pub count: u64,
    /// The most CPU time, most first. Tasks without any are left out, here and in the next two.
    pub by_cpu: Vec<TaskUse>,
    /// The most waiting for a CPU.
    pub by_wait: Vec<TaskUse>,
    /// The most bytes read and written.
    pub by_bytes: Vec<TaskUse>,
    /// Everything that all tasks used, those that ended in the window left out: nobody has read their books.
    pub total: Use,
    /// CPU time beyond `total` in nanoseconds: of the tasks that ended in the window, of those in `resets`, and of
    /// interrupts where the kernel does not count them with the task they interrupt. Absent without the scheduler's probe.
    /// The kernel brings the books of a task that runs up to date at its tick, so this is as exact as a tick of each CPU.
    #[serde(default)]
    pub ended_cpu_ns: Option<u64>,
    /// Waiting beyond `total` in nanoseconds, of the same tasks. Absent without the scheduler's probe.
    #[serde(default)]
    pub ended_wait_ns: Option<u64>,
    /// The same by cgroup.
    #[serde(default)]
    pub cgroups: Cgroups,
    /// Tasks whose use in the window is not known and in no figure here: their books went back, or were found too full for
    /// a task that began in the window. A thread that calls `execve` takes its process's first thread's place so.
    pub resets: u64,
}

impl Tasks {
    /// CPU time of all tasks in nanoseconds, those that ended included where it is known.
    pub fn cpu_ns(&self) -> u64 {
        self.total.cpu_ns.saturating_add(self.ended_cpu_ns.unwrap_or(0))
    }

    /// Waiting of all tasks in nanoseconds, that of those that ended included where it is known.
    pub fn wait_ns(&self) -> u64 {
        self.total.wait_ns.saturating_add(self.ended_wait_ns.unwrap_or(0))
    }
}

/// What one task used in a window.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct TaskUse {
    /// The task (thread).
    pub pid: u32,
    /// Its process.
    pub tgid: u32,
    /// Its name.
    pub comm: String,
    /// The inode number of its cgroup's directory; 0 if unknown.
    pub cgroup: u64,
    /// Whether it is a thread of the kernel.
    #[serde(default)]
    pub kernel: bool,
    /// The path of its cgroup; absent if it is not known, or not yet.
    #[serde(default)]
    pub path: Option<String>,
    /// What it used.
    #[serde(flatten)]
    pub used: Use,
}

/// What was used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Use {
    /// CPU time in nanoseconds.
    pub cpu_ns: u64,
    /// Time spent waiting for a CPU in nanoseconds.
    pub wait_ns: u64,
    /// Bytes read from block devices.
    pub read_bytes: u64,
    /// Bytes written, as the page cache took them.
    pub write_bytes: u64,
    /// Context switches.
    pub switches: u64,
}

impl Use {
    /// Bytes read and written.
    pub fn bytes(&self) -> u64 {
        self.read_bytes.saturating_add(self.write_bytes)
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.cpu_ns = self.cpu_ns.saturating_add(other.cpu_ns);
        self.wait_ns = self.wait_ns.saturating_add(other.wait_ns);
        self.read_bytes = self.read_bytes.saturating_add(other.read_bytes);
        self.write_bytes = self.write_bytes.saturating_add(other.write_bytes);
        self.switches = self.switches.saturating_add(other.switches);
    }
}

/// `None` if one of the samples has no tasks.
pub(crate) fn derive(earlier: &Sample, later: &Sample, window_ns: u64, options: &Options) -> Option<Tasks> {
    let (from, to) = both(&earlier.tasks, &later.tasks)?;
    let (from, later_tasks) = (ordered(from), ordered(to));
    let mut bases = from.iter().copied().peekable();
    let mut used = Vec::with_capacity(later_tasks.len());
    let (mut total, mut resets) = (Use::default(), 0);
    for &task in &later_tasks {
        while bases.next_if(|base| key(base) < key(task)).is_some() {}
        let base = bases.peek().filter(|base| key(base) == key(task));
        let Some(growth) = base.map_or_else(|| since_birth(task, window_ns), |base| since(base, task)) else {
            resets += 1;
            continue;
        };
        total.add(&growth);
        used.push((task, growth));
    }
    let top = |measure: fn(&Use) -> u64| {
        top(&used, measure, options.top_tasks)
            .map(|&(task, used)| TaskUse {
                pid: task.pid,
                tgid: task.tgid,
                comm: task.comm.clone(),
                cgroup: task.cgroup,
                kernel: task.kernel,
                path: later.host.cgroups.get(&task.cgroup).cloned(),
                used,
            })
            .collect()
    };
    let seen = both(&earlier.sched, &later.sched).map(|(before, now)| seen(before, now));
    let waiting = |tasks: &[&Task]| sum(tasks.iter().map(|task| task.waiting_ns));
    Some(Tasks {
        count: later.all_tasks.map_or(later_tasks.len() as u64, |all| all.count),
        by_cpu: top(|used| used.cpu_ns),
        by_wait: top(|used| used.wait_ns),
        by_bytes: top(Use::bytes),
        total,
        ended_cpu_ns: seen.map(|(busy_ns, _)| busy_ns.saturating_sub(total.cpu_ns)),
        // The probe counts a wait when it ends: what was under way at the window's beginning came before it, and what is
        // under way at its end is yet to come.
        ended_wait_ns: seen.map(|(_, waits_ns)| {
            let in_window = waits_ns.saturating_add(waiting(&later_tasks)).saturating_sub(waiting(&from));
            in_window.saturating_sub(total.wait_ns)
        }),
        cgroups: cgroups::derive(&used, &later.host, options),
        resets,
    })
}

/// Busy time of all CPUs, and the waits that ended, between two samples, in nanoseconds.
fn seen(from: &Sched, to: &Sched) -> (u64, u64) {
    let mut seen = (0u64, 0u64);
    for (number, to) in &to.cpus {
        let (busy_ns, waits_ns) = from.cpus.get(number).map_or((0, 0), |from| (from.busy_ns, from.waits_ns()));
        seen.0 = seen.0.saturating_add(to.busy_ns.saturating_sub(busy_ns));
        seen.1 = seen.1.saturating_add(to.waits_ns().saturating_sub(waits_ns));
    }
    seen
}

/// Which task it is: a pid is used again.
fn key(task: &Task) -> (u32, u64) {
    (task.pid, task.start_ns)
}

/// The kernel yields tasks by pid, so this is a walk.
fn ordered(tasks: &[Task]) -> Vec<&Task> {
    let mut tasks: Vec<_> = tasks.iter().collect();
    tasks.sort_by_key(|task| key(task));
    tasks
}

fn since(from: &Task, to: &Task) -> Option<Use> {
    let voluntary = to.voluntary.checked_sub(from.voluntary)?;
    let involuntary = to.involuntary.checked_sub(from.involuntary)?;
    Some(Use {
        cpu_ns: to.cpu_ns.checked_sub(from.cpu_ns)?,
        // A wait under way ends where the reader estimates its end.
        wait_ns: to.wait_ns.saturating_sub(from.wait_ns),
        read_bytes: to.read_bytes.checked_sub(from.read_bytes)?,
        write_bytes: to.write_bytes.checked_sub(from.write_bytes)?,
        switches: voluntary.saturating_add(involuntary),
    })
}

/// The use of a task that was not there before. A task runs, waits or sleeps: if it ran and waited for longer than the window,
/// it is older than that.
fn since_birth(task: &Task, window_ns: u64) -> Option<Use> {
    let used = since(&Task::default(), task)?;
    (used.cpu_ns.saturating_add(used.wait_ns) <= window_ns.saturating_add(ESTIMATE_NS)).then_some(used)
}

/// The first by a measure; equals by pid.
fn top<'a, 't>(
    used: &'a [(&'t Task, Use)],
    measure: fn(&Use) -> u64,
    n: usize,
) -> impl Iterator<Item = &'a (&'t Task, Use)> {
    let mut ranked: Vec<_> = used.iter().filter(|(_, used)| measure(used) > 0).collect();
    let rank = |(task, used): &&(&Task, Use)| (Reverse(measure(used)), key(task));
    if n < ranked.len() {
        ranked.select_nth_unstable_by_key(n, rank);
        ranked.truncate(n);
    }
    ranked.sort_unstable_by_key(rank);
    ranked.into_iter()
}
