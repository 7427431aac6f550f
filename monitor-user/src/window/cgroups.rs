//! What each cgroup's tasks used in a window: the first cgroups by each measure.
//!
//! In: what every task used. Out: [`Cgroups`]. A cgroup counts the tasks that were in it at the window's end, not those of
//! the cgroups below it, so the shares of all cgroups add up. Threads of the kernel are in the root cgroup for want of a
//! better place; they are no group's here, and have a sum of their own.

use std::{cmp::Reverse, collections::HashMap};

use serde::{Deserialize, Serialize};

use super::{Options, Use};
use crate::{host::Host, sample::Task};

/// The first cgroups by each measure, most first; those with nothing are left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Cgroups {
    /// Cgroups whose tasks used anything in the window, those that are not named here included.
    pub active: u64,
    /// What threads of the kernel used, in no cgroup's figures. With those of all cgroups it adds up to the tasks' total.
    #[serde(default)]
    pub kernel: Use,
    /// The most CPU time.
    pub by_cpu: Vec<CgroupUse>,
    /// The most waiting for a CPU.
    pub by_wait: Vec<CgroupUse>,
    /// The most bytes read and written.
    pub by_bytes: Vec<CgroupUse>,
}

/// What the tasks of one cgroup used in a window.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct CgroupUse {
    /// The inode number of its directory (version 2); 0 for tasks whose cgroup is not known.
    pub cgroup: u64,
    /// Its path below the root of the cgroup filesystem; absent if it is not known, or not yet.
    pub path: Option<String>,
    /// How many of its tasks used anything.
    pub tasks: u64,
    /// What they used.
    #[serde(flatten)]
    pub used: Use,
}

/// The sum over its tasks for each cgroup that used anything.
pub(super) fn derive(used: &[(&Task, Use)], host: &Host, options: &Options) -> Cgroups {
    let (sums, kernel) = sums(used);
    let top = |measure: fn(&Use) -> u64| top(&sums, measure, host, options.top_tasks);
    Cgroups {
        active: sums.len() as u64,
        kernel,
        by_cpu: top(|used| used.cpu_ns),
        by_wait: top(|used| used.wait_ns),
        by_bytes: top(Use::bytes),
    }
}

struct Sum {
    cgroup: u64,
    tasks: u64,
    used: Use,
}

/// By cgroup, and that of the kernel's threads.
fn sums(used: &[(&Task, Use)]) -> (Vec<Sum>, Use) {
    let mut sums = Vec::<Sum>::new();
    let mut places = HashMap::<u64, usize>::new();
    let mut kernel = Use::default();
    let mut latest = None;
    // Most tasks of a large machine did nothing in the window, and the threads of a process follow each other.
    for (task, used) in used.iter().filter(|(_, used)| *used != Use::default()) {
        if task.kernel {
            kernel.add(used);
            continue;
        }
        let place = match latest {
            Some((cgroup, place)) if cgroup == task.cgroup => place,
            _ => *places.entry(task.cgroup).or_insert_with(|| {
                sums.push(Sum { cgroup: task.cgroup, tasks: 0, used: Use::default() });
                sums.len() - 1
            }),
        };
        latest = Some((task.cgroup, place));
        sums[place].tasks += 1;
        sums[place].used.add(used);
    }
    (sums, kernel)
}

/// The first by a measure; equals by number.
fn top(sums: &[Sum], measure: fn(&Use) -> u64, host: &Host, n: usize) -> Vec<CgroupUse> {
    let mut ranked: Vec<_> = sums.iter().filter(|sum| measure(&sum.used) > 0).collect();
    let rank = |sum: &&Sum| (Reverse(measure(&sum.used)), sum.cgroup);
    if n < ranked.len() {
        ranked.select_nth_unstable_by_key(n, rank);
        ranked.truncate(n);
    }
    ranked.sort_unstable_by_key(rank);
    let publish = |sum: &Sum| CgroupUse {
        cgroup: sum.cgroup,
        path: host.cgroups.get(&sum.cgroup).cloned(),
        tasks: sum.tasks,
        used: sum.used,
    };
    ranked.into_iter().map(publish).collect()
}
