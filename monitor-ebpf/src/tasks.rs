//! Every task's own books, one record each, written into the file that user space reads.

use core::{ffi::c_void, ptr::read_volatile};

use aya_ebpf::{bindings::seq_file, helpers::generated::bpf_seq_write};
use monitor_common::tasks::Task;

use crate::{
    kernel::{Kernel, has, offsets, read},
    sched::{TASK_COMM, TASK_LAST_QUEUED, TASK_PID, TASK_RUN_DELAY, TASK_TGID},
};

offsets! {
    TASK_FLAGS,
    TASK_START_TIME,
    TASK_CGROUPS,
    CSS_SET_DFL_CGRP,
    CGROUP_KN,
    KERNFS_NODE_ID,
    TASK_SUM_EXEC_RUNTIME,
    TASK_READ_BYTES,
    TASK_WRITE_BYTES,
    TASK_NVCSW,
    TASK_NIVCSW,
}

/// `struct bpf_iter__task`: two pointers, in this order since iterators exist.
#[repr(C)]
struct Context {
    meta: Kernel,
    task: Kernel,
}

#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/task")]
fn tasks(ctx: *const Context) -> i32 {
    // SAFETY: the kernel passes a bpf_iter__task; its meta begins with the seq_file.
    unsafe {
        let task = read_volatile(&raw const (*ctx).task);
        if task.is_null() {
            // After the last one.
            return 0;
        }
        let meta = read_volatile(&raw const (*ctx).meta);
        let seq: *mut seq_file = read_volatile(meta.cast());
        let record = Task {
            pid: read(task, &TASK_PID),
            tgid: read(task, &TASK_TGID),
            comm: read(task, &TASK_COMM),
            start_ns: read(task, &TASK_START_TIME),
            cgroup: cgroup(task),
            cpu_ns: read(task, &TASK_SUM_EXEC_RUNTIME),
            run_delay_ns: read(task, &TASK_RUN_DELAY),
            queued_ns: read(task, &TASK_LAST_QUEUED),
            read_bytes: optional(task, &TASK_READ_BYTES),
            write_bytes: optional(task, &TASK_WRITE_BYTES),
            voluntary: read(task, &TASK_NVCSW),
            involuntary: read(task, &TASK_NIVCSW),
            flags: if has(&TASK_FLAGS) { read(task, &TASK_FLAGS) } else { 0 },
            padding: 0,
        };
        bpf_seq_write(seq, (&raw const record).cast::<c_void>(), size_of::<Task>() as u32);
    }
    0
}

#[inline(always)]
unsafe fn optional(task: Kernel, offset: &'static u32) -> u64 {
    // SAFETY: `task` is a task_struct.
    if has(offset) { unsafe { read(task, offset) } } else { 0 }
}

/// The inode number of the task's cgroup in the unified hierarchy.
#[inline(always)]
unsafe fn cgroup(task: Kernel) -> u64 {
    if !has(&TASK_CGROUPS) {
        return 0;
    }
    // SAFETY: the chain is task_struct -> css_set -> cgroup -> kernfs_node.
    unsafe {
        let css_set: Kernel = read(task, &TASK_CGROUPS);
        let cgroup: Kernel = read(css_set, &CSS_SET_DFL_CGRP);
        let node: Kernel = read(cgroup, &CGROUP_KN);
        read(node, &KERNFS_NODE_ID)
    }
}
