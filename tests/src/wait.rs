//! Waiting for something, with a deadline.

use std::{
    env,
    sync::LazyLock,
    thread,
    time::{Duration, Instant},
};

/// How long anything that must happen may take on a machine that is busy with other things: 30 s, or on one that is slow itself
/// the seconds in the environment variable `KPULSE_TEST_PATIENCE`.
pub fn patience() -> Duration {
    static PATIENCE: LazyLock<Duration> = LazyLock::new(|| {
        let named = env::var("KPULSE_TEST_PATIENCE").ok().and_then(|seconds| seconds.parse().ok());
        Duration::from_secs(named.unwrap_or(30))
    });
    *PATIENCE
}

/// Asks again and again until `ready` gives something.
///
/// # Panics
///
/// If it has not after [`patience`]; `what` is then named.
#[expect(clippy::panic, reason = "a test that waits in vain has failed")]
pub fn until<T>(what: &str, ready: impl FnMut() -> Option<T>) -> T {
    within(patience(), ready).unwrap_or_else(|| panic!("waited {:?} in vain: {what}", patience()))
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
