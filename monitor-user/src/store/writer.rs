//! The one thread that writes. It takes all that is in the queue, writes it in one transaction, tells everybody, and then does a
//! little upkeep before it looks at the queue again.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use rusqlite::{Connection, MAIN_DB, wal::CheckpointMode};

use super::{
    Shared,
    checkpoint::Checkpoint,
    ingest,
    limits::Limits,
    queue::{Job, Taken},
    retention::Retention,
    rollup::RollUp,
    time,
};
use crate::store::{error::Unavailable, queue::Work};

/// How long the writer waits for something to do before it looks after what is there.
const IDLE: Duration = Duration::from_millis(100);
/// After upkeep failed, how long it is left alone.
const PAUSE: Duration = Duration::from_secs(5);

/// The writer.
pub(super) struct Writer {
    connection: Connection,
    limits: Limits,
    shared: Arc<Shared>,
    roll_up: RollUp,
    retention: Retention,
    checkpoint: Checkpoint,
    upkeep_from: Instant,
}

/// Nobody waits for a writer that has ended, not even by a panic.
struct Ended(Arc<Shared>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.queue.close();
        while let Taken::Jobs(jobs) = self.0.queue.take(usize::MAX, Duration::ZERO, Duration::ZERO) {
            drop(jobs);
        }
    }
}

impl Writer {
    /// `copier`: a connection for the copying of the log.
    pub(super) fn new(
        mut connection: Connection,
        copier: Connection,
        limits: Limits,
        shared: Arc<Shared>,
    ) -> std::io::Result<Self> {
        let checkpoint = Checkpoint::start(&mut connection, copier, limits.log_bytes)?;
        let (roll_up, retention) = (RollUp::new(&limits), Retention::new(&limits));
        Ok(Self { connection, limits, shared, roll_up, retention, checkpoint, upkeep_from: Instant::now() })
    }

    /// Writes until the queue is closed and empty.
    pub(super) fn run(mut self) {
        let _ended = Ended(Arc::clone(&self.shared));
        loop {
            match self.shared.queue.take(self.limits.group, IDLE, self.limits.gather) {
                Taken::Jobs(jobs) => self.group(jobs),
                Taken::Nothing => {}
                Taken::Closed => break,
            }
            self.upkeep();
        }
        // Its thread has ended then, and has no connection any more.
        drop(self.checkpoint);
        if let Err(error) = self.connection.wal_checkpoint_v2(Some(MAIN_DB), CheckpointMode::TRUNCATE) {
            tracing::warn!("the store's log was not copied into the database, and will be at the next start: {error}");
        }
    }

    fn group(&mut self, jobs: Vec<Job>) {
        let begun = Instant::now();
        // Only this thread changes the registry, so the plan holds until it is on disk.
        let (plan, new) = ingest::plan(&self.shared.registry(), &jobs);
        let written = ingest::write(&mut self.connection, &plan, &new, &jobs);
        let took_ns = time::ns(begun.elapsed());
        let answer = match written {
            Ok(()) => {
                let mut status = self.shared.status();
                status.commits += 1;
                status.commit_ns += took_ns;
                status.commit_most_ns = status.commit_most_ns.max(took_ns);
                status.stored += plan.stored();
                status.stored_bytes += plan.bytes;
                status.known += plan.known;
                if status.trouble.take().is_some() {
                    tracing::info!("the store takes reports again");
                }
                drop(status);
                plan.apply(&mut self.shared.registry());
                Ok(())
            }
            Err(error) => {
                let reason = error.to_string();
                let reports = |job: &Job| if let Work::Reports(reports) = &job.work { reports.len() as u64 } else { 0 };
                let mut status = self.shared.status();
                status.failed += jobs.iter().map(reports).sum::<u64>();
                if status.trouble.replace(reason.clone()).is_none() {
                    tracing::error!("the store takes nothing, and tries again with what comes: {reason}");
                }
                Err(Unavailable::Failed(reason))
            }
        };
        for job in jobs {
            let _ = job.done.send(answer.clone());
        }
    }

    /// A slice of each kind of upkeep.
    fn upkeep(&mut self) {
        if Instant::now() < self.upkeep_from {
            return;
        }
        let done = self
            .roll_up
            .step(&mut self.connection, &self.shared)
            .and_then(|()| self.retention.step(&mut self.connection, &self.shared))
            .and_then(|()| self.checkpoint.step(&self.connection));
        let mut status = self.shared.status();
        status.log_bytes = self.checkpoint.log_bytes();
        match done {
            Ok(()) => status.upkeep_trouble = None,
            Err(error) => {
                self.upkeep_from = Instant::now() + PAUSE;
                let reason = error.to_string();
                if status.upkeep_trouble.replace(reason.clone()).is_none() {
                    tracing::error!("the store adds nothing up and removes nothing for now: {reason}");
                }
            }
        }
    }
}
