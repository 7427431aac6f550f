//! kpulse: a kernel-level monitor for Linux nodes.
//!
//! # Layout
//!
//! The data goes one way, and a module uses only what stands above it here:
//!
//! | module | what it is |
//! |---|---|
//! | [`histogram`] | the one histogram: difference, merge, quantiles |
//! | [`host`] | /proc, /sys and cgroupfs, read from a root directory |
//! | [`sample`] | everything cumulative about a node at one instant: plain data |
//! | [`window`] | the difference of two samples: rates, utilisation, quantiles |
//! | [`table`] | a window as a person reads it |

pub mod histogram;
pub mod host;
pub mod kernel;
pub mod probes;
pub mod sample;
pub mod table;
pub mod window;
