//! Who used what in a window: the first tasks by each measure, and everything added up.
//!
//! In: every task of two samples. Out: [`Tasks`]. Made for 10,000 tasks: both lists are walked once, and only the tasks
//! that are shown are sorted and copied.

use std::cmp::Reverse;

use serde::{Deserialize, Serialize};

use super::{ESTIMATE_NS, Options};
use crate::sample::Task;

/// Who used what: the first tasks by each measure, the rest added up, so that each column adds up to the total.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
    /// Tasks whose use in the window is not known and in no figure here: their books went back, or were found too full for
    /// a task that began in the window. A thread that calls `execve` takes its process's first thread's place so.
    pub resets: u64,
}

/// What one task used in a window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskUse {
    /// The task (thread).
    pub pid: u32,
    /// Its process.
    pub tgid: u32,
    /// Its name.
    pub comm: String,
    /// The inode number of its cgroup's directory; 0 if unknown.
    pub cgroup: u64,
    /// What it used.
    #[serde(flatten)]
    pub used: Use,
}

/// What was used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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

pub(super) fn derive(earlier: &[Task], later: &[Task], window_ns: u64, options: &Options) -> Tasks {
    let (earlier, later) = (ordered(earlier), ordered(later));
    let mut bases = earlier.into_iter().peekable();
    let mut used = Vec::with_capacity(later.len());
    let (mut total, mut resets) = (Use::default(), 0);
    for &task in &later {
        while bases.next_if(|base| key(base) < key(task)).is_some() {}
        let base = bases.peek().filter(|base| key(base) == key(task));
        let Some(growth) = base.map_or_else(|| since_birth(task, window_ns), |base| since(base, task)) else {
            resets += 1;
            continue;
        };
        total.add(&growth);
        used.push((task, growth));
    }
    let top = |measure: fn(&Use) -> u64| top(&used, measure, options.top_tasks);
    Tasks {
        count: later.len() as u64,
        by_cpu: top(|used| used.cpu_ns),
        by_wait: top(|used| used.wait_ns),
        by_bytes: top(Use::bytes),
        total,
        resets,
    }
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
fn top(used: &[(&Task, Use)], measure: fn(&Use) -> u64, n: usize) -> Vec<TaskUse> {
    let mut ranked: Vec<_> = used.iter().filter(|(_, used)| measure(used) > 0).collect();
    let rank = |(task, used): &&(&Task, Use)| (Reverse(measure(used)), key(task));
    if n < ranked.len() {
        ranked.select_nth_unstable_by_key(n, rank);
        ranked.truncate(n);
    }
    ranked.sort_unstable_by_key(rank);
    ranked
        .into_iter()
        .map(|&(task, used)| TaskUse {
            pid: task.pid,
            tgid: task.tgid,
            comm: task.comm.clone(),
            cgroup: task.cgroup,
            used,
        })
        .collect()
}
