//! The daemon: collect every interval, publish to whoever scrapes, tell of rare things, take up a new configuration.
//!
//! One thread does it all. The collection takes about a millisecond and nothing in it can hang, so it does not need
//! one of its own.

mod budgeting;
mod events;
mod judging;
mod reporting;
pub(crate) mod service;

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use tokio::{
    net::TcpListener,
    runtime::{Builder, Runtime},
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
    time::{MissedTickBehavior, interval},
};

use crate::{
    agent::{
        budgeting::Budgeting,
        judging::{Judging, Node},
        reporting::Reporting,
        service::Service,
    },
    agreement::Agreement,
    budget::{self, ProcessStep},
    collect::{Collector, Identity, monotonic_ns, options, realtime_ns},
    config::{self, Config, Sources},
    expose::server,
    host::{Host, self_stats::SelfStats},
    kernel::load,
    log::LogHandle,
    privileges,
    sample::Sample,
    status::{ProbeState, Program, Restraint, Snapshot, Status},
    window,
};

/// How long a client of the HTTP server may take.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);

/// The runtime of the daemon: one thread.
///
/// # Errors
///
/// If the system refuses what it needs.
pub fn runtime() -> Result<Runtime> {
    Builder::new_current_thread().enable_all().build().context("the asynchronous runtime cannot start")
}

/// Listens at `address`.
///
/// # Errors
///
/// If the address cannot be had, with what to do about it.
pub async fn listen(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        format!("cannot listen on {address}: choose another address with --listen, or end whoever has it (ss -ltnp)")
    })
}

/// The signals that the daemon obeys.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    /// Begins to catch them: one that comes while the programs are loaded is obeyed afterwards.
    ///
    /// # Errors
    ///
    /// If the system refuses.
    pub fn catch() -> Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate()).context("SIGTERM cannot be handled")?,
            interrupt: signal(SignalKind::interrupt()).context("SIGINT cannot be handled")?,
            hangup: signal(SignalKind::hangup()).context("SIGHUP cannot be handled")?,
        })
    }
}

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// To take up the configuration anew.
    Reload,
    /// To end, by the signal of this name.
    End(&'static str),
}

impl Signals {
    /// Waits for the next.
    pub async fn next(&mut self) -> Wish {
        tokio::select! {
            _ = self.hangup.recv() => Wish::Reload,
            _ = self.terminate.recv() => Wish::End("SIGTERM"),
            _ = self.interrupt.recv() => Wish::End("SIGINT"),
        }
    }
}

/// The daemon, not yet running.
pub struct Agent {
    config: Config,
    sources: Sources,
    log: LogHandle,
    collector: Collector,
    restraints: Vec<Restraint>,
    /// What the agent may take; began before there was anything else.
    budgeting: Budgeting,
    /// The step of the process that is in force.
    process_step: ProcessStep,
    own: SelfStats,
    publish: watch::Sender<Option<Arc<Snapshot>>>,
    failed: u64,
    /// Holds what is counted against the kernel's own counts.
    agreement: Agreement,
    /// Whether the first figures have been told.
    shown: bool,
    /// The latest failure of a collection, so that the log has each only once.
    told: Vec<(&'static str, String)>,
    /// What was wrong with the latest step, so that the log has it only once.
    step_problem: Option<String>,
    /// Judges what is collected; there once the agent runs.
    judging: Option<Judging>,
    /// Reports to the fleet's server; there once the agent runs, if there is one.
    reporting: Option<Reporting>,
    /// The parts of /proc and /sys that could not be read at the latest collection.
    unread: BTreeSet<String>,
}

impl Agent {
    /// Loads and attaches the programs, and gives up what that took: what needs a privilege, such as a port to listen at, is
    /// done before. `sources` are where `config` came from, to load it again.
    ///
    /// # Errors
    ///
    /// If what is not needed any more cannot be given up.
    pub fn new(config: Config, sources: Sources, log: LogHandle) -> Result<Self> {
        // The helper keeps the capability that is given up below.
        let budgeting = Budgeting::start(&config);
        let mut loaded = load::load(&options(&config));
        let restraints = privileges::give_up(&config, &sources, &mut loaded)?;
        Ok(Self {
            collector: Collector::with(loaded, &config),
            restraints,
            budgeting,
            process_step: ProcessStep::Full,
            config,
            sources,
            log,
            own: SelfStats::new(),
            publish: watch::Sender::new(None),
            failed: 0,
            agreement: Agreement::default(),
            shown: false,
            told: Vec::new(),
            step_problem: None,
            judging: None,
            reporting: None,
            unread: BTreeSet::new(),
        })
    }

