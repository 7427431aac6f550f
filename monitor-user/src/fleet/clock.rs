//! The two clocks of a server. Silence and windows are measured on the steady one, which nobody can set; what nodes say of their own time
//! is held against the wall clock, because theirs follow it too.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// One moment on both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Nanoseconds on a clock that never goes back. It began at the wall clock's time when the server did, so that times of before its
    /// start can be told on it too.
    pub steady_ns: u64,
    /// Nanoseconds since 1970.
    pub wall_ns: u64,
}

/// Tells the time.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    begun: Instant,
    begun_ns: u64,
}

impl Clock {
    /// Begins now.
    pub fn start() -> Self {
        Self { begun: Instant::now(), begun_ns: wall_ns() }
    }

    /// Now.
    pub fn now(&self) -> Now {
        let passed = self.begun.elapsed().as_nanos() as u64;
        Now { steady_ns: self.begun_ns.saturating_add(passed), wall_ns: wall_ns() }
    }
}

/// A clock before 1970 shows 1970.
fn wall_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}

impl Now {
    /// When on the steady clock something was that the wall clock dated.
    pub fn steady_of(&self, wall_ns: u64) -> u64 {
        self.steady_ns.saturating_sub(self.wall_ns.saturating_sub(wall_ns))
    }
}
