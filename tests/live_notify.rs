//! Alerts told to a real Alertmanager, and a process that is killed while it tells.
#![allow(clippy::unwrap_used, reason = "a test may panic, and so may what its tests share")]

#[path = "live_notify/alertmanager.rs"]
mod alertmanager;
#[path = "live_notify/failures.rs"]
mod failures;
#[path = "live_notify/killed.rs"]
mod killed;
#[path = "live_notify/ten_minutes.rs"]
mod ten_minutes;
