//! `kpulse nodes`, `kpulse node NAME`, `kpulse alerts`: the fleet in a terminal, as the server's API tells it.
//!
//! The server is asked over HTTP or TLS, with a reader's token; its answers are read with the types that it writes them with.

mod ask;

use std::{
    io::IsTerminal as _,
    process::ExitCode,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, Result};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use serde::de::DeserializeOwned;
use serde_json::Value;

use self::ask::Server;
use super::{print, sample};
use crate::{
    alert::Alert,
    evidence,
    site::{
        model::{Alerts, Node, NodeDetail, Page},
        text,
    },
    table::Style,
};

const HELP: &str = "The server is named by --server or KPULSE_SERVER_URL. Beyond this machine it wants a reader\u{2019}s token\n\
                    (kpulse token create --reader NAME), in the file of --token-file or KPULSE_READER_TOKEN_FILE.";

/// The flags of `kpulse nodes`.
pub fn nodes_command() -> Command {
    let command = Command::new("nodes")
        .about("List the nodes of a fleet, the worst first")
        .arg(option("name", "TEXT", "Only nodes whose name contains this"))
        .arg(option("state", "STATE", "Only nodes that are reporting, catching_up, silent, in conflict, or firing"))
        .arg(option("signal", "SIGNAL", "Whose r: block or run_queue; the larger of both without it"))
        .arg(option("sort", "ORDER", "ratio, name, utilization, wait, request or heard [default: ratio]"))
        .arg(option("limit", "NUMBER", "At most so many [default: 100]"))
        .arg(option("offset", "NUMBER", "So many are left out before"));
    connecting(command)
}

/// The flags of `kpulse node`.
pub fn node_command() -> Command {
    let name = Arg::new("name").value_name("NAME").required(true).help("Its name, as kpulse nodes lists it");
    connecting(
        Command::new("node").about("Show one node of a fleet: its last minute, and what is wrong with it").arg(name),
    )
}

/// The flags of `kpulse alerts`.
pub fn alerts_command() -> Command {
    let id = Arg::new("id").value_name("ID").help("Show this one, with its evidence");
    let command = Command::new("alerts")
        .about("List the alerts of a fleet that are pending or fire, or show one with its evidence")
        .arg(id)
        .arg(option("state", "STATE", "pending, firing, resolved, dropped, active or all [default: active]"))
        .arg(option("severity", "SEVERITY", "Only as bad as this, or worse: info, warning, critical"))
        .arg(option("node", "NAME", "Only about this node"))
        .arg(option("rule", "NAME", "Only of this rule"))
        .arg(option("limit", "NUMBER", "At most so many [default: 100]"))
        .arg(option("after", "PLACE", "Go on where another list ended"));
    connecting(command)
}

fn option(name: &'static str, value: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(value).help(help)
}

/// How to reach the server, and `--json`.
fn connecting(command: Command) -> Command {
    command
        .after_help(HELP)
        .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("Print what the server answers, as JSON"))
        .args(["server", "token-file", "ca-file"].map(|name| {
            let (value, help) = match name {
                "server" => ("URL", format!("Where the server is [default: {}]", ask::DEFAULT)),
                "token-file" => ("FILE", "The file with a reader\u{2019}s token".into()),
                _ => ("FILE", "The authority that the server\u{2019}s certificate must come from, in PEM".into()),
            };
            Arg::new(name).long(name).value_name(value).value_parser(value_parser!(std::ffi::OsString)).help(help)
        }))
}

/// Runs `kpulse nodes`.
///
/// # Errors
///
/// If the server does not answer, or it answers no.
pub fn nodes(args: &ArgMatches) -> Result<ExitCode> {
    let path = with_query(args, "/api/v1/nodes", &["name", "state", "signal", "sort", "limit", "offset"]);
    show(args, &path, |list: &Page<Node>, now_ns, style| text::nodes(list, now_ns, style))
}

/// Runs `kpulse node`.
///
/// # Errors
///
/// As [`nodes`].
pub fn node(args: &ArgMatches) -> Result<ExitCode> {
    let name = args.get_one::<String>("name").context("name a node")?;
    let path = format!("/api/v1/nodes/{}", crate::expose::page::markup::Link(name));
    show(args, &path, |detail: &NodeDetail, now_ns, style| text::node(detail, now_ns, style))
}

/// Runs `kpulse alerts`.
///
/// # Errors
///
/// As [`nodes`].
pub fn alerts(args: &ArgMatches) -> Result<ExitCode> {
    if let Some(id) = args.get_one::<String>("id") {
        let path = format!("/api/v1/alerts/{}", crate::expose::page::markup::Link(id));
        return show(args, &path, |alert: &Alert, _, style| evidence::text::render(alert, style));
    }
    let mut path = with_query(args, "/api/v1/alerts", &["severity", "node", "rule", "limit", "after"]);
    let state = args.get_one::<String>("state").map_or("active", String::as_str);
    if state != "all" {
        path.push(if path.contains('?') { '&' } else { '?' });
        path.push_str(&form_urlencoded::Serializer::new(String::new()).append_pair("state", state).finish());
    }
    show(args, &path, |list: &Alerts, now_ns, style| text::alerts(list, now_ns, style))
}

/// The flags that are parameters of the API.
fn with_query(args: &ArgMatches, path: &str, names: &[&str]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for name in names {
        if let Some(value) = args.get_one::<String>(name) {
            query.append_pair(name, value);
        }
    }
    let query = query.finish();
    if query.is_empty() { path.into() } else { format!("{path}?{query}") }
}

fn show<T: DeserializeOwned>(
    args: &ArgMatches,
    path: &str,
    render: impl Fn(&T, u64, Style) -> String,
) -> Result<ExitCode> {
    let server = Server::of(args)?;
    let body = server.get(path)?;
    if args.get_flag("json") {
        // Checked, so that nobody takes the answer of something else for one of ours.
        let answer: Value = serde_json::from_slice(&body).with_context(|| server.is_no_server(path))?;
        print(&format!("{answer:#}\n"))?;
        return Ok(ExitCode::SUCCESS);
    }
    let answer: T = serde_json::from_slice(&body).with_context(|| server.is_no_server(path))?;
    let now_ns = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64);
    let terminal = std::io::stdout().is_terminal();
    let color = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let width = sample::width().filter(|_| terminal).unwrap_or(Style::default().width);
    print(&render(&answer, now_ns, Style { color, width }))?;
    Ok(ExitCode::SUCCESS)
}
