//! The journal in a thread of its own, because a disk can take seconds to say that it has something, and the agent has one
//! thread for all else.
//!
//! In: what is to be appended, what was acknowledged, questions. Out: answers, in the order of what came in; the number of
//! the last record, for those who wait for one; and figures for the status.

use std::{
    collections::{BTreeMap, HashSet},
    io,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, Receiver, RecvError, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use tokio::sync::{oneshot, watch};

use crate::{
    alert::Alert,
    journal::{Health, Journal, Owed, Record},
};

/// The most that is handed out at once, in bytes. A request is about as long.
const BATCH_BYTES: u64 = 1 << 20;

/// How many questions are answered before the cursors are saved.
const BETWEEN_SAVES: usize = 1000;

/// How long after a failure it is tried again to write to the disk, whether there is something new to write or not.
const RETRY: Duration = Duration::from_secs(5);

enum Ask {
    Append(Vec<Alert>, oneshot::Sender<bool>),
    Ack(Arc<str>, Vec<u64>),
    Owed { target: Arc<str>, without: HashSet<String>, most: usize, answer: oneshot::Sender<Vec<Record>> },
    Standing { target: Arc<str>, since_ns: u64, answer: oneshot::Sender<Vec<u64>> },
    Read(Vec<u64>, oneshot::Sender<Vec<Record>>),
    Latest(Option<String>, oneshot::Sender<Vec<Record>>),
    End,
}

/// How the journal and its targets are.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// How the journal is.
    pub health: Health,
    /// What each target has not got yet, by name.
    pub owed: BTreeMap<Arc<str>, Owed>,
}

/// Talks to the thread.
#[derive(Clone)]
pub struct Keeper {
    asks: mpsc::Sender<Ask>,
    head: watch::Receiver<u64>,
    figures: Arc<Mutex<Figures>>,
}

impl Keeper {
    /// Starts the thread. The second value tells when it has ended, after [`Self::end`].
    ///
    /// # Errors
    ///
    /// If the system has no thread.
    pub fn start(mut journal: Journal, targets: Vec<Arc<str>>) -> io::Result<(Self, oneshot::Receiver<()>)> {
        let (asks, asked) = mpsc::channel();
        let (head_tx, head) = watch::channel(0);
        let (ended_tx, ended) = oneshot::channel();
        let figures = Arc::new(Mutex::new(figures(&journal, &targets)));
        let shown = Arc::clone(&figures);
        thread::Builder::new().name("kpulse-journal".into()).spawn(move || {
            journal.set_targets(&targets.iter().map(|target| target.to_string()).collect::<Vec<_>>());
            let mut retry_at = None;
            while let Ok(first) = next(&asked, retry_at) {
                let (mut end, mut appended) = (false, Vec::new());
                for ask in first.into_iter().chain(asked.try_iter().take(BETWEEN_SAVES)) {
                    match ask {
                        Ask::End => end = true,
                        Ask::Append(alerts, answer) => {
                            let safe = journal.append(&alerts).is_ok() && journal.health().trouble.is_none();
                            head_tx.send_modify(|head| *head += 1);
                            appended.push((answer, safe));
                        }
                        ask => answer(&mut journal, ask),
                    }
                    if end {
                        break;
                    }
                }
                if retry_at.is_some_and(|at| at <= Instant::now()) {
                    journal.retry();
                    retry_at = None;
                }
                retry_at = journal.must_retry().then(|| retry_at.unwrap_or_else(|| Instant::now() + RETRY));
                *shown.lock().unwrap_or_else(PoisonError::into_inner) = self::figures(&journal, &targets);
                // Who is told that it is done can see it in the figures. That nobody waits for the answer is no fault.
                for (answer, safe) in appended {
                    let _ = answer.send(safe);
                }
                journal.save();
                if end {
                    break;
                }
            }
            // Whoever waits for it may have given up.
            let _ = ended_tx.send(());
        })?;
        Ok((Self { asks, head, figures }, ended))
    }

