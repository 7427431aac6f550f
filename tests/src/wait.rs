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
pub fn until<T>(what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = ready() {
            return found;
        }
        if begun.elapsed() > PATIENCE {
            panic!("waited {PATIENCE:?} in vain: {what}");
        }
        thread::sleep(Duration::from_millis(1));
    }
}
