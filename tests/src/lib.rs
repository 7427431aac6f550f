//! What the live tests share: loads of known shape, and truths that do not come from kpulse.
//!
//! - [`skip`]: what a test needs, and what happens where it is missing
//! - [`guard`]: whatever a test starts or changes is stopped and put back, also when it panics
//! - [`clock`], [`wait`]: times, and waiting for something with a deadline
//! - [`cpu`]: pinning, priorities, and what the kernel says each CPU did
//! - [`proc`]: the kernel's books on tasks, from /proc
//! - [`exits`]: the books of tasks that end, which /proc forgets
//! - [`waits`]: how long all tasks of the machine waited, as the kernel says
//! - [`load`]: duty cycles and message passing
//! - [`probes`]: kpulse's own programs, loaded for one test
//! - [`reference`]: the programs that kpulse is compared with

pub mod clock;
pub mod cpu;
pub mod exits;
pub mod guard;
pub mod load;
pub mod probes;
pub mod proc;
pub mod reference;
pub mod skip;
pub mod wait;
pub mod waits;
