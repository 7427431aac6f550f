//! Once an interval: judge, write down what changed, tell whom it concerns, and look whether certificates or tokens have changed.
//!
//! In: the registry. Out: [`Verdicts`] for whoever shows them; alerts to the journal, the store and those who are told. The judging itself
//! is done on a thread of its own, because ten thousand nodes take a noticeable part of a second.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval},
};

use super::{losses, routes::Shared, tls::Tls};
use crate::{
    alert::Alert,
    baselines,
    fleet::{Judge, Judgement},
    index::baseline::BaselineState,
    notify::Notifier,
    rules::{self, Rule, Set},
    status::{Delivery, Journal},
    store::IndexPoint,
};

/// How often what was learned is saved.
const SAVE_INTERVAL: Duration = Duration::from_secs(300);
/// How often certificates and tokens are looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// What was found last, as everybody sees it.
#[derive(Clone, Debug, Default)]
pub struct Verdicts {
    /// The judgement.
    pub judgement: Arc<Judgement>,
    /// Alerts that are pending or fire, the newest first; then the last that ended.
    pub alerts: Vec<Arc<Alert>>,
    /// Alerts for which there was no room.
    pub suppressed: usize,
    /// How the baselines are.
    pub baselines: Vec<BaselineState>,
    /// How those fare who are told.
    pub delivery: Vec<Delivery>,
    /// How the journal of alerts is.
    pub journal: Option<Journal>,
}

/// What is to be done next.
enum Next {
    Judge,
    Look,
    Reload,
}

/// See the module.
pub struct Judging {
    judge: Judge,
    notifier: Notifier,
    shared: Arc<Shared>,
    tls: Option<Arc<Tls>>,
    state: PathBuf,
    publish: watch::Sender<Arc<Verdicts>>,
    rules_file: Option<PathBuf>,
    saved: Instant,
    /// What nodes have said that they lost, as it is on disk; absent until it is.
    losses: Option<BTreeMap<String, u64>>,
}

impl Judging {
    /// Ready to judge.
    pub fn new(
        judge: Judge,
        notifier: Notifier,
        shared: Arc<Shared>,
        tls: Option<Arc<Tls>>,
        state: PathBuf,
        publish: watch::Sender<Arc<Verdicts>>,
        rules_file: Option<PathBuf>,
    ) -> Self {
        Self { judge, notifier, shared, tls, state, publish, rules_file, saved: Instant::now(), losses: None }
    }

