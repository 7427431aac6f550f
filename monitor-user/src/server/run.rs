//! All of the server together, from the first file to the last.
//!
//! In: a configuration. Out: a process that takes reports until SIGTERM, and has nothing in memory then that is not on disk.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context as _, Result, bail};
use tokio::{
    net::TcpListener,
    runtime::{Builder, Runtime},
    sync::{Semaphore, watch},
};

use super::{
    auth::Gate,
    figures::Figures,
    ingest::AT_ONCE,
    judging::{Judging, Verdicts, fleet_rules},
    listen as accepting, losses,
    routes::{Shared, router},
    showing::Shown,
    tls::Tls,
    tokens::Tokens,
};
use crate::{
    agent::{Signals, Wish, service::Service},
    baselines,
    config::{self, Config, Sources},
    fleet::{self, Judge, Registry, clock::Clock, indices::Indices, node, window::Span},
    index::baseline::Baselines,
    journal::{self, Journal},
    log::LogHandle,
    notify::{self, Notifier},
    open_files,
    store::{self, Store},
};

/// The directory of the store in the state directory.
pub const STORE: &str = "store";
/// Files that are open besides the connections.
const OTHER_FILES: u64 = 256;

/// The runtime of the server: a thread for each CPU.
///
/// # Errors
///
/// If the system refuses what it needs.
pub fn runtime() -> Result<Runtime> {
    Builder::new_multi_thread().enable_all().build().context("the asynchronous runtime cannot start")
}

/// Listens where the configuration says, if that is safe.
///
/// # Errors
///
/// If anybody could send reports there, or the address cannot be had.
pub async fn listen(config: &Config) -> Result<TcpListener> {
    let address = config.listen;
    if !address.ip().is_loopback() && config.tls.cert_file.is_none() {
        bail!(
            "{address} can be reached from other machines, and without TLS anybody could send reports and read tokens \
             there: set tls.cert_file and tls.key_file, or listen on 127.0.0.1"
        );
    }
    TcpListener::bind(address).await.with_context(|| {
        format!("cannot listen on {address}: choose another address with --listen, or end whoever has it (ss -ltnp)")
    })
}

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
///
/// If a file cannot be used, or somebody else uses the state directory.
pub async fn run(
    config: Config,
    sources: Sources,
    log: LogHandle,
    listener: TcpListener,
    signals: Signals,
) -> Result<()> {
    let clients = clients_within(open_files::raise(config.nodes.clients as u64 + OTHER_FILES), config.nodes.clients);
    let address = listener.local_addr().unwrap_or(config.listen);
    let state = config.state.dir.clone();
    let tls = Tls::open(&config.tls)?.map(Arc::new);
    let tokens = Tokens::open(&state)?;
    let limits = journal::Limits { bytes: config.notify.queue_bytes as u64 };
    let (journal, recovered) = Journal::open(&state.join("alerts"), limits)?;
    let store = Store::open(&state.join(STORE), store_limits(&config))?;
    let (clock, registry) = (Clock::start(), Registry::new(fleet_limits(&config)));
    restore(&registry, &store, &clock);
    restore_losses(&registry, &state);
    let judge = judge(&config, &state, recovered.current)?;
    let url = pages(&config, address, tls.is_some());
    let node = notify::Node { name: fleet_name(), boot_id: String::new(), url: url.clone() };
    let notifier = Notifier::start(&config.notify, node, notify::Pace::default(), journal)?;
    let (publish, verdicts) = watch::channel(Arc::new(Verdicts::default()));
    let open = tls.is_none();
    let shared = Arc::new(Shared {
        gate: Gate { tokens, open },
        registry,
        store,
        figures: Figures::default(),
        clock,
        large: Semaphore::new(AT_ONCE),
        verdicts,
        max_series: config.nodes.max_series,
    });
    say_hello(&shared, &url, address, tls.as_deref());

    let (stop, stopped) = watch::channel(false);
    let (reload, reloaded) = watch::channel(config.rules.file.clone());
    let judging =
        Judging::new(judge, notifier, Arc::clone(&shared), tls.clone(), state, publish, config.rules.file.clone());
    let judging = tokio::spawn(judging.run(config.judge.interval, reloaded, stopped.clone()));
    let served = accepting::serve(
        listener,
        tls,
        clients,
        router(Arc::clone(&shared), Arc::new(Shown::new(Arc::clone(&shared), config.index.mode))),
        Arc::clone(&shared),
        stopping(stopped),
    );
    let served = tokio::spawn(served);
    obey(config, &sources, &log, signals, reload).await;
    stop.send_replace(true);
    served.await.context("the HTTP server failed")?;
    judging.await.context("the judging failed")??;
    // The last one that has the store ends it, when all that was taken is on disk.
    tokio::task::spawn_blocking(move || drop(shared)).await.context("the store failed")
}

