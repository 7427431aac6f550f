//! The kernel's own counters of one disk, read apart from kpulse: /sys/block/DISK/stat.
//!
//! Source: `Documentation/block/stat.rst`.

use std::{collections::BTreeMap, fs, ops::Sub};

use kpulse::sample::Requests;
use monitor_common::block::Operation;

use crate::wait;

/// Requests and bytes of one operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Completed.
    pub requests: u64,
    /// Completed; always 0 for flushes.
    pub bytes: u64,
}

/// By operation; passthrough requests are not in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts(pub BTreeMap<&'static str, Count>);

impl Counts {
    /// Reads them and how many requests are in flight.
    ///
    /// # Panics
    ///
    /// If the disk is not there.
    pub fn read(disk: &str) -> (Self, u64) {
        let text = fs::read_to_string(format!("/sys/block/{disk}/stat")).expect("the disk is there");
        let fields: Vec<u64> = text.split_whitespace().map(|field| field.parse().expect("a number")).collect();
        let count = |at: usize| Count { requests: fields[at], bytes: fields[at + 2] * 512 };
        let counts = BTreeMap::from([
            (Operation::Read.name(), count(0)),
            (Operation::Write.name(), count(4)),
            (Operation::Discard.name(), count(11)),
            (Operation::Flush.name(), Count { requests: fields[15], bytes: 0 }),
        ]);
        (Self(counts), fields[8])
    }

    /// Reads them once nothing is in flight. A request leaves that count in the same step in which it is counted.
    pub fn settled(disk: &str) -> Self {
        let mut before = None;
        wait::until("nothing is in flight", || {
            let (counts, in_flight) = Self::read(disk);
            // A flush by itself is never in flight there: twice the same says that none was under way.
            let same = before.as_ref() == Some(&counts);
            before = Some(counts.clone());
            (in_flight == 0 && same).then_some(counts)
        })
    }

    /// The same of what kpulse saw.
    pub fn of<'a>(requests: impl IntoIterator<Item = &'a Requests>) -> Self {
        let mut counts = Self(Operation::ALL[..4].iter().map(|op| (op.name(), Count::default())).collect());
        for seen in requests {
            if let Some(count) = counts.0.get_mut(Operation::ALL[usize::from(seen.operation)].name()) {
                count.requests += seen.classes.iter().map(|class| class.requests).sum::<u64>();
                count.bytes += seen.classes.iter().map(|class| class.bytes).sum::<u64>();
            }
        }
        counts
    }

    /// Requests of one operation.
    pub fn requests(&self, operation: Operation) -> u64 {
        self.0[operation.name()].requests
    }
}

impl Sub for &Counts {
    type Output = Counts;

    fn sub(self, earlier: &Counts) -> Counts {
        let difference = |(name, now): (&&'static str, &Count)| {
            let before = earlier.0[name];
            (*name, Count { requests: now.requests - before.requests, bytes: now.bytes - before.bytes })
        };
        Counts(self.0.iter().map(difference).collect())
    }
}
