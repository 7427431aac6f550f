//! `kpulse baseline`: what is usual on this node, and an operator's word on it.
//!
//! The agent holds the baselines. `show` reads what it saved last; the others leave it a request.

use std::{
    fmt::Write as _,
    path::Path,
    process::ExitCode,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, Result, bail};
use clap::{Arg, ArgAction, ArgMatches, Command, builder::PossibleValuesParser};
use monitor_common::block::{Operation, SizeClass};

use super::{print, settings, with_settings};
use crate::{
    baselines::{self, Action, Request, Saved},
    index::{Signal, baseline::Book},
    privileges,
    table::units,
};

/// Its flags.
pub fn command() -> Command {
    let show = Command::new("show")
        .about("Print what is usual, as the agent saved it last")
        .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("Print one JSON object"));
    let change = |action: Action, about: &'static str| {
        let signal = Arg::new("signal")
            .long("signal")
            .value_name("SIGNAL")
            .value_parser(PossibleValuesParser::new(Signal::ALL.iter().map(|signal| signal.name())))
            .help("Of one signal only");
        with_settings(Command::new(action.name()).about(about).arg(signal), &["state.dir"])
    };
    Command::new("baseline")
        .about("Show what is usual on this node, pin it, or have it learned anew")
        .after_help("Changes are taken up by the agent at its next judgement, or when it starts.")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands([
            with_settings(show, &["state.dir"]),
            change(Action::Pin, "Keep what is usual now as the reference of the mode \"pinned\""),
            change(Action::Unpin, "Forget what was pinned"),
            change(Action::Reset, "Forget what was learned, and learn anew; what is pinned stays"),
        ])
}

/// Runs it.
///
/// # Errors
///
/// If there is no baseline or it cannot be read, if a request makes no sense or cannot be left, or if nobody can be told.
pub fn run(args: &ArgMatches) -> Result<ExitCode> {
    let Some((name, args)) = args.subcommand() else { bail!("no command was given: see kpulse baseline --help") };
    let state = settings(args, false)?.loaded.config.state.dir;
    let saved = baselines::load(&state)?.with_context(|| {
        format!(
            "there is no {}: has an agent with this state.dir run for a few minutes?",
            baselines::file(&state).display()
        )
    })?;
    let now_ns =
        SystemTime::now().duration_since(UNIX_EPOCH).context("the clock shows a time before 1970")?.as_nanos() as u64;
    match Action::ALL.iter().find(|action| action.name() == name) {
        None if args.get_flag("json") => print(&format!("{}\n", json(&state, &saved)?))?,
        None => print(&page(&state, &saved, now_ns)?)?,
        Some(&action) => {
            let named = args.get_one::<String>("signal");
            let signal = named.and_then(|name| Signal::ALL.iter().find(|signal| signal.name() == name)).copied();
            ask(&state, &saved, Request { action, signal, asked_ns: now_ns })?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn ask(state: &Path, saved: &Saved, request: Request) -> Result<()> {
    if request.action == Action::Pin {
        // What is learned since the file was saved is not in it, but who has learned nothing by then has nothing to pin.
        let mut would_be = saved.baselines.clone();
        match request.signal {
            Some(signal) => would_be.pin(signal, 0)?,
            None if Signal::ALL.iter().any(|signal| would_be.pin(*signal, 0).is_ok()) => {}
            None => {
                bail!("nothing can be pinned: no baseline knows any kind of request yet; wait until one has learned")
            }
        }
    }
    // What root left there, an agent of another user could not take away; and root need not trust that user's directory.
    privileges::user::act_as_owner_of(state)?;
    baselines::ask(state, &request)?;
    print(&format!("{}: asked for; the agent does it at its next judgement, or when it starts\n", describe(&request)))
}

fn describe(request: &Request) -> String {
    let of = request.signal.map_or("all signals", Signal::name);
    format!("{} the baseline of {of}", request.action.name())
}

fn json(state: &Path, saved: &Saved) -> Result<String> {
    let pending: Vec<Request> =
        baselines::pending(state)?.into_iter().filter_map(|(_, request)| request.ok()).collect();
    Ok(serde_json::to_string(&serde_json::json!({
        "saved_ns": saved.saved_ns,
        "states": saved.baselines.states(),
        "baselines": saved.baselines,
        "pending": pending,
    }))?)
}

fn page(state: &Path, saved: &Saved, now_ns: u64) -> Result<String> {
    let age = now_ns.saturating_sub(saved.saved_ns) as f64 / 1e9;
    let mut out = format!(
        "{}, saved {} ago ({})\n",
        baselines::file(state).display(),
        units::time(age),
        units::utc(saved.saved_ns)
    );
    for book in &saved.baselines.books {
        section(&mut out, book);
    }
    if saved.baselines.books.is_empty() {
        out.push_str("\nnothing has been learned yet\n");
    }
    for (path, request) in baselines::pending(state)? {
        match request {
            Ok(request) => writeln!(out, "\nwaits for the agent: {}", describe(&request))?,
            Err(error) => writeln!(out, "\nwaits for the agent, which will leave it out: {}: {error}", path.display())?,
        }
    }
    Ok(out)
}

fn section(out: &mut String, book: &Book) {
    let state = book.state();
    let scope = if book.scope.is_empty() { String::new() } else { format!(" of {}", book.scope) };
    let _ = write!(out, "\n{}{scope}: {}", book.signal.name(), state.state.name());
    if let Some(ns) = book.pinned_ns {
        let _ = write!(out, ", pinned since {}", units::utc(ns));
    }
    if book.refused > 0 {
        let _ = write!(out, ", {} intervals refused", book.refused);
    }
    let columns = ["class", "operation", "size", "usual", "pinned", "requests"];
    let _ = writeln!(
        out,
        "\n  {:<11} {:<9} {:<7} {:>8} {:>8} {:>8}",
        columns[0], columns[1], columns[2], columns[3], columns[4], columns[5]
    );
    for usual in &book.strata {
        let stratum = usual.stratum;
        let [class, operation, size] = match book.signal {
            Signal::RunQueue => ["", "wait", ""],
            Signal::Block => [
                stratum.class.name(),
                Operation::ALL.get(usize::from(stratum.operation)).map_or("?", |operation| operation.name()),
                SizeClass::ALL.get(usize::from(stratum.size)).map_or("?", |size| size.name()),
            ],
        };
        let mean = usual.learned_mean().map_or("learning".into(), units::time);
        let pinned = usual.pinned.map_or("-".into(), units::time);
        let requests = units::count(usual.requests as f64);
        let _ = writeln!(out, "  {class:<11} {operation:<9} {size:<7} {mean:>8} {pinned:>8} {requests:>8}");
    }
}
