//! What the running agent may do, and what it may not: read from /proc, and tried from inside.
#![allow(clippy::unwrap_used, reason = "a test may panic, and so may what its tests share")]

#[path = "live_privileges/forbidden.rs"]
mod forbidden;
#[path = "live_privileges/held.rs"]
mod held;
#[path = "live_privileges/service.rs"]
mod service;
#[path = "live_privileges/units.rs"]
mod units;
