//! One reading of everything: the programs' maps and /proc, as one [`Sample`].
//!
//! In: the configuration. Out: samples, and the rare things that happened between them.

use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::{
    config::Config,
    host::{self, Host},
    kernel::{
        load::{self, Loaded},
        prime::prime,
    },
    pattern::Patterns,
    probes::{
        PROBES, block,
        events::{self, reader::Happened},
        sched::{self, reader::Waited},
        tasks,
    },
    sample::{Block, Origin, Sample},
    selfcheck,
};

/// The programs, loaded, and what reads them and /proc.
pub struct Collector {
    /// The programs.
    pub loaded: Loaded,
    sched: sched::reader::Reader,
    block: block::reader::Reader,
    tasks: tasks::reader::Reader,
    host: host::Reader,
    /// The devices that are wanted; absent if all are.
    devices: Option<Patterns>,
    cgroups: host::Cgroups,
    origin: Origin,
    identity: Identity,
    clock: ClockWatch,
}

/// Who this node is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// Its name; "localhost" if it has none.
    pub hostname: String,
    /// The kernel's name for this boot.
    pub boot_id: String,
}

/// What one reading gave.
pub struct Collected {
    /// The counters.
    pub sample: Sample,
    /// Rare events since the reading before.
    pub happened: Vec<Happened>,
    /// Long waits for the CPU since the reading before.
    pub waited: Vec<Waited>,
    /// Probes that could not be read this time, and why.
    pub failures: Vec<(&'static str, String)>,
}

impl Collector {
    /// Loads and attaches what the configuration wants and the kernel can, and checks it. Never fails: what does not work
    /// is in [`Loaded::states`], with its reason.
    pub fn new(config: &Config) -> Self {
        Self::with(load::load(&options(config)), config)
    }

    /// The same with programs that are loaded already.
    pub fn with(mut loaded: Loaded, config: &Config) -> Self {
        if let selfcheck::Outcome::Wrong(wrong) = selfcheck::run(&mut loaded) {
            tracing::error!("the self-check failed, the probes it covers are off: {wrong}");
        }
        let mut host = reader(config);
        let first = host.read();
        if loaded.sched.is_some() {
            for error in prime(&first.online_cpus.unwrap_or_default()) {
                tracing::warn!("a CPU's figures begin only when it next switches: {error}");
            }
        }
        let boot_id = first.boot_id.unwrap_or_default();
        let origin = Origin { boot_id: boot_id.clone(), attached_ns: realtime_ns() };
        let hostname = first.hostname.filter(|name| !name.is_empty()).unwrap_or_else(|| "localhost".into());
        Self {
            loaded,
            sched: Default::default(),
            block: Default::default(),
            // Whatever is judged is looked at over two windows at most.
            tasks: tasks::reader::Reader::new(config.judge.window.saturating_mul(5) / 2),
            host,
            devices: config.host.devices.as_deref().map(Patterns::parse),
            cgroups: host::Cgroups::new(&roots(config)),
            origin,
            identity: Identity { hostname, boot_id },
            clock: ClockWatch::default(),
        }
    }

    /// Who this node is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Opens the books of CPUs that have not switched for a while.
    pub fn prime(&mut self) {
        for error in prime(&self.host.read().online_cpus.unwrap_or_default()) {
            tracing::warn!("a CPU's figures begin only when it next switches: {error}");
        }
    }

    /// Reads everything now.
    pub fn collect(&mut self) -> Collected {
        self.collect_with(true)
    }

