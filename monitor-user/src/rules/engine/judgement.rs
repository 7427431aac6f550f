//! Whether a condition holds for a row: yes, no, or nobody knows.
//!
//! Conditions are combined as Kleene does it: one that is known to be over decides, whatever is not known of the others.

use super::tables::Tables;
use crate::rules::{matcher::Matcher, rule::Condition};

/// How a condition stands, from the least to the most when one row of several is enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Truth {
    /// At the clearing threshold or on its good side.
    Over,
    /// Between the two thresholds: it does not begin, and does not end.
    Between,
    /// There is no value.
    Unknown,
    /// Beyond the threshold.
    Holds,
}

impl Truth {
    fn of(condition: &Condition, value: f64) -> Self {
        match condition.compare {
            _ if value.is_nan() => Self::Unknown,
            compare if compare.beyond(value, condition.threshold) => Self::Holds,
            compare if compare.beyond(value, condition.clear) => Self::Between,
            _ => Self::Over,
        }
    }

    /// Both must hold.
    pub fn and(self, other: Self) -> Self {
        let rank = |truth| match truth {
            Self::Over => 0,
            Self::Unknown => 1,
            Self::Between => 2,
            Self::Holds => 3,
        };
        if rank(self) <= rank(other) { self } else { other }
    }
}

/// A condition with where its values are and which rows it is for.
#[derive(Debug)]
pub(super) struct Judged {
    pub condition: Condition,
    pub column: usize,
    /// The rows that its matchers fit; absent: all.
    rows: Option<Fitting>,
}

#[derive(Debug, Default)]
struct Fitting {
    list: Vec<u32>,
    /// By the number of the row, those looked at so far.
    fits: Vec<bool>,
}

/// Values that are compared in one go.
const CHUNK: usize = 32;

impl Judged {
    pub fn new(condition: Condition, tables: &mut Tables) -> Self {
        let column = tables.column_of(condition.signal);
        let rows = (!condition.matchers.is_empty()).then(Fitting::default);
        Self { condition, column, rows }
    }

    /// Forgets which rows its matchers fit.
    pub fn forget_rows(&mut self) {
        self.rows = self.rows.take().map(|_| Fitting::default());
    }

    /// Tries the matchers on rows that are new. Returns how many.
    pub fn look_at_new_rows(&mut self, tables: &Tables) -> usize {
        let Some(fitting) = &mut self.rows else { return 0 };
        let rows = tables.rows(self.condition.signal.take.domain());
        let begin = fitting.fits.len();
        for row in begin..rows.len() {
            let fits = key_fits(&self.condition, rows.key(row as u32));
            fitting.fits.push(fits);
            if fits {
                fitting.list.push(row as u32);
            }
        }
        rows.len() - begin
    }

    /// Finds the rows for which it holds. Returns how many values were compared.
    pub fn holding(&self, tables: &Tables, out: &mut Vec<u32>) -> usize {
        out.clear();
        let column = tables.column(self.column);
        let (compare, threshold) = (self.condition.compare, self.condition.threshold);
        if !column.any_beyond(compare, threshold) {
            return 0;
        }
        let beyond = |value: f64| compare.beyond(value, threshold);
        if let Some(fitting) = &self.rows {
            out.extend(fitting.list.iter().copied().filter(|&row| beyond(column.values[row as usize])));
            return fitting.list.len();
        }
        for (at, chunk) in column.values.chunks(CHUNK).enumerate() {
            // Without a branch for each value the compiler compares several at once.
            if chunk.iter().fold(false, |any, &value| any | beyond(value)) {
                let rows = ((at * CHUNK) as u32..).zip(chunk);
                out.extend(rows.filter(|&(_, &value)| beyond(value)).map(|(row, _)| row));
            }
        }
        column.values.len()
    }

    /// The value of a row; NaN is none.
    pub fn value(&self, tables: &Tables, row: u32) -> f64 {
        tables.column(self.column).values.get(row as usize).copied().unwrap_or(f64::NAN)
    }

    /// How it stands for a row of its own domain.
    pub fn truth(&self, tables: &Tables, row: u32) -> Truth {
        Truth::of(&self.condition, self.value(tables, row))
    }

    /// How it stands for whatever goes with a row of another condition's domain: one of several is enough.
    pub fn truth_with(&self, tables: &Tables, other: &Self, row: u32) -> Truth {
        let (from, to) = (other.condition.signal.take.domain(), self.condition.signal.take.domain());
        let (column, rows) = (tables.column(self.column), tables.rows(to));
        let mut found: Option<Truth> = None;
        tables.with(from, row, to, |row| {
            let fits =
                self.rows.as_ref().is_none_or(|fitting| fitting.fits.get(row as usize).copied().unwrap_or(false));
            // What has gone says nothing, unless its absence is known to mean that it did nothing.
            if fits && (rows.is_present(row) || !column.missing.is_nan()) {
                found = found.max(Some(self.truth(tables, row)));
            }
        });
        found.unwrap_or_else(|| Truth::of(&self.condition, column.missing))
    }
}

/// Whether a condition is for a row with these label values.
pub(super) fn key_fits(condition: &Condition, key: &[String]) -> bool {
    let labels = condition.signal.labels();
    let fits = |matcher: &Matcher| {
        let at = labels.iter().position(|label| *label == matcher.label);
        at.and_then(|at| key.get(at)).is_some_and(|value| matcher.fits(value))
    };
    condition.matchers.iter().all(fits)
}
