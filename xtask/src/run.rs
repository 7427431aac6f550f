//! `cargo xtask run`: from a clone to an agent at work on this machine.

use std::{ffi::OsString, os::unix::process::CommandExt as _, process::Command};

use anyhow::{Error, Result};

use crate::{build, requirements::Purpose, setup, shell};

#[derive(clap::Args)]
pub struct Args {
    /// Passed on to `kpulse agent`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
}

/// The command itself: becomes the agent, so that signals and the exit status are the agent's own.
///
/// # Errors
/// Where setup or cargo fails, or the agent cannot be started.
pub fn run(args: &Args) -> Result<()> {
    setup::ensure_for(&[Purpose::Run])?;
    let kpulse = build::release()?;
    if !shell::is_root() {
        println!(
            "\nnot root: the kernel lets only root load programs, so scheduler and disk latencies are left out.\n\
             What /proc and /sys show works all the same. For everything: sudo {} agent",
            kpulse.display()
        );
    }
    shell::headline(&format!("{} agent", kpulse.display()));
    // Where the user stands, not in the workspace: paths among the arguments are theirs.
    let error = Command::new(&kpulse).arg("agent").args(&args.args).exec();
    Err(Error::new(error).context(format!("cannot start {}", kpulse.display())))
}
