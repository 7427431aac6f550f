//! kpulse: a kernel-level monitor for Linux nodes.
//!
//! # Layout
//!
//! The data goes one way, and a module uses only what stands above it here. One pair does not: [`kernel`] loads what
//! [`probes`] declares, and the readers in [`probes`] read what [`kernel`] has loaded into the plain data of [`sample`].
//!
//! | module | what it is |
//! |---|---|
//! | [`device`], [`pattern`] | a block device's number; patterns for names |
//! | [`histogram`] | the one histogram: difference, merge, quantiles |
//! | [`host`] | /proc, /sys and cgroupfs, read from a root directory |
//! | [`kernel`] | where fields are, loading, attaching, reading maps: the only module that uses aya |
//! | [`probes`] | what each probe needs of the kernel, and what reads its maps |
//! | [`sample`] | everything cumulative about a node at one instant: plain data |
//! | [`collect`] | one reading of everything, as one sample; [`selfcheck`] holds the programs against /proc |
//! | [`agreement`] | whether the figures agree with those that the kernel itself counts |
//! | [`window`] | the difference of two samples: rates, utilisation, quantiles |
//! | [`status`] | the agent's own figures |
//! | [`budget`] | what the agent may take, and what it gives up for that |
//! | [`table`] | a window as a person reads it; times, bytes and names as people read them |
//! | [`index`] | P: how a window's times compare with what they usually are |
//! | [`durable`], [`baselines`] | small files that survive a loss of power; what is usual, on disk |
//! | [`evidence`], [`alert`] | why; and what somebody is told |
//! | [`recorder`] | the last minutes of samples, in memory and as files |
//! | [`rules`] | what is wrong, said as data, and since when |
//! | [`judge`] | all of these together: from one sample after another to what is wrong |
//! | [`journal`] | the states of alerts, on disk |
//! | [`table`] | a window as a person reads it |
//! | [`report`] | what happened in an interval, for a fleet's server |
//! | [`fleet`] | all nodes of a server, and what it finds in their reports |
//! | [`store`] | what the server keeps, in a database |
//! | [`check`] | every requirement: met or not, what is lost, how to get it |
//! | [`notify`] | everybody is told of alerts |
//! | [`open_files`] | as many open files as there are connections |
//! | [`ship`] | reports to the fleet's server: kept on disk until it has them |
//! | [`simulate`] | a fleet that is not there, to try a server |
//! | [`metric`], [`expose`] | every metric once; /metrics, the landing page, the API |
//! | [`config`], [`log`] | every key once; the log |
//! | [`privileges`] | what is given up once the programs are attached |
//! | [`agent`] | the daemon |
//! | [`site`] | the fleet as pages and as an API |
//! | [`server`] | the server of a fleet: sockets, certificates, tokens |
//! | [`fuzz`] | everything that reads bytes from outside, as functions of bytes |
//! | [`cli`] | the commands |

// What the tests share with other crates names this one as they do.
#[cfg(test)]
extern crate self as kpulse;

pub mod agent;
pub mod agreement;
pub mod alert;
pub mod baselines;
pub mod budget;
pub mod check;
pub mod cli;
pub mod collect;
pub mod config;
pub mod device;
pub mod durable;
pub mod evidence;
pub mod expose;
pub mod fleet;
pub mod fuzz;
pub mod histogram;
pub mod host;
pub mod index;
pub mod journal;
pub mod judge;
pub mod kernel;
pub mod log;
pub mod metric;
pub mod notify;
pub mod open_files;
pub mod pattern;
pub mod privileges;
pub mod probes;
pub mod recorder;
pub mod report;
pub mod rules;
pub mod sample;
pub mod selfcheck;
pub mod server;
pub mod ship;
pub mod simulate;
pub mod site;
pub mod status;
pub mod store;
pub mod table;
pub mod window;
