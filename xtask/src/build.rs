//! `cargo xtask build`: the kernel programs and `kpulse`, which carries them inside.

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context as _, Result};

use crate::{requirements::Purpose, setup, shell};

#[derive(clap::Args)]
pub struct Args {
    /// Optimised and stripped, as it is shipped (the default)
    #[arg(long, conflicts_with = "dev")]
    release: bool,
    /// Quick to build, with debug information
    #[arg(long)]
    dev: bool,
}

/// The command itself.
///
/// # Errors
/// Where setup or cargo fails.
pub fn build(args: &Args) -> Result<()> {
    setup::ensure_for(&[Purpose::Build])?;
    let kpulse = if args.dev { cargo_build("dev", "debug")? } else { release()? };
    let size = fs::metadata(&kpulse).with_context(|| format!("cargo built no {}", kpulse.display()))?.len();
    println!("{} ({})", kpulse.display(), mebibytes(size));
    Ok(())
}

/// Builds `kpulse` as it is shipped and returns where it is.
///
/// # Errors
/// Where cargo fails.
pub fn release() -> Result<PathBuf> {
    cargo_build("release", "release")
}

fn cargo_build(profile: &str, profile_dir: &str) -> Result<PathBuf> {
    let kpulse = shell::kpulse(profile_dir)?;
    shell::headline(&format!("build kpulse and its kernel programs ({profile})"));
    shell::run(&mut command(profile))?;
    Ok(kpulse)
}

/// The command that builds `kpulse`; the build script of monitor-user builds the programs.
pub fn command(profile: &str) -> Command {
    shell::cargo(["build", "--package", "monitor-user", "--bin", "kpulse", "--profile", profile])
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_shown_in_binary_units() {
        assert_eq!(mebibytes(10 << 20), "10.0 MiB");
        assert_eq!(mebibytes(1_572_864), "1.5 MiB");
    }
}
