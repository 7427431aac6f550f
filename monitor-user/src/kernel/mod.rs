//! The kernel side of user space, and the only module that uses aya: where fields are, loading, attaching, reading maps.
//!
//! - [`btf`]: offsets and tracepoint arguments from the running kernel's own type information
//! - [`load`]: sets them, loads each probe's programs, attaches them
//! - [`maps`]: whole maps in one system call, or none
//! - [`memory`]: what the maps take on a machine of any size
//! - [`prime`]: makes every CPU switch once
//! - [`resolve`]: what each probe finds in the type information, and so whether it can work
//! - [`steps`]: attaches other programs, or none, where the budget does not allow for all
//! - [`statistics`]: has the kernel time the programs for a moment
//! - [`sys`]: the few `bpf()` calls that aya does not offer
//!
//! In: [`crate::probes`], which say what each probe needs. Out: [`load::Loaded`], with the maps that the probes' readers read.

pub mod btf;
pub mod load;
pub mod maps;
pub mod memory;
pub mod prime;
pub mod resolve;
pub mod statistics;
pub mod steps;
pub mod sys;
