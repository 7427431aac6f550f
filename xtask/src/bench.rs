//! `cargo xtask bench`: the benchmarks, on this machine's kernel.

use anyhow::{Result, ensure};

use crate::{build, requirements::Purpose, setup, shell};

#[derive(clap::Args)]
pub struct Args {
    /// Which benchmarks; all if left out
    names: Vec<String>,
}

/// The command itself.
///
/// # Errors
/// Without root, or where setup, cargo or a benchmark fails.
pub fn bench(args: &Args) -> Result<()> {
    ensure!(
        shell::is_root(),
        "the benchmarks load programs into the kernel, which only root may: {}",
        shell::as_root("bench")
    );
    setup::ensure_for(&[Purpose::Bench])?;
    let kpulse = build::release()?;
    shell::headline("benchmarks");
    let mut bench = shell::cargo(["run", "--release", "--package", "tests", "--bin", "bench", "--"]);
    shell::run(bench.args(&args.names).env("KPULSE_BIN", kpulse))
}
