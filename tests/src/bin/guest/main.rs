//! What runs inside the virtual machines of `cargo xtask test --kernel`: the first process, and the checks.
//!
//! In: the machine's name on the kernel's command line, kpulse in /bin, modules and live tests beside it. Out: lines on the console that
//! xtask reads (see [`report`]). Called with `here`, it runs those checks on the running kernel that change nothing of it.
//!
//! - [`init`]: the first process: mounts, starts the checks as a child of its own, ends the machine
//! - [`modules`], [`disk`], [`stack`], [`load`]: disks of known ways, and requests to them
//! - [`shared`]: programs and an agent for several checks
//! - [`survey`]: each probe and each field, as `kpulse check` says
//! - [`agent`], [`fallback`]: the agent with all it is for, and with nothing but /proc
//! - [`counts`], [`times`], [`cpus`]: figures against the kernel's own and against what was set
//! - [`live`]: the live tests of this package

#![expect(clippy::unwrap_used, clippy::panic, reason = "a check that cannot go on has failed")]

mod agent;
mod counts;
mod cpus;
mod disk;
mod fallback;
mod init;
mod live;
mod load;
mod modules;
mod report;
mod shared;
mod stack;
mod survey;
mod times;

use std::{env, panic, process::ExitCode};

/// Why a check cannot be made here.
pub struct Absent(pub String);

/// What a check gives; it panics if something is wrong.
pub type Outcome = Result<(), Absent>;

/// One check.
struct Check {
    /// As in the table.
    name: &'static str,
    /// The machines on which it is made.
    machines: &'static [&'static str],
    /// Makes it.
    run: fn() -> Outcome,
}

/// The running kernel, outside any machine of ours.
const HERE: &str = "here";

/// Every check, in the order in which they are made. The last of them leave the machine changed.
const CHECKS: &[Check] = &[
    Check {
        name: "every probe is on",
        machines: &["four", "exact", "many", "bare", HERE],
        run: survey::every_probe_is_on,
    },
    Check { name: "sample shows a window", machines: &["four", "exact", "many", "bare", HERE], run: agent::sample },
    Check {
        name: "the agent agrees with the kernel's counts",
        machines: &["four", "exact", "many", HERE],
        run: agent::agreement,
    },
    Check { name: "null_blk: requests equal diskstats", machines: &["four"], run: counts::null_blk },
    Check { name: "scsi_debug: requests equal diskstats", machines: &["four"], run: counts::scsi },
    Check { name: "scsi_debug: a bad sector is a medium error", machines: &["four"], run: counts::medium_error },
    Check { name: "scsi_debug: a request in flight grows old", machines: &["four"], run: times::in_flight },
    Check { name: "NVMe: requests equal diskstats", machines: &["four"], run: counts::nvme },
    Check { name: "NVMe: a delay in the device is device time", machines: &["four"], run: times::nvme },
    Check { name: "dm over NVMe: diskstats above, requests below", machines: &["four"], run: counts::device_mapper },
    Check { name: "md over null_blk: diskstats above, requests below", machines: &["four"], run: counts::raid },
    Check { name: "null_blk: 5 ms in the device are device time", machines: &["exact"], run: times::null_blk },
    Check { name: "scsi_debug: 5 ms in the device are device time", machines: &["exact"], run: times::scsi },
    Check { name: "null_blk: waiting for the device is queue time", machines: &["exact"], run: times::queue },
    Check { name: "dm-delay: 5 ms are in diskstats, not in the device", machines: &["exact"], run: times::delayed },
    Check {
        name: "iostats off: counted, with device times only",
        machines: &["four", "bare"],
        run: counts::without_iostats,
    },
    Check { name: "a CPU goes and comes back", machines: &["four", "many"], run: cpus::hotplug },
    Check { name: "each of the CPUs has figures", machines: &["four", "exact", "many"], run: cpus::all },
    Check { name: "unprivileged_bpf_disabled: 0, 2 and 1", machines: &["four"], run: agent::unprivileged_bpf },
    Check { name: "live tests", machines: &["four"], run: live::all },
    Check { name: "without type information: /proc, and why", machines: &["four"], run: fallback::without_btf },
    Check { name: "locked down: /proc, and why", machines: &["locked"], run: fallback::locked_down },
    Check { name: "iostats off: the check says what is lost", machines: &["bare"], run: survey::iostats_off },
    Check {
        name: "unprivileged_bpf_disabled by the command line",
        machines: &["bare"],
        run: agent::unprivileged_bpf_at_boot,
    },
];

fn main() -> ExitCode {
    if std::process::id() == 1 {
        init::main();
    }
    let Some(machine) = env::args().nth(1) else {
        eprintln!("guest: expected the name of a machine, or here");
        return ExitCode::from(2);
    };
    report::kernel();
    let mut failed = 0u8;
    for check in CHECKS.iter().filter(|check| check.machines.contains(&machine.as_str())) {
        match panic::catch_unwind(check.run) {
            Ok(Ok(())) => report::test(check.name, "ok", ""),
            // What a machine was made for must be there.
            Ok(Err(Absent(why))) if machine != HERE => {
                failed = failed.saturating_add(1);
                report::test(check.name, "failed", &why);
            }
            Ok(Err(Absent(why))) => report::test(check.name, "absent", &why),
            Err(panic) => {
                failed = failed.saturating_add(1);
                report::test(check.name, "failed", &said(&*panic));
            }
        }
    }
    shared::end();
    ExitCode::from(failed)
}

/// What a panic said.
fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic without words").to_owned()
}
