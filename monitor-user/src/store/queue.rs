//! The bounded queue before the writer. Who finds it full hears so at once; nobody waits for room.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use super::{Incoming, IndexPoint, error::Unavailable};
use crate::alert::Alert;

/// What becomes of a job, once it is on disk or cannot be.
pub(super) type Done = oneshot::Sender<Result<(), Unavailable>>;

/// What the writer is to write.
pub(super) enum Work {
    /// Reports.
    Reports(Vec<Incoming>),
    /// An alert, as it is now.
    Alert(Box<Alert>),
    /// The fleet's figures at a time.
    Indices(u64, Vec<IndexPoint>),
}

impl Work {
    fn reports(&self) -> usize {
        match self {
            Self::Reports(reports) => reports.len(),
            Self::Alert(_) | Self::Indices(..) => 1,
        }
    }

    /// About how much memory it takes.
    fn bytes(&self) -> usize {
        match self {
            Self::Reports(reports) => reports.iter().map(|report| report.bytes.len() + 256).sum(),
            Self::Alert(_) => 32 << 10,
            Self::Indices(_, points) => 64 * points.len(),
        }
    }
}

/// A piece of work and who waits for it.
pub(super) struct Job {
    pub(super) work: Work,
    pub(super) done: Done,
}

/// What the writer found.
pub(super) enum Taken {
    /// Something to do.
    Jobs(Vec<Job>),
    /// Nothing in the time it waited.
    Nothing,
    /// Nothing, and nothing will come.
    Closed,
}

/// How full the queue is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// Reports that wait.
    pub reports: usize,
    /// Their bytes, about.
    pub bytes: usize,
}

#[derive(Default)]
struct Inner {
    jobs: VecDeque<Job>,
    depth: Depth,
    closed: bool,
    /// The writer waits for others to join what there is, up to so many reports: who comes before that does not wake it.
    gathers: Option<usize>,
}

/// The queue.
pub(super) struct Queue {
    inner: Mutex<Inner>,
    /// Something came, or the queue was closed.
    came: Condvar,
    most: Depth,
}

impl Queue {
    pub(super) fn new(most: Depth) -> Self {
        Self { inner: Mutex::default(), came: Condvar::new(), most }
    }

    /// Puts work at the end.
    pub(super) fn put(&self, work: Work) -> Result<oneshot::Receiver<Result<(), Unavailable>>, Unavailable> {
        let mut inner = self.lock();
        if inner.closed {
            return Err(Unavailable::Closed);
        }
        let depth = Depth { reports: inner.depth.reports + work.reports(), bytes: inner.depth.bytes + work.bytes() };
        // What is larger than the whole queue is taken when the queue is empty, or it would never be.
        if !inner.jobs.is_empty() && (depth.reports > self.most.reports || depth.bytes > self.most.bytes) {
            return Err(Unavailable::Full);
        }
        inner.depth = depth;
        let (done, answer) = oneshot::channel();
        inner.jobs.push_back(Job { work, done });
        let wake = inner.gathers.is_none_or(|enough| inner.depth.reports >= enough);
        drop(inner);
        if wake {
            self.came.notify_one();
        }
        Ok(answer)
    }

    /// Takes what there is, up to about `most` reports. Waits for the first job up to `wait`, and from then on for
    /// `gather` so that others may join it.
    pub(super) fn take(&self, most: usize, wait: Duration, gather: Duration) -> Taken {
        let inner = self.lock();
        let nothing = |inner: &mut Inner| inner.jobs.is_empty() && !inner.closed;
        let (mut inner, _) = self.came.wait_timeout_while(inner, wait, nothing).unwrap_or_else(PoisonError::into_inner);
        if inner.jobs.is_empty() {
            return if inner.closed { Taken::Closed } else { Taken::Nothing };
        }
        let until = Instant::now() + gather;
        inner.gathers = Some(most);
        let more = |inner: &mut Inner| !inner.closed && inner.depth.reports < most;
        while more(&mut inner) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            inner = self.came.wait_timeout_while(inner, left, more).unwrap_or_else(PoisonError::into_inner).0;
        }
        inner.gathers = None;
        let (mut jobs, mut reports) = (Vec::new(), 0);
        while reports < most
            && let Some(job) = inner.jobs.pop_front()
        {
            reports += job.work.reports();
            inner.depth.reports -= job.work.reports();
            inner.depth.bytes -= job.work.bytes();
            jobs.push(job);
        }
        Taken::Jobs(jobs)
    }

    /// Takes nothing more; what is there is still written.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.came.notify_one();
    }

    pub(super) fn depth(&self) -> Depth {
        self.lock().depth
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(reports: usize) -> Queue {
        Queue::new(Depth { reports, bytes: 1 << 20 })
    }

    fn work(count: usize) -> Work {
        Work::Reports((0..count).map(|n| super::super::testing::incoming("n", n as u64)).collect())
    }

    #[test]
    fn who_finds_it_full_hears_so_at_once() {
        let queue = queue(5);
        assert!(queue.put(work(3)).is_ok());
        assert_eq!(queue.put(work(3)).err(), Some(Unavailable::Full));
        assert!(queue.put(work(2)).is_ok());
        assert_eq!(queue.depth().reports, 5);
        assert!(matches!(queue.take(100, Duration::ZERO, Duration::ZERO), Taken::Jobs(jobs) if jobs.len() == 2));
        assert_eq!(queue.depth(), Depth::default());
        assert!(matches!(queue.take(100, Duration::ZERO, Duration::ZERO), Taken::Nothing));
        // A batch that would never fit is taken alone.
        assert!(queue.put(work(9)).is_ok());
    }

    #[test]
    fn what_came_before_it_was_closed_is_still_written() {
        let queue = queue(5);
        let _answer = queue.put(work(1));
        queue.close();
        assert_eq!(queue.put(work(1)).err(), Some(Unavailable::Closed));
        assert!(matches!(queue.take(1, Duration::ZERO, Duration::ZERO), Taken::Jobs(_)));
        assert!(matches!(queue.take(1, Duration::ZERO, Duration::ZERO), Taken::Closed));
    }
}
