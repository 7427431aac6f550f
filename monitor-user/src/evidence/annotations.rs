//! The evidence in a few short lines, for whoever is woken by it and has a telephone.
//!
//! In: [`Evidence`] and its subject. Out: annotations, none longer than [`LENGTH`] characters, each one line. What is not
//! known has no annotation.

mod because;

use std::collections::BTreeMap;

use super::{
    Evidence, Focus, Subject,
    change::{Change, Quantiles},
    contributions::IndexEvidence,
    culprits::Ranking,
    disks::OperationEvidence,
    exact,
};
use crate::{index::Signal, table::units};

/// The most characters of an annotation.
pub const LENGTH: usize = 200;
/// The most characters of a path in an annotation.
const PATH: usize = 90;
impl Evidence {
    /// Lines for people, by name: `because` says what is slow or full, `culprit` who is likely to be the cause,
    /// `before_after` how the figures moved, `waiting` who waits for a CPU, `performance_index` how P is made up, `window`
    /// when it was.
    pub fn annotations(&self, subject: &Subject) -> BTreeMap<String, String> {
        let focus = subject.focus();
        let lines = match focus {
            Focus::Block => {
                let concerned = self.concerned(subject);
                vec![
                    ("because", self.because_block(subject, concerned)),
                    ("culprit", self.culprit(|c| &c.bytes, "moved", "the bytes", bytes)),
                    ("before_after", self.changed(subject, before_after_block(concerned.and_then(|(_, o)| o)))),
                    ("performance_index", self.index(Signal::Block).and_then(performance_index)),
                ]
            }
            Focus::Cpu => vec![
                ("because", self.because_cpu()),
                ("culprit", self.culprit(|c| &c.cpu_ns, "used", "the CPU time", nanoseconds)),
                ("waiting", self.culprit(|c| &c.wait_ns, "did", "the waiting for a CPU", nanoseconds)),
                ("before_after", self.changed(subject, self.before_after_cpu())),
                ("performance_index", self.index(Signal::RunQueue).and_then(performance_index)),
            ],
            Focus::Memory => {
                let culprit = self.culprit(|c| &c.bytes, "moved", "the bytes", bytes);
                vec![
                    ("because", self.because_memory()),
                    ("culprit", culprit.map(|line| format!("{line} (memory by task is not measured)"))),
                    ("before_after", self.changed(subject, self.before_after_memory())),
                ]
            }
            Focus::Space => vec![
                ("because", self.because_space()),
                ("culprit", self.culprit(|c| &c.bytes, "moved", "the bytes", bytes)),
                ("before_after", self.before_after_space()),
            ],
            Focus::Other => Vec::new(),
        };
        let window = format!("the {} to {}", units::time(self.seconds), units::utc(self.end_realtime_ns));
        let lines = lines.into_iter().chain([("window", Some(window))]);
        lines.filter_map(|(name, line)| Some((name.to_owned(), short(&line?, LENGTH)))).collect()
    }

    /// `/system.slice/backup.service moved 98.0% of the bytes (812MiB), its fio (pid 4242) 97.5%`
    fn culprit(
        &self,
        ranking: fn(&super::culprits::Culprits) -> &Ranking,
        did: &str,
        what: &str,
        print: fn(u64) -> String,
    ) -> Option<String> {
        let ranking = ranking(self.culprits.as_ref()?);
        let Some(first) = ranking.cgroups.first() else { return self.kernel_alone(ranking, did) };
        let part = |amount: u64| units::percent(amount as f64 / ranking.total.max(1) as f64);
        let (task, amount) = leader(ranking, &first.path).unzip();
        let amount_of_task = amount.map(part);
        let all = format!("{did} {} of {what} ({})", part(first.amount), print(first.amount));
        let mut out = match (task, amount_of_task) {
            (Some(task), Some(share)) if first.path == "/" => {
                format!("the root cgroup {all}, its {task} {share}")
            }
            (Some(task), Some(share)) => format!("{} {all}, its {task} {share}", tail(&first.path)),
            _ => format!("{} {all}", tail(&first.path)),
        };
        if ranking.kernel > first.amount {
            out += &format!("; threads of the kernel {}", part(ranking.kernel));
        }
        if ranking.ended > first.amount {
            out += &format!("; tasks that ended {}", part(ranking.ended));
        }
        Some(out)
    }

