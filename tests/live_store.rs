//! The server's store against what happens to a disk and to a process.
#![allow(clippy::unwrap_used, reason = "a test may panic, and so may what its tests share")]

#[path = "live_store/disk.rs"]
mod disk;
#[path = "live_store/killed.rs"]
mod killed;