    /// Collects and serves until SIGTERM or SIGINT.
    ///
    /// # Errors
    ///
    /// If the metrics are in contradiction, or the server failed.
    pub async fn run(mut self, listener: TcpListener, signals: Signals) -> Result<()> {
        let Signals { mut terminate, mut interrupt, mut hangup } = signals;
        let (stop, stopped) = watch::channel(false);
        let settings = server::Settings {
            max_series: self.config.metrics.max_series,
            clients: self.config.metrics.clients,
            patience: PATIENCE,
        };
        let mut state =
            server::State::new(self.publish.subscribe(), settings).context("the metrics contradict each other")?;
        let address = listener.local_addr().unwrap_or(self.config.listen);
        let Identity { hostname, boot_id } = self.collector.identity().clone();
        let name = self.config.server.name.clone().unwrap_or(hostname);
        let node = Node { name, boot_id, address };
        self.reporting = Reporting::start(&self.config, &node)?;
        let judging = Judging::start(&self.config, node)?;
        if let Some(recorder) = judging.recorder() {
            state = state.with_recorder(recorder);
        }
        self.judging = Some(judging);
        // Only now is it certain that there will be an agent.
        self.say_hello(&listener);
        let server = tokio::spawn(server::serve(listener, state, stopping(stopped)));

        let mut service = Service::new();
        let mut tick = ticker(self.interval());
        loop {
            let budgeting = tokio::time::sleep_until(self.budgeting.next());
            tokio::select! {
                _ = tick.tick() => {
                    self.collect();
                    service.ready(&format!("measures; http://{address}/"));
                }
                () = service.alive() => {}
                () = budgeting => {
                    let interval = self.interval();
                    self.turn();
                    if self.interval() != interval {
                        tick = ticker(self.interval());
                    }
                }
                _ = hangup.recv() => {
                    let interval = self.interval();
                    service.reloading();
                    self.reload();
                    service.reloaded();
                    if self.interval() != interval {
                        tick = ticker(self.interval());
                    }
                }
                _ = terminate.recv() => break tracing::info!("SIGTERM: ending"),
                _ = interrupt.recv() => break tracing::info!("SIGINT: ending"),
            }
        }
        service.stopping();
        stop.send_replace(true);
        if let Some(reporting) = self.reporting.take() {
            reporting.end().await;
        }
        if let Some(judging) = self.judging.take() {
            judging.end(realtime_ns()).await;
        }
        server.await.context("the HTTP server failed")
    }

    fn say_hello(&self, listener: &TcpListener) {
        let address = listener.local_addr().map_or_else(|_| self.config.listen.to_string(), |at| at.to_string());
        for (probe, state) in &self.collector.loaded.states {
            match state.reason() {
                reason if !state.is_on() => tracing::warn!("probe {probe} is off: {reason}"),
                reason if !reason.is_empty() => tracing::warn!("probe {probe} is on, without some of it: {reason}"),
                _ => tracing::debug!("probe {probe} is on"),
            }
        }
        if self.collector.loaded.states.iter().all(|(_, state)| !state.is_on()) {
            tracing::warn!("no probe is on: only figures from /proc and /sys are served; `kpulse check` tells more");
        }
        for restraint in self.restraints.iter().filter(|restraint| !restraint.in_force && restraint.name != "user") {
            tracing::warn!("{} are not restrained, {}", restraint.name.replace('_', " "), restraint.state);
        }
        tracing::info!("held to: {}", privileges::line(&self.restraints));
        tracing::info!("listening on http://{address}/, metrics at http://{address}/metrics");
    }

