//! How full filesystems are, asked by threads of its own, because a filesystem whose server is gone may never answer.
//!
//! In: paths. Out: the last answer of each, without waiting for any. One thread does all the work while all filesystems
//! answer. One that does not keeps its thread until the kernel lets go of it, is not asked again before that, and the rest
//! goes to another thread. Beyond [`Limits::threads`] such filesystems nobody is left to ask: then all others are reported as
//! not asked, until one returns. Dropping a [`Prober`] waits for no thread; those that hang end when they return, or with
//! the process.

use std::{
    collections::{HashMap, VecDeque},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use super::Space;

/// Asks the filesystem at a path for its space. May take forever.
pub(super) type Statfs = Arc<dyn Fn(&Path) -> io::Result<Space> + Send + Sync>;

/// When to give up, and how much to spend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    /// A question open for longer is reported as unanswered.
    pub(super) deadline: Duration,
    /// The most threads at any time.
    pub(super) threads: usize,
}

/// What is known of one filesystem's space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Asked for the first time, within the deadline.
    Pending,
    /// The last answer.
    Space(Space),
    /// It answered with an error, or did not answer in time, or was not asked: why.
    None(String),
}

/// A thread that is with one filesystem for longer does not count as free for the others.
const PATIENCE: Duration = Duration::from_millis(10);

/// `statvfs` and little else happens on these stacks.
const STACK: usize = 128 << 10;

/// Asks filesystems.
pub(super) struct Prober {
    shared: Arc<Shared>,
    limits: Limits,
}

struct Shared {
    statfs: Statfs,
    state: Mutex<State>,
    /// There is a question, or the end.
    work: Condvar,
    /// There is an answer.
    answered: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<PathBuf>,
    questions: HashMap<PathBuf, Question>,
    threads: usize,
    idle: usize,
    closed: bool,
    /// Why the last thread could not be started.
    no_thread: Option<String>,
}

#[derive(Default)]
struct Question {
    /// When it was asked, while it is open.
    asked: Option<Instant>,
    /// When a thread took it, while it is open.
    taken: Option<Instant>,
    answer: Option<Result<Space, String>>,
}

impl Prober {
    /// Starts nothing yet.
    pub(super) fn new(statfs: Statfs, limits: Limits) -> Self {
        let state = Mutex::default();
        Self { shared: Arc::new(Shared { statfs, state, work: Condvar::new(), answered: Condvar::new() }), limits }
    }

    /// Asks these filesystems, except those whose last question is still open, and forgets all others.
    pub(super) fn ask(&self, paths: &[PathBuf], now: Instant) {
        let mut state = self.shared.lock();
        state.queue.retain(|path| paths.contains(path));
        state.questions.retain(|path, question| question.taken.is_some() || paths.contains(path));
        for path in paths {
            let question = state.questions.entry(path.clone()).or_default();
            if question.asked.is_none() {
                question.asked = Some(now);
                state.queue.push_back(path.clone());
            }
        }
        self.tend(&mut state, now);
    }

    /// What is known of each of these filesystems, and another thread for the questions that nobody is free for.
    pub(super) fn answers<'p>(&self, paths: impl Iterator<Item = &'p Path>, now: Instant) -> Vec<Answer> {
        let mut state = self.shared.lock();
        self.tend(&mut state, now);
        paths.map(|path| self.answer(&state, path, now)).collect()
    }

    /// Waits until none of these questions is open, at most for `limit`.
    pub(super) fn wait(&self, paths: &[PathBuf], limit: Duration) {
        let end = Instant::now() + limit;
        let mut state = self.shared.lock();
        let open =
            |state: &State| paths.iter().any(|path| state.questions.get(path).is_some_and(|q| q.asked.is_some()));
        while open(&state) {
            let now = Instant::now();
            if now >= end {
                break;
            }
            self.tend(&mut state, now);
            let pause = PATIENCE.min(end - now);
            state = self.shared.answered.wait_timeout(state, pause).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn answer(&self, state: &State, path: &Path, now: Instant) -> Answer {
        let Some(question) = state.questions.get(path) else { return Answer::Pending };
        let open = question.asked.map(|asked| now.saturating_duration_since(asked));
        match (open, &question.answer) {
            (Some(open), _) if open >= self.limits.deadline => Answer::None(match (question.taken, &state.no_thread) {
                (Some(_), _) => format!("no answer for {} s; its server or device hangs", open.as_secs()),
                (None, Some(error)) => format!("not asked: no thread could be started: {error}"),
                (None, None) => format!("not asked: {} other filesystems do not answer", state.threads),
            }),
            (_, Some(Ok(space))) => Answer::Space(*space),
            (_, Some(Err(error))) => Answer::None(error.clone()),
            (_, None) => Answer::Pending,
        }
    }

    /// Sees to it that the queue moves: wakes a thread, or starts one where all are with filesystems that take long.
    fn tend(&self, state: &mut State, now: Instant) {
        if state.queue.is_empty() {
            return;
        }
        if state.idle > 0 {
            self.shared.work.notify_one();
            return;
        }
        let taken = state.questions.values().filter_map(|question| question.taken);
        let slow = taken.filter(|&taken| now.saturating_duration_since(taken) >= PATIENCE).count();
        if slow < state.threads || state.threads >= self.limits.threads {
            return;
        }
        let shared = Arc::clone(&self.shared);
        let named = thread::Builder::new().name("kpulse-statfs".to_owned()).stack_size(STACK);
        match named.spawn(move || shared.work()) {
            Ok(_) => {
                state.threads += 1;
                state.no_thread = None;
            }
            Err(error) => state.no_thread = Some(error.to_string()),
        }
    }
}

impl Drop for Prober {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.closed = true;
        self.shared.work.notify_all();
    }
}

impl Shared {
    /// A thread that panicked has left the state as it was between two steps, which is as good as any.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What each thread does. One stays for the next questions; others end when the queue is empty.
    fn work(&self) {
        let mut state = self.lock();
        while !state.closed {
            if let Some(path) = state.queue.pop_front() {
                state.questions.entry(path.clone()).or_default().taken = Some(Instant::now());
                drop(state);
                let answer = (self.statfs)(&path).map_err(|error| error.to_string());
                state = self.lock();
                state.questions.insert(path, Question { asked: None, taken: None, answer: Some(answer) });
                self.answered.notify_all();
            } else if state.idle == 0 {
                state.idle = 1;
                state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
                state.idle = 0;
            } else {
                break;
            }
        }
        state.threads -= 1;
    }
}

#[cfg(test)]
mod tests;
