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
//! | [`config`] | every key once; flags, environment and file to one validated configuration |
//! | [`log`] | the log |
//! | [`cli`] | the commands |

pub mod cli;
pub mod config;
pub mod histogram;
pub mod host;
pub mod log;
pub mod sample;
pub mod window;
