//! What the agent does with each sample once it is taken: record it, judge it, write down what changed, tell whom it concerns.
//!
//! In: samples, and the agent's own figures. Out: indices, baselines and alerts for the snapshot; notifications; recordings.
//! Nothing here waits for a disk that hangs but the taking up of an operator's requests, which are rare.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};

use crate::{
    alert::{Alert, State},
    baselines,
    config::Config,
    index::{Index, Indexer, baseline::BaselineState, baseline::Baselines},
    journal::{self, Journal},
    judge::{self, Judge, Judgement},
    notify::{self, Notifier},
    recorder::{self, save::Saver},
    rules,
    sample::Sample,
    status::{RecorderStatus, Status},
};

/// How often what was learned is saved.
const SAVE_INTERVAL: Duration = Duration::from_secs(300);
/// How long the end may take for what is being written.
const PATIENCE: Duration = Duration::from_millis(200);
const STEP: Duration = Duration::from_millis(5);

/// See the module.
pub struct Judging {
    judge: Judge,
    notifier: Notifier,
    recorder: Option<recorder::Shared>,
    saver: Saver,
    state: PathBuf,
    /// As they were at the latest judgement, as the next two.
    indices: Arc<Vec<Index>>,
    baselines: Vec<BaselineState>,
    alerts: Vec<Arc<Alert>>,
    /// When what was learned was last saved; absent before the first time, which is at the first judgement.
    saved: Option<Instant>,
    saving: Option<JoinHandle<()>>,
    /// Troubles that were told, so that the log has each only once.
    told: BTreeSet<String>,
}

