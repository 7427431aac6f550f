//! `kpulse simulate`: a fleet that is not there, for those who want to know how large a server they need.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context as _, Result};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use super::{WRONG, complain, print};
use crate::{
    agent,
    config::duration,
    notify::Url,
    server::tokens::PREFIX,
    simulate::{self, Settings, Summary},
};

/// Its flags.
pub fn command() -> Command {
    let option = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name(value).help(help)
    };
    Command::new("simulate")
        .about("Report to a server as a fleet of made-up nodes would, and say how it took it")
        .after_help(
            "Every node has a connection and a name of its own, and sends what was not acknowledged again, as an agent does.\n\
             Exit status: 0 every report was acknowledged or refused by name, 1 some were lost, 2 wrong usage.",
        )
        .args([
            option("server", "URL", "The server").required(true).value_parser(Url::parse),
            option("nodes", "N", "How many nodes").default_value("1000").value_parser(value_parser!(u64).range(1..=1_000_000)),
            option("interval", "DURATION", "Time from one report of a node to the next")
                .default_value("10s")
                .value_parser(duration::parse),
            option("duration", "DURATION", "How long reports are made").default_value("1m").value_parser(duration::parse),
            option("grace", "DURATION", "How long reports may wait for the server after that")
                .default_value("1m")
                .value_parser(duration::parse),
            option("tokens-file", "PATH", "File with a token for each node, as kpulse token create --nodes prints it")
                .value_parser(value_parser!(PathBuf)),
            option("ca-file", "PATH", "Certificates in PEM that the server is checked against [default: the system's]")
                .value_parser(value_parser!(PathBuf)),
            option("seed", "NUMBER", "The same seed gives the same nodes and reports")
                .default_value("1")
                .value_parser(value_parser!(u64)),
            option("prefix", "TEXT", "What the names of nodes begin with").default_value("sim-"),
            option("slow-node", "NUMBER", "A node, from 1, on which everything takes longer; may be given again")
                .action(ArgAction::Append)
                .value_parser(value_parser!(u64)),
            option("slow-factor", "FACTOR", "How many times as long")
                .default_value("10")
                .value_parser(value_parser!(f64)),
            Arg::new("json")
                .long("json")
                .action(ArgAction::SetTrue)
                .help("Print the summary as one JSON object"),
        ])
}

/// Runs it.
///
/// # Errors
///
/// If there are too few file descriptors, or certificates cannot be read.
pub fn run(args: &ArgMatches) -> Result<ExitCode> {
    let number = |name: &str| args.get_one::<u64>(name).copied().unwrap_or_default();
    let time = |name: &str| args.get_one::<Duration>(name).copied().unwrap_or_default();
    let path = |name: &str| args.get_one::<PathBuf>(name).cloned();
    let Some(server) = args.get_one::<Url>("server").cloned() else { anyhow::bail!("--server is missing") };
    anyhow::ensure!(!time("interval").is_zero(), "--interval: expected a duration longer than 0");
    let settings = Settings {
        server,
        tokens: path("tokens-file").map_or(Ok(BTreeMap::new()), |path| tokens(&path))?,
        ca_file: path("ca-file"),
        nodes: number("nodes") as usize,
        interval: time("interval"),
        duration: time("duration"),
        grace: time("grace"),
        seed: number("seed"),
        prefix: args.get_one::<String>("prefix").cloned().unwrap_or_default(),
        slow: args.get_many::<u64>("slow-node").into_iter().flatten().map(|&number| number as usize).collect(),
        slow_factor: args.get_one::<f64>("slow-factor").copied().filter(|factor| factor.is_finite()).unwrap_or(10.0),
    };
    let json = args.get_flag("json");
    let runtime = agent::runtime()?;
    // With --json the lines on the way are for the person who waits, not for the program that reads.
    let say = |progress: &simulate::Progress| match json {
        true => complain(&progress.line()),
        false => drop(print(&format!("{}\n", progress.line()))),
    };
    let summary = runtime.block_on(simulate::run(settings, say)).map_err(anyhow::Error::msg)?;
    runtime.shutdown_background();
    print(&if json { format!("{}\n", serde_json::to_string(&summary)?) } else { text(&summary) })?;
    Ok(if summary.lost_total == 0 { ExitCode::SUCCESS } else { WRONG.into() })
}

/// Lines of a node's name, which may have spaces, and its token.
fn tokens(path: &Path) -> Result<BTreeMap<String, String>> {
    let text = fs::read_to_string(path).with_context(|| format!("--tokens-file: {} cannot be read", path.display()))?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(number, line)| {
            let parts = line.trim_end().rsplit_once(' ').filter(|(_, token)| token.starts_with(PREFIX));
            let (name, token) = parts.with_context(|| {
                // Not the line itself: it may be a token.
                let number = number + 1;
                format!("--tokens-file: {}: line {number}: expected a node's name and its token", path.display())
            })?;
            Ok((name.to_owned(), token.to_owned()))
        })
        .collect()
}

fn text(summary: &Summary) -> String {
    let progress = &summary.progress;
    let mut text =
        format!("{} nodes in {:.0} s: made {}, {}\n", progress.nodes, progress.seconds, progress.made, progress.line());
    for lost in &summary.lost {
        text.push_str(&format!("lost: report {} of {}\n", lost.sequence, lost.node));
    }
    match summary.lost_total {
        0 => text.push_str("no report was lost\n"),
        lost => text.push_str(&format!("{lost} reports were lost\n")),
    }
    text
}
