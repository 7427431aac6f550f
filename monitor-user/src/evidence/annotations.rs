//! The evidence in a few short lines, for whoever is woken by it and has a telephone.
//!
//! In: [`Evidence`] and its subject. Out: annotations, none longer than [`LENGTH`] characters, each one line. What is not
//! known has no annotation.

use std::collections::BTreeMap;

use super::{
    Evidence, Focus, Subject,
    change::{Change, Quantiles},
    contributions::{IndexEvidence, Share, request},
    culprits::Ranking,
    disks::{DeviceEvidence, OperationEvidence},
    exact, names,
};
use crate::{index::Signal, table::units};

/// The most characters of an annotation.
pub const LENGTH: usize = 200;
/// The most characters of a path in an annotation.
const PATH: usize = 90;
/// From this age on the oldest request in flight is worth a word, in seconds.
const OLD: f64 = 1.0;
/// From this share on steal is worth a word.
const STEAL: f64 = 0.02;
/// From this share of a difference on one part answers for all of it.
const MOST: f64 = 0.75;

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

    /// The device and the operation that the alert is about; without labels those that add the most to P - 1.
    pub(super) fn concerned(&self, subject: &Subject) -> Option<(&DeviceEvidence, Option<&OperationEvidence>)> {
        let rows = || self.index(Signal::Block).into_iter().flat_map(|index| &index.by_request.rows);
        let rank = |device: &DeviceEvidence, operation: &OperationEvidence| {
            rows().position(|row| row.name == request(&device.device, &operation.operation)).unwrap_or(usize::MAX)
        };
        let asked = subject.label("device").map(names::name);
        let device = match asked {
            Some(asked) => self.disks.devices.iter().find(|device| device.device == asked),
            None => self.disks.devices.iter().min_by_key(|device| {
                device.operations.iter().map(|operation| rank(device, operation)).min().unwrap_or(usize::MAX)
            }),
        }?;
        let asked = subject.label("operation").and_then(|name| device.operation(name));
        Some((device, asked.or_else(|| device.operations.iter().min_by_key(|operation| rank(device, operation)))))
    }

    fn because_block(
        &self,
        subject: &Subject,
        concerned: Option<(&DeviceEvidence, Option<&OperationEvidence>)>,
    ) -> Option<String> {
        let (device, operation) = concerned?;
        let name = &device.device;
        let age = device.oldest.filter(|&age| device.in_flight > 0 && age >= OLD);
        let hangs = age.map(|age| format!("{} in flight, the oldest for {}", device.in_flight, units::time(age)));
        let asked = ["flight", "oldest"].iter().any(|word| subject.signal.contains(word));
        let slow = operation.and_then(|operation| self.slow(device, operation));
        Some(match (hangs, slow) {
            (Some(hangs), None) => format!("{name}: {hangs}, and nothing completes"),
            (Some(hangs), Some(slow)) if asked => format!("{name}: {hangs}; {slow}"),
            (Some(hangs), Some(slow)) => format!("{name} {slow}; {hangs}"),
            (None, Some(slow)) => format!("{name} {slow}"),
            (None, None) => return None,
        })
    }

    /// `write: 41.0ms a request, usually 3.90ms: 92.0% of P − 1; in the device, not the queue`
    fn slow(&self, device: &DeviceEvidence, operation: &OperationEvidence) -> Option<String> {
        let mean = operation.mean.during?;
        let mut out = format!("{}: {} a request", operation.operation, units::time(mean));
        let index = self.index(Signal::Block).filter(|index| index.verdict.is_some());
        let name = request(&device.device, &operation.operation);
        let row = index.and_then(|index| index.by_request.rows.iter().find(|row| row.name == name));
        if let Some(usual) = row.and_then(Share::expected_mean) {
            out += &format!(", usually {}", units::time(usual));
        } else if let Some(before) = operation.mean.before {
            out += &format!(", before {}", units::time(before));
        }
        if let Some(share) = index.zip(row).and_then(|(index, row)| of_p(index, row)) {
            out += &format!(": {share}");
        }
        if let Some(place) = place(operation) {
            out += &format!("; {place}");
        }
        let failed = operation.errors.values().fold(0u64, |sum, &count| sum.saturating_add(count));
        if failed > 0 {
            let kinds: Vec<&str> = operation.errors.keys().map(String::as_str).collect();
            out += &format!("; {failed} failed ({})", kinds.join(", "));
        }
        Some(out)
    }

    fn because_cpu(&self) -> Option<String> {
        let mut parts = Vec::new();
        if let Some(wait) = self.cpus.wait.during {
            let index = self.index(Signal::RunQueue).filter(|index| index.verdict.is_some());
            let usual = index.and_then(|index| Some(format!(", usually {}", units::time(index.expected_seconds?))));
            let before = || Some(format!(", before {}", units::time(self.cpus.wait.before?.mean)));
            let reference = usual.or_else(before).unwrap_or_default();
            parts.push(format!("a wait for a CPU takes {}{reference}", units::time(wait.mean)));
        }
        if let Some(busy) = self.cpus.utilization.during {
            let busiest = self.cpus.busiest.first().and_then(|cpu| Some((cpu.cpu, cpu.utilization.during?)));
            // One CPU that is busy while the others are not says more than their mean.
            let one = busiest.filter(|&(_, one)| one > busy + 0.02);
            let one = one.map(|(cpu, one)| format!(" (cpu{cpu} {})", units::percent(one))).unwrap_or_default();
            let cpus = if self.cpus.online == 1 { "the CPU is" } else { "the CPUs are" };
            parts.push(format!("{cpus} {} busy{one}", units::percent(busy)));
        }
        if let Some(steal) = self.cpus.steal.during.filter(|&steal| steal >= STEAL) {
            parts.push(format!("the hypervisor takes {}", units::percent(steal)));
        }
        (!parts.is_empty()).then(|| parts.join("; "))
    }

    fn because_memory(&self) -> Option<String> {
        let memory = self.memory.filter(|memory| memory.total > 0)?;
        let available = memory.available.during?;
        let part = available as f64 / memory.total as f64;
        let mut out = format!("{} of {} available ({})", bytes(available), bytes(memory.total), units::percent(part));
        if let Some(used) = memory.swap_used.during.filter(|_| memory.swap_total > 0) {
            out += &format!("; swap {} of {} in use", bytes(used), bytes(memory.swap_total));
        }
        if let Some(some) = self.pressure.get("memory").and_then(|pressure| pressure.some.during) {
            out += &format!("; tasks stood still for it {} of the time", units::percent(some));
        }
        Some(out)
    }

    fn because_space(&self) -> Option<String> {
        let space = self.filesystems.first()?;
        let left = space.available.during?;
        let part = left as f64 / space.size.max(1) as f64;
        let mut out =
            format!("{}: {} of {} left ({})", tail(&space.mount), bytes(left), bytes(space.size), units::percent(part));
        if let Some(free) = space.files_free.during.filter(|_| space.files > 0) {
            out += &format!("; {} of {} inodes left", units::count(free as f64), units::count(space.files as f64));
        }
        Some(out)
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

/// Where the time is that is more than before; without a before, where most of it is.
fn place(operation: &OperationEvidence) -> Option<String> {
    let (queue, device) = (operation.queue.during?.mean, operation.device_time.during?.mean);
    let before = operation.queue.before.zip(operation.device_time.before);
    let grown = before.map(|(q, d)| ((queue - q.mean).max(0.0), (device - d.mean).max(0.0)));
    let (queue, device) = grown.filter(|(queue, device)| queue + device > 0.0).unwrap_or((queue, device));
    let part = queue / (queue + device);
    match part {
        _ if !part.is_finite() => None,
        _ if part >= MOST => Some("in the queue, not the device".into()),
        _ if part <= 1.0 - MOST => Some("in the device, not the queue".into()),
        _ => Some(format!("{} of it in the queue, the rest in the device", units::percent(part))),
    }
}

/// The row's share of P - 1, if P is above 1 by more than nothing.
fn of_p(index: &IndexEvidence, row: &Share) -> Option<String> {
    let total = index.verdict?.p - 1.0;
    (total > 0.005 && row.contribution > 0.0).then(|| format!("{} of P − 1", units::percent(row.contribution / total)))
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
