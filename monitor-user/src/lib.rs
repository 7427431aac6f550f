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
//! | [`status`] | the agent's own figures, and the snapshot it publishes |
//! | [`metric`] | what a metric is: name, kind, help, labels and how to collect it |
//! | [`probes`] | one module a probe |
//! | [`expose`] | the budget of series, `/metrics`, the landing page, the reference of the metrics |

pub mod expose;
pub mod histogram;
pub mod host;
pub mod metric;
pub mod probes;
pub mod sample;
pub mod status;
pub mod window;
