//! Waiting for something, with a deadline.

use std::{
    thread,
    time::{Duration, Instant},
};

/// How long anything that must happen may take on a machine that is busy with other things.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Asks again and again until `ready` gives something.
///
/// # Panics
///
/// If it has not after [`PATIENCE`]; `what` is then named.
#[expect(clippy::panic, reason = "a test that waits in vain has failed")]
pub fn until<T>(what: &str, ready: impl FnMut() -> Option<T>) -> T {
    within(PATIENCE, ready).unwrap_or_else(|| panic!("waited {PATIENCE:?} in vain: {what}"))
}

/// Asks again and again until `ready` gives something, at most for so long.
pub fn within<T>(patience: Duration, mut ready: impl FnMut() -> Option<T>) -> Option<T> {
    let begun = Instant::now();
    loop {
        if let Some(found) = ready() {
            return Some(found);
        }
        if begun.elapsed() > patience {
            return None;
        }
        thread::sleep(Duration::from_millis(1));
    }
}
