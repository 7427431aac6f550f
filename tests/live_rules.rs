//! The rules that are shipped for Prometheus, run by a real Prometheus and a real VictoriaMetrics.
#![allow(clippy::unwrap_used, reason = "a test may panic, and so may what its tests share")]

#[path = "live_rules/fleet.rs"]
mod fleet;
#[path = "live_rules/same.rs"]
mod same;
#[path = "live_rules/served.rs"]
mod served;
