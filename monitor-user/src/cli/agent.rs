//! `kpulse agent`: the daemon.

use std::process::ExitCode;

use anyhow::Result;
use clap::{ArgMatches, Command};

use super::{Settings, all_keys, with_settings};
use crate::agent::{self, Agent, Signals};

/// Its flags.
pub fn command() -> Command {
    with_settings(
        Command::new("agent").about("Measure all the time and serve the figures over HTTP: the daemon").after_help(
            "SIGHUP loads the configuration again; a bad file leaves the old one in force. SIGTERM ends the agent.",
        ),
        &all_keys(),
    )
}

/// Runs it until it is told to end.
///
/// # Errors
///
/// If it cannot listen where it should.
pub fn run(settings: &Settings, _args: &ArgMatches) -> Result<ExitCode> {
    let runtime = agent::runtime()?;
    let ended = runtime.block_on(async {
        let config = settings.loaded.config.clone();
        let signals = Signals::catch()?;
        let listener = agent::listen(config.listen).await?;
        Agent::new(config, settings.sources.clone(), settings.log.clone())?.run(listener, signals).await
    });
    // A name server that does not answer must not hold up the end.
    runtime.shutdown_background();
    ended.map(|()| ExitCode::SUCCESS)
}
