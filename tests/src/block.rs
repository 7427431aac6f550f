//! kpulse's block probe, loaded for one test and read beside the disks that exist.

use std::collections::BTreeMap;

use kpulse::{
    host::{self, Roots},
    kernel::load::{Loaded, Options},
    probes::{
        block,
        events::reader::{self as events, Happened},
    },
    sample::{Block, DeviceId, Events, InFlight, Requests},
};
use monitor_common::block::{Discard, Operation};

use crate::{clock, probes};

/// The programs and their reader.
pub struct Watch {
    /// The programs.
    pub loaded: Loaded,
    reader: block::reader::Reader,
}

impl Watch {
    /// Loads the block probe.
    ///
    /// # Panics
    ///
    /// If it does not work.
    pub fn start() -> Self {
        Self::with(&probes::options(&["block"]))
    }

    /// Loads what the options say.
    ///
    /// # Panics
    ///
    /// If it does not work.
    pub fn with(options: &Options<'_>) -> Self {
        Self::of(probes::load(options))
    }

    /// Reads from programs that are loaded.
    pub fn of(loaded: Loaded) -> Self {
        Self { loaded, reader: block::reader::Reader::default() }
    }

    /// Reads all disks, as the daemon does.
    ///
    /// # Panics
    ///
    /// If that fails.
    pub fn read(&mut self) -> Block {
        let disks = host::Reader::new(Roots::default()).read().disks;
        let maps = self.loaded.block.as_mut().expect("the probe is on");
        self.reader.read(maps, &disks, clock::monotonic()).expect("the maps can be read")
    }

    /// Reads one disk: its requests by operation.
    pub fn disk(&mut self, device: DeviceId) -> Disk {
        let block = self.read();
        let requests = block.requests.into_iter().filter(|requests| requests.device == device);
        Disk {
            requests: requests
                .map(|requests| (Operation::ALL[usize::from(requests.operation)].name(), requests))
                .collect(),
            in_flight: block.in_flight.into_iter().find(|in_flight| in_flight.device == device),
            discards: block.discards,
        }
    }

    /// How many elements of the kernel's map belong to a disk.
    ///
    /// # Panics
    ///
    /// If the map cannot be read.
    pub fn elements(&mut self, device: DeviceId) -> usize {
        let mut count = 0;
        let maps = self.loaded.block.as_mut().expect("the probe is on");
        let each = |key: &monitor_common::block::Key, _: &_| {
            count += usize::from(block::reader::device_id(key.device) == device);
        };
        maps.stats.for_each(each).expect("the map can be read");
        count
    }

    /// Takes the records of events and reads their counts.
    ///
    /// # Panics
    ///
    /// If that fails.
    pub fn events(&mut self) -> (Vec<Happened>, Events) {
        events::read(self.loaded.events.as_mut().expect("the probe is on")).expect("the maps can be read")
    }
}

/// What was read of one disk.
#[derive(Clone, Debug)]
pub struct Disk {
    /// By the operation's name.
    pub requests: BTreeMap<&'static str, Requests>,
    /// Absent if nothing is in flight.
    pub in_flight: Option<InFlight>,
    /// Of all disks.
    pub discards: [u64; Discard::COUNT],
}

impl Disk {
    /// What was discarded for one reason, on all disks.
    pub fn discarded(&self, reason: Discard) -> u64 {
        self.discards[reason as usize]
    }

    /// All errors of all operations.
    pub fn errors(&self) -> u64 {
        self.requests.values().flat_map(|requests| requests.errors).sum()
    }
}

/// How often a comparison may be repeated.
const ATTEMPTS: usize = 12;

/// Passes if `compare` finds the same on both sides once in [`ATTEMPTS`].
///
/// On some machines no program runs while certain tasks of the machine's own are current, and completions that interrupt
/// them pass unseen by any program and by no counter of it: some in 10,000, more where such a task is busy. So a single
/// comparison proves nothing there. The price: a loss in kpulse that is as rare would pass as well. What is there too much
/// never has this cause; `compare` panics on it.
///
/// # Panics
///
/// If it never does, with what it said last.
#[expect(clippy::panic, reason = "for tests")]
pub fn equal_once(what: &str, mut compare: impl FnMut() -> Result<(), String>) {
    for attempt in 1..=ATTEMPTS {
        match compare() {
            Ok(()) => return,
            Err(difference) if attempt == ATTEMPTS => panic!("{what}: {difference}"),
            Err(difference) => eprintln!("{what}, attempt {attempt}: {difference}"),
        }
    }
}
