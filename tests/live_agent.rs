//! The whole agent through its binary: what it serves, how it ends, and what it does with bad input.
#![allow(clippy::unwrap_used, reason = "a test may panic, and so may what its tests share")]

#[path = "live_agent/bad_input.rs"]
mod bad_input;
#[path = "live_agent/clients.rs"]
mod clients;
#[path = "live_agent/ending.rs"]
mod ending;
#[path = "live_agent/events.rs"]
mod events;
#[path = "live_agent/figures.rs"]
mod figures;
#[path = "live_agent/minute.rs"]
mod minute;
#[path = "live_agent/record.rs"]
mod record;
#[path = "live_agent/reload.rs"]
mod reload;
#[path = "live_agent/sample.rs"]
mod sample;
