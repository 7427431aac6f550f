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
//! - [`prometheus`]: a real Prometheus and a real VictoriaMetrics
//! - [`scraped`]: the `/metrics` of a node that does not exist
//! - [`browser`]: a real browser, by WebDriver
//! - [`many`]: a fleet that does not exist, as a server would show it
//! - [`receiver`]: a server that hears what is told, and a way that is slow
//! - [`teller`]: the telling of alerts, without an agent
//! - [`reports`]: reports of nodes that do not exist, for the store
//! - [`inside`]: system calls inside another process
//! - [`bpf_objects`]: what a process has in the kernel
//! - [`scratch`]: a folder and a disk of one's own
//! - [`reference`]: the programs that kpulse is compared with
//! - [`network`]: machines that share a kernel and no network
//! - [`loop_device`]: disks made of files, filesystems on them, and what makes them hang
//! - [`fio`]: loads on a disk, with the times that fio measured
//! - [`diskstats`]: the kernel's own counters of a disk
//! - [`story`]: samples of a node that does not exist, well and unwell
//! - [`limits`]: what a process may have
//! - [`block`]: the block probe, read beside the disks that exist
//! - [`group`]: control groups of one's own
//! - [`books`]: figures of the kernel, noted all the time
//! - [`fleet`]: the server of a fleet, and clients of its protocol
//! - [`verdict`]: an agent that judges every second, and what its alerts say

pub mod agent;
pub mod alertmanager;
pub mod block;
pub mod books;
pub mod bpf_objects;
pub mod browser;
pub mod clock;
pub mod cpu;
pub mod diskstats;
pub mod exits;
pub mod exposition;
pub mod fio;
pub mod fleet;
pub mod group;
pub mod guard;
pub mod http;
#[cfg(target_arch = "x86_64")]
pub mod inside;
pub mod limits;
pub mod load;
pub mod loop_device;
pub mod many;
pub mod network;
pub mod probes;
pub mod proc;
pub mod prometheus;
pub mod receiver;
pub mod reference;
pub mod reports;
pub mod scaled;
pub mod scraped;
pub mod scratch;
pub mod skip;
pub mod story;
pub mod teller;
pub mod verdict;
pub mod wait;
pub mod waits;