    /// Appends transitions. The answer is true when they are on disk, false if they are in memory alone.
    pub fn append(&self, alerts: Vec<Alert>) -> oneshot::Receiver<bool> {
        let (tx, rx) = oneshot::channel();
        self.ask(Ask::Append(alerts, tx));
        rx
    }

    /// Notes that a target has these, or will never have them.
    pub fn ack(&self, target: &Arc<str>, sequences: Vec<u64>) {
        if !sequences.is_empty() {
            self.ask(Ask::Ack(Arc::clone(target), sequences));
        }
    }

    /// The oldest that a target has not got yet, at most `most`, without those of the alerts `without`.
    pub async fn owed(&self, target: &Arc<str>, without: &HashSet<String>, most: usize) -> Vec<Record> {
        let (answer, rx) = oneshot::channel();
        self.ask(Ask::Owed { target: Arc::clone(target), without: without.clone(), most, answer });
        rx.await.unwrap_or_default()
    }

    /// The numbers of what a target may be told again.
    pub async fn standing(&self, target: &Arc<str>, since_ns: u64) -> Vec<u64> {
        let (answer, rx) = oneshot::channel();
        self.ask(Ask::Standing { target: Arc::clone(target), since_ns, answer });
        rx.await.unwrap_or_default()
    }

    /// The records of these numbers, as far as they are there.
    pub async fn read(&self, sequences: &[u64]) -> Vec<Record> {
        let (answer, rx) = oneshot::channel();
        self.ask(Ask::Read(sequences.to_vec(), answer));
        rx.await.unwrap_or_default()
    }

    /// The latest record of one alert, or of all.
    pub async fn latest(&self, id: Option<&str>) -> Vec<Record> {
        let (answer, rx) = oneshot::channel();
        self.ask(Ask::Latest(id.map(str::to_owned), answer));
        rx.await.unwrap_or_default()
    }

    /// Changes when something was appended.
    pub fn head(&self) -> watch::Receiver<u64> {
        self.head.clone()
    }

    /// How the journal and its targets are.
    pub fn figures(&self) -> Figures {
        self.figures.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Lets the thread end when all that was asked before is done.
    pub fn end(&self) {
        self.ask(Ask::End);
    }

    fn ask(&self, ask: Ask) {
        // Without the thread there is nobody to ask, and every answer is empty.
        let _ = self.asks.send(ask);
    }
}

/// The next question; none if it is `until` before there is one.
fn next(asked: &Receiver<Ask>, until: Option<Instant>) -> Result<Option<Ask>, RecvError> {
    let Some(until) = until else { return asked.recv().map(Some) };
    match asked.recv_timeout(until.saturating_duration_since(Instant::now())) {
        Ok(ask) => Ok(Some(ask)),
        Err(RecvTimeoutError::Timeout) => Ok(None),
        Err(RecvTimeoutError::Disconnected) => Err(RecvError),
    }
}

/// Answers a question. Whoever asked may be gone, so that nobody hears it.
fn answer(journal: &mut Journal, ask: Ask) {
    match ask {
        Ask::Ack(target, sequences) => journal.ack(&target, &sequences),
        Ask::Owed { target, without, most, answer } => {
            let _ = answer.send(journal.owed(&target, &without, most, BATCH_BYTES));
        }
        Ask::Standing { target, since_ns, answer } => {
            let _ = answer.send(journal.standing(&target, since_ns));
        }
        Ask::Read(sequences, answer) => {
            let _ = answer.send(journal.read(&sequences));
        }
        Ask::Latest(id, answer) => {
            let _ = answer.send(journal.latest(id.as_deref()));
        }
        // These are done where they are heard.
        Ask::Append(..) | Ask::End => {}
    }
}

fn figures(journal: &Journal, targets: &[Arc<str>]) -> Figures {
    let owed = targets.iter().map(|target| (Arc::clone(target), journal.owed_in_short(target))).collect();
    Figures { health: journal.health(), owed }
}
