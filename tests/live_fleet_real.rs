//! Real agents, each on a network of its own, and the server that they report to, over TLS: what happens on a machine is
//! seen on the server, whatever happens to those who say it.
#![allow(clippy::unwrap_used, reason = "a test may panic, and so may what its tests share")]

#[path = "live_fleet_real/delivered.rs"]
mod delivered;
#[path = "live_fleet_real/full.rs"]
mod full;
#[path = "live_fleet_real/outlier.rs"]
mod outlier;
#[path = "live_fleet_real/place.rs"]
mod place;
#[path = "live_fleet_real/rotated.rs"]
mod rotated;
