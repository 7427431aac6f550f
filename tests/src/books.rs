//! Figures of the kernel that are noted all the time, so that afterwards their growth in any window is known.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use crate::{cpu, teller::now_ns};

/// How often they are noted. Between two notes a figure is taken to grow steadily.
const STEP: Duration = Duration::from_millis(5);

/// A note: when, in nanoseconds since 1970, and the figures then.
type Note = (u64, Vec<u64>);

/// What is noted, until this is dropped.
pub struct Books {
    over: Arc<AtomicBool>,
    notes: Arc<Mutex<Vec<Note>>>,
    thread: Option<JoinHandle<()>>,
}

impl Books {
    /// Begins. `read` gives the figures, always as many; none if they are gone.
    pub fn keep(read: impl Fn() -> Option<Vec<u64>> + Send + 'static) -> Self {
        let (over, notes) = (Arc::new(AtomicBool::new(false)), Arc::<Mutex<Vec<Note>>>::default());
        let (ended, noted) = (Arc::clone(&over), Arc::clone(&notes));
        let thread = thread::spawn(move || {
            // Whoever makes the load must not keep us from noting what it does.
            cpu::real_time();
            while !ended.load(Relaxed) {
                let before = now_ns();
                let figures = read();
                let at = before.midpoint(now_ns());
                noted.lock().unwrap_or_else(PoisonError::into_inner).extend(figures.map(|figures| (at, figures)));
                thread::sleep(STEP);
            }
        });
        Self { over, notes, thread: Some(thread) }
    }

    /// By how much each figure grew between two moments, in nanoseconds since 1970; none if that is not known.
    pub fn growth(&self, from_ns: u64, to_ns: u64) -> Option<Vec<f64>> {
        let notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        let (from, to) = (at(&notes, from_ns)?, at(&notes, to_ns)?);
        Some(to.iter().zip(from).map(|(to, from)| to - from).collect())
    }
}

fn at(notes: &[Note], ns: u64) -> Option<Vec<f64>> {
    let after = notes.partition_point(|note| note.0 < ns);
    let (before, after) = (notes.get(after.checked_sub(1)?)?, notes.get(after)?);
    let part = (ns - before.0) as f64 / (after.0 - before.0).max(1) as f64;
    let between = |(&before, &after): (&u64, &u64)| before as f64 + part * (after as f64 - before as f64);
    Some(before.1.iter().zip(&after.1).map(between).collect())
}

impl Drop for Books {
    fn drop(&mut self) {
        self.over.store(true, Relaxed);
        self.thread.take().map(JoinHandle::join);
    }
}
