//! From the records of the iterator to [`sample::Task`].

use std::io;

use monitor_common::tasks::{KERNEL_THREAD, Task};

use crate::{kernel::maps::Iterated, probes::comm, sample};

/// Reads all tasks. `clock` is now on the run queues' clock in nanoseconds, to close the waits under way; without it they
/// are left out.
///
/// # Errors
///
/// Whatever the kernel says to the reading.
pub fn read(tasks: &mut Iterated<Task>, clock: Option<u64>) -> io::Result<Vec<sample::Task>> {
    Ok(tasks.read()?.iter().map(|task| publish(task, clock)).collect())
}

fn publish(task: &Task, clock: Option<u64>) -> sample::Task {
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
        cpu_ns: task.cpu_ns,
        wait_ns: task.run_delay_ns + waiting,
        waiting_ns: waiting,
        read_bytes: task.read_bytes,
        write_bytes: task.write_bytes,
        voluntary: task.voluntary,
        involuntary: task.involuntary,
    }
}
