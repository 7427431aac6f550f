//! The rows of a domain, each with a number that stays: what was worked out for a row (which rules are for it, which alert it has)
//! need not be worked out again in the next window.
//!
//! In: the rows of a moment. Out: their numbers, and which of them are there now.

use std::collections::HashMap;

use crate::rules::{moment::Moment, signal::Domain};

/// What stands between the values of a key in the index: no name of the kernel's has it.
const SEPARATOR: char = '\0';

/// The rows of one domain that were seen so far.
#[derive(Debug)]
pub(super) struct Rows {
    domain: Domain,
    /// The values of the labels, by number.
    keys: Vec<Vec<String>>,
    /// The same, joined, in the same order.
    joined: Vec<String>,
    numbers: HashMap<String, u32>,
    /// The numbers of this moment's rows, in the domain's order.
    order: Vec<u32>,
    /// Whether each is there now.
    present: Vec<bool>,
    buffer: String,
}

impl Rows {
    pub fn new(domain: Domain) -> Self {
        Self {
            domain,
            keys: Vec::new(),
            joined: Vec::new(),
            numbers: HashMap::new(),
            order: Vec::new(),
            present: Vec::new(),
            buffer: String::new(),
        }
    }

    pub fn domain(&self) -> Domain {
        self.domain
    }

    /// How many there are, those included that have gone.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// How many have gone.
    pub fn gone(&self) -> usize {
        self.present.iter().filter(|present| !**present).count()
    }

    /// The numbers of the rows that are there now, in the domain's order.
    pub fn order(&self) -> &[u32] {
        &self.order
    }

    pub fn is_present(&self, row: u32) -> bool {
        self.present.get(row as usize).copied().unwrap_or(false)
    }

    /// The values of its labels.
    pub fn key(&self, row: u32) -> &[String] {
        &self.keys[row as usize]
    }

    /// The number of a row, which is made if there is none.
    pub fn number(&mut self, key: &[String]) -> u32 {
        join(&mut self.buffer, key.iter().map(String::as_str));
        match self.numbers.get(&self.buffer) {
            Some(&number) => number,
            None => self.add(key.to_vec()),
        }
    }

    /// Takes up the rows of a moment.
    pub fn refresh(&mut self, moment: &Moment) {
        let before = std::mem::take(&mut self.order);
        let mut order = Vec::with_capacity(before.len());
        self.present.fill(false);
        self.domain.rows(moment, |row| {
            join(&mut self.buffer, row.iter().copied());
            // Most windows have the rows of the one before, in the same order.
            let guess = before.get(order.len()).filter(|guess| self.joined[**guess as usize] == self.buffer);
            let number = match guess.or_else(|| self.numbers.get(&self.buffer)) {
                Some(&number) => number,
                None => self.add(row.iter().map(ToString::to_string).collect()),
            };
            self.present[number as usize] = true;
            order.push(number);
        });
        self.order = order;
    }

    /// Adds the key that `buffer` holds joined.
    fn add(&mut self, key: Vec<String>) -> u32 {
        // Rows are disks, mounts, CPUs: their count is far from 2^32.
        let number = self.keys.len() as u32;
        self.keys.push(key);
        self.joined.push(self.buffer.clone());
        self.numbers.insert(self.buffer.clone(), number);
        self.present.push(false);
        number
    }
}

fn join<'a>(buffer: &mut String, values: impl Iterator<Item = &'a str>) {
    buffer.clear();
    for value in values {
        buffer.push_str(value);
        buffer.push(SEPARATOR);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{rules::synthetic, window::Window};

    fn moment(window: &Window) -> Moment<'_> {
        Moment { now_ns: 0, now_realtime_ns: 0, window, indices: &[], own: None, fleet: None }
    }

    #[test]
    fn a_row_keeps_its_number_when_others_come_and_go() {
        let mut rows = Rows::new(Domain::Device);
        let (two, mut three) = (synthetic::window(2, 1), synthetic::window(3, 1));
        rows.refresh(&moment(&two));
        assert_eq!(rows.order(), [0, 1]);
        three.block.as_mut().unwrap().devices.remove(0);
        rows.refresh(&moment(&three));
        assert_eq!((rows.order(), rows.len(), rows.gone()), (&[1, 2][..], 3, 1));
        assert!(!rows.is_present(0) && rows.is_present(2));
        rows.refresh(&moment(&two));
        assert_eq!(rows.order(), [0, 1]);
        assert_eq!(rows.number(&["nvme2n1".into(), "nvme".into()]), 2);
        assert_eq!(rows.number(&["sda".into(), "ssd".into()]), 3);
        assert_eq!(rows.key(3), ["sda", "ssd"]);
    }
}
