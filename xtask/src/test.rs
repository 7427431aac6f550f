//! `cargo xtask test`: all tests, the quick ones first, and a summary that hides nothing.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Result, bail, ensure};

use crate::{
    build,
    kernel::{self, machine::Shape, matrix, results::KernelResults},
    requirements::Purpose,
    setup, shell,
    tally::Tally,
    watch,
};

#[derive(clap::Args, Default)]
pub struct Args {
    /// Leave out what needs root and the running kernel
    #[arg(long)]
    quick: bool,
    /// Run nothing but the tests inside virtual machines with Debian's newest kernels of these series, such as 5.10
    #[arg(long, value_name = "VERSION", num_args = 1.., conflicts_with_all = ["quick", "filters"])]
    kernel: Vec<String>,
    /// The same with every kernel of the matrix and this machine's own; writes docs/KERNELS.md
    #[arg(long, conflicts_with_all = ["quick", "filters", "kernel"])]
    all_kernels: bool,
    /// With either of these: only the machines of these names
    #[arg(long, value_name = "NAME", num_args = 1..)]
    machine: Vec<String>,
    /// Run only tests whose name contains one of these; no format, no lints
    filters: Vec<String>,
}

/// What a test that cannot run here means.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Skips {
    /// It is listed by name.
    Listed,
    /// It is a failure: a machine that tests for others must be able to run everything.
    Fail,
}

/// The command itself.
///
/// # Errors
/// Where anything failed, the summary on standard output says what.
pub fn test(args: &Args, skips: Skips) -> Result<()> {
    if args.all_kernels || !args.kernel.is_empty() {
        let steps = [if args.all_kernels { whole_matrix(args, skips)? } else { kernels_named(args, skips)? }];
        let sum = summary(&steps);
        return verdict(&steps, &sum, args, skips);
    }
    let live = !args.quick && shell::is_root();
    setup::ensure_for(&[if live { Purpose::Test } else { Purpose::QuickTest }])?;

    let mut steps = Vec::new();
    let packages =
        ["--package", "monitor-common", "--package", "monitor-user", "--package", "simulation", "--package", "xtask"];
    steps.push(step("unit and property tests", cargo_test(&packages, &[], args))?);
    if args.filters.is_empty() {
        steps.push(step("format", shell::cargo(["fmt", "--all", "--check"]))?);
        steps.push(step("lints", clippy())?);
    }
    if live {
        steps.extend(live_tests(args)?);
        if args.filters.is_empty() {
            steps.push(ends_of_the_matrix(skips)?);
        }
    } else if !args.quick {
        steps.push(left_out(args)?);
    }

    let sum = summary(&steps);
    verdict(&steps, &sum, args, skips)
}

struct Step {
    title: String,
    tally: Tally,
    fault: Option<String>,
    time: Duration,
}

fn step(title: &str, mut command: Command) -> Result<Step> {
    shell::headline(&format!("{title}: {}", shell::show(&command)));
    let started = Instant::now();
    let watched = watch::watch(command.env("CARGO_TERM_COLOR", shell::colour()))?;
    let time = started.elapsed();
    let outcome = if watched.fault.is_none() { "done" } else { "FAILED" };
    println!("    {title}: {outcome} in {}", shell::elapsed(time));
    Ok(Step { title: title.into(), tally: watched.tally, fault: watched.fault, time })
}

fn cargo_test(packages: &[&str], harness: &[&str], args: &Args) -> Command {
    let mut test = shell::cargo(["test", "--no-fail-fast"]);
    test.args(packages).args(["--", "--color", shell::colour()]).args(harness).args(&args.filters);
    test
}

fn clippy() -> Command {
    // The kernel programs build only for their own target, where clippy has no `core` to look at.
    shell::cargo([
        "clippy",
        "--workspace",
        "--exclude",
        "monitor-ebpf",
        "--exclude",
        "reference-ebpf",
        "--all-targets",
        "--",
        "--deny",
        "warnings",
    ])
}

/// The tests of the package `tests`, against the `kpulse` that is shipped. One at a time: there is one kernel.
fn live_tests(args: &Args) -> Result<Vec<Step>> {
    let kpulse = shell::kpulse("release")?;
    let built = step("kpulse as it is shipped", build::command("release"))?;
    if built.fault.is_some() {
        return Ok(vec![built]);
    }
    let mut live = cargo_test(&["--package", "tests"], &["--test-threads", "1"], args);
    live.env("KPULSE_BIN", kpulse);
    Ok(vec![built, step("tests against the running kernel", live)?])
}

/// The oldest and the newest kernel, on the machines that take least time.
fn ends_of_the_matrix(skips: Skips) -> Result<Step> {
    let shapes: Vec<_> = matrix::SHAPES.iter().filter(|shape| shape.always).collect();
    kernels(skips, || kernel::run(&matrix::ENDS, &shapes, false))
}

fn kernels_named(args: &Args, skips: Skips) -> Result<Step> {
    let series: Vec<_> = args.kernel.iter().map(String::as_str).collect();
    let shapes = shapes(args)?;
    kernels(skips, || kernel::run(&series, &shapes, false))
}

fn whole_matrix(args: &Args, skips: Skips) -> Result<Step> {
    let shapes = shapes(args)?;
    kernels(skips, || {
        let all = kernel::run(matrix::KERNELS, &shapes, shell::is_root())?;
        if args.machine.is_empty() {
            kernel::write_page(&all)?;
        }
        Ok(all)
    })
}

