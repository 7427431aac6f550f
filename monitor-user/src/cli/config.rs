//! `kpulse config`: is a file right, and what is in force and whence.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use super::{WRONG, all_keys, complain, print, sources, with_settings};
use crate::config::{default_file, load, load_file, show};

/// Its flags.
pub fn command() -> Command {
    let check = Command::new("check").about("Tell whether a file is right, or everything that is wrong with it").arg(
        Arg::new("file")
            .value_name("FILE")
            .required(true)
            .value_parser(value_parser!(PathBuf))
            .help("The file; the environment and /etc are left out of account"),
    );
    let show = Command::new("show").about("Print what is in force and whence, as TOML").arg(
        Arg::new("default")
            .long("default")
            .action(ArgAction::SetTrue)
            .help("Print a commented file of all defaults instead, to begin with"),
    );
    Command::new("config")
        .about("Check a configuration file, or show what is in force")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands([check, with_settings(show, &all_keys())])
}

/// Runs it.
///
/// # Errors
///
/// What is wrong with the configuration that `show` should print, or the output.
pub fn run(args: &ArgMatches) -> Result<ExitCode> {
    match args.subcommand() {
        Some(("check", args)) => {
            let file = args.get_one::<PathBuf>("file").cloned().unwrap_or_default();
            match load_file(&file) {
                Ok(_) => print(&format!("{}: OK\n", file.display()))?,
                Err(errors) => {
                    complain(&errors.to_string());
                    return Ok(WRONG.into());
                }
            }
        }
        Some(("show", args)) if args.get_flag("default") => print(&default_file())?,
        Some(("show", args)) => {
            let loaded = load(&sources(args))?;
            for warning in &loaded.warnings {
                complain(&format!("warning: {warning}"));
            }
            print(&show(&loaded))?;
        }
        _ => anyhow::bail!("no command was given: see kpulse config --help"),
    }
    Ok(ExitCode::SUCCESS)
}
