//! `kpulse sample`: measure for a while, print a table, leave.

use std::{io::IsTerminal as _, process::ExitCode, thread};

use anyhow::{Context as _, Result};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use super::{Settings, print, with_settings};
use crate::{
    collect::Collector,
    table::{self, Node, Style},
    window::{self, Window},
};

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
/// If nobody can be told, or the machine gives samples that have no difference.
pub fn run(settings: &Settings, args: &ArgMatches) -> Result<ExitCode> {
    let config = &settings.loaded.config;
    let count = args.get_one::<u64>("count").copied().unwrap_or(1);
    let mut collector = Collector::new(config);
    for (probe, state) in &collector.loaded.states {
        if !state.is_on() {
            tracing::warn!("probe {probe} is off: {}", state.reason());
        }
    }
    let options = window::Options { top_tasks: config.tasks.top };
    let mut before = collector.collect().sample;
    for _ in 0..count {
        thread::sleep(config.interval);
        let now = collector.collect().sample;
        let window = window::derive(&before, &now, &options).context("this interval cannot be shown")?;
        if args.get_flag("json") {
            print(&format!("{}\n", serde_json::to_string(&window)?))?;
        } else {
            print(&page(&window, &Node::from(&now.host)))?;
        }
        before = now;
    }
    Ok(ExitCode::SUCCESS)
}

fn page(window: &Window, node: &Node) -> String {
    let terminal = std::io::stdout().is_terminal();
    let color = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    table::render(window, node, Style { color, width: width().filter(|_| terminal).unwrap_or(Style::default().width) })
}

/// How wide the terminal is.
pub(super) fn width() -> Option<usize> {
    // SAFETY: the call writes the struct, of which every bit pattern is valid.
    let size = unsafe {
        let mut size: libc::winsize = std::mem::zeroed();
        (libc::ioctl(libc::STDOUT_FILENO, libc::TIOCGWINSZ, &mut size) == 0).then_some(size)
    };
    size.map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0)
}
