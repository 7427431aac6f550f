//! A fleet that is not there: many nodes that report to a real server by the real protocol, each on a connection of its own.
//!
//! In: how many nodes, how often, a seed. Out: what became of every report, how long acknowledgements took, and what it cost here. For
//! users who want to know how large a server they need, and for the tests of ours.
//!
//! | module | what it is |
//! |---|---|
//! | `random` | numbers from a seed |
//! | `shape` | plausible histograms |
//! | `node` | a node, and what it reports of an interval |
//! | `client` | its life: report, send, wait, send again |
//! | `tally` | what became of reports |

mod client;
mod node;
mod random;
mod shape;
mod tally;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, path::PathBuf, rc::Rc, time::Duration};

use serde::Serialize;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

pub use self::tally::Lost;
use self::{client::Client, node::Node, tally::Tally};
use crate::{
    host::self_stats::SelfStats,
    notify::{Url, certificates, client::Client as Http},
    open_files,
};

/// Files that are open besides the connections.
const OTHER_FILES: u64 = 64;

/// How often it says how it goes.
const SAY: Duration = Duration::from_secs(10);

/// What to simulate.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The server.
    pub server: Url,
    /// A token for each of the nodes; none at all if the server asks for none.
    pub tokens: BTreeMap<String, String>,
    /// What the server is checked against; the system's certificates if absent.
    pub ca_file: Option<PathBuf>,
    /// How many nodes.
    pub nodes: usize,
    /// From one report of a node to the next.
    pub interval: Duration,
    /// How long new reports are made.
    pub duration: Duration,
    /// How long, after that, reports may still wait for an acknowledgement.
    pub grace: Duration,
    /// The same seed gives the same nodes and the same reports.
    pub seed: u64,
    /// What all names begin with.
    pub prefix: String,
    /// Numbers of nodes, from 1, that are slow.
    pub slow: Vec<usize>,
    /// How many times as long as usual everything takes on these.
    pub slow_factor: f64,
}

/// How it went, since the last line or in all.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Progress {
    /// Nodes.
    pub nodes: usize,
    /// Seconds that it covers.
    pub seconds: f64,
    /// Reports that were made.
    pub made: u64,
    /// Reports in all requests, those sent again included.
    pub sent: u64,
    /// Reports that the server has stored.
    pub acknowledged: u64,
    /// Reports that it refused for good, by reason.
    pub refused: BTreeMap<String, u64>,
    /// Requests that came to nothing and are made again.
    pub failed: u64,
    /// Why the latest of them did.
    pub failing: Option<String>,
    /// Reports that were made and have neither been acknowledged nor refused.
    pub in_flight: u64,
    /// Reports acknowledged a second.
    pub reports_per_second: f64,
    /// Bytes of all bodies that were sent.
    pub bytes: u64,
    /// Median of the time from the sending of a request to its acknowledgement, in seconds.
    pub ack_p50_seconds: Option<f64>,
    /// 99th percentile.
    pub ack_p99_seconds: Option<f64>,
    /// Longest, as the upper bound of its bucket.
    pub ack_max_seconds: Option<f64>,
    /// CPU time of this process over the time that passed: 1 is one CPU.
    pub cpu: f64,
}

/// The end.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// All of it.
    #[serde(flatten)]
    pub progress: Progress,
    /// Reports that nobody said anything of, by node; at most a hundred.
    pub lost: Vec<Lost>,
    /// How many they are in all.
    pub lost_total: u64,
}

/// A node's header; none if nobody has a token.
fn token(tokens: &BTreeMap<String, String>, node: &str) -> Result<Option<String>, String> {
    match tokens.get(node) {
        None if tokens.is_empty() => Ok(None),
        None => Err(format!("there is no token for {node}: make one for each node, kpulse token create --nodes")),
        Some(token) => Ok(Some(format!("Bearer {token}"))),
    }
}

/// Runs it to its end on one thread. `say` is told every ten seconds.
///
/// # Errors
///
/// If there are too few file descriptors, the certificates cannot be read, or a node has no token while others have.
pub async fn run(settings: Settings, mut say: impl FnMut(&Progress)) -> Result<Summary, String> {
    let wanted = settings.nodes as u64 + OTHER_FILES;
    let files = open_files::raise(wanted);
    if files < wanted {
        return Err(format!(
            "{wanted} files must be open at once, and the system allows {files}: raise it (ulimit -n {wanted}), or take fewer nodes"
        ));
    }
    let roots = match settings.server.is_https() {
        true => certificates::roots(settings.ca_file.as_deref(), "--ca-file")?,
        false => rustls::RootCertStore::empty(),
    };
    let tls = certificates::client(roots, None)?;
    let tally = Rc::new(Tally::new(settings.nodes));
    let (begun, mut own) = (Instant::now(), SelfStats::new());
    let until = begun + settings.duration;
    let local = tokio::task::LocalSet::new();
    for number in 1..=settings.nodes {
        let slow = if settings.slow.contains(&number) { settings.slow_factor } else { 1.0 };
        let node = Node::new(settings.seed, &settings.prefix, number, slow, settings.interval);
        // Spread evenly, and neighbours far apart.
        let share = (number as f64 * 0.618_033_988_749_895).fract();
        let client = Client {
            // A client keeps one idle connection: so each node has one of its own.
            http: Http::with(tls.clone(), Duration::from_secs(30)),
            url: settings.server.join("/api/v1/reports"),
            authorization: token(&settings.tokens, &node.sender.node)?,
            tally: tally.clone(),
            first: begun + settings.interval.mul_f64(share),
            interval: settings.interval,
            until,
            give_up: until + settings.grace,
        };
        local.spawn_local(client.run(node));
    }
    let mut cpu_ns = own.usage().map_or(0, |usage| usage.cpu_ns);
    let first_cpu_ns = cpu_ns;
    let talk = async {
        let mut tick = interval(SAY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        tick.tick().await;
        let mut before = begun;
        loop {
            tick.tick().await;
            let used_ns = own.usage().map_or(0, |usage| usage.cpu_ns);
            say(&tally.since_last(before.elapsed(), used_ns.saturating_sub(cpu_ns)));
            (before, cpu_ns) = (Instant::now(), used_ns);
        }
    };
    let done = async {
        sleep(settings.duration).await;
        while tally.is_busy() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    let end = settings.duration + settings.grace;
    local
        .run_until(async {
            tokio::select! {
                _ = timeout(end, done) => {}
                () = talk => {}
            }
        })
        .await;
    let used_ns = SelfStats::new().usage().map_or(0, |usage| usage.cpu_ns).saturating_sub(first_cpu_ns);
    let progress = tally.all(begun.elapsed(), used_ns);
    let (lost, lost_total) = tally.lost();
    Ok(Summary { progress, lost, lost_total })
}
