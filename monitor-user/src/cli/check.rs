//! `kpulse check`: what is needed to measure, and whether it is there.

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Arg, ArgAction, ArgMatches, Command};

use super::{Settings, with_settings};

/// Its flags.
pub fn command() -> Command {
    let command = Command::new("check")
        .about("Tell what this machine offers, what is lost without the rest, and how to get it")
        .after_help("All settings: kpulse check --help. Exit status 1: something is missing.")
        .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("Print one JSON object"));
    with_settings(command, &["btf"])
}

/// Runs it.
///
/// # Errors
///
/// Always, so far.
pub fn run(_settings: &Settings, _args: &ArgMatches) -> Result<ExitCode> {
    bail!("not built yet")
}