    /// The time from one sample to the next, as the budget allows it.
    fn interval(&self) -> Duration {
        budget::interval(self.process_step, self.config.interval, self.config.judge.interval)
    }

    /// One moment of a measurement of the agent's own use, and what follows from it.
    fn turn(&mut self) {
        if !self.budgeting.turn(&mut self.collector.loaded, &mut self.own, &self.config) {
            return;
        }
        let step = self.budgeting.budget().process_step();
        if step != self.process_step {
            let (name, before) = (step.name(), self.process_step.name());
            let limit = self.config.budget.process;
            match step > self.process_step {
                true => tracing::warn!("the process takes more than {limit} of the machine: step {before} to {name}"),
                false => tracing::info!("the process takes less than {limit} of the machine: step {before} to {name}"),
            }
            self.process_step = step;
        }
    }

    /// Takes the step that the budget wants of the programs. Right after a reading: what is counted by the one set of programs
    /// and what by the other does not mix.
    fn take_step(&mut self) {
        let (step, before) = (self.budgeting.step(), self.collector.loaded.step());
        if step == before {
            return;
        }
        let (limit, gives_up) = (self.config.budget.programs, step.gives_up());
        let (from, to) = (before.name(), step.name());
        match step > before {
            true => {
                tracing::warn!(from, to, "the programs take more than {limit} of the machine: now without {gives_up}")
            }
            false => {
                tracing::info!(from, to, "the programs take less than {limit} of the machine: now without {gives_up}")
            }
        }
        let problem = self.collector.loaded.take_step(step).err();
        if problem != self.step_problem {
            problem.iter().for_each(|problem| tracing::error!("step {to} is not taken as it should be: {problem}"));
            self.step_problem = problem;
        }
        if before.turns_off("sched").is_some() && step.turns_off("sched").is_none() {
            self.collector.prime();
        }
        // While programs are exchanged, nobody counts.
        self.agreement.reset();
    }

    /// One collection, from the reading to the snapshot that others see.
    fn collect(&mut self) {
        let begun = Instant::now();
        let collected = self.collector.collect_with(self.wants_tasks());
        self.take_step();
        events::log(&collected);
        if collected.failures != self.told {
            for (probe, failure) in &collected.failures {
                tracing::warn!("probe {probe} cannot be read: {failure}");
            }
            self.told = collected.failures.clone();
        }
        self.failed += u64::from(!collected.failures.is_empty());
        self.tell_unread(&collected.sample.host);

        let sample = Arc::new(collected.sample);
        let before = self.publish.borrow().clone();
        let window = before.and_then(|before| self.derive(&before.sample, &sample));
        let mut status = self.status(begun, &sample);
        if let Some(window) = window.as_ref().filter(|_| !self.shown) {
            tracing::info!("{}", events::summary(window));
            self.shown = true;
        }
        let (mut indices, mut baselines, mut alerts) = Default::default();
        if let Some(judging) = &mut self.judging {
            judging.complete(&mut status);
            status.shipping = self.reporting.as_ref().map(Reporting::status);
            if !judging.see(&sample, &status, &self.config) {
                self.failed += 1;
            }
            (indices, baselines, alerts) = (judging.indices(), judging.baselines(), judging.alerts());
        }
        if let Some(reporting) = &mut self.reporting {
            reporting.see(&sample, &status, &self.config, &alerts);
        }
        self.publish.send_replace(Some(Arc::new(Snapshot { sample, window, indices, baselines, status, alerts })));
    }

