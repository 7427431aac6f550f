//! `kpulse sample`: measure for a while, print a table, leave.

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use super::{Settings, with_settings};

/// Its flags.
pub fn command() -> Command {
    let command = Command::new("sample")
        .about("Measure for a while without a daemon and print a table")
        .after_help("All settings: kpulse sample --help")
        .arg(
            Arg::new("count")
                .long("count")
                .value_name("NUMBER")
                .value_parser(value_parser!(u64).range(1..))
                .default_value("1")
                .help("How many intervals to measure"),
        )
        .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("Print one JSON object for each interval"));
    with_settings(command, &["interval", "tasks.top"])
}

/// Runs it.
///
/// # Errors
///
/// Always, so far.
pub fn run(_settings: &Settings, _args: &ArgMatches) -> Result<ExitCode> {
    bail!("not built yet")
}
