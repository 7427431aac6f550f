//! `cargo xtask soak`: hours of windows, and the agent under load for as long as one likes; does anything of it grow?

use anyhow::{Result, ensure};

use crate::{build, requirements::Purpose, setup, shell};

#[derive(clap::Args)]
pub struct Args {
    /// How long the real agent runs under a mixed load
    #[arg(long, default_value = "30")]
    minutes: String,
    /// How many hours' worth of windows go through judge, recorder and journal
    #[arg(long, default_value = "60")]
    hours: String,
}

/// The command itself. Writes the figures to `docs/RELIABILITY.md`.
///
/// # Errors
/// Without root, or where setup, cargo or the soak fails.
pub fn soak(args: &Args) -> Result<()> {
    ensure!(
        shell::is_root(),
        "the soak runs the agent with its programs in the kernel, which only root may: {}",
        shell::as_root("soak")
    );
    setup::ensure_for(&[Purpose::Bench])?;
    let kpulse = build::release()?;
    shell::headline("soak");
    let mut soak = shell::cargo(["run", "--release", "--package", "tests", "--bin", "soak", "--"]);
    shell::run(soak.args(["--minutes", &args.minutes, "--hours", &args.hours]).env("KPULSE_BIN", kpulse))
}
