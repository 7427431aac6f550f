//! The telling of alerts without an agent: kpulse's own notifier on a thread, as the agent has it on one.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::Path,
    sync::Arc,
    sync::mpsc,
    thread,
    time::{Duration, SystemTime},
};

use kpulse::{
    alert::{Alert, Severity, State},
    journal::{Journal, Limits},
    notify::{Auth, Endpoints, Node, Notifier, Pace, Settings, Url},
    status::Delivery,
};
use tokio::sync::oneshot;

use crate::wait;

/// As the agent's, but with little patience.
pub const PACE: Pace = Pace {
    timeout: Duration::from_secs(5),
    backoff: Duration::from_millis(20),
    backoff_most: Duration::from_millis(200),
    resolved_for: Duration::from_secs(900),
    drain: Duration::from_millis(400),
};

/// Servers at these addresses.
///
/// # Panics
///
/// Never: an address makes a URL.
pub fn endpoints(addresses: &[SocketAddr]) -> Endpoints {
    let url = |address| Url::parse(&format!("http://{address}")).expect("the URL of an address");
    Endpoints { urls: addresses.iter().map(url).collect(), auth: Auth::default() }
}

/// Alertmanagers that are told again ten times a second.
pub fn to_alertmanagers(addresses: &[SocketAddr]) -> Settings {
    Settings { alertmanagers: endpoints(addresses), resend: Duration::from_millis(100), ..Settings::default() }
}

/// A running notifier. Without [`Self::end`] it ends with the process.
pub struct Teller {
    notifier: Arc<Notifier>,
    stop: oneshot::Sender<()>,
    thread: thread::JoinHandle<()>,
}

impl Teller {
    /// Starts it with a journal in this folder.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub fn start(folder: &Path, settings: Settings) -> Self {
        let (journal, _) = Journal::open(folder, Limits::default()).expect("the journal");
        let (give, take) = mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let node = Node { name: "node-1".into(), boot_id: "boot".into(), url: "http://node-1:9466".into() };
                let notifier = Arc::new(Notifier::start(&settings, node, PACE, journal).expect("a notifier"));
                give.send(Arc::clone(&notifier)).expect("who started it waits");
                let _ = stopped.await;
                if let Some(notifier) = Arc::into_inner(notifier) {
                    notifier.shutdown().await;
                }
            });
        });
        Self { notifier: take.recv().expect("a notifier"), stop, thread }
    }

    /// Records transitions and waits until they are on disk.
    ///
    /// # Panics
    ///
    /// If they do not get there.
    pub fn record(&self, alerts: &[Alert]) {
        assert!(self.notifier.record(alerts.to_vec()).blocking_recv().expect("an answer"), "not on disk");
    }

    /// How each target of a kind fares.
    pub fn targets(&self, kind: &str) -> Vec<Delivery> {
        let mut targets = self.notifier.delivery();
        targets.retain(|target| target.kind == kind);
        targets
    }

    /// Waits until every target of a kind has all there is, or has refused it.
    ///
    /// # Panics
    ///
    /// If they do not in time.
    pub fn delivered(&self, kind: &str) {
        let all = || self.targets(kind).iter().all(|target| target.queued == 0);
        wait::until("that everything is delivered", || all().then_some(()));
    }

    /// Ends it.
    pub fn end(self) {
        drop(self.notifier);
        let _ = self.stop.send(());
        let _ = self.thread.join();
    }
}

/// Nanoseconds since 1970.
pub fn now_ns() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}

/// An alert that came into a state now. The device is its only label that is its own.
pub fn alert(id: &str, device: &str, state: State) -> Alert {
    let now_ns = now_ns();
    let fired = matches!(state, State::Firing | State::Resolved);
    let text = |pairs: &[(&str, &str)]| pairs.iter().map(|&(name, value)| (name.into(), value.into())).collect();
    let labels: BTreeMap<String, String> =
        text(&[("alertname", "SlowDisk"), ("severity", "warning"), ("device", device), ("instance", "node-1")]);
    let annotations = text(&[
        ("summary", &format!("{device} takes 4.2 times as long as usual")),
        ("index", "P 4.2 = 1 + 3.1 (write, 64 KiB) + 0.1 (other)"),
        ("culprits", "fio.scope 81%, postgres.service 12%, other 7%"),
    ]);
    Alert {
        id: id.into(),
        rule: "SlowDisk".into(),
        labels,
        annotations,
        severity: Severity::Warning,
        state,
        pending_ns: now_ns - 10_000_000_000,
        fired_ns: fired.then_some(now_ns - 5_000_000_000),
        resolved_ns: (state == State::Resolved).then_some(now_ns),
        value: 4.2,
        threshold: 2.0,
        pending_evidence: None,
        firing_evidence: None,
    }
}
