//! `kpulse rules`: what is judged, whether a file of rules is right, and what would hold now.

use std::{
    fmt::Write as _,
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use serde_json::json;

use super::{WRONG, complain, print, sources, with_settings};
use crate::{
    config,
    rules::{
        self, Rule,
        finding::{Finding, holding},
        reference::time,
        signal::{Signal, signals},
    },
    window::Window,
};

/// Its flags.
pub fn command() -> Command {
    let json = |help| Arg::new("json").long("json").action(ArgAction::SetTrue).help(help);
    let list = Command::new("list")
        .about("List the rules in force, built-in and your own, and where each is written")
        .arg(json("Print one JSON array"));
    let signals = Command::new("signals").about("List what a rule can judge").arg(json("Print one JSON array"));
    let test = Command::new("test")
        .about("Tell whether a file of rules is right, and what would hold now")
        .arg(
            Arg::new("file")
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help("The file [default: that of the setting rules.file, or else the built-in rules]"),
        )
        .arg(
            Arg::new("window")
                .long("window")
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help("A window as /api/v1/window gives it, - for the standard input: say which rules hold for it"),
        );
    Command::new("rules")
        .about("List the alert rules, or test a file of them")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands([with_settings(list, &["rules.file"]), signals, with_settings(test, &["rules.file"])])
}

/// Runs it.
///
/// # Errors
///
/// What is wrong with the configuration, the rules that `list` should print, or the output.
pub fn run(args: &ArgMatches) -> Result<ExitCode> {
    match args.subcommand() {
        Some(("list", args)) => {
            let rules = rules::load(config::load(&sources(args))?.config.rules.file.as_deref())?;
            print(&if args.get_flag("json") { json_of_rules(&rules)? } else { table_of_rules(&rules) })?;
        }
        Some(("signals", args)) => print(&if args.get_flag("json") { json_of_signals()? } else { table_of_signals() })?,
        Some(("test", args)) => return test(args),
        _ => anyhow::bail!("no command was given: see kpulse rules --help"),
    }
    Ok(ExitCode::SUCCESS)
}

fn test(args: &ArgMatches) -> Result<ExitCode> {
    let file = match args.get_one::<PathBuf>("file") {
        Some(file) => Some(file.clone()),
        None => config::load(&sources(args))?.config.rules.file,
    };
    let rules = match rules::load(file.as_deref()) {
        Ok(rules) => rules,
        Err(errors) => {
            complain(&errors.to_string());
            return Ok(WRONG.into());
        }
    };
    let name = file.map_or("built-in rules".into(), |file| file.display().to_string());
    let enabled = rules.iter().filter(|rule| rule.enabled).count();
    let mut out = format!("{name}: OK, {enabled} rules are on\n");
    if let Some(file) = args.get_one::<PathBuf>("window") {
        let window = read_window(file)?;
        let own = "signals of the index and of the agent itself are not in a window";
        let _ = writeln!(out, "\nHolding in this window, whatever their `for` says ({own}):\n");
        out.push_str(&table_of_findings(&holding(rules, &window)));
    }
    print(&out)?;
    Ok(ExitCode::SUCCESS)
}

fn read_window(file: &Path) -> Result<Window> {
    let mut text = String::new();
    if file == Path::new("-") {
        io::stdin().read_to_string(&mut text).context("the standard input cannot be read")?;
    } else {
        text = fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    }
    serde_json::from_str(&text)
        .with_context(|| format!("{} is no window: expected the JSON of /api/v1/window", file.display()))
}

fn table_of_rules(rules: &[Rule]) -> String {
    let header = ["NAME", "SEVERITY", "FOR", "STATE", "WHENCE"].map(String::from);
    let rows = rules.iter().map(|rule| {
        [&*rule.name, rule.severity.name(), &time(rule.for_ns), rule.standing(), &rule.whence.to_string()]
            .map(String::from)
    });
    let rows: Vec<[String; 5]> = std::iter::once(header).chain(rows).collect();
    let conditions = std::iter::once(String::new()).chain(rules.iter().map(Rule::conditions));
    let mut out = String::new();
    for (line, condition) in columns(&rows).into_iter().zip(conditions) {
        let _ = writeln!(out, "{line}");
        if !condition.is_empty() {
            let _ = writeln!(out, "    {condition}");
        }
    }
    out
}

fn table_of_signals() -> String {
    let header = ["SIGNAL", "UNIT", "LABELS"].map(String::from);
    let rows = signals().map(|signal| [signal.name.into(), signal.unit.name().into(), signal.labels().join(" ")]);
    let rows: Vec<[String; 3]> = std::iter::once(header).chain(rows).collect();
    let helps = std::iter::once("").chain(signals().map(|signal| signal.help));
    let mut out = String::new();
    for (line, help) in columns(&rows).into_iter().zip(helps) {
        let _ = writeln!(out, "{line}");
        if !help.is_empty() {
            let _ = writeln!(out, "    {help}");
        }
    }
    out
}

fn table_of_findings(findings: &[Finding]) -> String {
    if findings.is_empty() {
        return "nothing\n".into();
    }
    let rows: Vec<[String; 3]> =
        findings.iter().map(|finding| [finding.rule.clone(), finding.value.clone(), finding.labels.clone()]).collect();
    columns(&rows).into_iter().map(|line| line + "\n").collect()
}

/// Lines of cells, each column as wide as its widest cell. Names are from outside: nothing in them moves the cursor.
fn columns<const N: usize>(rows: &[[String; N]]) -> Vec<String> {
    let rows: Vec<[String; N]> =
        rows.iter().map(|row| row.each_ref().map(|cell| config::problem::printable(cell))).collect();
    let width = |at: usize| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..N).map(width).collect();
    let line = |row: &[String; N]| {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}")).collect();
        cells.join("  ").trim_end().to_string()
    };
    rows.iter().map(line).collect()
}

fn json_of_rules(rules: &[Rule]) -> Result<String> {
    let seconds = |ns: u64| ns as f64 / 1e9;
    let rules: Vec<_> = rules
        .iter()
        .map(|rule| {
            let annotations: serde_json::Map<String, serde_json::Value> =
                rule.annotations.iter().map(|(name, template)| (name.clone(), template.text().into())).collect();
            json!({
                "name": rule.name,
                "signal": rule.condition.signal.name,
                "condition": rule.conditions(),
                "compare": rule.condition.compare.name(),
                "threshold": rule.condition.threshold,
                "clear": rule.condition.clear,
                "for_seconds": seconds(rule.for_ns),
                "keep_firing_for_seconds": seconds(rule.keep_firing_ns),
                "resolve_absent_after_seconds": rule.resolve_absent_ns.map(seconds),
                "severity": rule.severity.name(),
                "labels": rule.labels,
                "annotations": annotations,
                "state": rule.standing(),
                "why": rule.why,
                "whence": rule.whence.to_string(),
            })
        })
        .collect();
    Ok(format!("{}\n", serde_json::to_string_pretty(&rules)?))
}

fn json_of_signals() -> Result<String> {
    let of = |signal: &Signal| json!({ "name": signal.name, "unit": signal.unit.name(), "labels": signal.labels(), "help": signal.help });
    let signals: Vec<_> = signals().map(of).collect();
    Ok(format!("{}\n", serde_json::to_string_pretty(&signals)?))
}
