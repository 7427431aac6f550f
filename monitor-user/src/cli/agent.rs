//! `kpulse agent`: the daemon.

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{ArgMatches, Command};

use super::{Settings, all_keys, with_settings};

/// Its flags.
pub fn command() -> Command {
    with_settings(
        Command::new("agent").about("Measure all the time and serve the figures over HTTP: the daemon").after_help(
            "SIGHUP loads the configuration again; a bad file leaves the old one in force. SIGTERM ends the agent.",
        ),
        &all_keys(),
    )
}

/// Runs it.
///
/// # Errors
///
/// Always, so far.
pub fn run(_settings: &Settings, _args: &ArgMatches) -> Result<ExitCode> {
    bail!("not built yet")
}
