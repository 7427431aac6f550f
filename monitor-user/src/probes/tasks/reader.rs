//! From the records of the iterator to [`sample::Task`].
//!
//! In: every task's own books. Out: the tasks that did something lately, with what they did since they were listed, and the sum
//! over all. What nobody asks about takes no room: a task that sleeps is not listed, and of more than [`MOST`] that do
//! something the first are those that do most. So a sample has a largest size, whatever the machine runs, and what is kept of
//! a task that is not listed is [`PER_TASK`] bytes.
//!
//! A task's counters begin at 0 when it is listed: what it did before is of no window that it is in.

use std::{io, time::Duration};

use monitor_common::tasks::{KERNEL_THREAD, Task};

use crate::{kernel::maps::Iterated, probes::comm, sample};

/// The most tasks in a sample.
pub const MOST: usize = 2048;
/// Bytes that are kept of each task.
pub const PER_TASK: usize = size_of::<Known>();

/// Reads all tasks, with their books since they began. `clock` is now on the run queues' clock in nanoseconds, to close the waits
/// under way; without it they are left out.
///
/// # Errors
///
/// Whatever the kernel says to the reading.
pub fn read(tasks: &mut Iterated<Task>, clock: Option<u64>) -> io::Result<Vec<sample::Task>> {
    let mut all = Vec::new();
    tasks.for_each(|task| all.push(publish(task, &Books::default(), clock)))?;
    Ok(all)
}

/// What a task has used so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Books {
    cpu_ns: u64,
    run_delay_ns: u64,
    read_bytes: u64,
    write_bytes: u64,
    voluntary: u64,
    involuntary: u64,
}

impl Books {
    fn of(task: &Task) -> Self {
        Self {
            cpu_ns: task.cpu_ns,
            run_delay_ns: task.run_delay_ns,
            read_bytes: task.read_bytes,
            write_bytes: task.write_bytes,
            voluntary: task.voluntary,
            involuntary: task.involuntary,
        }
    }

    /// One number that grows with whatever a task does: its time, and a nanosecond for each byte and each switch.
    fn used(&self) -> u64 {
        [self.cpu_ns, self.run_delay_ns, self.read_bytes, self.write_bytes, self.voluntary, self.involuntary]
            .into_iter()
            .fold(0, u64::wrapping_add)
    }
}

/// What is kept of a task.
#[derive(Clone, Copy, Debug)]
struct Known {
    pid: u32,
    listed: bool,
    seen: bool,
    start_ns: u64,
    /// Where its counters begin.
    base: Books,
    /// [`Books::used`], and the run delay, at the latest reading.
    used: u64,
    run_delay_ns: u64,
    /// When it last did something, on `CLOCK_MONOTONIC` in nanoseconds.
    active_ns: u64,
    /// What it did lately: half of it is forgotten with each reading.
    weight: u64,
}

/// Remembers what it must from one reading to the next.
#[derive(Debug)]
pub struct Reader {
    keep_ns: u64,
    /// By pid.
    known: Vec<Known>,
    begun: bool,
    totals: sample::AllTasks,
}

impl Default for Reader {
    fn default() -> Self {
        Self::new(Duration::from_secs(150))
    }
}

impl Reader {
    /// A task is listed until it has done nothing for so long: for longer than any window that is looked at.
    pub fn new(keep: Duration) -> Self {
        let keep_ns = u64::try_from(keep.as_nanos()).unwrap_or(u64::MAX);
        Self { keep_ns, known: Vec::new(), begun: false, totals: sample::AllTasks::default() }
    }

    /// Reads all tasks. `clock` is as for [`read`]; `now_ns` is `CLOCK_MONOTONIC` in nanoseconds.
    ///
    /// # Errors
    ///
    /// Whatever the kernel says to the reading. What was read until then is not lost.
    pub fn read(
        &mut self,
        tasks: &mut Iterated<Task>,
        clock: Option<u64>,
        now_ns: u64,
    ) -> io::Result<(Vec<sample::Task>, sample::AllTasks)> {
        let mut reading = Reading::default();
        match tasks.for_each(|task| self.take(task, clock, now_ns, &mut reading)) {
            Ok(()) => Ok(self.finish(reading)),
            Err(error) => {
                self.list(reading.listed);
                Err(error)
            }
        }
    }

    /// As [`Self::read`], from records that are there already.
    pub fn take_all(
        &mut self,
        records: &[Task],
        clock: Option<u64>,
        now_ns: u64,
    ) -> (Vec<sample::Task>, sample::AllTasks) {
        let mut reading = Reading::default();
        records.iter().for_each(|task| self.take(task, clock, now_ns, &mut reading));
        self.finish(reading)
    }

