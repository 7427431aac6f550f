//! One set of programs and one agent for all checks of a machine that ask for no other: loading takes an emulated processor some
//! seconds. Whoever uses them compares two readings.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tests::{agent::Agent, block::Watch};

static WATCH: Mutex<Option<Watch>> = Mutex::new(None);
static AGENT: Mutex<Option<Agent>> = Mutex::new(None);

/// Calls `body` with the block probe.
pub fn watch<T>(body: impl FnOnce(&mut Watch) -> T) -> T {
    body(lock(&WATCH).get_or_insert_with(Watch::start))
}

/// Calls `body` with an agent that collects five times a second.
pub fn agent<T>(body: impl FnOnce(&Agent) -> T) -> T {
    body(lock(&AGENT).get_or_insert_with(|| Agent::start(["--interval", "200ms"])))
}

/// Ends both: what comes next wants to be alone.
pub fn end() {
    *lock(&WATCH) = None;
    if let Some(agent) = lock(&AGENT).take() {
        agent.signal(libc::SIGTERM);
        let (status, _, log) = agent.ended();
        assert_eq!(status.code(), Some(0), "the agent's end: {}", log.join("\n"));
    }
}

/// A check that failed has left them as they are: the next one compares readings of its own.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
