//! The kernel's books on tasks, from /proc. Source: proc(5) and the kernel's Documentation/scheduler/sched-stats.rst.

use std::{collections::BTreeMap, fs, path::Path};

/// What /proc/PID/task/TID/schedstat says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Schedstat {
    /// Time on a CPU in nanoseconds, without what the task is running right now since the last tick.
    pub cpu_ns: u64,
    /// Time spent waiting for a CPU in nanoseconds, without a wait under way.
    pub run_delay_ns: u64,
    /// How often it was given a CPU.
    pub count: u64,
}

/// The books of one task; `folder` is /proc/PID or /proc/PID/task/TID. None if it has ended.
pub fn schedstat(folder: impl AsRef<Path>) -> Option<Schedstat> {
    let text = fs::read_to_string(folder.as_ref().join("schedstat")).ok()?;
    let mut values = text.split_whitespace().map_while(|value| value.parse().ok());
    Some(Schedstat { cpu_ns: values.next()?, run_delay_ns: values.next()?, count: values.next()? })
}

/// The books of every task there is, by its number.
pub fn all_schedstats() -> BTreeMap<u32, Schedstat> {
    let mut found = BTreeMap::new();
    for process in numbers("/proc") {
        let tasks = format!("/proc/{process}/task");
        for task in numbers(&tasks) {
            found.extend(schedstat(format!("{tasks}/{task}")).map(|books| (task, books)));
        }
    }
    found
}

/// The entries of a folder whose names are numbers.
pub fn numbers(folder: &str) -> Vec<u32> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// The value of a line `KEY: VALUE` of a file such as status or io.
pub fn field(file: impl AsRef<Path>, key: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
    Some(line.trim().to_owned())
}

/// Field `number` of /proc/.../stat, counted from 1 as in proc(5), and above 2: the name before may hold spaces.
pub fn stat_field(folder: impl AsRef<Path>, number: usize) -> Option<String> {
    let text = fs::read_to_string(folder.as_ref().join("stat")).ok()?;
    let (_, rest) = text.rsplit_once(") ")?;
    rest.split_whitespace().nth(number.checked_sub(3)?).map(str::to_owned)
}
