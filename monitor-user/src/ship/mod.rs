//! Reports to the server of the fleet: each lies on disk before it is sent, and waits there until the server has it.
//!
//! In: reports, as the agent builds them once an interval. Out: requests to one server (`POST /api/v1/reports`), and figures for
//! the status.
//!
//! | module | what it is |
//! |---|---|
//! | `settings` | where to, who we are, how much may wait |
//! | `record` | how reports lie on disk |
//! | `spool` | the reports that wait, bounded by bytes and by age |
//! | `keeper` | the spool in a thread of its own |
//! | `answer` | what an answer of the server means |
//! | `connection` | one request, with secrets and certificates that may have changed |
//! | `sender` | in order, at a limited rate, with patience |
//! | [`identity`] | which machine this is |
//! | [`metrics`] | `kpulse_report_*` |

mod answer;
mod connection;
pub mod identity;
mod keeper;
pub mod metrics;
mod record;
mod sender;
mod settings;
mod spool;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::{io, path::Path, sync::Arc};

use bytes::Bytes;
use prost::Message as _;
use tokio::{
    sync::{oneshot, watch},
    task::JoinHandle,
    time::timeout,
};

pub use self::{
    answer::{Verdict, verdict},
    settings::{Pace, Settings},
    spool::Waiting,
};
use self::{connection::Connection, keeper::Keeper, sender::Tally, spool::Spool};
use crate::{
    report::wire::{Report, Sender},
    status::Shipping as Status,
};

/// Why no report can be sent.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The spool cannot be used.
    #[error("reports cannot be kept in {0}: {1}")]
    Spool(String, io::Error),
    /// Another process uses it.
    #[error("reports cannot be kept in {0}: another agent uses the directory: end it, or set state.dir")]
    InUse(String),
    /// The system has no thread.
    #[error("reports cannot be kept: the system gives no thread: {0}")]
    Thread(io::Error),
    /// The secrets or certificates are wrong.
    #[error("reports cannot be sent: {0}")]
    Connection(String),
}

/// Sends reports.
pub struct Shipping {
    keeper: Keeper,
    ended: oneshot::Receiver<()>,
    sender: JoinHandle<()>,
    stop: watch::Sender<bool>,
    tally: Arc<Tally>,
    server: String,
    pace: Pace,
}

impl Shipping {
    /// Begins to send what waits in `folder`, and what comes. `who` wrote what comes; what was there keeps who wrote it.
    ///
    /// # Errors
    ///
    /// If the folder cannot be used, or the certificates are wrong.
    pub fn start(settings: &Settings, folder: &Path, who: Sender, pace: Pace) -> Result<Option<Self>, Error> {
        let Some(url) = &settings.url else { return Ok(None) };
        let shown = folder.display().to_string();
        let connection = Connection::new(url.clone(), settings, pace.timeout).map_err(Error::Connection)?;
        let limits = spool::Limits { bytes: settings.spool_bytes as u64, age: settings.spool_age };
        let spool = Spool::open(folder, limits, who, sender::now_ns())
            .map_err(|error| Error::Spool(shown.clone(), error))?
            .ok_or(Error::InUse(shown))?;
        let (keeper, ended) = Keeper::start(spool).map_err(Error::Thread)?;
        let (stop, stopped) = watch::channel(false);
        let tally = Arc::new(Tally::default());
        let server = url.name();
        let task = sender::Task::new(server.clone(), connection, keeper.clone(), pace, tally.clone());
        Ok(Some(Self { keeper, ended, sender: tokio::spawn(task.run(stopped)), stop, tally, server, pace }))
    }

    /// Takes up a report. It never waits for a disk.
    pub fn push(&self, report: &Report) {
        self.keeper.push(report.sequence, report.end_ns, Bytes::from(report.encode_to_vec()));
    }

    /// How it fares.
    pub fn status(&self) -> Status {
        let figures = self.keeper.figures();
        Status {
            server: self.server.clone(),
            waiting: figures.waiting,
            waiting_bytes: figures.bytes,
            oldest_ns: figures.oldest_ns,
            lost: figures.lost.iter().map(|(reason, count)| ((*reason).to_owned(), *count)).collect(),
            trouble: figures.trouble,
            ..self.tally.status()
        }
    }

    /// Sends what can be sent at once, and ends. What is not sent waits for the next start.
    pub async fn end(self) {
        self.stop.send_replace(true);
        let mut sender = self.sender;
        if timeout(self.pace.drain, &mut sender).await.is_err() {
            sender.abort();
        }
        self.keeper.end();
        if timeout(self.pace.drain, self.ended).await.is_err() {
            tracing::warn!("the disk takes too long: what the server has may be sent to it again");
        }
    }
}
