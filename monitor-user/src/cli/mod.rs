//! The commands: what the user typed becomes settings and the call of one command.
//!
//! Every command is one file with the same shape: `command()` says its flags, `run()` does it. The flags of the settings
//! are derived from [`KEYS`].
//!
//! Exit status: 0 all is well, 1 something is wrong, 2 wrong usage or configuration.

pub mod agent;
pub mod baseline;
pub mod check;
pub mod config;
pub mod fleet;
pub mod print;
pub mod record;
pub mod replay;
pub mod rules;
pub mod sample;
pub mod server;
pub mod server_backup;
pub mod simulate;
pub mod token;

use std::{collections::BTreeMap, ffi::OsString, io::Write as _, path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::{Arg, ArgMatches, Command, value_parser};

pub use self::print::{Closed, print};
use crate::{
    config::{
        DEFAULT_FILE, Errors, FILE_VARIABLE, KEYS, Key, Kind, Level, Loaded, Origin, SERVER_FILE, SERVER_KEYS, Sources,
        capitalised, load,
    },
    kernel::statistics,
    log::{self, LogHandle},
    privileges,
};

/// The exit status when something is wrong.
const WRONG: u8 = 1;
/// The exit status of wrong usage or configuration.
const USAGE: u8 = 2;

/// What a command works with.
#[derive(Debug)]
pub struct Settings {
    /// Where the configuration came from: load it again from there.
    pub sources: Sources,
    /// What is in force.
    pub loaded: Loaded,
    /// The log that has begun.
    pub log: LogHandle,
}

/// Runs the command that `args` name, the program's name first. Never panics on a closed stream.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let matches = match command().try_get_matches_from(args) {
        Ok(matches) => matches,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { USAGE.into() } else { ExitCode::SUCCESS };
        }
    };
    match dispatch(&matches) {
        Ok(code) => code,
        // Whoever read the output has seen enough.
        Err(error) if error.is::<Closed>() => ExitCode::SUCCESS,
        Err(error) if error.is::<Errors>() => {
            complain(&format!("{error}"));
            USAGE.into()
        }
        Err(error) => {
            complain(&format!("kpulse: {error:#}"));
            WRONG.into()
        }
    }
}

fn dispatch(matches: &ArgMatches) -> Result<ExitCode> {
    match matches.subcommand() {
        Some(("agent", args)) => agent::run(&settings(args, true)?, args),
        Some(("sample", args)) => sample::run(&settings(args, false)?, args),
        Some(("record", args)) => record::run(&settings(args, false)?, args),
        Some(("replay", args)) => replay::run(&settings(args, false)?, args),
        Some(("check", args)) => check::run(&settings(args, false)?, args),
        Some(("config", args)) => config::run(args),
        Some(("rules", args)) => rules::run(args),
        Some(("baseline", args)) => baseline::run(args),
        Some(("server", args)) => server::run(args),
        Some(("token", args)) => token::run(args),
        Some(("simulate", args)) => simulate::run(args),
        Some(("nodes", args)) => fleet::nodes(args),
        Some(("node", args)) => fleet::node(args),
        Some(("alerts", args)) => fleet::alerts(args),
        Some((statistics::COMMAND, _)) => {
            privileges::give_up_all_but_timing()?;
            Ok(statistics::serve().map(|()| ExitCode::SUCCESS)?)
        }
        _ => anyhow::bail!("no command was given: see kpulse --help"),
    }
}

/// The whole command line.
pub fn command() -> Command {
    Command::new("kpulse")
        .version(env!("CARGO_PKG_VERSION"))
        .about("A kernel-level monitor: how long work waits for a CPU and for a disk, and because of whom")
        .after_help(
            "Every setting is a flag, an environment variable and a key of the configuration file: see\n\
             `kpulse agent --help` and `kpulse config show --default`.\n\n\
             Exit status: 0 all is well, 1 something is wrong, 2 wrong usage or configuration.",
        )
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands([
            agent::command(),
            sample::command(),
            record::command(),
            replay::command(),
            check::command(),
            config::command(),
            rules::command(),
            baseline::command(),
            server::command(),
            token::command(),
            simulate::command(),
            fleet::nodes_command(),
            fleet::node_command(),
            fleet::alerts_command(),
            // The agent's own helper: nobody calls it.
            Command::new(statistics::COMMAND).hide(true),
        ])
}