    /// Says what of /proc and /sys cannot be read, and what can be read again.
    fn tell_unread(&mut self, host: &Host) {
        for (part, failure) in host.failures.iter().filter(|(part, _)| !self.unread.contains(*part)) {
            tracing::warn!("{part} cannot be read: {failure}");
        }
        for part in self.unread.iter().filter(|part| !host.failures.contains_key(*part)) {
            tracing::info!("{part} can be read again");
        }
        if !self.unread.iter().eq(host.failures.keys()) {
            self.unread = host.failures.keys().cloned().collect();
        }
    }

    /// Whether this sample is to have the tasks.
    fn wants_tasks(&self) -> bool {
        let due = || self.judging.as_ref().is_none_or(|judging| judging.is_due(monotonic_ns()));
        self.process_step < ProcessStep::Tasks || due()
    }

    fn derive(&mut self, before: &Sample, now: &Sample) -> Option<window::Window> {
        let options = window::Options { top_tasks: self.config.tasks.top };
        window::derive(before, now, &options)
            .inspect_err(|refused| {
                self.failed += 1;
                tracing::warn!("an interval was left out: {refused}");
            })
            .ok()
    }

    fn status(&mut self, begun: Instant, sample: &Sample) -> Status {
        let agreement = self.agreement.see(sample);
        let loaded = &self.collector.loaded;
        let usage = self.own.usage().ok();
        // The kernel counts runs only while it is told to.
        let program = |program: crate::kernel::load::ProgramStats| Program {
            name: program.name.into(),
            runs: (program.runs > 0).then_some(program.runs),
            run_ns: (program.runs > 0).then_some(program.run_time_ns),
            missed: Some(program.missed),
        };
        Status {
            version: env!("CARGO_PKG_VERSION").into(),
            interval_ns: self.config.interval.as_nanos() as u64,
            restraints: self.restraints.clone(),
            probes: loaded
                .states
                .iter()
                .map(|(name, state)| match loaded.step().turns_off(name) {
                    Some(reason) if state.is_on() => (*name, false, reason.to_string()),
                    _ => (*name, state.is_on(), state.reason()),
                })
                .map(|(name, on, reason)| ProbeState { name: name.into(), on, reason })
                .collect(),
            cpu_ns: usage.map(|usage| usage.cpu_ns),
            resident_bytes: usage.map(|usage| usage.rss_bytes),
            map_bytes: Some(loaded.map_bytes()),
            programs: loaded.program_stats().into_iter().map(program).collect(),
            collection_ns: Some(begun.elapsed().as_nanos() as u64),
            collections_failed: self.failed,
            budget: self.budgeting.status(),
            agreement: agreement.into_iter().map(|(figure, ratio)| (figure.into(), ratio)).collect(),
            ..Status::default()
        }
    }

    /// Takes up the configuration anew. A bad one changes nothing.
    fn reload(&mut self) {
        let loaded = match config::load(&self.sources) {
            Ok(loaded) => loaded,
            Err(errors) => {
                tracing::error!("SIGHUP: the configuration is not taken up, the old one stays in force: {errors}");
                return;
            }
        };
        loaded.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
        let changes = self.config.changes(&loaded.config);
        if changes.is_empty() {
            tracing::info!("SIGHUP: the configuration is the same");
        }
        for change in changes {
            let when = if change.needs_restart { ", from the next start on" } else { "" };
            tracing::info!("SIGHUP: {} changes from {} to {}{when}", change.key, change.from, change.to);
        }
        self.config = self.config.reloaded(&loaded.config);
        if let Some(judging) = &mut self.judging {
            judging.reload(&self.config);
        }
        self.log.reload(&self.config);
    }
}

fn ticker(time: Duration) -> tokio::time::Interval {
    let mut ticker = interval(time);
    // After a stall, one collection covers what was missed.
    ticker.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticker
}

async fn stopping(mut stopped: watch::Receiver<bool>) {
    // An error means that the agent itself is gone, which is a reason to stop as well.
    let _ = stopped.wait_for(|stop| *stop).await;
}