/// Who this node is.
pub struct Node {
    /// Its name.
    pub name: String,
    /// The kernel's name for this boot.
    pub boot_id: String,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Judging {
    /// Goes on where an earlier agent with this state directory ended.
    ///
    /// # Errors
    ///
    /// If the rules are wrong, if another agent uses the state directory, or if nobody could be told.
    pub fn start(config: &Config, node: Node) -> Result<Self> {
        let state = config.state.dir.clone();
        let rules = rules::load(config.rules.file.as_deref())?;
        let limits = journal::Limits { bytes: config.notify.queue_bytes as u64 };
        let (journal, recovered) = Journal::open(&state.join("alerts"), limits)?;
        let baselines = load_baselines(&state);
        let indexer = Indexer::new(node.name.clone(), config.index.options(), config.index.learning(), baselines);
        let judge = Judge::new(judge::Settings::of(config, node.name.clone()), indexer, rules, recovered.current);
        let url = config.notify.pages(node.address, &node.name);
        let known = notify::Node { name: node.name, boot_id: node.boot_id, url };
        let notifier = Notifier::start(&config.notify, known, notify::Pace::default(), journal)?;
        let recorder = (config.record.max_bytes > 0).then(|| {
            recorder::Shared::new(recorder::Limits {
                max_bytes: config.record.max_bytes,
                ..recorder::Limits::default()
            })
        });
        Ok(Self {
            notifier,
            recorder,
            saver: Saver::new(state.join("recordings")),
            state,
            indices: Arc::default(),
            baselines: judge.indexer.states(),
            alerts: judge.alerts(),
            judge,
            saved: None,
            saving: None,
            told: BTreeSet::new(),
        })
    }

    /// The flight recorder, if there is one.
    pub fn recorder(&self) -> Option<recorder::Shared> {
        self.recorder.clone()
    }

    /// Whether a sample taken now would be judged.
    pub fn is_due(&self, monotonic_ns: u64) -> bool {
        self.judge.is_due_at(monotonic_ns)
    }

    /// Takes up a sample. False if it was refused.
    pub fn see(&mut self, sample: &Arc<Sample>, status: &Status, config: &Config) -> bool {
        if let Some(recorder) = &self.recorder {
            recorder.lock().push(sample);
        }
        let status = self.judge.is_due(sample).then(|| Arc::new(own(status, config)));
        match self.judge.see(sample, status) {
            Ok(None) => true,
            Ok(Some(judgement)) => {
                self.take_up(judgement, config);
                true
            }
            Err(refused) => {
                tracing::warn!("nothing is judged until a whole window has passed: {refused}");
                false
            }
        }
    }

    fn take_up(&mut self, judgement: Judgement, config: &Config) {
        self.indices = Arc::new(judgement.indices);
        let mut changes = judgement.changes;
        self.record(&mut changes, config);
        if !changes.is_empty() {
            // The journal has a thread of its own; nobody is told before it has them.
            drop(self.notifier.record(changes));
        }
        self.alerts = self.judge.alerts();
        self.obey(judgement.window.end_realtime_ns);
        self.baselines = self.judge.indexer.states();
        self.save_baselines(judgement.window.end_realtime_ns);
    }

    /// Writes the last minutes to disk when something fires: one recording for all that fires at once.
    fn record(&mut self, changes: &mut [Alert], config: &Config) {
        let fires = |alert: &&mut Alert| alert.state == State::Firing;
        let Some(first) = changes.iter_mut().find(fires).map(|alert| alert.rule.clone()) else { return };
        let Some(recorder) = self.recorder.as_ref().filter(|_| config.record.keep > 0) else { return };
        let tape = recorder.lock().tape();
        let path = self.saver.save(tape, &first, config.record.keep);
        for alert in changes.iter_mut().filter(|alert| alert.state == State::Firing) {
            alert.annotations.insert("recording".into(), path.display().to_string());
            self.judge.note(alert);
        }
    }

    /// Does what an operator asked for by `kpulse baseline`.
    fn obey(&mut self, now_ns: u64) {
        match baselines::take_requests(&self.state, &mut self.judge.indexer.baselines, now_ns) {
            Ok(lines) => {
                for (done, line) in lines {
                    if done { tracing::info!("{line}") } else { tracing::warn!("{line}") }
                }
            }
            Err(error) => self.tell(format!("requests of kpulse baseline cannot be taken up: {error}")),
        }
    }

    fn save_baselines(&mut self, now_ns: u64) {
        if self.is_saving() || self.saved.is_some_and(|saved| saved.elapsed() < SAVE_INTERVAL) {
            return;
        }
        self.saved = Some(Instant::now());
        self.save_now(now_ns);
    }

    fn save_now(&mut self, now_ns: u64) {
        let (state, baselines) = (self.state.clone(), self.judge.indexer.baselines.clone());
        let save = move || {
            if let Err(error) = baselines::save(&state, &baselines, now_ns) {
                tracing::error!("what was learned of usual times would not survive a restart: {error}");
            }
        };
        match thread::Builder::new().name("kpulse-save".into()).spawn(save) {
            Ok(thread) => self.saving = Some(thread),
            Err(error) => self.tell(format!("baselines cannot be saved: there is no thread for it: {error}")),
        }
    }

    fn tell(&mut self, trouble: String) {
        if !self.told.contains(&trouble) {
            tracing::error!("{trouble}");
            self.told.insert(trouble);
        }
    }

    /// The indices of the window that was judged last.
    pub fn indices(&self) -> Arc<Vec<Index>> {
        self.indices.clone()
    }

    /// How the baselines are.
    pub fn baselines(&self) -> Vec<BaselineState> {
        self.baselines.clone()
    }

    /// What is pending or fires, the newest first, and then the latest that are over.
    pub fn alerts(&self) -> Vec<Arc<Alert>> {
        self.alerts.clone()
    }

    /// Adds the figures that are known here.
    pub fn complete(&self, status: &mut Status) {
        status.delivery = self.notifier.delivery();
        status.journal = Some(self.notifier.journal());
        status.alerts_suppressed = self.judge.suppressed() as u64;
        status.recorder = self.recorder.as_ref().map(|recorder| {
            let figures = recorder.lock().figures();
            let (saved, failed) = self.saver.counts();
            RecorderStatus {
                samples: figures.samples,
                bytes: figures.bytes,
                covers_ns: figures.covers_ns,
                skipped: figures.skipped,
                saved,
                failed,
            }
        });
    }

    /// Takes up other rules and settings. Rules that are wrong leave the old ones in force.
    pub fn reload(&mut self, config: &Config) {
        match rules::load(config.rules.file.as_deref()) {
            Ok(rules) => self.judge.reload(config, rules),
            Err(errors) => tracing::error!("SIGHUP: the rules are not taken up, the old ones stay in force: {errors}"),
        }
    }

    /// Ends: what was learned is saved, what can be sent at once is.
    pub async fn end(mut self, now_ns: u64) {
        if !self.is_saving() {
            self.save_now(now_ns);
        }
        let until = Instant::now() + PATIENCE;
        while (self.is_saving() || self.saver.is_busy()) && Instant::now() < until {
            tokio::time::sleep(STEP).await;
        }
        if self.is_saving() || self.saver.is_busy() {
            tracing::warn!("the disk takes too long: baselines or a recording may not be saved");
        }
        self.notifier.shutdown().await;
    }

    fn is_saving(&self) -> bool {
        self.saving.as_ref().is_some_and(|thread| !thread.is_finished())
    }
}

/// The figures that rules look at. What the configuration turns off is no fault.
pub(super) fn own(status: &Status, config: &Config) -> Status {
    let wanted = crate::collect::options(config).probes;
    let probes = status.probes.iter().filter(|probe| wanted.contains(probe.name.as_str())).cloned().collect();
    Status { probes, ..status.clone() }
}

/// What was learned before; nothing, if that cannot be read.
fn load_baselines(state: &std::path::Path) -> Baselines {
    match baselines::load(state).with_context(|| format!("in the state directory {}", state.display())) {
        Ok(saved) => saved.map(|saved| saved.baselines).unwrap_or_default(),
        Err(error) => {
            tracing::warn!("what is usual is learned anew: {error:#}");
            Baselines::default()
        }
    }
}
