//! `kpulse config`: is a file right, and what is in force and whence.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use super::{WRONG, all_keys, complain, print, sources, with_settings};
use crate::config::{KEYS, Key, SERVER_FILE, SERVER_KEYS, Sources, default_file, load, show};

/// Its flags.
pub fn command() -> Command {
    let check = Command::new("check").about("Tell whether a file is right, or everything that is wrong with it").arg(
        Arg::new("file")
            .value_name("FILE")
            .required(true)
            .value_parser(value_parser!(PathBuf))
            .help("The file; the environment and /etc are left out of account"),
    );
    let server =
        || Arg::new("server").long("server").action(ArgAction::SetTrue).help("Of the server, in place of the agent");
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
        .subcommands([check.arg(server()), with_settings(show.arg(server()), &all_keys())])
}

/// Runs it.
///
/// # Errors
///
/// What is wrong with the configuration that `show` should print, or the output.
pub fn run(args: &ArgMatches) -> Result<ExitCode> {
    let keys = |args: &ArgMatches| if args.get_flag("server") { SERVER_KEYS } else { KEYS };
    match args.subcommand() {
        Some(("check", args)) => {
            let file = args.get_one::<PathBuf>("file").cloned().unwrap_or_default();
            match load(&of_file(keys(args), file.clone())) {
                Ok(_) => print(&format!("{}: OK\n", file.display()))?,
                Err(errors) => {
                    complain(&errors.to_string());
                    return Ok(WRONG.into());
                }
            }
        }
        Some(("show", args)) if args.get_flag("default") => print(&default_file(keys(args)))?,
        Some(("show", args)) => {
            let loaded = load(&in_force(keys(args), sources(args)))?;
            for warning in &loaded.warnings {
                complain(&format!("warning: {warning}"));
            }
            print(&show(&loaded))?;
        }
        _ => anyhow::bail!("no command was given: see kpulse config --help"),
    }
    Ok(ExitCode::SUCCESS)
}

/// One file and nothing else.
fn of_file(keys: &'static [Key], file: PathBuf) -> Sources {
    Sources { keys, file: Some(file), ..Sources::default() }
}

/// Of the server there are a file and variables; the flags here are the agent's.
fn in_force(keys: &'static [Key], agent: Sources) -> Sources {
    match std::ptr::eq(keys, KEYS) {
        true => agent,
        false => Sources { keys, default_file: Some(SERVER_FILE.into()), flags: Default::default(), ..agent },
    }
}
