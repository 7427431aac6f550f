//! The server's store against what happens to a disk and to a process.

#[path = "live_store/disk.rs"]
mod disk;
#[path = "live_store/killed.rs"]
mod killed;
