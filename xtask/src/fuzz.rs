//! `cargo xtask fuzz` and `cargo xtask miri`: what needs a nightly toolchain, and so is not part of the tests.
//!
//! The tests replay the kept corpus of `fuzz/corpus` without any of it.

use anyhow::{Context as _, Result, ensure};

use crate::shell;

#[derive(clap::Args)]
pub struct Args {
    /// For how many seconds each target runs
    #[arg(long, default_value = "60")]
    seconds: u32,
    /// Which targets; all if left out
    targets: Vec<String>,
}

const TARGETS: [&str; 7] = ["btf", "tasks", "events", "proc", "config", "rules", "recording"];

/// Throws nonsense at everything that reads bytes from outside.
///
/// # Errors
/// Where cargo-fuzz or the nightly toolchain is missing, or a target panics.
pub fn fuzz(args: &Args) -> Result<()> {
    shell::output(shell::command("cargo").args(["+nightly", "fuzz", "--version"])).context(
        "needed are a nightly toolchain (rustup toolchain install nightly) and cargo-fuzz (cargo install cargo-fuzz)",
    )?;
    for target in TARGETS.iter().filter(|it| args.targets.is_empty() || args.targets.iter().any(|name| name == *it)) {
        shell::headline(&format!("fuzz {target}"));
        let mut fuzz = shell::command("cargo");
        fuzz.args(["+nightly", "fuzz", "run", target]).current_dir(shell::workspace());
        // The corpus that is kept is read; what is found goes elsewhere.
        fuzz.args([format!("target/fuzz-corpus/{target}"), format!("fuzz/corpus/{target}")]);
        std::fs::create_dir_all(shell::workspace().join("target/fuzz-corpus").join(target))?;
        fuzz.args(["--", &format!("-max_total_time={}", args.seconds), "-max_len=65536", "-timeout=10"]);
        shell::run(&mut fuzz)?;
    }
    ensure!(args.targets.iter().all(|name| TARGETS.contains(&name.as_str())), "targets are {}", TARGETS.join(", "));
    Ok(())
}

/// Runs the pure code that has `unsafe` in it or reads bytes from outside under Miri.
///
/// # Errors
/// Where Miri is missing, or finds something.
pub fn miri() -> Result<()> {
    shell::output(shell::command("cargo").args(["+nightly", "miri", "--version"]))
        .context("needed is Miri: rustup component add miri --toolchain nightly")?;
    shell::headline("Miri");
    let mut common = shell::command("cargo");
    common.args(["+nightly", "miri", "test", "--package", "monitor-common"]).current_dir(shell::workspace());
    // Times of a property test's cases are a thousand times longer here.
    shell::run(common.env("PROPTEST_CASES", "4").env("MIRIFLAGS", "-Zmiri-disable-isolation"))?;
    let mut user = shell::command("cargo");
    user.args(["+nightly", "miri", "test", "--package", "monitor-user", "--lib", "--"]).current_dir(shell::workspace());
    user.args(["fuzz::", "probes::tasks::reader::", "kernel::maps::", "config::share::", "config::duration::"]);
    shell::run(user.env("PROPTEST_CASES", "4").env("MIRIFLAGS", "-Zmiri-disable-isolation"))
}