    /// Judges every `every` until `stopped`; `reload` makes it read rules and certificates again. Ends with everything saved.
    ///
    /// # Errors
    ///
    /// If the thread that judges has come to harm.
    pub async fn run(
        mut self,
        every: Duration,
        mut reload: watch::Receiver<Option<PathBuf>>,
        mut stopped: watch::Receiver<bool>,
    ) -> Result<()> {
        let mut tick = interval(every);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut look = interval(LOOK_INTERVAL);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let next = tokio::select! {
                _ = tick.tick() => Next::Judge,
                _ = look.tick() => Next::Look,
                Ok(()) = reload.changed() => Next::Reload,
                _ = stopped.changed() => break,
            };
            match next {
                Next::Judge => self = self.judge().await?,
                Next::Look => self.look(),
                Next::Reload => {
                    self.rules_file = reload.borrow_and_update().clone();
                    self.reload();
                }
            }
        }
        self.save();
        self.save_losses();
        self.notifier.shutdown().await;
        Ok(())
    }

    async fn judge(mut self) -> Result<Self> {
        let judged = tokio::task::spawn_blocking(move || {
            let begun = Instant::now();
            let judgement = self.judge.judge(&self.shared.registry, self.shared.clock.now());
            self.shared.figures.judged.add(begun.elapsed());
            let indices = &mut self.judge.indices;
            match baselines::take_requests(&self.state, &mut indices.baselines, judgement.at_ns) {
                Ok(lines) => {
                    for (done, line) in lines {
                        if done { tracing::info!("{line}") } else { tracing::warn!("{line}") }
                    }
                }
                Err(error) => tracing::error!("requests of kpulse baseline cannot be taken up: {error}"),
            }
            if self.saved.elapsed() >= SAVE_INTERVAL {
                self.save();
            }
            self.save_losses();
            (self, judgement)
        });
        let (mut judging, judgement) = judged.await.context("the fleet can no longer be judged")?;
        judging.take_up(judgement);
        Ok(judging)
    }

    fn take_up(&mut self, mut judgement: Judgement) {
        for name in &judgement.forgotten {
            tracing::info!("{name:?} is forgotten: nothing was heard of it for longer than nodes.forget_after");
        }
        let changes = std::mem::take(&mut judgement.changes);
        let points: Vec<IndexPoint> = judgement.indices.iter().filter_map(IndexPoint::of).collect();
        // The store says in its figures what it does not take; the journal has the alerts in any case.
        let store = &self.shared.store;
        tokio::spawn(store.indices(judgement.at_ns, &points));
        changes.iter().for_each(|alert| drop(tokio::spawn(store.alert(alert))));
        if !changes.is_empty() {
            // The journal has a thread of its own; nobody is told before it has them.
            drop(self.notifier.record(changes));
        }
        self.publish.send_replace(Arc::new(Verdicts {
            judgement: Arc::new(judgement),
            alerts: self.judge.alerts(),
            suppressed: self.judge.suppressed(),
            baselines: self.judge.indices.states(),
            delivery: self.notifier.delivery(),
            journal: Some(self.notifier.journal()),
        }));
    }

    /// Takes up certificates and tokens that have changed.
    fn look(&self) {
        let figures = &self.shared.figures;
        match self.shared.gate.tokens.refresh() {
            Ok(false) => {}
            Ok(true) => {
                figures.reloads.fetch_add(1, Relaxed);
                tracing::info!("the tokens have changed: {} are valid", self.shared.gate.tokens.valid());
            }
            Err(error) => tracing::error!("the tokens cannot be read again, the old ones stay in force: {error}"),
        }
        match self.tls.as_ref().map(|tls| tls.refresh()) {
            None | Some(Ok(false)) => {}
            Some(Ok(true)) => {
                figures.reloads.fetch_add(1, Relaxed);
                tracing::info!("the certificates have changed: new connections get the new ones");
            }
            Some(Err(error)) => {
                tracing::error!("the certificates cannot be read again, the old ones stay in force: {error}");
            }
        }
    }

    fn reload(&mut self) {
        match rules::load_for(Set::Fleet, self.rules_file.as_deref()) {
            Ok(rules) => self.judge.reload(rules),
            Err(errors) => tracing::error!("SIGHUP: the rules are not taken up, the old ones stay in force: {errors}"),
        }
        self.look();
    }

    fn save(&mut self) {
        self.saved = Instant::now();
        let now_ns = self.shared.clock.now().wall_ns;
        if let Err(error) = baselines::save(&self.state, &self.judge.indices.baselines, now_ns) {
            tracing::error!("what was learned of usual times would not survive a restart: {error}");
        }
    }

    /// Hardly ever is there anything to write.
    fn save_losses(&mut self) {
        let losses = self.shared.registry.losses();
        if self.losses.as_ref() == Some(&losses) {
            return;
        }
        match losses::save(&self.state, &losses) {
            Ok(()) => self.losses = Some(losses),
            Err(error) => tracing::error!("what nodes lost would be told again after a restart: {error}"),
        }
    }
}

/// The rules of a fleet, from a file or as they come.
///
/// # Errors
///
/// Everything that is wrong with the file.
pub fn fleet_rules(file: Option<&std::path::Path>) -> Result<Vec<Rule>> {
    Ok(rules::load_for(Set::Fleet, file)?)
}