/// Waits for the end, and takes up a new configuration meanwhile.
async fn obey(
    mut config: Config,
    sources: &Sources,
    log: &LogHandle,
    mut signals: Signals,
    reload: watch::Sender<Option<PathBuf>>,
) {
    let mut service = Service::new();
    service.ready("taking reports");
    loop {
        let wish = tokio::select! {
            wish = signals.next() => wish,
            () = service.alive() => continue,
        };
        match wish {
            Wish::Reload => {
                service.reloading();
                match config::load(sources) {
                    Ok(loaded) => {
                        loaded.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
                        for change in config.changes_of(sources.keys, &loaded.config) {
                            let when = if change.needs_restart { ", from the next start on" } else { "" };
                            tracing::info!(
                                "SIGHUP: {} changes from {} to {}{when}",
                                change.key,
                                change.from,
                                change.to
                            );
                        }
                        config = config.reloaded_of(sources.keys, &loaded.config);
                        log.reload(&config);
                        reload.send_replace(config.rules.file.clone());
                    }
                    Err(errors) => {
                        tracing::error!(
                            "SIGHUP: the configuration is not taken up, the old one stays in force: {errors}"
                        );
                    }
                }
                service.reloaded();
            }
            Wish::End(signal) => {
                tracing::info!("{signal}: ending");
                service.stopping();
                return;
            }
        }
    }
}

async fn stopping(mut stopped: watch::Receiver<bool>) {
    // An error means that the server itself is gone, which is a reason to stop as well.
    let _ = stopped.wait_for(|stop| *stop).await;
}

fn judge(config: &Config, state: &std::path::Path, known: Vec<crate::alert::Alert>) -> Result<Judge> {
    let learned = match baselines::load(state) {
        Ok(saved) => saved.map(|saved| saved.baselines).unwrap_or_default(),
        Err(error) => {
            tracing::warn!("what is usual is learned anew: {error}");
            Baselines::default()
        }
    };
    let indices = Indices::new(config.index.mode, config.index.options(), config.index.learning(), learned);
    let rules = fleet_rules(config.rules.file.as_deref())?;
    let span = Span { interval: config.judge.interval, window: config.judge.window };
    Ok(Judge::new(&fleet_name(), span, indices, rules, known))
}

/// What is known of every node from before.
fn restore(registry: &Registry, store: &Store, clock: &Clock) {
    let now = clock.now();
    let patience = registry.limits().forget_after.as_nanos() as u64;
    for stream in store.streams() {
        if now.wall_ns.saturating_sub(stream.last_received_ns) > patience {
            continue;
        }
        let known = node::Stream {
            boot_id: stream.boot_id.into(),
            instance: stream.instance,
            last_sequence: stream.last_sequence,
            last_end_ns: stream.last_end_ns,
            last_at_ns: now.steady_of(stream.last_received_ns),
        };
        registry.restore(&stream.node, &stream.machine, known);
    }
}

fn restore_losses(registry: &Registry, state: &std::path::Path) {
    match losses::load(state) {
        Ok(said) => said.iter().for_each(|said| registry.restore_losses(said)),
        Err(error) => tracing::warn!("reports that nodes lost until now are not told: {error}"),
    }
}

fn fleet_limits(config: &Config) -> fleet::Limits {
    fleet::Limits {
        nodes: config.nodes.most,
        down_after: config.nodes.down_after,
        forget_after: config.nodes.forget_after,
    }
}

fn store_limits(config: &Config) -> store::Limits {
    store::Limits {
        full: config.store.full_for,
        minutes: config.store.minutes_for,
        hours: config.store.hours_for,
        bytes: config.store.max_bytes as u64,
        ..store::Limits::default()
    }
}

/// What every alert of this server is of: the machine's name, which tells two servers apart in one Alertmanager.
fn fleet_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "fleet".into() } else { name.into() }
}

fn pages(config: &Config, address: SocketAddr, tls: bool) -> String {
    let url = config.notify.pages(address, &fleet_name());
    if tls && config.notify.external_url.is_none() { url.replacen("http://", "https://", 1) } else { url }
}

fn say_hello(shared: &Shared, url: &str, address: SocketAddr, tls: Option<&Tls>) {
    let scheme = if tls.is_some() { "https" } else { "http" };
    match tls {
        None => tracing::warn!("without TLS: only this machine is listened to, and whoever is on it may send and read"),
        Some(tls) if shared.gate.tokens.valid() == 0 && !tls.knows_clients() => {
            tracing::warn!("nobody can send reports yet: make a token for each node, kpulse token create --node NAME");
        }
        Some(_) => {}
    }
    tracing::info!("{} nodes are known from before; pages are linked as {url}", shared.registry.len());
    tracing::info!("listening on {scheme}://{address}/, metrics at {scheme}://{address}/metrics");
}

/// As many connections as there can be with so many open files: more of them would take the store its own.
fn clients_within(files: u64, clients: usize) -> usize {
    let room = usize::try_from(files.saturating_sub(OTHER_FILES)).unwrap_or(usize::MAX).max(1);
    if room < clients {
        tracing::warn!(
            "at most {files} files can be open: {room} connections at once, and not the {clients} of nodes.clients; raise the \
             limit (LimitNOFILE={})",
            clients as u64 + OTHER_FILES
        );
    }
    clients.min(room)
}

/// Long enough for everything that is under way.
pub const END: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_files_for_the_store() {
        assert_eq!(clients_within(65_536, 25_000), 25_000);
        assert_eq!(clients_within(20_000, 25_000), 19_744);
        assert_eq!(clients_within(10, 25_000), 1);
    }
}
