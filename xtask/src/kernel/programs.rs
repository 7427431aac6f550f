//! What runs inside a machine: `kpulse`, the guest's own checks and the live tests, linked statically; and which live tests.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};

use crate::{build, shell};

const TARGET: &str = "x86_64-unknown-linux-musl";
const PROFILE: &str = "guest";

/// A program of live tests.
pub struct Live {
    /// Its name.
    pub program: &'static str,
    /// Its tests that are left out, by their whole paths, each with the reason.
    pub left_out: &'static [(&'static str, &'static str)],
}

const NO_TOOL: &str = "needs a tool that a small machine does not have";
const NO_KERNEL: &str = "nothing in it depends on the kernel";
const NO_SPEED: &str = "measures speed, or needs some: an emulated processor has none";
const NO_CLOCK: &str = "holds two clocks against each other, which an emulated processor does not keep together";
const NO_FIO: &str =
    "loads of fio take an emulated processor minutes: the guest's own loads are held against diskstats instead";

/// The live tests that run inside the machines.
pub const LIVE: &[Live] = &[
    Live {
        program: "live_sched",
        left_out: &[
            ("the_waits_of_perf_bench_messaging_add_up_to_the_kernels_run_delay", NO_TOOL),
            ("the_switches_are_the_kernels_own_count", NO_SPEED),
            ("the_waits_have_the_count_and_the_shape_that_wakeups_and_switches_give", NO_SPEED),
            ("a_loop_that_never_switches_is_seen_while_it_runs", NO_CLOCK),
            ("utilisation_is_what_a_loop_of_known_duty_cycle_used", NO_CLOCK),
        ],
    },
    Live {
        program: "live_tasks",
        left_out: &[
            ("a_snapshot_of_5000_tasks_is_30_times_faster_than_a_walk_of_proc", NO_SPEED),
            ("a_wait_under_way_is_in_the_record", NO_SPEED),
        ],
    },
    Live { program: "live_events", left_out: &[] },
    Live { program: "live_block_failures", left_out: &[] },
    Live {
        program: "live_budget",
        left_out: &[
            ("broken::the_books_of_a_busy_machine_agree_in_every_figure", NO_TOOL),
            ("steps::above_its_budget_the_agent_takes_every_step_in_order_and_below_it_comes_back", NO_SPEED),
            ("themselves::an_agent_that_may_not_ask_the_kernel_keeps_its_budget_too", NO_TOOL),
        ],
    },
];

/// Programs of live tests that do not run inside, with the reason.
pub const NOT_INSIDE: &[(&str, &str)] = &[
    ("live_block", NO_FIO),
    ("live_block_in_flight", NO_FIO),
    ("live_block_maps", NO_FIO),
    ("live_block_times", NO_SPEED),
    (
        "live_agent",
        "the guest has its own checks of the agent; Prometheus, and limits of time and memory, are for the machine itself",
    ),
    ("live_notify", NO_KERNEL),
    ("live_verdict", NO_SPEED),
    ("live_browser", NO_KERNEL),
    ("live_fleet_hostile", NO_KERNEL),
    ("live_fleet_judged", NO_KERNEL),
    ("live_fleet_killed", NO_KERNEL),
    ("live_faults", "the guest has its own checks of faults; these want the tools and the room of a whole system"),
    ("live_fleet_real", "it wants namespaces of the network, an Alertmanager, and fio at full speed"),
    ("live_fleet_load", NO_KERNEL),
    ("live_rules", NO_KERNEL),
    ("live_store", NO_KERNEL),
    ("live_privileges", "it wants the users and the tools of a whole system"),
];

/// Tools of this machine that the guest calls.
pub const TOOLS: &[&str] = &["dmsetup"];

/// And those that the live tests call as well.
pub const LIVE_TOOLS: &[&str] = &["dmsetup", "losetup", "mount", "umount", "mkfs.ext4"];

/// Builds everything and gives each program's name in the machine and its file; the live tests only if they are wanted.
///
/// # Errors
/// Where cargo fails.
pub fn build(with_live: bool) -> Result<Vec<(String, PathBuf)>> {
    shell::headline("static programs for the virtual machines");
    let mut kpulse = build::command(PROFILE);
    // One call builds what both packages share once.
    kpulse.args(["--package", "tests", "--bin", "guest", "--target", TARGET]);
    shell::run(&mut kpulse)?;
    let folder = shell::target()?.join(TARGET).join(PROFILE);
    let mut programs = vec![("kpulse".to_owned(), folder.join("kpulse")), ("guest".into(), folder.join("guest"))];
    if with_live {
        programs.extend(live_tests()?);
    }
    for (name, file) in &programs {
        ensure!(file.is_file(), "cargo built no {name} at {}", file.display());
    }
    Ok(programs)
}

fn live_tests() -> Result<Vec<(String, PathBuf)>> {
    let mut tests = shell::cargo(["test", "--no-run", "--message-format", "json-render-diagnostics"]);
    tests.args(["--profile", PROFILE, "--target", TARGET, "--package", "tests"]);
    for live in LIVE {
        tests.args(["--test", live.program]);
    }
    let messages = shell::output(&mut tests)?;
    let found = |live: &Live| {
        let file = messages.lines().find_map(|message| executable(message, live.program));
        Ok((live.program.into(), file.with_context(|| format!("cargo built no {}", live.program))?))
    };
    LIVE.iter().map(found).collect()
}

/// The file of a test program, if a message of cargo's is about it.
fn executable(message: &str, program: &str) -> Option<PathBuf> {
    let message: serde_json::Value = serde_json::from_str(message).ok()?;
    (message["target"]["name"] == program).then_some(())?;
    message["executable"].as_str().map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_program_of_live_tests_runs_inside_or_says_why_not() {
        let folder = std::fs::read_dir(shell::workspace().join("tests")).expect("the package tests").flatten();
        let names = folder.filter_map(|entry| Some(entry.file_name().to_str()?.strip_suffix(".rs")?.to_owned()));
        for name in names.filter(|name| name.starts_with("live_")) {
            let inside = LIVE.iter().any(|live| live.program == name);
            let outside = NOT_INSIDE.iter().any(|(program, why)| *program == name && !why.is_empty());
            assert!(inside != outside, "{name} must stand in LIVE or in NOT_INSIDE of xtask/src/kernel/programs.rs");
        }
    }

    #[test]
    fn what_is_left_out_exists() {
        for live in LIVE {
            let folder = shell::workspace().join("tests");
            let parts = std::fs::read_dir(folder.join(live.program)).into_iter().flatten().flatten();
            let files = parts.map(|part| part.path()).chain([folder.join(format!("{}.rs", live.program))]);
            let text: String = files.map(|file| std::fs::read_to_string(file).expect("the program's source")).collect();
            for test in live.left_out.iter().map(|(test, _)| test.rsplit("::").next().unwrap_or(test)) {
                assert!(text.contains(&format!("fn {test}()")), "{} has no test {test}", live.program);
            }
        }
    }

    #[test]
    fn the_file_of_a_test_program_is_in_cargos_message() {
        let message = r#"{"reason":"compiler-artifact","target":{"name":"live_x"},"executable":"/t/live_x-1"}"#;
        assert_eq!(executable(message, "live_x"), Some("/t/live_x-1".into()));
        assert_eq!(executable(message, "live_y"), None);
        assert_eq!(executable("not JSON", "live_x"), None);
    }
}
