//! `kpulse check`: what is needed to measure, and whether it is there.

use std::{io::IsTerminal as _, process::ExitCode};

use anyhow::Result;
use clap::{Arg, ArgAction, ArgMatches, Command};

use super::{Settings, WRONG, print, sample, with_settings};
use crate::check::{
    self,
    report::Mark,
    text::{self, Style},
};

/// Its flags.
pub fn command() -> Command {
    let command = Command::new("check")
        .about("Tell what this machine offers, what is lost without the rest, and how to get it")
        .after_help(
            "Marks: ok; degraded: kpulse does all that it is for, with less or at a higher price; missing: it cannot.\n\
             Exit status: 0 nothing is missing, 1 something is, 2 wrong usage or configuration.\n\
             All settings: kpulse check --help",
        )
        .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("Print one JSON object"))
        .arg(
            Arg::new("all")
                .long("all")
                .action(ArgAction::SetTrue)
                .help("List every field of the kernel that is used, not only those that are missing"),
        );
    with_settings(command, &["btf"])
}

/// Runs it.
///
/// # Errors
///
/// If nobody can be told.
pub fn run(settings: &Settings, args: &ArgMatches) -> Result<ExitCode> {
    let report = check::run(&settings.loaded.config);
    if args.get_flag("json") {
        print(&format!("{}\n", serde_json::to_string(&report)?))?;
    } else {
        let terminal = std::io::stdout().is_terminal();
        let color = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let width = sample::width().filter(|_| terminal);
        print(&text::render(&report, Style { color, width, all: args.get_flag("all") }))?;
    }
    Ok(if report.mark == Mark::Missing { WRONG.into() } else { ExitCode::SUCCESS })
}
