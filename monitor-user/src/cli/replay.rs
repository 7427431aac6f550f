//! `kpulse replay`: what would have been said of a recording.

use std::{
    fmt::Write as _,
    io::IsTerminal as _,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use anyhow::{Context as _, Result};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use super::{Settings, WRONG, complain, print, sample, with_settings};
use crate::{
    baselines,
    evidence::text,
    index::{Indexer, Signal, baseline::Baselines},
    judge::{self, Judge, Judgement},
    recorder::{Header, Recording},
    rules,
    table::{Style, units},
};

/// Its flags.
pub fn command() -> Command {
    let command = Command::new("replay")
        .about("Judge a recording as the agent would have, and print what it would have said")
        .after_help(
            "Baselines are learned from the recording itself, unless --baseline names those of an agent: what is usual must be\n\
             known before P can be. The same recording, rules and baselines give the same output, to the last byte.\n\
             Exit status: 0 all of it was read, 1 it is damaged or the rest is missing, 2 wrong usage or configuration.\n\
             All settings: kpulse replay --help",
        )
        .arg(
            Arg::new("file")
                .value_name("FILE")
                .required(true)
                .value_parser(value_parser!(PathBuf))
                .help("A recording, by kpulse record or of an alert"),
        )
        .arg(
            Arg::new("baseline")
                .long("baseline")
                .value_name("DIRECTORY")
                .value_parser(value_parser!(PathBuf))
                .help("Begin with the baselines in this state directory"),
        )
        .arg(
            Arg::new("windows")
                .long("windows")
                .action(ArgAction::SetTrue)
                .help("Print a line for each window that was judged, too"),
        )
        .arg(
            Arg::new("json")
                .long("json")
                .action(ArgAction::SetTrue)
                .help("Print one JSON object for each window that was judged: indices, and alerts that changed"),
        );
    with_settings(command, &["judge.interval", "judge.window", "rules.file"])
}

/// Runs it.
///
/// # Errors
///
/// If the recording cannot be opened, or nobody can be told.
pub fn run(settings: &Settings, args: &ArgMatches) -> Result<ExitCode> {
    let config = &settings.loaded.config;
    let file = args.get_one::<PathBuf>("file").cloned().unwrap_or_default();
    let rules = rules::load(config.rules.file.as_deref())?;
    let baselines = match args.get_one::<PathBuf>("baseline") {
        Some(state) => learned(state)?,
        None => Baselines::default(),
    };
    let recording = Recording::open(&file).with_context(|| format!("{} cannot be replayed", file.display()))?;
    let mut printer = Printer::new(args);
    printer.begin(recording.header())?;

    let node = recording.header().node.clone();
    let indexer = Indexer::new(node.clone(), config.index.options(), config.index.learning(), baselines);
    let mut judge = Judge::new(judge::Settings::of(config, node), indexer, rules, Vec::new());
    let mut whole = true;
    for sample in recording {
        let sample = match sample {
            Ok(sample) => Arc::new(sample),
            Err(error) => {
                complain(&format!("{}: {error}", file.display()));
                whole = false;
                break;
            }
        };
        printer.samples += 1;
        match judge.see(&sample, None) {
            Ok(Some(judgement)) => printer.judgement(&judgement)?,
            Ok(None) => {}
            Err(refused) => printer.refused(sample.realtime_ns, &refused.to_string())?,
        }
    }
    printer.end(&judge)?;
    Ok(if whole { ExitCode::SUCCESS } else { WRONG.into() })
}

fn learned(state: &Path) -> Result<Baselines> {
    let saved = baselines::load(state)?;
    let saved = saved.with_context(|| format!("there is no {}", baselines::file(state).display()))?;
    Ok(saved.baselines)
}

/// What is printed on the way.
struct Printer {
    json: bool,
    windows: bool,
    style: Style,
    samples: u64,
    judged: u64,
    changes: u64,
    /// The highest P of each signal, and the end of its window in nanoseconds since 1970.
    highest: Vec<(Signal, f64, u64)>,
}

impl Printer {
    fn new(args: &ArgMatches) -> Self {
        let terminal = std::io::stdout().is_terminal();
        let color = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let width = sample::width().filter(|_| terminal).unwrap_or(Style::default().width);
        Self {
            json: args.get_flag("json"),
            windows: args.get_flag("windows"),
            style: Style { color, width },
            samples: 0,
            judged: 0,
            changes: 0,
            highest: Vec::new(),
        }
    }

    fn begin(&self, header: &Header) -> Result<()> {
        if self.json {
            return Ok(());
        }
        print(&format!("{}   Linux {}   recorded by kpulse {}\n\n", header.node, header.kernel, header.kpulse))
    }

    fn judgement(&mut self, judgement: &Judgement) -> Result<()> {
        self.judged += 1;
        self.changes += judgement.changes.len() as u64;
        let end_ns = judgement.window.end_realtime_ns;
        if self.json {
            let line = serde_json::json!({
                "end_realtime_ns": end_ns,
                "seconds": judgement.window.seconds,
                "indices": judgement.indices,
                "changes": judgement.changes,
            });
            return print(&format!("{line}\n"));
        }
        for (signal, p) in verdicts(judgement) {
            match self.highest.iter_mut().find(|(of, ..)| *of == signal) {
                Some(highest) if highest.1 >= p => {}
                Some(highest) => *highest = (signal, p, end_ns),
                None => self.highest.push((signal, p, end_ns)),
            }
        }
        if self.windows {
            print(&window_line(judgement))?;
        }
        for alert in &judgement.changes {
            print(&format!("{}\n", text::render(alert, self.style)))?;
        }
        Ok(())
    }

    fn refused(&self, realtime_ns: u64, why: &str) -> Result<()> {
        match self.json {
            true => print(&format!("{}\n", serde_json::json!({ "end_realtime_ns": realtime_ns, "refused": why }))),
            false => print(&format!("{}  a new beginning: {why}\n", units::utc(realtime_ns))),
        }
    }

    fn end(&self, judge: &Judge) -> Result<()> {
        if self.json {
            return Ok(());
        }
        let mut text =
            format!("{} samples, {} windows judged, {} changes of alerts\n", self.samples, self.judged, self.changes);
        for (signal, p, end_ns) in &self.highest {
            let _ = writeln!(text, "highest P of {}: {p:.2} at {}", signal.name(), units::utc(*end_ns));
        }
        if self.highest.is_empty() && self.judged > 0 {
            text.push_str("P is not known: what is usual was still being learned (see --baseline)\n");
        }
        let firing =
            judge.alerts().iter().filter(|alert| alert.resolved_ns.is_none() && alert.fired_ns.is_some()).count();
        if firing > 0 {
            let _ = writeln!(text, "{firing} firing at the end");
        }
        print(&text)
    }
}

/// P of each signal, held against what was learned.
fn verdicts(judgement: &Judgement) -> impl Iterator<Item = (Signal, f64)> {
    let trailing = judgement.indices.iter().filter(|index| index.mode == crate::index::Mode::Trailing);
    trailing.filter_map(|index| Some((index.signal, index.verdict?.p)))
}

fn window_line(judgement: &Judgement) -> String {
    let window = &judgement.window;
    let mut line = units::utc(window.end_realtime_ns);
    if let Some(sched) = &window.sched {
        let busy = sched.utilization.map_or_else(|| "?".into(), units::percent);
        let wait = sched.wait.map_or_else(|| "-".into(), |wait| units::time(wait.mean));
        let _ = write!(line, "  CPU {busy:>6}  wait {wait:>7}");
    }
    if let Some(block) = &window.block {
        let time = block.mean_request_time.map_or_else(|| "-".into(), units::time);
        let _ = write!(line, "  request {time:>7}");
    }
    for (signal, p) in verdicts(judgement) {
        let _ = write!(line, "  P {} {p:.2}", signal.name());
    }
    line.push('\n');
    line
}
