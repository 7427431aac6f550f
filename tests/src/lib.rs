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
//! - [`agent`], [`http`], [`exposition`]: kpulse as a process of its own, and what it answers
//! - [`alertmanager`]: a real Alertmanager, asked through amtool
//! - [`receiver`]: a server that hears what is told, and a way that is slow
//! - [`teller`]: the telling of alerts, without an agent
//! - [`bpf_objects`]: what a process has in the kernel
//! - [`scratch`]: a folder and a disk of one's own
//! - [`reference`]: the programs that kpulse is compared with
//! - [`loop_device`]: disks made of files, filesystems on them, and what makes them hang
//! - [`fio`]: loads on a disk, with the times that fio measured
//! - [`diskstats`]: the kernel's own counters of a disk
//! - [`story`]: samples of a node that does not exist, well and unwell
//! - [`limits`]: what a process may have
//! - [`block`]: the block probe, read beside the disks that exist
//! - [`group`]: control groups of one's own
//! - [`books`]: figures of the kernel, noted all the time
//! - [`verdict`]: an agent that judges every second, and what its alerts say

pub mod agent;
pub mod alertmanager;
pub mod block;
pub mod books;
pub mod bpf_objects;
pub mod clock;
pub mod cpu;
pub mod diskstats;
pub mod exits;
pub mod exposition;
pub mod fio;
pub mod group;
pub mod guard;
pub mod http;
pub mod limits;
pub mod load;
pub mod loop_device;
pub mod probes;
pub mod proc;
pub mod receiver;
pub mod reference;
pub mod scratch;
pub mod skip;
pub mod story;
pub mod teller;
pub mod verdict;
pub mod wait;
pub mod waits;
