//! A report: what happened on a node in one interval, as an agent tells it to the server and as the server keeps it.
//!
//! In: two samples of the node. Out: bytes for the server, and there the same windows that the node itself would judge.
//!
//! | module | what it is |
//! |---|---|
//! | [`wire`] | the messages, in protobuf |
//! | [`limits`] | how much of everything there may be |
//! | `times` | histograms, sparse |
//! | [`build`] | a report, from two samples |
//! | [`envelope`] | many reports of one sender in one body, without decoding each |
//! | `scan` | what a message holds, counted before it is decoded |
//! | [`check`] | whether a report can be, and may come now |
//! | [`merge`] | the sum of two reports |
//! | [`view`] | a report as a window, for the index, the rules and the evidence |

pub mod build;
pub mod check;
pub mod envelope;
pub mod limits;
pub mod merge;
mod scan;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod times;
pub mod view;
pub mod wire;
