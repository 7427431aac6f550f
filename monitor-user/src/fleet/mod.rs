//! The fleet: what a server knows of its nodes, whom it believes, and what it finds in their reports. Pure: no file and no socket, and
//! the time is an argument; [`crate::server`] brings reports and takes judgements.
//!
//! In: [`crate::report::wire`] batches as they are received. Out: which of their reports are taken, refused or turned away; once an
//! interval a [`Judgement`] of the last minute of all nodes.
//!
//! | module | what it is |
//! |---|---|
//! | [`clock`] | the two clocks of a server |
//! | [`glance`] | a few figures of a node, for lists |
//! | [`interval`] | what is kept of one report to judge it |
//! | [`node`] | one node: who it is, what came of it, how it stands |
//! | [`registry`] | all nodes, and whether a batch is taken |
//! | [`window`] | what all of them did in the window, and what has left it |
//! | [`totals`] | the histograms of all nodes together |
//! | [`indices`] | P over N, from one fleet-wide baseline |
//! | [`judge`] | indices, rules and evidence, once an interval |

pub mod clock;
pub mod glance;
pub mod indices;
pub mod interval;
pub mod judge;
pub mod node;
pub mod registry;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
pub mod totals;
pub mod window;

pub use self::{
    clock::Now,
    judge::{Judge, Judgement},
    node::{NodeView, Standing},
    registry::{Admission, Limits, Registry, Turned},
};
