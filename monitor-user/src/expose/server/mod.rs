//! The HTTP server: routes behind a bounded number of connections, none of which can be held for ever.
//!
//! In: snapshots. Out: HTTP/1.1. It runs on a single-threaded runtime next to the collection.
//!
//! | bound | what happens beyond it |
//! |---|---|
//! | [`Settings::clients`] connections at once | the next waits in the kernel's backlog |
//! | [`Settings::patience`] for the head of a request, or for the next request | the connection is closed |
//! | [`Settings::patience`] without the client reading | the connection is closed |
//! | shutdown | half a second for answers under way, then every connection is dropped |

mod connection;
pub(crate) mod page;
mod recording;
mod routes;

use std::{future::Future, sync::Arc, time::Duration};

use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{recorder, status::Snapshot};

use super::collector::Exposition;
pub use connection::Patient;

/// What the snapshots come through; `None` before the first.
pub type Snapshots = watch::Receiver<Option<Arc<Snapshot>>>;

/// The bounds of the server.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The most series in a scrape, see [`super::budget::MIN_SERIES`].
    pub max_series: usize,
    /// The most connections at once, at least 1.
    pub clients: usize,
    /// How long a client may take to send the head of a request, or to read on.
    pub patience: Duration,
}

/// What the routes share. Cheap to clone.
#[derive(Clone, Debug)]
pub struct State {
    exposition: Exposition,
    snapshots: Snapshots,
    settings: Settings,
    /// Absent if nothing is recorded.
    recorder: Option<recorder::Shared>,
    /// When the latest snapshot came.
    freshness: watch::Sender<Option<tokio::time::Instant>>,
}

/// How long answers under way have at shutdown.
const GRACE: Duration = Duration::from_millis(500);
/// How long to wait when no file descriptor is left for another connection.
const RETRY: Duration = Duration::from_millis(100);

impl State {
    /// For the snapshots that come through `snapshots`.
    ///
    /// # Errors
    ///
    /// As [`Exposition::new`].
    pub fn new(snapshots: Snapshots, settings: Settings) -> prometheus::Result<Self> {
        let exposition = Exposition::new(settings.max_series)?;
        Ok(Self { exposition, snapshots, settings, recorder: None, freshness: watch::Sender::new(None) })
    }

    /// Serves what this recorder holds, too.
    #[must_use]
    pub fn with_recorder(self, recorder: recorder::Shared) -> Self {
        Self { recorder: Some(recorder), ..self }
    }

    /// Takes up every snapshot as it comes, so that nothing is lost that vanishes between two scrapes.
    async fn follow(mut self) {
        loop {
            if let Some(snapshot) = self.snapshots.borrow_and_update().clone() {
                self.exposition.observe(&snapshot);
                self.freshness.send_replace(Some(tokio::time::Instant::now()));
            }
            if self.snapshots.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }
}

/// Serves `listener` until `shutdown`, and ends within a second of it, whatever the clients do.
pub async fn serve(listener: TcpListener, state: State, shutdown: impl Future<Output = ()>) {
    let slots = Arc::new(Semaphore::new(state.settings.clients.max(1)));
    let (stop, stopped) = watch::channel(false);
    let mut connections = JoinSet::new();
    let follow = state.clone().follow();
    let accept = async {
        loop {
            // The slot comes first: who has none waits in the backlog, not in this process.
            let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
            let stream = loop {
                match listener.accept().await {
                    Ok((stream, _)) => break stream,
                    Err(error) => {
                        tracing::warn!(%error, "a client could not be accepted: raise the limit of open files");
                        sleep(RETRY).await;
                    }
                }
            };
            while connections.try_join_next().is_some() {}
            let connection = serve_connection(stream, state.clone(), stopped.clone());
            connections.spawn(async move {
                connection.await;
                drop(slot);
            });
        }
    };
    tokio::select! {
        () = shutdown => {}
        () = accept => {}
        () = follow => {}
    }
    drop(listener);
    stop.send_replace(true);
    let all = async { while connections.join_next().await.is_some() {} };
    if timeout(GRACE, all).await.is_err() {
        connections.shutdown().await;
    }
}

async fn serve_connection(stream: TcpStream, state: State, mut stopped: watch::Receiver<bool>) {
    let patience = state.settings.patience;
    let service = TowerToHyperService::new(routes::router(state));
    let io = TokioIo::new(Patient::new(stream, patience));
    let connection =
        http1::Builder::new().timer(TokioTimer::new()).header_read_timeout(patience).serve_connection(io, service);
    tokio::pin!(connection);
    let stopped = async {
        // An error means that the server is gone: the same.
        let _ = stopped.wait_for(|stopped| *stopped).await;
    };
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = stopped => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "a client's connection was closed");
    }
}

#[cfg(test)]
mod tests;
