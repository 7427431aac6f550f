//! `kpulse record`: the last minutes of the running agent, or some minutes from now on, as a file.

mod fetch;

use std::{
    ffi::OsString,
    io::Write as _,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use tokio::{
    signal::unix::{SignalKind, signal},
    time::{MissedTickBehavior, interval, sleep_until},
};

use self::fetch::Agent;
use super::{Settings, print, with_settings};
use crate::{
    agent,
    collect::Collector,
    config::Config,
    recorder::{Header, Recording, Writer, file_name, save::Unfinished},
    table::units,
};

/// For how long `--live` records unless it is told.
const LIVE_SECONDS: u64 = 60;

/// Its flags.
pub fn command() -> Command {
    let command = Command::new("record")
        .about("Write what the running agent has recorded, the last ten minutes, to a file")
        .after_help("The file can be read by kpulse replay, on any machine. All settings: kpulse record --help")
        .arg(
            Arg::new("file")
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help("Where to [default: kpulse-NODE-TIME.kpr]"),
        )
        .arg(
            Arg::new("seconds")
                .long("seconds")
                .value_name("NUMBER")
                .value_parser(value_parser!(u64).range(1..))
                .help("Only so many of the last seconds; with --live, for how long [default: all; 60]"),
        )
        .arg(
            Arg::new("agent")
                .long("agent")
                .value_name("URL")
                .value_parser(value_parser!(Agent))
                .conflicts_with("live")
                .help("The agent to ask [default: the one that listens as the settings say]"),
        )
        .arg(
            Arg::new("live")
                .long("live")
                .action(ArgAction::SetTrue)
                .help("Measure from now on, without an agent; ends early on Ctrl-C"),
        )
        .arg(Arg::new("force").long("force").action(ArgAction::SetTrue).help("Replace the file if it exists"));
    with_settings(command, &["interval", "listen"])
}

/// Runs it.
///
/// # Errors
///
/// If no agent answers, or the file exists or cannot be written.
pub fn run(settings: &Settings, args: &ArgMatches) -> Result<ExitCode> {
    let config = &settings.loaded.config;
    let (file, force) = (args.get_one::<PathBuf>("file"), args.get_flag("force"));
    let seconds = args.get_one::<u64>("seconds").copied();
    let place = Place::new(file.map(PathBuf::as_path), force)?;
    let mut to = Unfinished::new(&place.directory)?;
    if args.get_flag("live") {
        live(config, Duration::from_secs(seconds.unwrap_or(LIVE_SECONDS)), &mut to)?;
    } else {
        let agent = args.get_one::<Agent>("agent").cloned().unwrap_or_else(|| local(config));
        let query = seconds.map_or(String::new(), |seconds| format!("?seconds={seconds}"));
        agent.get(&format!("/api/v1/recording{query}"), &mut to)?;
    }
    print(&place.keep(to)?)?;
    Ok(ExitCode::SUCCESS)
}

/// The agent of this machine.
fn local(config: &Config) -> Agent {
    let mut address = config.listen;
    match address.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    Agent::at(address)
}

/// Where the file is to be.
struct Place {
    directory: PathBuf,
    /// Absent if the recording itself gives the name.
    name: Option<OsString>,
    force: bool,
}

impl Place {
    fn new(file: Option<&Path>, force: bool) -> Result<Self> {
        let here = || PathBuf::from(".");
        let Some(file) = file else { return Ok(Self { directory: here(), name: None, force }) };
        let name = file.file_name().with_context(|| format!("{} is not the name of a file", file.display()))?;
        ensure!(!file.is_dir(), "{} is a directory: name a file in it", file.display());
        ensure!(force || !file.exists(), "{} exists: name another file, or add --force", file.display());
        let directory = file.parent().filter(|directory| !directory.as_os_str().is_empty());
        Ok(Self { directory: directory.map_or_else(here, Path::to_owned), name: Some(name.into()), force })
    }

    /// Reads the whole file once before it gets its name, and says what it holds.
    fn keep(self, mut file: Unfinished) -> Result<String> {
        file.sync()?;
        let content = Content::of(file.path()).context("what was recorded cannot be read again, and is not kept")?;
        let name = self.name.unwrap_or_else(|| file_name(&content.header.node, content.end_realtime_ns).into());
        let path = file.finish(&name, self.force).map_err(|error| {
            let taken = if error.is_taken() { ": name another file, or add --force" } else { "" };
            anyhow::anyhow!("{error}{taken}")
        })?;
        let path = path.strip_prefix(".").unwrap_or(&path).to_owned();
        Ok(format!("{}: {}\n", path.display(), content.text()))
    }
}

/// What a recording holds.
struct Content {
    header: Header,
    samples: u64,
    begin_realtime_ns: u64,
    end_realtime_ns: u64,
    bytes: u64,
}

impl Content {
    fn of(path: &Path) -> Result<Self> {
        let recording = Recording::open(path)?;
        let bytes = path.metadata()?.len();
        let header = recording.header().clone();
        let mut content = Self { header, samples: 0, begin_realtime_ns: 0, end_realtime_ns: 0, bytes };
        for sample in recording {
            let realtime_ns = sample?.realtime_ns;
            if content.samples == 0 {
                content.begin_realtime_ns = realtime_ns;
            }
            content.samples += 1;
            content.end_realtime_ns = realtime_ns;
        }
        Ok(content)
    }

    fn text(&self) -> String {
        let node = if self.header.node.is_empty() { "a node without a name" } else { &self.header.node };
        let (begin, end) = (units::utc(self.begin_realtime_ns), units::utc(self.end_realtime_ns));
        let bytes = units::bytes(self.bytes as f64);
        format!("{} samples of {node}, {begin} to {end}, {bytes}", self.samples)
    }
}

/// Measures for so long, or until it is told to end.
fn live(config: &Config, length: Duration, to: &mut Unfinished) -> Result<()> {
    agent::runtime()?.block_on(async {
        let mut interrupted = signal(SignalKind::interrupt()).context("SIGINT cannot be handled")?;
        let mut terminated = signal(SignalKind::terminate()).context("SIGTERM cannot be handled")?;
        let mut collector = Collector::new(config);
        for (probe, state) in collector.loaded.states.iter().filter(|(_, state)| !state.is_on()) {
            tracing::warn!("probe {probe} is off: {}", state.reason());
        }
        let first = collector.collect().sample;
        let mut writer = Writer::new(to, &Header::of(&first))?;
        writer.push(&first)?;
        let mut tick = interval(config.interval);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let end = tick.tick().await + length;
        loop {
            tokio::select! {
                // What is due is recorded, the last one too.
                biased;
                _ = tick.tick() => writer.push(&collector.collect().sample)?,
                () = sleep_until(end) => break,
                _ = interrupted.recv() => break,
                _ = terminated.recv() => break,
            }
        }
        writer.finish()?.flush().context("the recording cannot be written")
    })
}

#[cfg(test)]
mod tests;