    /// Reads everything now; every task only if that is `wanted`.
    pub fn collect_with(&mut self, wanted: bool) -> Collected {
        let on = ["sched", "block"].map(|probe| self.loaded.measures(probe));
        let mut host = self.host.read();
        let mut failures = Vec::new();
        let mut note = |probe: &'static str, error: std::io::Error| failures.push((probe, error.to_string()));

        let mut waited = Vec::new();
        let mut clock_offset = None;
        let mut waits_lost = 0;
        let sched = self.loaded.sched.as_mut().filter(|_| on[0]).and_then(|maps| {
            let online = host.online_cpus.clone().unwrap_or_default();
            let reading = self.sched.read(maps, &online, monotonic_ns).map_err(|error| note("sched", error)).ok()?;
            (waited, waits_lost, clock_offset) = (reading.waited, reading.waits_lost, reading.clock_offset_ns);
            Some(reading.sched)
        });
        // Both at one moment: an interval that one clock measures begins where, by the other, the one before has ended.
        let (monotonic_ns, realtime_ns) = (monotonic_ns(), realtime_ns());
        if waits_lost > 0 {
            tracing::debug!(lost = waits_lost, "long waits were overwritten before they were read");
        }
        if let Some(wrong) = clock_offset.and_then(|offset| self.clock.wrong(monotonic_ns, offset)) {
            tracing::error!("probe sched is off: {wrong}");
            self.loaded.refuse("sched", wrong);
        }
        let mut block = self.loaded.block.as_mut().filter(|_| on[1]).and_then(|maps| {
            self.block.read(maps, &host.disks, monotonic_ns).map_err(|error| note("block", error)).ok()
        });
        if let Some(wanted) = &self.devices {
            leave_out_devices(wanted, &mut host, block.as_mut());
        }
        let clock = clock_offset.map(|offset| monotonic_ns.wrapping_add_signed(offset));
        let read = self.loaded.tasks.as_mut().filter(|_| wanted).and_then(|iterator| {
            self.tasks.read(iterator, clock, monotonic_ns).map_err(|error| note("tasks", error)).ok()
        });
        let (tasks, all_tasks) = read.unzip();
        host.cgroups = self.cgroups.paths(tasks.iter().flatten().map(|task| task.cgroup));
        let mut happened = Vec::new();
        let events = self.loaded.events.as_mut().and_then(|maps| {
            let (records, counts) = events::reader::read(maps).map_err(|error| note("events", error)).ok()?;
            happened = records;
            Some(counts)
        });
        self.loaded.flush_log();
        let sample = Sample {
            origin: self.origin.clone(),
            monotonic_ns,
            realtime_ns,
            sched: sched.filter(|_| self.loaded.sched.is_some()),
            block,
            tasks,
            events,
            host,
            all_tasks,
        };
        Collected { sample, happened, waited, failures }
    }
}

/// What reads /proc and /sys where the configuration says they are.
pub fn reader(config: &Config) -> host::Reader {
    let roots = roots(config);
    let config = &config.host;
    host::Reader::with_options(
        roots,
        host::Options {
            slow_interval: config.filesystem_interval,
            statfs_deadline: config.filesystem_timeout,
            ..host::Options::default()
        },
    )
}

fn roots(config: &Config) -> host::Roots {
    let config = &config.host;
    host::Roots { proc: config.proc.clone(), sys: config.sys.clone(), root: config.root.clone() }
}

/// What the configuration asks of the kernel.
pub fn options(config: &Config) -> load::Options<'_> {
    let wanted = |name: &str| match name {
        "sched" => config.probes.sched,
        "block" => config.probes.block,
        "tasks" => config.probes.tasks,
        _ => config.probes.events,
    };
    let threshold = |time: Option<Duration>| time.map_or(u64::MAX, |time| time.as_nanos() as u64);
    load::Options {
        btf: config.btf.as_deref(),
        probes: PROBES.iter().map(|probe| probe.name).filter(|name| wanted(name)).collect::<BTreeSet<_>>(),
        slow_request_ns: threshold(config.events.slow_request),
        long_wait_ns: threshold(config.events.long_wait),
        events_per_second: config.events.per_second as u64,
    }
}

/// Drops every block device whose name no pattern fits. One that has gone has no name any more and is dropped as well.
fn leave_out_devices(wanted: &Patterns, host: &mut Host, block: Option<&mut Block>) {
    host.disks.retain(|_, disk| wanted.fits(&disk.name));
    if let Some(block) = block {
        block.requests.retain(|requests| host.disks.contains_key(&requests.device));
        block.in_flight.retain(|in_flight| host.disks.contains_key(&in_flight.device));
    }
}

/// Watches that the run queues' clock goes like the monotonic one: if it does not, it is not that clock.
#[derive(Default)]
struct ClockWatch {
    first: Option<(u64, i64)>,
}

impl ClockWatch {
    /// Two clocks of one machine differ by far less: one part in this many is a fault.
    const PART: u64 = 20;
    /// Before this time has passed, small differences are large in proportion.
    const MINIMUM_NS: u64 = 5_000_000_000;

    /// `offset` is the run queues' clock minus the monotonic one.
    fn wrong(&mut self, monotonic_ns: u64, offset: i64) -> Option<String> {
        let (since, first) = *self.first.get_or_insert((monotonic_ns, offset));
        let passed = monotonic_ns.saturating_sub(since);
        let apart = offset.abs_diff(first);
        (passed >= Self::MINIMUM_NS && apart > passed / Self::PART)
            .then(|| format!("the run queues' clock and the monotonic clock came {apart} ns apart in {passed} ns"))
    }
}

/// `CLOCK_MONOTONIC` in nanoseconds.
pub fn monotonic_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes the struct; this clock always exists.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Nanoseconds since 1970.
pub fn realtime_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_devices_that_are_wanted_are_left() {
        let mut sample = Sample::clone(&crate::expose::testing::node(1, 3).sample);
        let name = sample.host.disks.values().next().unwrap().name.clone();
        let before = sample.clone();
        leave_out_devices(&Patterns::parse(&name), &mut sample.host, sample.block.as_mut());
        assert_eq!(sample.host.disks.values().map(|disk| &disk.name).collect::<Vec<_>>(), [&name]);
        let devices =
            |sample: &Sample| sample.block.as_ref().unwrap().requests.iter().map(|r| r.device).collect::<BTreeSet<_>>();
        assert!(devices(&before).len() > 1 && devices(&sample).len() == 1);
        leave_out_devices(&Patterns::parse("!*"), &mut sample.host, sample.block.as_mut());
        assert!(sample.host.disks.is_empty() && devices(&sample).is_empty());
    }

    #[test]
    fn a_clock_that_drifts_is_believed_and_one_that_stands_still_is_not() {
        let second = 1_000_000_000;
        let mut watch = ClockWatch::default();
        assert_eq!(watch.wrong(100 * second, 500), None);
        assert_eq!(watch.wrong(101 * second, -(second as i64)), None, "too early to tell");
        assert_eq!(watch.wrong(200 * second, 500 + 10_000_000), None, "100 parts in a million");
        assert!(watch.wrong(201 * second, -100 * second as i64).is_some());
    }
}