    fn take(&mut self, task: &Task, clock: Option<u64>, now_ns: u64, reading: &mut Reading) {
        reading.count += 1;
        let books = Books::of(task);
        // In a namespace of pids the kernel shows them in order; a look-up takes them in any.
        let place = self.known.binary_search_by_key(&task.pid, |known| known.pid).ok();
        let known = match place.and_then(|at| self.known.get_mut(at)) {
            Some(known) if known.start_ns == task.start_ns => known,
            other => {
                // Nobody can know what a task did before the first reading; one that is new since then did all of it since.
                let base = if self.begun { Books::default() } else { books };
                let begun = Known {
                    pid: task.pid,
                    listed: false,
                    seen: true,
                    start_ns: task.start_ns,
                    base,
                    used: base.used(),
                    run_delay_ns: base.run_delay_ns,
                    active_ns: 0,
                    weight: 0,
                };
                self.totals.began += u64::from(self.begun);
                match other {
                    // The number is used again.
                    Some(known) => {
                        self.totals.ended += 1;
                        *known = begun;
                        known
                    }
                    None => {
                        reading.new.push(begun);
                        match reading.new.last_mut() {
                            Some(known) => known,
                            None => return,
                        }
                    }
                }
            }
        };
        known.seen = true;
        let grown = books.used().wrapping_sub(known.used);
        let waited = books.run_delay_ns.saturating_sub(known.run_delay_ns);
        self.totals.run_delay_ns = self.totals.run_delay_ns.saturating_add(waited);
        (known.used, known.run_delay_ns) = (books.used(), books.run_delay_ns);
        known.weight = (known.weight / 2).saturating_add(grown);
        if grown > 0 || task.queued_ns > 0 {
            known.active_ns = now_ns;
            known.listed = true;
        } else if known.listed && now_ns.saturating_sub(known.active_ns) > self.keep_ns {
            known.listed = false;
        }
        // Not listed, and its counters begin here, unless it is among the first in the end: then it gets both back.
        let base = std::mem::replace(&mut known.base, books);
        if std::mem::take(&mut known.listed) {
            let (weight, task) = (known.weight, publish(task, &base, clock));
            reading.push(Listed { weight, base, task });
        }
    }

    fn finish(&mut self, mut reading: Reading) -> (Vec<sample::Task>, sample::AllTasks) {
        let before = self.known.len();
        self.known.retain(|known| known.seen);
        self.totals.ended += (before - self.known.len()) as u64;
        if !reading.new.is_empty() {
            self.known.append(&mut reading.new);
            self.known.sort_unstable_by_key(|known| known.pid);
        }
        self.known.iter_mut().for_each(|known| known.seen = false);
        if self.known.capacity() > 2 * self.known.len() + 1024 {
            self.known.shrink_to(self.known.len() + 512);
        }
        self.begun = true;
        self.totals.count = reading.count;
        reading.keep(MOST);
        (self.list(reading.listed), self.totals)
    }

    /// Gives those that are listed back what [`Self::take`] took from them.
    fn list(&mut self, listed: Vec<Listed>) -> Vec<sample::Task> {
        let mut tasks = Vec::with_capacity(listed.len());
        for Listed { base, task, .. } in listed {
            let place = self.known.binary_search_by_key(&task.pid, |known| known.pid).ok();
            if let Some(known) = place.and_then(|at| self.known.get_mut(at))
                && known.start_ns == task.start_ns
            {
                (known.base, known.listed) = (base, true);
            }
            tasks.push(task);
        }
        tasks
    }
}

/// One reading under way.
#[derive(Debug, Default)]
struct Reading {
    count: u64,
    new: Vec<Known>,
    listed: Vec<Listed>,
}

/// A task that may have room in the sample.
#[derive(Debug)]
struct Listed {
    weight: u64,
    /// Where its counters begin.
    base: Books,
    task: sample::Task,
}

impl Reading {
    fn push(&mut self, listed: Listed) {
        self.listed.push(listed);
        // Twice as many as there is room for at most, so that the sum of the work stays small.
        if self.listed.len() >= 2 * MOST {
            self.keep(MOST);
        }
    }

    /// Leaves the first by weight.
    fn keep(&mut self, most: usize) {
        if self.listed.len() > most {
            self.listed.select_nth_unstable_by(most, |a, b| (b.weight, a.task.pid).cmp(&(a.weight, b.task.pid)));
            self.listed.truncate(most);
        }
    }
}

fn publish(task: &Task, base: &Books, clock: Option<u64>) -> sample::Task {
    let waiting = match (task.queued_ns, clock) {
        (0, _) | (_, None) => 0,
        (queued, Some(clock)) => clock.saturating_sub(queued),
    };
    sample::Task {
        pid: task.pid,
        tgid: task.tgid,
        comm: comm(&task.comm),
        start_ns: task.start_ns,
        cgroup: task.cgroup,
        kernel: task.flags & KERNEL_THREAD != 0,
        cpu_ns: task.cpu_ns.saturating_sub(base.cpu_ns),
        wait_ns: task.run_delay_ns.saturating_sub(base.run_delay_ns).saturating_add(waiting),
        waiting_ns: waiting,
        read_bytes: task.read_bytes.saturating_sub(base.read_bytes),
        write_bytes: task.write_bytes.saturating_sub(base.write_bytes),
        voluntary: task.voluntary.saturating_sub(base.voluntary),
        involuntary: task.involuntary.saturating_sub(base.involuntary),
    }
}

#[cfg(test)]
mod tests;
