//! The values of every signal that some rule uses, taken once for each moment, and how the rows of one domain go with those of
//! another.

use std::collections::HashMap;

use super::rows::Rows;
use crate::rules::{
    moment::Moment,
    rule::Compare,
    signal::{Domain, Signal},
};

/// Rows that have gone are forgotten when they are more than this and more than those that are there.
const GONE: usize = 1000;

/// All values of a moment.
#[derive(Debug, Default)]
pub(super) struct Tables {
    /// By domain, those in use. Rules ask for them thousands of times at each judgement.
    rows: [Option<Rows>; Domain::COUNT],
    columns: Vec<Column>,
    /// By both domains.
    joins: [[Option<Join>; Domain::COUNT]; Domain::COUNT],
    scratch: Vec<f64>,
}

/// The values of one signal.
#[derive(Debug)]
pub(super) struct Column {
    pub signal: &'static Signal,
    /// By the number of the row; NaN is none.
    pub values: Vec<f64>,
    /// What a row that is not there counts as; NaN is none.
    pub missing: f64,
    least: f64,
    most: f64,
}

impl Column {
    /// Whether any value is beyond a threshold.
    pub fn any_beyond(&self, compare: Compare, threshold: f64) -> bool {
        match compare {
            Compare::Above => self.most > threshold,
            Compare::Below => self.least < threshold,
        }
    }
}

/// How rows of one domain go with rows of another.
#[derive(Debug)]
enum Join {
    /// It is the same domain.
    Same,
    /// They share no label: all go with all.
    All,
    /// By the number of the one, the numbers of the other that have the same values of the shared labels.
    Shared { rows: Vec<Vec<u32>>, made_of: (usize, usize) },
}

impl Tables {
    /// The place of a signal's values.
    pub fn column_of(&mut self, signal: &'static Signal) -> usize {
        self.rows_mut(signal.take.domain());
        self.columns.iter().position(|column| column.signal == signal).unwrap_or_else(|| {
            let (values, missing) = (Vec::new(), f64::NAN);
            self.columns.push(Column { signal, values, missing, least: f64::INFINITY, most: f64::NEG_INFINITY });
            self.columns.len() - 1
        })
    }

    /// Of a domain that some signal in use has.
    pub fn rows(&self, domain: Domain) -> &Rows {
        self.rows[domain as usize].as_ref().expect("a signal in use has its rows")
    }

    pub fn rows_mut(&mut self, domain: Domain) -> &mut Rows {
        self.rows[domain as usize].get_or_insert_with(|| Rows::new(domain))
    }

    pub fn column(&self, column: usize) -> &Column {
        &self.columns[column]
    }

    /// Domains of which far more rows have gone than are there, now forgotten: the numbers of their rows mean nothing any more.
    pub fn forget_gone(&mut self) -> Vec<(Domain, Rows)> {
        let full = |rows: &Rows| rows.gone() > GONE.max(rows.len() / 2);
        let domains: Vec<Domain> = self.rows.iter().flatten().filter(|rows| full(rows)).map(Rows::domain).collect();
        for &domain in &domains {
            self.joins[domain as usize].fill_with(|| None);
            self.joins.iter_mut().for_each(|joins| joins[domain as usize] = None);
        }
        let forget = |domain| Some((domain, self.rows[domain as usize].replace(Rows::new(domain))?));
        domains.into_iter().filter_map(forget).collect()
    }

    /// Takes the values of a moment. Returns how many there are.
    pub fn refresh(&mut self, moment: &Moment) -> usize {
        self.rows.iter_mut().flatten().for_each(|rows| rows.refresh(moment));
        let mut taken = 0;
        for column in &mut self.columns {
            let Some(rows) = &self.rows[column.signal.take.domain() as usize] else { continue };
            self.scratch.clear();
            column.signal.take.values(moment, &mut self.scratch);
            taken += self.scratch.len();
            column.missing = column.signal.when_missing(moment).unwrap_or(f64::NAN);
            column.values.clear();
            column.values.resize(rows.len(), column.missing);
            for (&row, &value) in rows.order().iter().zip(&self.scratch) {
                column.values[row as usize] = value;
            }
            // The fold leaves out what is NaN.
            column.least = column.values.iter().copied().fold(f64::INFINITY, f64::min);
            column.most = column.values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        }
        taken
    }

    /// Prepares [`Self::with`] for two domains. Returns how many rows it looked at.
    pub fn join(&mut self, from: Domain, to: Domain) -> usize {
        let made_of = (self.rows(from).len(), self.rows(to).len());
        match &self.joins[from as usize][to as usize] {
            Some(Join::Shared { made_of: before, .. }) if *before != made_of => {}
            Some(_) => return 0,
            None => {}
        }
        let join = self.make_join(from, to, made_of);
        let looked_at = if matches!(join, Join::Shared { .. }) { made_of.0 + made_of.1 } else { 0 };
        self.joins[from as usize][to as usize] = Some(join);
        looked_at
    }

    fn make_join(&self, from: Domain, to: Domain, made_of: (usize, usize)) -> Join {
        if from == to {
            return Join::Same;
        }
        let shared: Vec<(usize, usize)> = (from.labels().iter().enumerate())
            .filter_map(|(at, label)| Some((at, to.labels().iter().position(|other| other == label)?)))
            .collect();
        if shared.is_empty() {
            return Join::All;
        }
        let (from, to) = (self.rows(from), self.rows(to));
        let mut by_values = HashMap::<Vec<&str>, Vec<u32>>::new();
        for row in 0..made_of.1 as u32 {
            let values = shared.iter().map(|&(_, at)| to.key(row)[at].as_str()).collect();
            by_values.entry(values).or_default().push(row);
        }
        let rows = (0..made_of.0 as u32)
            .map(|row| {
                let values: Vec<&str> = shared.iter().map(|&(at, _)| from.key(row)[at].as_str()).collect();
                by_values.get(&values).cloned().unwrap_or_default()
            })
            .collect();
        Join::Shared { rows, made_of }
    }

    /// Calls `each` with the rows of `to` that go with a row of `from`. After [`Self::join`].
    pub fn with(&self, from: Domain, row: u32, to: Domain, mut each: impl FnMut(u32)) {
        match &self.joins[from as usize][to as usize] {
            Some(Join::Same) => each(row),
            Some(Join::All) => (0..self.rows(to).len() as u32).for_each(each),
            Some(Join::Shared { rows, .. }) => rows.get(row as usize).into_iter().flatten().copied().for_each(each),
            None => {}
        }
    }
}
