//! Telling somebody: every change of an alert to every target, at least once and for each alert in order.
//!
//! In: transitions of alerts. Each is in the [`crate::journal`] before anybody hears of it. Out: requests to Alertmanagers,
//! webhooks and Elasticsearch servers, lines of the log, and figures for the status.
//!
//! | module | what it is |
//! |---|---|
//! | `settings` | who is to be told, how, and the pace |
//! | `url`, `secret` | where, without secrets; the secrets, from files |
//! | `keeper` | the journal in a thread of its own |
//! | `runner`, `backoff` | serving one target: what it has not got, what it may have forgotten, patience |
//! | `sink` | a target as its runner sees it |
//! | `alertmanager`, `webhook`, `elasticsearch`, `lines` | the kinds of targets |
//! | `client`, `certificates` | one HTTP request; what servers are checked against |
//! | `metrics` | `kpulse_notifications_*` |

mod alertmanager;
pub(crate) mod backoff;
pub(crate) mod certificates;
pub(crate) mod client;
mod elasticsearch;
mod keeper;
mod lines;
pub mod metrics;
mod runner;
mod secret;
mod settings;
mod sink;
#[cfg(test)]
mod tests;
pub(crate) mod url;
mod webhook;

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use tokio::{
    sync::{oneshot, watch},
    task::JoinSet,
    time::timeout,
};

use self::{
    alertmanager::Alertmanager,
    client::Client,
    elasticsearch::Elasticsearch,
    keeper::Keeper,
    runner::{Runner, Tally},
    sink::Sink,
    webhook::Webhook,
};
pub use self::{
    settings::{Auth, Endpoints, Node, Pace, Settings},
    url::Url,
};
use crate::{alert::Alert, journal::Journal, status};

/// Why nobody can be told anything.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Servers cannot be checked.
    #[error("alerts cannot be sent: {0}")]
    Certificates(String),
    /// The system has no thread.
    #[error("alerts cannot be kept: the system gives no thread: {0}")]
    Thread(#[from] io::Error),
}

/// Tells everybody.
pub struct Notifier {
    keeper: Keeper,
    keeper_ended: oneshot::Receiver<()>,
    targets: Vec<Target>,
    runners: JoinSet<()>,
    stop: watch::Sender<bool>,
    pace: Pace,
}

struct Target {
    kind: &'static str,
    name: Arc<str>,
    tally: Arc<Tally>,
}

impl Notifier {
    /// Begins to serve every target from the journal. Within a tokio runtime, on whose thread all waiting for the network is
    /// done; the journal gets a thread of its own.
    ///
    /// # Errors
    ///
    /// If the certificates cannot be read, or there is no thread.
    pub fn start(settings: &Settings, node: Node, pace: Pace, journal: Journal) -> Result<Self, Error> {
        let sinks = sinks(settings, node, pace)?;
        let keys: Vec<Arc<str>> = sinks.iter().map(|(name, sink)| key(sink.kind(), name)).collect();
        let (keeper, keeper_ended) = Keeper::start(journal, keys.clone())?;
        let (stop, stopped) = watch::channel(false);
        let (mut targets, mut runners) = (Vec::new(), JoinSet::new());
        for ((name, sink), key) in sinks.into_iter().zip(keys) {
            let tally = Arc::<Tally>::default();
            targets.push(Target { kind: sink.kind(), name: name.into(), tally: Arc::clone(&tally) });
            let runner = Runner::new(key, sink, keeper.clone(), pace, settings.resend, tally);
            runners.spawn(runner.run(stopped.clone()));
        }
        Ok(Self { keeper, keeper_ended, targets, runners, stop, pace })
    }

    /// Puts transitions into the journal, all or none, and then tells everybody. Never waits: the disk is written by another
    /// thread. Who wants to know when they are safe waits for what is returned: true on disk, false in memory alone.
    pub fn record(&self, alerts: Vec<Alert>) -> oneshot::Receiver<bool> {
        self.keeper.append(alerts)
    }

