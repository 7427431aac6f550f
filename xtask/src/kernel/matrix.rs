//! Which kernels are promised, and on which machines they are tried.

use super::machine::Shape;

/// The promise, oldest first. A number alone is the newest of all that begin with it.
pub const KERNELS: &[&str] = &["5.10", "6.1", "6.12", "7"];

/// The two that continuous integration boots each time: the oldest and the newest.
pub const ENDS: [&str; 2] = [KERNELS[0], KERNELS[KERNELS.len() - 1]];

/// What the guest calls the running kernel, outside any machine of ours.
pub const HERE: &str = "here";
/// And what the page calls it.
pub const HERE_TITLE: &str = "this machine";

/// The machines that each kernel is booted on.
pub const SHAPES: &[Shape] = &[
    Shape {
        name: "four",
        why: "four CPUs, every kind of disk, the live tests, and no type information at the end",
        cpus: 4,
        memory: 1024,
        exact: false,
        append: "",
        weight: 5,
        live: true,
        always: true,
    },
    Shape {
        name: "many",
        why: "64 CPUs",
        cpus: 64,
        memory: 2048,
        exact: false,
        append: "",
        weight: 4,
        live: false,
        always: false,
    },
    Shape {
        name: "exact",
        why: "one CPU, and delays that are exact",
        cpus: 1,
        memory: 1024,
        exact: true,
        append: "",
        weight: 3,
        live: false,
        always: true,
    },
    Shape {
        name: "bare",
        why: "`iostats` off from the start, and `kernel.unprivileged_bpf_disabled=1` on the command line",
        cpus: 2,
        memory: 1024,
        exact: false,
        append: "kpulse.iostats=off sysctl.kernel.unprivileged_bpf_disabled=1",
        weight: 2,
        live: false,
        always: true,
    },
    Shape {
        name: "locked",
        why: "`lockdown=confidentiality`: helpers may not read the kernel's memory, and the programs call none",
        cpus: 1,
        memory: 1024,
        exact: false,
        append: "lockdown=confidentiality",
        weight: 1,
        live: false,
        always: true,
    },
];
