//! Cuts off who does not say who it is. A connection is a stranger's until a request on it was allowed; strangers are few at a time,
//! and each has little time, so that no number of them keeps a node out.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    sync::{Notify, OwnedSemaphorePermit},
    time::sleep,
};

/// The most connections at once of which nobody knows whose they are.
pub const STRANGERS: usize = 1024;
/// How long a stranger has to say who it is.
pub const MANNERS: Duration = Duration::from_secs(10);

/// Whether a connection's other end is known.
#[derive(Debug, Default)]
pub struct Pulse {
    known: AtomicBool,
    /// The stranger's place, given back once it is known.
    place: Mutex<Option<OwnedSemaphorePermit>>,
    told: Notify,
}

impl Pulse {
    /// Of a stranger that has this place.
    pub fn of(place: OwnedSemaphorePermit) -> Arc<Self> {
        Arc::new(Self { place: Mutex::new(Some(place)), ..Self::default() })
    }

    /// It has said who it is.
    pub fn know(&self) {
        if !self.known.swap(true, Relaxed) {
            drop(self.place.lock().unwrap_or_else(PoisonError::into_inner).take());
            self.told.notify_one();
        }
    }

    /// Whether it has.
    pub fn is_known(&self) -> bool {
        self.known.load(Relaxed)
    }

    /// Returns when a stranger has had its time; never for one that is known.
    pub async fn lost_patience(&self) {
        tokio::select! {
            () = sleep(MANNERS) => {}
            () = self.told.notified() => {}
        }
        if self.is_known() {
            std::future::pending::<()>().await;
        }
    }
}
