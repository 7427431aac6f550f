//! `kpulse server`: the server of a fleet.

use std::process::ExitCode;

use anyhow::Result;
use clap::{ArgMatches, Command};

use super::{server_backup, server_settings, with_server_settings};
use crate::{agent::Signals, config::SERVER_KEYS, server};

/// Its flags.
pub fn command() -> Command {
    let all: Vec<&str> = SERVER_KEYS.iter().map(|key| key.name).collect();
    with_server_settings(
        Command::new("server").about("Take the reports of a fleet's agents, judge and keep them: the server").after_help(
            "SIGHUP loads the configuration again; a bad file leaves the old one in force. SIGTERM ends the server.\n\
             Agents need a token (kpulse token create --node NAME) or a client certificate, except on loopback without TLS.",
        ),
        &all,
    )
    .subcommand(with_server_settings(server_backup::command(), &["state.dir"]))
}

/// Runs it until it is told to end.
///
/// # Errors
///
/// If it cannot listen where it should, or cannot use its files.
pub fn run(args: &ArgMatches) -> Result<ExitCode> {
    if let Some(("backup", args)) = args.subcommand() {
        let state = server_settings(args, false)?.loaded.config.state.dir;
        return server_backup::run(&state.join(server::STORE), args);
    }
    let settings = server_settings(args, true)?;
    let runtime = server::runtime()?;
    let ended = runtime.block_on(async {
        let config = settings.loaded.config.clone();
        let signals = Signals::catch()?;
        let listener = server::listen(&config).await?;
        server::run(config, settings.sources.clone(), settings.log.clone(), listener, signals).await
    });
    // A name server that does not answer must not hold up the end.
    runtime.shutdown_timeout(server::END);
    ended.map(|()| ExitCode::SUCCESS)
}
