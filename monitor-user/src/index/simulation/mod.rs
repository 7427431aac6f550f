//! What the index makes of fleets of which the truth is known.
//!
//! | module | what it is |
//! |---|---|
//! | `random` | noise from a seed |
//! | `fleet` | nodes, their requests, what befalls them |
//! | `healthy` | nothing is wrong: no alert in 10,000 windows |
//! | `scenarios` | something happens: what each mode says |
//! | `checks` | what they must say |
//! | `page` | the table in `docs/INDEX.md` |

mod checks;
mod fleet;
mod healthy;
mod page;
mod random;
mod scenarios;

/// The threshold that is recommended for a rule on P...
const THRESHOLD: f64 = 1.75;
/// ...and its `for`, in intervals of 10 s: three minutes.
const FOR_INTERVALS: usize = 18;
