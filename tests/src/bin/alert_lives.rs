//! Keeps and tells alerts until it is killed: `alert_lives FOLDER RECEIVER RUN live|finish`.
//!
//! It says what it is about to record (`mean`) and what is on disk (`safe`), with state and id, one on a line. Run `live` it begins
//! and ends alerts for ever; run `finish` it ends those that there are, and waits until all is told.

use std::{collections::BTreeMap, io::Write as _, time::Duration};

use anyhow::{Context as _, Result, ensure};
use kpulse::{
    alert::{Alert, State},
    journal::{Journal, Limits},
    notify::{Node, Notifier, Settings},
};
use tests::teller::{PACE, alert, endpoints};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, receiver, run, how] = &arguments[..] else {
        anyhow::bail!("usage: alert_lives FOLDER RECEIVER RUN live|finish")
    };
    let (journal, recovered) = Journal::open(folder.as_ref(), Limits::default())?;
    ensure!(recovered.unusable.is_none() && recovered.damaged_bytes == 0, "{recovered:?}");
    let webhooks = endpoints(&[receiver.parse().context("the receiver's address")?]);
    let settings = Settings { webhooks, resend: Duration::from_secs(60), ..Settings::default() };
    let alive = recovered.current.into_iter().map(|alert| (alert.id.clone(), alert)).collect();
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let notifier = Notifier::start(&settings, Node { url: "http://n".into(), ..Node::default() }, PACE, journal)?;
        let mut lives = Lives { notifier, alive };
        if how == "live" {
            return lives.live(run).await;
        }
        lives.finish().await?;
        lives.notifier.shutdown().await;
        Ok(())
    })
}

struct Lives {
    notifier: Notifier,
    alive: BTreeMap<String, Alert>,
}

impl Lives {
    async fn live(&mut self, run: &str) -> Result<()> {
        for number in 0u64.. {
            let id = format!("{run:0>8}{number:08x}");
            let mut group = vec![alert(&id, &id, State::Pending)];
            // Some of those that there are go on, together with the new one.
            let ids: Vec<String> = self.alive.keys().cloned().collect();
            let some = ids.iter().enumerate().filter(|(at, _)| (*at as u64 + number).is_multiple_of(2));
            group.extend(some.filter_map(|(_, id)| self.next(id)));
            self.record(group).await?;
        }
        Ok(())
    }

    async fn finish(&mut self) -> Result<()> {
        while !self.alive.is_empty() {
            let ids: Vec<String> = self.alive.keys().cloned().collect();
            let group = ids.iter().filter_map(|id| self.next(id)).collect();
            self.record(group).await?;
        }
        while self.notifier.delivery().iter().any(|target| target.queued > 0) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(())
    }

    /// The alert one step on.
    fn next(&self, id: &str) -> Option<Alert> {
        let now = self.alive.get(id)?;
        let state = match now.state {
            State::Pending if id.ends_with('7') => State::Dropped,
            State::Pending => State::Firing,
            _ => State::Resolved,
        };
        Some(Alert { pending_ns: now.pending_ns, ..alert(id, id, state) })
    }

    async fn record(&mut self, group: Vec<Alert>) -> Result<()> {
        say("mean", &group)?;
        ensure!(self.notifier.record(group.clone()).await?, "not on disk");
        say("safe", &group)?;
        for alert in group {
            match alert.state {
                State::Pending | State::Firing => drop(self.alive.insert(alert.id.clone(), alert)),
                State::Resolved | State::Dropped => drop(self.alive.remove(&alert.id)),
            }
        }
        Ok(())
    }
}

fn say(word: &str, group: &[Alert]) -> Result<()> {
    let lines: String = group.iter().map(|alert| format!("{word} {} {}\n", alert.state.name(), alert.id)).collect();
    let mut out = std::io::stdout().lock();
    out.write_all(lines.as_bytes())?;
    out.flush()?;
    Ok(())
}
