//! `kpulse token`: who may send reports to the server and who may read from it.
//!
//! The running server takes up what is changed here within a second.

use std::{
    process::ExitCode,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, Result, bail};
use clap::{Arg, ArgAction, ArgGroup, ArgMatches, Command};

use super::{print, server_settings, with_server_settings};
use crate::{
    server::tokens::{self, Entry, Role},
    table::units,
};

/// Its flags.
pub fn command() -> Command {
    let create = Command::new("create")
        .about("Make a token and print it: it is shown this once and kept nowhere")
        .arg(Arg::new("node").long("node").value_name("NAME").help("For reports of the node with this name"))
        .arg(Arg::new("reader").long("reader").value_name("NAME").help("For reading; the name is for people"))
        .arg(
            Arg::new("nodes")
                .long("nodes")
                .value_name("NAME")
                .num_args(1..)
                .help("One for each of these nodes, printed as lines of a name and its token"),
        )
        .group(ArgGroup::new("role").args(["node", "nodes", "reader"]).required(true));
    let list = Command::new("list")
        .about("List the tokens: for what, since when, and whether they are revoked")
        .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("Print one JSON array"));
    let revoke = Command::new("revoke")
        .about("Revoke a token for good")
        .arg(Arg::new("id").value_name("ID").required(true).help("Its name, as `kpulse token list` shows it"));
    Command::new("token")
        .about("Make, list and revoke the tokens of the server")
        .after_help(
            "Run it where the server's state directory is. The running server takes up a change within a second.",
        )
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands([create, list, revoke].map(|command| with_server_settings(command, &["state.dir"])))
}

/// Runs it.
///
/// # Errors
///
/// If the tokens cannot be read or changed, or if nobody can be told.
pub fn run(args: &ArgMatches) -> Result<ExitCode> {
    let Some((name, args)) = args.subcommand() else { bail!("no command was given: see kpulse token --help") };
    let state = server_settings(args, false)?.loaded.config.state.dir;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock shows a time before 1970")?;
    let now_ns = now.as_nanos() as u64;
    match name {
        "create" if args.contains_id("nodes") => {
            let names = args.get_many::<String>("nodes").into_iter().flatten();
            let made = tokens::create_all(&state, names.cloned().map(Role::Node), now_ns)?;
            let line = |(token, entry): &(String, Entry)| match &entry.role {
                Role::Node(name) | Role::Reader(name) => format!("{name} {token}\n"),
            };
            print(&made.iter().map(line).collect::<String>())?;
        }
        "create" => {
            let node = args.get_one::<String>("node").map(|name| Role::Node(name.clone()));
            let reader = args.get_one::<String>("reader").map(|name| Role::Reader(name.clone()));
            let role = node.or(reader).context("say --node, --nodes or --reader")?;
            let (token, _) = tokens::create(&state, role, now_ns)?;
            print(&format!("{token}\n"))?;
        }
        "list" if args.get_flag("json") => print(&format!("{}\n", json(&tokens::list(&state)?)))?,
        "list" => print(&page(&tokens::list(&state)?))?,
        "revoke" => {
            let id = args.get_one::<String>("id").context("name a token")?;
            let entry = tokens::revoke(&state, id, now_ns)?;
            print(&format!("{} is revoked\n", describe(&entry)))?;
        }
        _ => bail!("no such command: see kpulse token --help"),
    }
    Ok(ExitCode::SUCCESS)
}

/// Without the hashes, which are nobody's business.
fn json(entries: &[Entry]) -> serde_json::Value {
    let row = |entry: &Entry| {
        serde_json::json!({
            "id": entry.id, "role": entry.role, "created_ns": entry.created_ns, "revoked_ns": entry.revoked_ns,
        })
    };
    entries.iter().map(row).collect()
}

fn page(entries: &[Entry]) -> String {
    if entries.is_empty() {
        return "there are no tokens: make one with kpulse token create --node NAME\n".into();
    }
    let mut out = format!("{:<14}{:<10}{:<21}{}\n", "ID", "STATE", "CREATED", "FOR");
    for entry in entries {
        let state = if entry.revoked_ns.is_some() { "revoked" } else { "valid" };
        out += &format!("{:<14}{state:<10}{:<21}{}\n", entry.id, units::utc(entry.created_ns), allows(&entry.role));
    }
    out
}

fn allows(role: &Role) -> String {
    match role {
        Role::Node(name) => format!("reports of {name}"),
        Role::Reader(name) => format!("reading, by {name}"),
    }
}

fn describe(entry: &Entry) -> String {
    format!("the token {} for {}", entry.id, allows(&entry.role))
}
