//! How long all tasks of the machine waited for a CPU between two moments, as the kernel's own books say: the run delay
//! of each task that is still there, and of each that has ended meanwhile.

use std::{collections::BTreeMap, io};

use crate::{
    exits::Exits,
    proc::{Schedstat, all_schedstats},
};

/// The books at the first moment.
pub struct Waits {
    before: BTreeMap<u32, Schedstat>,
    exits: Exits,
}

/// What happened between the two moments.
#[derive(Clone, Copy, Debug)]
pub struct Waited {
    /// Time waited by all tasks together, in nanoseconds.
    pub ns: u64,
    /// Tasks that ended meanwhile.
    pub ended: usize,
    /// Tasks that are gone, though the kernel did not tell of their end: what they waited is not known.
    pub unknown: usize,
}

impl Waits {
    /// Begins.
    ///
    /// # Errors
    ///
    /// If the kernel does not tell of tasks that end.
    pub fn begin() -> io::Result<Self> {
        let exits = Exits::listen()?;
        let before = all_schedstats();
        exits.take()?;
        Ok(Self { before, exits })
    }

    /// Ends.
    ///
    /// # Errors
    ///
    /// If the kernel had to drop a record of a task's end.
    pub fn end(mut self) -> io::Result<Waited> {
        let mut last = all_schedstats();
        let exits = self.exits.take()?;
        let mut ns = 0;
        for exit in &exits {
            // A task that ended just now, or that nobody has waited for, is in /proc too, with the same books.
            let seen = last.remove(&exit.pid).map_or(0, |books| books.run_delay_ns);
            ns += exit.run_delay_ns.max(seen) - self.delay_before(exit.pid).min(exit.run_delay_ns);
        }
        for (pid, books) in last {
            ns += books.run_delay_ns.saturating_sub(self.delay_before(pid));
        }
        Ok(Waited { ns, ended: exits.len(), unknown: self.before.len() })
    }

    fn delay_before(&mut self, pid: u32) -> u64 {
        self.before.remove(&pid).map_or(0, |books| books.run_delay_ns)
    }
}
