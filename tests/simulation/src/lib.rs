//! What the index makes of fleets of which the truth is known.
//!
//! A package of its own, because it is compiled with optimisation always (see the profiles in the workspace's `Cargo.toml`): ten
//! thousand windows of a thousand nodes are seventy million windows of one. What is judged with are the index's own files, the
//! same as in `monitor-user`, so that all of the agent need not be optimised for it.
//!
//! | what | it is |
//! |---|---|
//! | [`random`] | noise from a seed |
//! | [`fleet`] | nodes, their requests, what befalls them |
//! | [`scenarios`] | something happens |
//! | `tests/healthy.rs` | nothing is wrong: no alert in 10,000 windows |
//! | `tests/checks.rs` | what each mode must say of the scenarios |
//! | `tests/server.rs` | a server says the same |
//! | `tests/page.rs` | the table in `docs/INDEX.md` |

#[path = "../../../monitor-user/src/index/mod.rs"]
pub mod index;

pub mod fleet;
pub mod random;
pub mod scenarios;

/// What the index needs of what is known of disks.
pub mod host {
    pub use kpulse::host::Class;
}

/// The threshold that is recommended for a rule on P...
pub const THRESHOLD: f64 = 1.75;
/// ...and its `for`, in intervals of 10 s: three minutes.
pub const FOR_INTERVALS: usize = 18;
