//! Why an alert: what added up to it, and who used what at that time.
//!
//! In: the windows before and during, and the indices. Out: [`Evidence`], which every output shows. Pure.

use serde::{Deserialize, Serialize};

/// What is known about the cause of an alert at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// The end of the window it is from, in nanoseconds since 1970.
    pub end_realtime_ns: u64,
    /// The window's length in seconds.
    pub seconds: f64,
}
