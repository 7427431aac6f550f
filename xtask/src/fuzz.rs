//! `cargo xtask fuzz` and `cargo xtask miri`: what needs more tools than the tests, and has no end of its own.
//!
//! The tests replay the kept corpus of `fuzz/corpus` without any of it.

use std::{fs, path::Path};

use anyhow::{Context as _, Result, ensure};

use crate::{requirements::Purpose, setup, shell};

#[derive(clap::Args)]
pub struct Args {
    /// For how many seconds each target runs
    #[arg(long, default_value = "60")]
    seconds: u32,
    /// Which targets; all if left out
    targets: Vec<String>,
}

/// Throws nonsense at everything that reads bytes from outside.
///
/// # Errors
/// Where what it needs cannot be installed, there is no such target, or a target panics.
pub fn fuzz(args: &Args) -> Result<()> {
    let all = targets(&shell::workspace().join("fuzz/fuzz_targets"))?;
    let unknown = args.targets.iter().find(|name| !all.contains(name));
    ensure!(
        unknown.is_none(),
        "there is no target {}: targets are {}",
        unknown.unwrap_or(&String::new()),
        all.join(", ")
    );
    setup::ensure_for(&[Purpose::Build, Purpose::Fuzz])?;
    for target in all.iter().filter(|it| args.targets.is_empty() || args.targets.contains(it)) {
        shell::headline(&format!("fuzz {target}"));
        let [found, failures] = ["corpus", "failures"].map(|of| format!("target/fuzz/{of}/{target}/"));
        for folder in [&found, &failures] {
            let folder = shell::workspace().join(folder);
            fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        }
        // Without the address sanitizer: what is reached is safe Rust but for what Miri is for, and is faster without.
        let mut fuzz = shell::command("cargo");
        fuzz.args(["fuzz", "run", "--sanitizer=none", "--target-dir=target/fuzz/build", target]);
        // The corpus that is kept is read; what is found goes elsewhere.
        fuzz.args([found, format!("fuzz/corpus/{target}")]);
        fuzz.args(["--", &format!("-max_total_time={}", args.seconds), "-max_len=65536", "-timeout=10"]);
        shell::run(fuzz.arg(format!("-artifact_prefix={failures}")))?;
    }
    Ok(())
}

/// Their names: those of the files in this folder, each of which is one.
fn targets(folder: &Path) -> Result<Vec<String>> {
    let files = fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut names = Vec::new();
    for file in files {
        let path = file.with_context(|| format!("cannot list {}", folder.display()))?.path();
        names.extend(path.file_stem().and_then(|name| Some(name.to_str()?.to_owned())));
    }
    names.sort();
    Ok(names)
}

/// Runs the pure code that has `unsafe` in it or reads bytes from outside under Miri.
///
/// # Errors
/// Where Miri is missing, or finds something.
pub fn miri() -> Result<()> {
    setup::ensure_for(&[Purpose::Miri])?;
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