/// The machines that were asked for.
fn shapes(args: &Args) -> Result<Vec<&'static Shape>> {
    let known = |name: &String| matrix::SHAPES.iter().any(|shape| shape.name == name);
    if let Some(name) = args.machine.iter().find(|name| !known(name)) {
        let names: Vec<_> = matrix::SHAPES.iter().map(|shape| shape.name).collect();
        bail!("there is no machine {name}: expected one of {}", names.join(", "));
    }
    let wanted = |shape: &&Shape| args.machine.is_empty() || args.machine.iter().any(|name| name == shape.name);
    Ok(matrix::SHAPES.iter().filter(wanted).collect())
}

/// A step of what the machines said. A kernel that cannot be had was left out, but where nothing may be.
fn kernels(skips: Skips, run: impl FnOnce() -> Result<Vec<KernelResults>>) -> Result<Step> {
    let started = Instant::now();
    let all = run()?;
    let mut tally = Tally::default();
    for kernel in &all {
        let (passed, failed, _) = kernel.counts();
        println!("Linux {:<12} {:<34} {passed} passed, {failed} failed", kernel.series, kernel.release);
        tally.elsewhere(passed, kernel.failures().into_iter().map(|it| format!("Linux {}: {it}", kernel.series)));
        if let Some(why) = &kernel.missing {
            match skips {
                Skips::Listed => tally.leave_out(&format!("Linux {}", kernel.series), why),
                Skips::Fail => tally.elsewhere(0, [format!("Linux {}: {why}", kernel.series)]),
            }
        }
    }
    let failed = tally.failed();
    let fault = (failed > 0).then(|| format!("{failed} tests on other kernels"));
    Ok(Step { title: "other kernels".into(), tally, fault, time: started.elapsed() })
}

/// Without root: names what is left out, and sees to it that it at least compiles.
fn left_out(args: &Args) -> Result<Step> {
    let title = "tests against the running kernel";
    shell::headline(title);
    let started = Instant::now();
    let mut tally = Tally::default();
    let listing = shell::output(shell::cargo(["test", "--package", "tests", "--", "--list"]).args(&args.filters));
    if let Ok(names) = &listing {
        println!("left out, because only root may load programs into the kernel; they are named below. To run them:");
        println!("    {}", shell::as_root("test"));
        names.lines().filter_map(|line| line.strip_suffix(": test")).for_each(|it| tally.leave_out(it, "needs root"));
    }
    let fault = listing.err().map(|error| error.to_string());
    Ok(Step { title: title.into(), tally, fault, time: started.elapsed() })
}

/// Prints the table, the tests that failed or did not run, and the sum; returns the sum.
fn summary(steps: &[Step]) -> Tally {
    shell::headline("summary");
    let width = steps.iter().map(|step| step.title.len()).max().unwrap_or(0);
    let mut sum = Tally::default();
    for step in steps {
        let outcome = if step.fault.is_none() { "ok" } else { "FAILED" };
        let details = if step.tally.total() > 0 { step.tally.to_string() } else { String::new() };
        println!("{:<width$}  {outcome:<6}  {:>11}  {details}", step.title, shell::elapsed(step.time));
        sum.add(&step.tally);
    }
    for fault in steps.iter().filter_map(|step| step.fault.as_ref()) {
        println!("failed   {fault}");
    }
    sum.failures().iter().for_each(|name| println!("failed   {name}"));
    sum.skips().for_each(|skip| println!("skipped  {}: {}", skip.name, skip.reason));
    println!("{sum}");
    sum
}

fn verdict(steps: &[Step], sum: &Tally, args: &Args, skips: Skips) -> Result<()> {
    let failed: Vec<_> = steps.iter().filter(|step| step.fault.is_some()).map(|step| step.title.as_str()).collect();
    ensure!(failed.is_empty() && sum.failed() == 0, "failed: {}", failed.join(", "));
    let missing = sum.skipped();
    ensure!(missing == 0 || skips == Skips::Listed, "{missing} tests did not run; where CI is set, that is a failure");
    ensure!(sum.total() > 0, "no test's name contains {}", args.filters.join(" or "));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn a_step(lines: &[&str], fault: Option<&str>) -> Step {
        let mut tally = Tally::default();
        lines.iter().for_each(|line| tally.line(line));
        Step { title: "x".into(), tally, fault: fault.map(Into::into), time: Duration::ZERO }
    }

    fn verdict_of(step: Step, skips: Skips) -> Result<()> {
        let sum = step.tally.clone();
        verdict(&[step], &sum, &Args::default(), skips)
    }

    const PASSED: &str = "test result: ok. 2 passed; 0 failed; 0 ignored";

    #[test]
    fn all_passed_is_success_everywhere() {
        assert!(verdict_of(a_step(&[PASSED], None), Skips::Fail).is_ok());
    }

    #[test]
    fn a_skip_fails_only_where_skips_are_forbidden() {
        let skipping = || a_step(&["SKIPPED y: no loop device", PASSED], None);
        assert!(verdict_of(skipping(), Skips::Listed).is_ok());
        assert!(verdict_of(skipping(), Skips::Fail).is_err());
    }

    #[test]
    fn a_step_that_fails_without_a_failed_test_is_a_failure() {
        assert!(verdict_of(a_step(&[PASSED], Some("`cargo fmt`: exit 1")), Skips::Listed).is_err());
    }

    #[test]
    fn a_filter_that_matches_nothing_is_a_failure() {
        assert!(verdict_of(a_step(&[], None), Skips::Listed).is_err());
    }
}