    /// Where nobody else moved anything, as on a file server of the kernel.
    fn kernel_alone(&self, ranking: &Ranking, did: &str) -> Option<String> {
        let moved = self.culprits.as_ref()?.kernel_bytes;
        let alone = ranking.total == 0 && did == "moved" && moved > 0;
        alone.then(|| format!("threads of the kernel moved all the bytes ({})", bytes(moved)))
    }

    fn before_after_cpu(&self) -> Option<String> {
        let wait = times("wait ", self.cpus.wait);
        let busy = moved("busy", self.cpus.utilization, units::percent);
        joined([wait, busy])
    }

    fn before_after_memory(&self) -> Option<String> {
        let memory = self.memory?;
        joined([
            moved("available", memory.available, bytes),
            moved("swap in use", memory.swap_used, bytes).filter(|_| memory.swap_total > 0),
            moved("dirty", memory.dirty, bytes),
        ])
    }

    fn before_after_space(&self) -> Option<String> {
        let space = self.filesystems.first()?;
        joined([moved("left", space.available, bytes)])
    }

    /// With the pressure that the alert is about in front.
    fn changed(&self, subject: &Subject, line: Option<String>) -> Option<String> {
        let resource = subject.label("resource").unwrap_or_default();
        let pressure = self.pressure.get(resource);
        let some = pressure.and_then(|p| moved(&format!("{resource} pressure"), p.some, units::percent));
        joined([some, line])
    }
}

fn before_after_block(operation: Option<&OperationEvidence>) -> Option<String> {
    let operation = operation?;
    let quantiles = times("", operation.total);
    let mean = || moved("mean", operation.mean, units::time);
    joined([quantiles.or_else(mean), moved("requests/s", operation.requests_per_second, units::count)])
}

/// `p99 4.10ms → 88.0ms, mean 1.20ms → 41.0ms`
fn times(what: &str, change: Change<Quantiles>) -> Option<String> {
    let of = |name: &str, figure: fn(&Quantiles) -> f64| {
        let change = Change { before: change.before.as_ref().map(figure), during: change.during.as_ref().map(figure) };
        moved(name, change, units::time)
    };
    joined([of(&format!("{what}p99"), |q| q.p99), of("mean", |q| q.mean)])
}

fn moved<T>(what: &str, change: Change<T>, print: impl Fn(T) -> String) -> Option<String> {
    let (before, during) = (change.before?, change.during?);
    Some(format!("{what} {} → {}", print(before), print(during)))
}

fn joined<const N: usize>(parts: [Option<String>; N]) -> Option<String> {
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn performance_index(index: &IndexEvidence) -> Option<String> {
    let verdict = index.verdict?;
    let (p, shift, unevenness, nodes) = (verdict.p, verdict.shift, verdict.unevenness, verdict.nodes);
    let mode = index.mode.name();
    let first = index.by_node.rows.first().filter(|_| nodes > 1);
    let first =
        first.map(|row| format!("; {} adds {}", row.name, exact::signed((row.contribution * 100.0).round() as i64)));
    Some(format!("P {p:.2} = F {shift:.2} × S {unevenness:.2}, N {nodes}, {mode}{}", first.unwrap_or_default()))
}

/// The tasks of one name that had the most in this cgroup, of those that are known by name, and how much.
fn leader(ranking: &Ranking, path: &str) -> Option<(String, u64)> {
    let mut by_name = BTreeMap::<&str, (u64, u64, u32)>::new();
    for task in ranking.tasks.iter().filter(|task| task.path == path) {
        let (amount, count, pid) = by_name.entry(&task.name).or_default();
        (*amount, *count, *pid) = (amount.saturating_add(task.amount), *count + 1, task.pid);
    }
    let (name, (amount, count, pid)) =
        by_name.into_iter().max_by_key(|(name, sum)| (sum.0, std::cmp::Reverse(*name)))?;
    let which = if count == 1 { format!("{name} (pid {pid})") } else { format!("{count} {name}") };
    Some((which, amount))
}

/// The end of a path.
fn tail(path: &str) -> String {
    let length = path.chars().count();
    if length <= PATH {
        path.to_owned()
    } else {
        std::iter::once('…').chain(path.chars().skip(length - PATH + 1)).collect()
    }
}

fn short(line: &str, most: usize) -> String {
    if line.chars().count() <= most { line.to_owned() } else { line.chars().take(most - 1).chain(['…']).collect() }
}

fn bytes(bytes: u64) -> String {
    units::bytes(bytes as f64)
}

fn nanoseconds(ns: u64) -> String {
    units::time(ns as f64 / 1e9)
}
