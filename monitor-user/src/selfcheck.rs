//! Holds what the programs read about this process against /proc/thread-self, once, after loading.
//!
//! Offsets come from the kernel's own type information, so this never fails, until some day it does: a kernel that is
//! patched while it runs, type information that is not its own. Then the figures would be wrong and look right. A probe that
//! disagrees is refused.

use std::{fs, io, str::FromStr};

use monitor_common::tasks::Task;

use crate::kernel::load::Loaded;

/// The probes whose fields the record of a task covers.
const COVERED: [&str; 2] = ["tasks", "sched"];

/// What came of the comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All is well.
    Agreed {
        /// How many fields were compared.
        fields: usize,
    },
    /// The programs read something else than /proc says: what. The probes that this covers are off.
    Wrong(String),
    /// Nothing could be compared: why not.
    Unchecked(String),
}

/// Checks, and turns off what disagrees.
pub fn run(loaded: &mut Loaded) -> Outcome {
    let Some(tasks) = loaded.tasks.as_mut() else {
        return Outcome::Unchecked("the probe of the tasks, which reads what is compared, is off".into());
    };
    // SAFETY: a system call without arguments.
    let me = unsafe { libc::gettid() } as u32;
    let before = Truth::read();
    let record = tasks.read().map(|records| records.iter().find(|record| record.pid == me).copied());
    let after = Truth::read();
    let wrong = match (before, record, after) {
        (Ok(before), Ok(Some(record)), Ok(after)) => match before.compare(&record, &after) {
            Ok(fields) => return Outcome::Agreed { fields },
            Err(wrong) => wrong,
        },
        (_, Ok(None), _) => format!("this thread ({me}) is not among the tasks that the kernel showed"),
        (_, Err(error), _) => format!("the tasks cannot be read: {error}"),
        (Err(error), ..) | (.., Err(error)) => {
            tracing::warn!("/proc/thread-self cannot be read ({error}): the programs run unchecked");
            return Outcome::Unchecked(format!("/proc/thread-self cannot be read: {error}"));
        }
    };
    for probe in COVERED {
        loaded.refuse(probe, format!("the self-check failed: {wrong}"));
    }
    Outcome::Wrong(wrong)
}

/// What /proc says of this thread.
struct Truth {
    tgid: u32,
    comm: String,
    start_ticks: u64,
    cpu_ns: u64,
    run_delay_ns: u64,
    voluntary: u64,
    involuntary: u64,
    /// Absent on a kernel without CONFIG_TASK_IO_ACCOUNTING.
    bytes: Option<(u64, u64)>,
}

impl Truth {
    fn read() -> io::Result<Self> {
        let text = |name: &str| fs::read_to_string(format!("/proc/thread-self/{name}"));
        let (stat, status, schedstat) = (text("stat")?, text("status")?, text("schedstat")?);
        // The name is in parentheses and may hold anything.
        let (head, tail) = stat.rsplit_once(')').ok_or_else(|| malformed("stat"))?;
        let io = text("io").ok();
        Ok(Self {
            tgid: keyed(&status, "Tgid:")?,
            comm: head.split_once('(').ok_or_else(|| malformed("stat"))?.1.into(),
            start_ticks: word(tail, 19)?,
            cpu_ns: word(&schedstat, 0)?,
            run_delay_ns: word(&schedstat, 1)?,
            voluntary: keyed(&status, "voluntary_ctxt_switches:")?,
            involuntary: keyed(&status, "nonvoluntary_ctxt_switches:")?,
            bytes: io.and_then(|io| Some((keyed(&io, "read_bytes:").ok()?, keyed(&io, "write_bytes:").ok()?))),
        })
    }

    /// How many fields of a record that was read between two truths were compared; or what is wrong with it.
    fn compare(&self, record: &Task, after: &Self) -> Result<usize, String> {
        let hz = crate::host::hz();
        let ticks = record.start_ns / (1_000_000_000 / hz);
        let name = record.comm.split(|byte| *byte == 0).next().unwrap_or_default();
        let mut ranges = vec![
            ("tgid", u64::from(record.tgid), u64::from(self.tgid), u64::from(after.tgid)),
            ("start time in ticks", ticks, self.start_ticks, after.start_ticks),
            ("sum_exec_runtime", record.cpu_ns, self.cpu_ns, after.cpu_ns),
            ("run_delay", record.run_delay_ns, self.run_delay_ns, after.run_delay_ns),
            ("nvcsw", record.voluntary, self.voluntary, after.voluntary),
            ("nivcsw", record.involuntary, self.involuntary, after.involuntary),
        ];
        if let (Some(before), Some(after)) = (self.bytes, after.bytes) {
            ranges.push(("read_bytes", record.read_bytes, before.0, after.0));
            ranges.push(("write_bytes", record.write_bytes, before.1, after.1));
        }
        if name != self.comm.as_bytes() {
            return Err(format!(
                "comm reads {:?}, /proc/thread-self says {:?}",
                String::from_utf8_lossy(name),
                self.comm
            ));
        }
        match ranges.iter().find(|(_, value, low, high)| !(low..=high).contains(&value)) {
            Some((field, value, low, high)) => {
                Err(format!("{field} reads {value}, /proc/thread-self says {low} before and {high} after"))
            }
            None => Ok(ranges.len() + 1),
        }
    }
}

fn malformed(name: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("/proc/thread-self/{name} is not as expected"))
}

fn word<T: FromStr>(text: &str, index: usize) -> io::Result<T> {
    text.split_whitespace().nth(index).and_then(|word| word.parse().ok()).ok_or_else(|| malformed("stat"))
}

fn keyed<T: FromStr>(text: &str, key: &str) -> io::Result<T> {
    let value = text.lines().find_map(|line| line.strip_prefix(key));
    value.and_then(|value| value.trim().parse().ok()).ok_or_else(|| malformed(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(truth: &Truth) -> Task {
        let mut comm = [0; 16];
        comm[..truth.comm.len()].copy_from_slice(truth.comm.as_bytes());
        Task {
            pid: 0,
            tgid: truth.tgid,
            comm,
            start_ns: truth.start_ticks * (1_000_000_000 / crate::host::hz()) + 1,
            cgroup: 0,
            cpu_ns: truth.cpu_ns,
            run_delay_ns: truth.run_delay_ns,
            queued_ns: 0,
            read_bytes: truth.bytes.unwrap_or_default().0,
            write_bytes: truth.bytes.unwrap_or_default().1,
            voluntary: truth.voluntary,
            involuntary: truth.involuntary,
            flags: 0,
            padding: 0,
        }
    }

    #[test]
    fn this_threads_own_books_agree_and_a_shifted_field_does_not() {
        let truth = Truth::read().unwrap();
        let good = record(&truth);
        let fields = if truth.bytes.is_some() { 9 } else { 7 };
        assert_eq!(truth.compare(&good, &Truth::read().unwrap()), Ok(fields));
        let shifted = Task { run_delay_ns: good.cpu_ns + (1 << 40), ..good };
        assert!(truth.compare(&shifted, &Truth::read().unwrap()).unwrap_err().starts_with("run_delay reads"));
        let renamed = Task { comm: *b"somebody else\0\0\0", ..good };
        assert!(truth.compare(&renamed, &Truth::read().unwrap()).unwrap_err().starts_with("comm reads"));
    }
}