    /// The alerts that are not over and the last hundred that are, in the order of their latest changes; or the one of that
    /// id. For pages and the API.
    pub async fn alerts(&self, id: Option<&str>) -> Vec<Alert> {
        self.keeper.latest(id).await.into_iter().map(|record| record.alert).collect()
    }

    /// How each target fares.
    pub fn delivery(&self) -> Vec<status::Delivery> {
        let figures = self.keeper.figures();
        let of = |target: &Target| {
            let key = key(target.kind, &target.name);
            let owed = figures.owed.get(&key).copied().unwrap_or_default();
            let given_up = |counts: &BTreeMap<String, u64>| counts.get(&*key).copied().unwrap_or(0);
            let dropped = [
                ("no_room", given_up(&figures.health.no_room)),
                ("rejected", target.tally.rejected.load(Relaxed)),
                ("unreadable", given_up(&figures.health.unreadable)),
            ];
            status::Delivery {
                kind: target.kind.into(),
                target: target.name.to_string(),
                queued: owed.records,
                oldest_ns: owed.oldest_ns,
                delivered: target.tally.delivered.load(Relaxed),
                failed: target.tally.failed.load(Relaxed),
                dropped: dropped.into_iter().map(|(reason, count)| (reason.to_owned(), count)).collect(),
            }
        };
        self.targets.iter().map(of).collect()
    }

    /// How the journal is.
    pub fn journal(&self) -> status::Journal {
        let health = self.keeper.figures().health;
        status::Journal { trouble: health.trouble, bytes: health.bytes }
    }

    /// Ends: sends what can be sent at once and saves how far everybody is, in no more than twice [`Pace::drain`]. What is
    /// left is sent after the next start.
    pub async fn shutdown(mut self) {
        self.stop.send_replace(true);
        let drained = timeout(self.pace.drain, async { while self.runners.join_next().await.is_some() {} }).await;
        if drained.is_err() {
            self.runners.abort_all();
        }
        self.keeper.end();
        if timeout(self.pace.drain, &mut self.keeper_ended).await.is_err() {
            tracing::warn!("the disk takes too long: some alerts may be sent twice after the next start");
        }
        let left: u64 = self.delivery().iter().map(|target| target.queued).sum();
        if left > 0 {
            tracing::info!(left, "alerts that are not delivered yet will be after the next start");
        }
    }
}

/// The name of a target in the journal: its cursor's.
fn key(kind: &str, name: &str) -> Arc<str> {
    format!("{kind} {name}").into()
}

/// Every target with its name. One that is named twice is told once.
fn sinks(settings: &Settings, node: Node, pace: Pace) -> Result<Vec<(String, Sink)>, Error> {
    let Settings { alertmanagers, webhooks, elasticsearch, ca_file, resend, .. } = settings;
    let tls = [alertmanagers, webhooks, elasticsearch].iter().any(|kind| kind.urls.iter().any(Url::is_https));
    let client = Client::new(tls, ca_file.as_deref(), pace.timeout).map_err(Error::Certificates)?;
    let node = Arc::new(node);
    let mut sinks = vec![("log".to_owned(), Sink::Log)];
    for Each { url, auth } in each(alertmanagers) {
        let sink = Alertmanager::new(url.clone(), auth, client.clone(), Arc::clone(&node), *resend);
        sinks.push((url.name(), Sink::Alertmanager(sink)));
    }
    for Each { url, auth } in each(webhooks) {
        let name = url.name();
        sinks.push((name, Sink::Webhook(Webhook { url, auth, client: client.clone(), node: Arc::clone(&node) })));
    }
    for Each { url, auth } in each(elasticsearch) {
        let (name, client, node) = (url.name(), client.clone(), Arc::clone(&node));
        sinks.push((name, Sink::Elasticsearch(Elasticsearch { url, auth, client, node })));
    }
    Ok(sinks)
}

struct Each {
    url: Url,
    auth: Auth,
}

fn each(endpoints: &Endpoints) -> impl Iterator<Item = Each> {
    let urls: std::collections::BTreeSet<Url> = endpoints.urls.iter().cloned().collect();
    let auth = endpoints.auth.clone();
    urls.into_iter().map(move |url| Each { url, auth: auth.clone() })
}
