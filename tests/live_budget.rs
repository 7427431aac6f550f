//! The agent's budget on itself: steps down and up, what they ask of the kernel, and a program that is broken on purpose.
#![allow(clippy::unwrap_used, reason = "a test may panic, and so may what its tests share")]

#[path = "live_budget/broken.rs"]
mod broken;
#[path = "live_budget/load.rs"]
mod load;
#[path = "live_budget/steps.rs"]
mod steps;
#[path = "live_budget/themselves.rs"]
mod themselves;
#[path = "live_budget/unprivileged.rs"]
mod unprivileged;
