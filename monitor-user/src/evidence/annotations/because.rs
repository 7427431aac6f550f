//! What is slow or full, in one line.

use super::{bytes, tail};
use crate::{
    evidence::{
        Evidence, Subject,
        contributions::{IndexEvidence, Share, request},
        disks::{DeviceEvidence, OperationEvidence},
        names,
    },
    index::Signal,
    table::units,
};

/// From this age on the oldest request in flight is worth a word, in seconds.
const OLD: f64 = 1.0;
/// From this share on steal is worth a word.
const STEAL: f64 = 0.02;
/// From this share of a difference on one part answers for all of it.
const MOST: f64 = 0.75;

impl Evidence {
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

    pub(super) fn because_block(
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

    pub(super) fn because_cpu(&self) -> Option<String> {
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

    pub(super) fn because_memory(&self) -> Option<String> {
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

    pub(super) fn because_space(&self) -> Option<String> {
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
