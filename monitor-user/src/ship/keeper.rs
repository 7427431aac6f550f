//! The spool in a thread of its own, because a disk can take seconds to say that it has something, and the agent has one
//! thread for all else.
//!
//! In: reports, questions, what the server has. Out: batches; figures for the status; a sign that something came.

use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc,
    },
    thread,
};

use bytes::Bytes;
use tokio::sync::{oneshot, watch};

use super::{
    sender::now_ns,
    spool::{Batch, Figures, Spool},
};

/// Reports that may wait for a disk that hangs, in memory: hours of them.
const UNWRITTEN: u64 = 1024;
/// After so many reports that the server has got, that is noted.
const BETWEEN_SAVES: usize = 60;

enum Ask {
    Push { sequence: u64, end_ns: u64, report: Bytes },
    Oldest { reports: usize, bytes: u64, answer: oneshot::Sender<Option<Batch>> },
    Settle(Vec<u64>),
    End,
}

/// Talks to the thread.
#[derive(Clone)]
pub struct Keeper {
    asks: mpsc::Sender<Ask>,
    /// Changes when a report came.
    head: watch::Receiver<u64>,
    figures: Arc<Mutex<Figures>>,
    unwritten: Arc<AtomicU64>,
    /// Those for which not even a place in the queue was.
    turned_away: Arc<AtomicU64>,
}

impl Keeper {
    /// Starts the thread. The second value tells when it has ended, after [`Self::end`].
    ///
    /// # Errors
    ///
    /// If the system has no thread.
    pub fn start(mut spool: Spool) -> io::Result<(Self, oneshot::Receiver<()>)> {
        let (asks, asked) = mpsc::channel();
        let (head_tx, head) = watch::channel(0);
        let (ended_tx, ended) = oneshot::channel();
        let figures = Arc::new(Mutex::new(spool.figures()));
        let keeper = Self { asks, head, figures, unwritten: Arc::default(), turned_away: Arc::default() };
        let shared = keeper.clone();
        thread::Builder::new().name("kpulse-spool".into()).spawn(move || {
            // The thread must not keep the queue open that it waits on.
            let Self { asks, figures, unwritten, turned_away, .. } = shared;
            drop(asks);
            let mut settled = 0;
            while let Ok(ask) = asked.recv() {
                match ask {
                    Ask::Push { sequence, end_ns, report } => {
                        spool.count_lost(turned_away.swap(0, Relaxed));
                        spool.push(sequence, end_ns, &report, now_ns());
                        unwritten.fetch_sub(1, Relaxed);
                        head_tx.send_modify(|head| *head += 1);
                    }
                    Ask::Oldest { reports, bytes, answer } => {
                        // Who asked may be gone.
                        let _ = answer.send(spool.oldest(reports, bytes));
                    }
                    Ask::Settle(numbers) => {
                        spool.settle(&numbers);
                        settled += numbers.len();
                        if settled >= BETWEEN_SAVES {
                            spool.save();
                            settled = 0;
                        }
                    }
                    Ask::End => break,
                }
                *figures.lock().unwrap_or_else(PoisonError::into_inner) = spool.figures();
            }
            spool.doubt_no_more();
            spool.save();
            drop(spool);
            // Whoever waits for it may have given up.
            let _ = ended_tx.send(());
        })?;
        Ok((keeper, ended))
    }

    /// Keeps a report. If the disk has hung for so long that there is no room even in memory, it is lost, and counted.
    pub fn push(&self, sequence: u64, end_ns: u64, report: Bytes) {
        if self.unwritten.load(Relaxed) >= UNWRITTEN {
            self.turned_away.fetch_add(1, Relaxed);
            return;
        }
        self.unwritten.fetch_add(1, Relaxed);
        self.ask(Ask::Push { sequence, end_ns, report });
    }

    /// As [`Spool::oldest`].
    pub async fn oldest(&self, reports: usize, bytes: u64) -> Option<Batch> {
        let (answer, batch) = oneshot::channel();
        self.ask(Ask::Oldest { reports, bytes, answer });
        batch.await.unwrap_or_default()
    }

    /// As [`Spool::settle`].
    pub fn settle(&self, numbers: Vec<u64>) {
        if !numbers.is_empty() {
            self.ask(Ask::Settle(numbers));
        }
    }

    /// Changes when a report came.
    pub fn head(&self) -> watch::Receiver<u64> {
        self.head.clone()
    }

    /// How the spool is, as of the latest change, and what waits for it.
    pub fn figures(&self) -> Figures {
        let mut figures = self.figures.lock().unwrap_or_else(PoisonError::into_inner).clone();
        figures.waiting += self.unwritten.load(Relaxed);
        *figures.lost.entry("no_room").or_default() += self.turned_away.load(Relaxed);
        figures
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
