//! Adding up who used what. A sum names as many as the longer of the two parts does, the first by any of the measures.

use std::{cmp::Reverse, collections::BTreeSet};

use super::{both, by_key, plus, plus_known, wire};

pub(super) fn add(into: &mut wire::Tasks, later: &wire::Tasks) {
    into.count = later.count;
    let tasks = into.top.len().max(later.top.len());
    let cgroups = into.cgroups.len().max(later.cgroups.len());
    by_key(
        &mut into.top,
        &later.top,
        |task| (task.pid, task.tgid, task.comm.clone()),
        |into, later| {
            both(&mut into.used, &later.used, used);
            into.cgroup.clone_from(&later.cgroup);
            into.cgroup_number = later.cgroup_number;
        },
    );
    by_key(
        &mut into.cgroups,
        &later.cgroups,
        |group| (group.number, group.path.clone()),
        |into, later| {
            into.tasks = into.tasks.max(later.tasks);
            both(&mut into.used, &later.used, used);
        },
    );
    keep(&mut into.top, tasks, |task| task.used);
    keep(&mut into.cgroups, cgroups, |group| group.used);
    both(&mut into.total, &later.total, used);
    both(&mut into.kernel, &later.kernel, used);
    plus_known(&mut into.ended_cpu_ns, later.ended_cpu_ns);
    plus_known(&mut into.ended_wait_ns, later.ended_wait_ns);
    into.active_cgroups = into.active_cgroups.max(later.active_cgroups);
    plus(&mut into.resets, later.resets);
}

fn used(into: &mut wire::Use, later: &wire::Use) {
    plus(&mut into.cpu_ns, later.cpu_ns);
    plus(&mut into.wait_ns, later.wait_ns);
    plus(&mut into.read_bytes, later.read_bytes);
    plus(&mut into.write_bytes, later.write_bytes);
    plus(&mut into.switches, later.switches);
}

/// Keeps the first by each measure in turn, in the order that they have.
fn keep<T>(all: &mut Vec<T>, room: usize, used: impl Fn(&T) -> Option<wire::Use>) {
    if all.len() <= room {
        return;
    }
    let measures: [fn(wire::Use) -> u64; 3] =
        [|used| used.cpu_ns, |used| used.wait_ns, |used| used.read_bytes.saturating_add(used.write_bytes)];
    let ranked = measures.map(|measure| {
        let mut order: Vec<usize> = (0..all.len()).collect();
        order.sort_by_key(|&place| Reverse(used(&all[place]).map_or(0, measure)));
        order
    });
    let mut kept = BTreeSet::new();
    for rank in 0..all.len() {
        for order in &ranked {
            if kept.len() < room {
                kept.insert(order[rank]);
            }
        }
    }
    let mut place = 0;
    all.retain(|_| {
        place += 1;
        kept.contains(&(place - 1))
    });
}
