//! What requests usually take: the reference of the trailing and the pinned mode.
//!
//! In: intervals that are older than the window that is judged, and whether an alert on the signal is firing. Out: B, the
//! mean seconds of a request, by signal, scope and stratum. A scope is whatever shares its baselines: an agent has one for
//! itself, a server has one for its fleet. Pure and plain data; [`crate::baselines`] keeps it on disk.

mod book;
mod stratum;
#[cfg(all(test, not(index_alone)))]
mod tests;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::{
    book::{BaselineState, Book, State},
    stratum::Usual,
};
use super::{Load, Mode, Observation, Signal, Stratum, load::is_plausible};

/// How baselines learn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Learning {
    /// After this time something counts half as much.
    pub half_life: Duration,
    /// As many requests make a stratum known...
    pub requests: u64,
    /// ...if they came in intervals of this length together.
    pub time: Duration,
    /// A baseline that has been frozen for so long learns again: what it is held against has become the usual.
    pub longest_freeze: Duration,
}

impl Default for Learning {
    fn default() -> Self {
        Self {
            half_life: Duration::from_secs(24 * 3600),
            requests: 1_000,
            time: Duration::from_secs(600),
            longest_freeze: Duration::from_secs(24 * 3600),
        }
    }
}

/// Some time that has been and is not part of the window that is judged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// Its length in seconds.
    pub seconds: f64,
    /// Its end, in nanoseconds since 1970.
    pub end_ns: u64,
}

/// The baselines of every signal and scope. Serialisable whole.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Baselines {
    /// By signal and scope, in the order of both.
    pub books: Vec<Book>,
}

/// A signal of which nothing is known that could be pinned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the baseline of {} cannot be pinned: it knows no kind of request yet; wait until it has learned", .0.name())]
pub struct NothingKnown(pub Signal);

impl Baselines {
    /// B in seconds a request; absent while it is not known. Only [`Mode::Trailing`] and [`Mode::Pinned`] have one.
    pub fn mean(&self, mode: Mode, signal: Signal, scope: &str, stratum: Stratum) -> Option<f64> {
        let book = &self.books[self.find(signal, scope).ok()?];
        let usual = &book.strata[book.find(stratum).ok()?];
        match mode {
            Mode::Trailing => usual.learned_mean(),
            Mode::Pinned => usual.pinned,
            _ => None,
        }
    }

    /// Learns from what was done in a scope. `firing`: an alert on the signal is firing, so that this is not the usual. What
    /// no node could have done is refused whole and counted.
    pub fn learn(
        &mut self,
        signal: Signal,
        scope: &str,
        done: &Observation,
        interval: Interval,
        firing: bool,
        learning: &Learning,
    ) {
        let book = self.book(signal, scope);
        if !(is_plausible(done) && interval.seconds.is_finite() && interval.seconds >= 0.0) {
            book.refused += 1;
            return;
        }
        book.frozen_seconds = if firing { book.frozen_seconds + interval.seconds } else { 0.0 };
        book.frozen = firing && book.frozen_seconds <= learning.longest_freeze.as_secs_f64();
        if book.frozen {
            return;
        }
        for (stratum, load) in by_stratum(done) {
            book.stratum(stratum).learn(load, interval.seconds, interval.end_ns, learning);
        }
    }

    /// Makes the present baselines of a signal the reference of [`Mode::Pinned`], in place of what was pinned before.
    ///
    /// # Errors
    ///
    /// If nothing is known of it.
    pub fn pin(&mut self, signal: Signal, now_ns: u64) -> Result<(), NothingKnown> {
        let mut books: Vec<&mut Book> =
            self.of(signal).filter(|book| book.strata.iter().any(|usual| usual.learned)).collect();
        if books.is_empty() {
            return Err(NothingKnown(signal));
        }
        for book in &mut books {
            book.pinned_ns = Some(now_ns);
            book.strata.iter_mut().for_each(|usual| usual.pinned = usual.learned_mean());
        }
        Ok(())
    }

    /// Forgets what was pinned for a signal. Says whether there was something.
    pub fn unpin(&mut self, signal: Signal) -> bool {
        let mut any = false;
        for book in self.of(signal) {
            any |= book.pinned_ns.take().is_some();
            book.strata.iter_mut().for_each(|usual| usual.pinned = None);
        }
        any
    }

    /// Forgets what was learned for a signal, and learns anew. What is pinned stays.
    pub fn reset(&mut self, signal: Signal) {
        for book in self.of(signal) {
            book.strata.retain(|usual| usual.pinned.is_some());
            book.strata
                .iter_mut()
                .for_each(|usual| *usual = Usual { pinned: usual.pinned, ..Usual::new(usual.stratum) });
            book.frozen_seconds = 0.0;
            book.frozen = false;
        }
    }

    /// How each is.
    pub fn states(&self) -> Vec<BaselineState> {
        self.books.iter().map(Book::state).collect()
    }

    /// Whether these are baselines that this type could have made: numbers are numbers, and everything is in its order.
    pub fn is_sound(&self) -> bool {
        let ordered = self.books.is_sorted_by(|a, b| (a.signal, &a.scope) < (b.signal, &b.scope));
        ordered
            && self.books.iter().all(|book| {
                book.strata.is_sorted_by(|a, b| a.stratum < b.stratum)
                    && book.strata.iter().all(Usual::is_sound)
                    && book.frozen_seconds >= 0.0
            })
    }

    fn of(&mut self, signal: Signal) -> impl Iterator<Item = &mut Book> {
        self.books.iter_mut().filter(move |book| book.signal == signal)
    }

    fn find(&self, signal: Signal, scope: &str) -> Result<usize, usize> {
        self.books.binary_search_by(|book| (book.signal, &book.scope[..]).cmp(&(signal, scope)))
    }

    fn book(&mut self, signal: Signal, scope: &str) -> &mut Book {
        let at = self.find(signal, scope).unwrap_or_else(|at| {
            self.books.insert(at, Book::new(signal, scope));
            at
        });
        &mut self.books[at]
    }
}

/// A stratum can be on several devices: one interval is one lesson.
fn by_stratum(done: &Observation) -> std::collections::BTreeMap<Stratum, Load> {
    let mut strata = std::collections::BTreeMap::<Stratum, Load>::new();
    done.iter().for_each(|(part, load)| strata.entry(part.stratum).or_default().add(*load));
    strata
}