/// Adds `--config` and a flag for every key. Of these, `-h` shows only the keys in `shown`, `--help` all.
fn with_settings(command: Command, shown: &[&str]) -> Command {
    with_keys(command, KEYS, DEFAULT_FILE, shown)
}

/// As [`with_settings`], of the server.
fn with_server_settings(command: Command, shown: &[&str]) -> Command {
    with_keys(command, SERVER_KEYS, SERVER_FILE, shown)
}

fn with_keys(command: Command, keys: &'static [Key], default_file: &str, shown: &[&str]) -> Command {
    let file = Arg::new("config")
        .long("config")
        .value_name("FILE")
        .value_parser(value_parser!(PathBuf))
        .help_heading("Settings")
        .help(format!("Configuration file [default: {default_file} if it exists]"))
        .long_help(format!(
            "Configuration file.\n[default: {default_file} if it exists] [environment: {FILE_VARIABLE}]"
        ));
    command.arg(file).args(keys.iter().map(|key| flag(key).hide_short_help(!shown.contains(&key.name))))
}

/// Every key, for [`with_settings`].
fn all_keys() -> Vec<&'static str> {
    KEYS.iter().map(|key| key.name).collect()
}

/// The flag of a key. Its value is text: what is wrong with it is said by the configuration, as it is for a file.
fn flag(key: &'static Key) -> Arg {
    let help = capitalised(key.help);
    let default = if key.default.is_empty() { "\"\"" } else { key.default };
    Arg::new(key.name)
        .long(key.flag())
        .help_heading("Settings")
        .help(format!("{help} [default: {default}]"))
        .long_help(format!("{help}.\nExpects {}.\n[default: {default}] [environment: {}]", key.expects(), key.env()))
        .value_name(match key.kind {
            Kind::Address(_) => "ADDRESS",
            Kind::Directory(_) | Kind::File(_) => "PATH",
            Kind::Switch(_) => "BOOLEAN",
            Kind::Number(..) => "NUMBER",
            Kind::Duration(..) | Kind::Threshold(..) => "DURATION",
            Kind::Share(_) => "PERCENT",
            Kind::Level(_) => "LEVEL",
            Kind::Format(_) => "FORMAT",
            Kind::Mode(_) => "MODE",
            Kind::Text(_) => "TEXT",
            Kind::Url(_) => "URL",
            Kind::Urls(_) => "URLS",
        })
}

/// The sources of the configuration, as a command's flags and the environment name them.
fn sources(args: &ArgMatches) -> Sources {
    sources_of(args, KEYS, DEFAULT_FILE)
}

fn sources_of(args: &ArgMatches, keys: &'static [Key], default_file: &str) -> Sources {
    let env = Sources::environment();
    let named = args.get_one::<PathBuf>("config").cloned();
    let variable = env.get(FILE_VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from);
    let flags: BTreeMap<_, _> =
        keys.iter().filter_map(|key| Some((key.name, args.get_one::<String>(key.name)?.clone()))).collect();
    Sources { keys, file: named.or(variable), default_file: Some(default_file.into()), flags, env }
}

/// Loads the configuration and begins the log. A command that is no daemon logs warnings and errors only, unless someone
/// has set the level: its output is for a person.
fn settings(args: &ArgMatches, daemon: bool) -> Result<Settings> {
    settings_of(sources(args), daemon)
}

/// As [`settings`], of the server.
fn server_settings(args: &ArgMatches, daemon: bool) -> Result<Settings> {
    settings_of(sources_of(args, SERVER_KEYS, SERVER_FILE), daemon)
}

fn settings_of(sources: Sources, daemon: bool) -> Result<Settings> {
    let loaded = load(&sources)?;
    let mut config = loaded.config.clone();
    if !daemon && loaded.origin.get("log.level") == Some(&Origin::Default) {
        config.log.level = Level::Warn;
    }
    let log = log::init(&config);
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    Ok(Settings { sources, loaded, log })
}

/// Writes a line to the standard error stream. If nobody listens there, there is nobody to tell.
fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn every_key_is_a_flag_of_every_command_that_measures() {
        for name in ["agent", "sample", "record", "check"] {
            for key in KEYS {
                let flag = format!("--{}={}", key.flag(), key.default);
                let matches = command().try_get_matches_from(["kpulse", name, &flag]).unwrap();
                let (_, args) = matches.subcommand().unwrap();
                assert_eq!(sources(args).flags, BTreeMap::from([(key.name, key.default.to_string())]));
            }
        }
    }
}
