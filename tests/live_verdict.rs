//! The agent's verdict: loads that make something slow, and an alert that says what, by how much and because of whom.
#![allow(clippy::unwrap_used, reason = "a test may panic, and so may what its tests share")]

#[path = "live_verdict/baseline.rs"]
mod baseline;
#[path = "live_verdict/cpu.rs"]
mod cpu;
#[path = "live_verdict/disk.rs"]
mod disk;
#[path = "live_verdict/killed.rs"]
mod killed;
#[path = "live_verdict/replay.rs"]
mod replay;
#[path = "live_verdict/rules.rs"]
mod rules;
