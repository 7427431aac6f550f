//! Delivery against servers that hold to their contracts strictly.

mod alertmanager;
mod elasticsearch;
mod ending;
mod secrets;
mod server;
mod webhook;

use std::{
    future::Future,
    path::Path,
    time::{Duration, Instant},
};

use self::server::Server;
use super::{Auth, Endpoints, Node, Notifier, Pace, Settings, Url};
use crate::{
    alert::{Alert, State},
    journal::{
        Journal, Limits,
        testing::{Folder, alert},
    },
    status::Delivery,
};

/// Everything faster than in earnest.
const PACE: Pace = Pace {
    timeout: Duration::from_millis(500),
    backoff: Duration::from_millis(20),
    backoff_most: Duration::from_millis(100),
    resolved_for: Duration::from_secs(900),
    drain: Duration::from_millis(400),
};

/// How long anything may take on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until it is so.
async fn until(what: &str, mut ready: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !ready() {
        assert!(begun.elapsed() < PATIENCE, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Runs a test on one thread, as the agent is.
fn on_one_thread(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
}

fn endpoints(servers: &[&Server]) -> Endpoints {
    Endpoints { urls: servers.iter().map(|server| server.url()).collect(), auth: Auth::default() }
}

fn settings() -> Settings {
    Settings { resend: Duration::from_secs(60), queue_bytes: 1 << 20, ..Settings::default() }
}

fn webhooks(servers: &[&Server]) -> Settings {
    Settings { webhooks: endpoints(servers), ..settings() }
}

fn start(settings: &Settings, folder: &Path) -> Notifier {
    // A program that another test starts has all open files for a moment, the lock of the journal before this one among them.
    let (begun, limits) = (Instant::now(), Limits { bytes: settings.queue_bytes as u64 });
    let journal = loop {
        match Journal::open(folder, limits) {
            Ok((journal, _)) => break journal,
            Err(in_use) => assert!(begun.elapsed() < PATIENCE, "{in_use:?}"),
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let node = Node { name: "node-1".into(), boot_id: "boot".into(), url: "http://node-1:9466".into() };
    Notifier::start(settings, node, PACE, journal).unwrap()
}

/// Appends transitions and waits until they are on disk.
async fn record(notifier: &Notifier, alerts: &[Alert]) {
    assert!(notifier.record(alerts.to_vec()).await.unwrap());
}

/// How a kind of target fares.
fn of(notifier: &Notifier, kind: &str) -> Delivery {
    notifier.delivery().into_iter().find(|target| target.kind == kind).unwrap()
}

/// Waits until the targets of a kind have all there is.
async fn delivered(notifier: &Notifier, kind: &str) {
    let mut all = || notifier.delivery().iter().filter(|target| target.kind == kind).all(|target| target.queued == 0);
    until("that everything is delivered", &mut all).await;
}

fn life(id: &str) -> [Alert; 3] {
    [alert(id, State::Pending, 1), alert(id, State::Firing, 2), alert(id, State::Resolved, 3)]
}
