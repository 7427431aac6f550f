//! Tells the service manager how the agent is: ready, taking up a configuration, alive, ending. Without one, tells nobody.
//!
//! In: `NOTIFY_SOCKET` and `WATCHDOG_USEC` of the environment, which the manager sets. Source: sd_notify(3).

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::{Interval, MissedTickBehavior, interval};

/// The service manager.
pub struct Service {
    /// Ticks twice in the time after which the manager takes silence for a fault; absent where it does not watch.
    watchdog: Option<Interval>,
    ready: bool,
}

impl Service {
    /// Whoever started this process.
    pub fn new() -> Self {
        let watchdog = sd_notify::watchdog_enabled().filter(|limit| !limit.is_zero()).map(|limit| {
            let mut ticker = interval((limit / 2).max(Duration::from_millis(1)));
            ticker.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticker
        });
        Self { watchdog, ready: false }
    }

    /// There are figures to be had. Tells so once.
    pub fn ready(&mut self, status: &str) {
        if !self.ready {
            self.ready = true;
            tell(&[NotifyState::Ready, NotifyState::Status(status)]);
        }
    }

    /// A new configuration is being taken up; [`Self::reloaded`] comes next.
    pub fn reloading(&self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => tell(&[NotifyState::Reloading, now]),
            Err(_) => tell(&[NotifyState::Reloading]),
        }
    }

    /// The configuration is taken up, or the old one stays.
    pub fn reloaded(&self) {
        tell(&[NotifyState::Ready]);
    }

    /// Waits until it is time for a sign of life, and gives it. The thread that collects calls this: one that hangs does not.
    pub async fn alive(&mut self) {
        match &mut self.watchdog {
            Some(ticker) => {
                ticker.tick().await;
                tell(&[NotifyState::Watchdog]);
            }
            None => std::future::pending().await,
        }
    }

    /// The end has begun.
    pub fn stopping(&self) {
        tell(&[NotifyState::Stopping]);
    }
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!("the service manager cannot be told: {error}");
    }
}
