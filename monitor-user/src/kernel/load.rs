//! Loads and attaches the programs of each probe, with the offsets of the running kernel set before.
//!
//! A probe that cannot work is left out with its reason; the others are not touched. Only if there is no type
//! information at all, or no right to load anything, is there no probe.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    os::fd::{AsFd as _, OwnedFd},
    path::Path,
};

use aya::{
    Btf, Ebpf, EbpfLoader,
    maps::{Map, RingBuf},
    programs::{BtfTracePoint, Iter, Program, tp_btf::BtfTracePointLinkId},
};
use aya_log::EbpfLogger;
use monitor_common::{
    block, events, sched, tasks,
    timing::{self, Program as Timed},
};

pub use super::resolve::State;
use super::{
    btf,
    maps::{Hash, Iterated, Mapped, PerCpu},
    memory,
    resolve::Resolved,
    sys,
};
use crate::probes::{Hook, PROBES, Probe, step::Step};

/// The programs, as `monitor-ebpf` built them.
static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/programs"));

/// What to load, and the thresholds that the programs themselves apply.
#[derive(Clone, Debug)]
pub struct Options<'a> {
    /// The kernel's type information, if not where it always is.
    pub btf: Option<&'a Path>,
    /// Names of the probes that are wanted.
    pub probes: BTreeSet<&'static str>,
    /// Report requests that took longer, in nanoseconds; [`u64::MAX`] for none.
    pub slow_request_ns: u64,
    /// Report waits for the CPU that took longer, in nanoseconds; [`u64::MAX`] for none.
    pub long_wait_ns: u64,
    /// Records a second that one CPU may write.
    pub events_per_second: u64,
}

/// The maps of the scheduler probe.
pub struct SchedMaps {
    /// What each CPU keeps.
    pub cpus: PerCpu<sched::Cpu>,
}

/// The maps of the block probe.
pub struct BlockMaps {
    /// Statistics by device, operation and CPU.
    pub stats: Hash<block::Key, block::Stats>,
    /// More of the same, to be added.
    pub reserve: Hash<block::Key, block::Stats>,
    /// What is in flight.
    pub in_flight: Mapped<block::Set>,
    /// What was discarded.
    pub discards: PerCpu<DiscardCounts>,
    /// Whether the program that is attached tells sizes apart.
    pub sizes: bool,
    /// Whether it keeps histograms.
    pub histograms: bool,
}

/// [`block::Discards`] in the form that aya can read.
#[repr(transparent)]
#[derive(Clone, Copy, Debug)]
pub struct DiscardCounts(pub block::Discards);

// SAFETY: an array of integers.
unsafe impl aya::Pod for DiscardCounts {}

/// The maps of the events probe.
pub struct EventMaps {
    /// The records.
    pub ring: RingBuf<aya::maps::MapData>,
    /// How many there were.
    pub counts: PerCpu<events::Counts>,
}

/// The loaded programs. They are detached when this is dropped, or when the process ends in any way.
pub struct Loaded {
    /// Each probe's state, by name, in the order of [`PROBES`].
    pub states: Vec<(&'static str, State)>,
    /// There if the probe is on.
    pub sched: Option<SchedMaps>,
    /// There if the probe is on.
    pub block: Option<BlockMaps>,
    /// There if the probe is on.
    pub tasks: Option<Iterated<tasks::Task>>,
    /// There if the probe is on.
    pub events: Option<EventMaps>,
    /// What is given up.
    pub(super) step: Step,
    /// What is attached to a tracepoint, by the program's name.
    pub(super) links: BTreeMap<&'static str, BtfTracePointLinkId>,
    pub(super) ebpf: Option<Ebpf>,
    /// Maps that steps write to, once they have.
    pub(super) kept: BTreeMap<String, OwnedFd>,
    logger: Option<EbpfLogger<&'static dyn log::Log>>,
    programs: Vec<(&'static str, OwnedFd)>,
    times: Option<PerCpu<timing::Times>>,
    maps: Vec<OwnedFd>,
}

/// What the kernel says of one program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProgramStats {
    /// The program's name.
    pub name: &'static str,
    /// Its runs, while `kernel.bpf_stats_enabled` is 1.
    pub runs: u64,
    /// Their time in nanoseconds.
    pub run_time_ns: u64,
    /// How often it was not run because it was running on that CPU already.
    pub missed: u64,
}

impl Loaded {
    /// Nothing loaded, for one reason.
    fn nothing(options: &Options<'_>, reason: &str) -> Self {
        let state = |probe: &Probe| match options.probes.contains(probe.name) {
            true => State::Failed { reason: reason.into() },
            false => State::Disabled,
        };
        Self {
            states: PROBES.iter().map(|probe| (probe.name, state(probe))).collect(),
            sched: None,
            block: None,
            tasks: None,
            events: None,
            step: Step::Full,
            links: BTreeMap::new(),
            ebpf: None,
            kept: BTreeMap::new(),
            logger: None,
            programs: Vec::new(),
            times: None,
            maps: Vec::new(),
        }
    }

    /// Passes on what the programs logged.
    pub fn flush_log(&mut self) {
        if let Some(logger) = &mut self.logger {
            logger.flush();
        }
    }

    /// What the kernel says of each program.
    pub fn program_stats(&self) -> Vec<ProgramStats> {
        let stats = |(name, fd): &(&'static str, OwnedFd)| {
            let info = sys::program_info(fd).ok()?;
            Some(ProgramStats {
                name,
                runs: info.run_cnt,
                run_time_ns: info.run_time_ns,
                missed: info.recursion_misses,
            })
        };
        self.programs.iter().filter_map(stats).collect()
    }

    /// What each program took since it was loaded, in nanoseconds, by its own clock: what it took in the runs that it timed
    /// stands for the others. Needs nobody's permission.
    ///
    /// # Errors
    ///
    /// Whatever the kernel says.
    pub fn own_times(&mut self) -> io::Result<Vec<(&'static str, u64)>> {
        let Some(times) = &mut self.times else { return Ok(Vec::new()) };
        let times = times.read()?;
        let taken = |program: Timed| {
            let ns = times.iter().map(|cpu| cpu.ns[program as usize]).fold(0, u64::wrapping_add);
            (program.name(), ns.wrapping_mul(timing::ONE_OF))
        };
        let loaded = |name: &str| self.programs.iter().any(|(program, _)| *program == name);
        Ok(Timed::ALL.iter().copied().map(taken).filter(|(name, _)| loaded(name)).collect())
    }

    /// Memory of all maps in bytes, as the kernel accounts it.
    pub fn map_bytes(&self) -> u64 {
        use std::os::fd::AsRawFd as _;
        let bytes = |fd: &OwnedFd| {
            let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", fd.as_raw_fd())).ok()?;
            info.lines().find_map(|line| line.strip_prefix("memlock:")?.trim().parse::<u64>().ok())
        };
        self.maps.iter().filter_map(bytes).sum()
    }

    /// Reads every kind of map once, and everything else that reading takes later: the first refusal, if there is one.
    ///
    /// # Errors
    ///
    /// Whatever the kernel says.
    pub fn try_reading(&mut self) -> io::Result<()> {
        if let Some(maps) = &mut self.sched {
            maps.cpus.read()?;
        }
        if let Some(maps) = &mut self.block {
            maps.stats.for_each(|_, _| ())?;
            maps.discards.read()?;
        }
        if let Some(iterator) = &mut self.tasks {
            iterator.read()?;
        }
        if let Some(maps) = &mut self.events {
            maps.counts.read()?;
        }
        if let Some(times) = &mut self.times {
            times.read()?;
        }
        self.programs.iter().try_for_each(|(_, program)| sys::program_info(program).map(drop))
    }

    /// Turns a probe off that was found to be wrong: its maps are not read any more.
    pub fn refuse(&mut self, probe: &str, reason: String) {
        match probe {
            "sched" => self.sched = None,
            "block" => self.block = None,
            "tasks" => self.tasks = None,
            _ => self.events = None,
        }
        if let Some((_, state)) = self.states.iter_mut().find(|(name, _)| *name == probe) {
            *state = State::Failed { reason };
        }
    }
}

/// How many CPUs the kernel could have: the number of values of a per-CPU map.
///
/// # Errors
///
/// If /sys does not say.
pub fn possible_cpus() -> io::Result<usize> {
    aya::util::nr_cpus().map_err(|(path, error)| io::Error::new(error.kind(), format!("{path}: {error}")))
}

/// Loads and attaches whatever of the wanted probes this kernel can run.
pub fn load(options: &Options<'_>) -> Loaded {
    load_with_room(options, memory::DEVICES)
}

/// The same with room for the statistics of another number of devices than usual; 0 for a single device, operation and CPU.
pub fn load_with_room(options: &Options<'_>, devices: usize) -> Loaded {
    match try_load(options, devices) {
        Ok(loaded) => loaded,
        Err(reason) => Loaded::nothing(options, &reason),
    }
}

fn try_load(options: &Options<'_>, devices: usize) -> Result<Loaded, String> {
    if options.probes.is_empty() {
        return Err(String::new());
    }
    let cpus = possible_cpus().map_err(|error| error.to_string())?;
    // It begins by reading all type information, which nothing here needs: that memory is given back before more is taken.
    let mut loader = EbpfLoader::new();
    loader.btf(None);
    release_memory();
    let types = btf::Btf::open(options.btf).map_err(|error| error.to_string())?;
    let mut resolved = Resolved::of(&types, &options.probes);
    raise_memlock();

    let hooks = || PROBES.iter().flat_map(|probe| probe.programs).map(|program| program.hook);
    let tracepoints: Vec<_> = hooks().filter_map(tracepoint).collect();
    let iterators: Vec<_> = hooks().filter_map(iterator).collect();
    let attach_types = types.for_attaching(&tracepoints, &iterators)?;
    drop(types);
    release_memory();
    for (name, value) in &resolved.words {
        loader.override_global(name, value, true);
    }
    let thresholds = thresholds(options, resolved.states["events"].is_on());
    for (name, value) in &thresholds {
        loader.override_global(name, value, true);
    }
    loader.map_max_entries("BLOCK_STATS", memory::stats_entries(cpus, devices));
    if devices == 0 {
        loader.map_max_entries("BLOCK_RESERVE", 1);
    }
    for probe in PROBES.iter().filter(|probe| !resolved.states[probe.name].is_on()) {
        for map in probe.maps {
            loader.map_max_entries(map, 1);
        }
    }
    let mut ebpf = loader.load(OBJECT).map_err(|error| cannot_load(&error))?;

    let mut loaded = Loaded::nothing(options, "");
    loaded.maps = ebpf.maps().filter_map(|(_, map)| map_fd(map)?.ok()).collect();
    for probe in PROBES {
        if resolved.states[probe.name].is_on()
            && let Err(reason) = attach(&mut ebpf, probe, &attach_types, &mut loaded)
        {
            resolved.states.insert(probe.name, State::Failed { reason });
        }
    }
    drop(attach_types);
    let on = |name: &str| resolved.states[name].is_on();
    let take = |ebpf: &mut Ebpf, name: &str| take_map(ebpf, name).map_err(|error| format!("map {name}: {error}"));
    if on("sched") {
        loaded.sched = Some(SchedMaps { cpus: PerCpu::new(take(&mut ebpf, "SCHED_CPUS")?, cpus) });
    }
    if on("block") {
        let in_flight = take(&mut ebpf, "BLOCK_IN_FLIGHT")?;
        loaded.block = Some(BlockMaps {
            stats: Hash::new(take(&mut ebpf, "BLOCK_STATS")?),
            reserve: Hash::new(take(&mut ebpf, "BLOCK_RESERVE")?),
            in_flight: Mapped::new(&in_flight, block::SETS as usize)
                .map_err(|error| format!("map BLOCK_IN_FLIGHT: {error}"))?,
            discards: PerCpu::new(take(&mut ebpf, "BLOCK_DISCARDS")?, cpus),
            sizes: true,
            histograms: true,
        });
    }
    if on("events") {
        let map = ebpf.take_map("EVENTS").ok_or("map EVENTS is missing")?;
        loaded.events = Some(EventMaps {
            ring: RingBuf::try_from(map).map_err(|error| format!("map EVENTS: {error}"))?,
            counts: PerCpu::new(take(&mut ebpf, "EVENT_COUNTS")?, cpus),
        });
    }
    loaded.times = Some(PerCpu::new(take(&mut ebpf, "TIMES")?, cpus));
    loaded.logger = EbpfLogger::init_with_logger(&mut ebpf, log::logger())
        .inspect_err(|error| log::warn!("no log of the programs: {error}"))
        .ok();
    loaded.states = PROBES.iter().filter_map(|probe| resolved.states.remove_entry(probe.name)).collect();
    loaded.ebpf = Some(ebpf);
    release_memory();
    Ok(loaded)
}

fn tracepoint(hook: Hook) -> Option<&'static str> {
    if let Hook::Tracepoint(name) = hook { Some(name) } else { None }
}

fn iterator(hook: Hook) -> Option<&'static str> {
    if let Hook::Iterator(kind) = hook { Some(kind) } else { None }
}

/// The thresholds, which only the probe of the events reports against.
fn thresholds(options: &Options<'_>, events: bool) -> [(&'static str, u64); 3] {
    [
        ("SLOW_REQUEST_NS", if events { options.slow_request_ns } else { u64::MAX }),
        ("LONG_WAIT_NS", if events { options.long_wait_ns } else { u64::MAX }),
        ("EVENTS_PER_SECOND", if events { options.events_per_second } else { 0 }),
    ]
}

fn attach(ebpf: &mut Ebpf, probe: &Probe, types: &Btf, loaded: &mut Loaded) -> Result<(), String> {
    for program in probe.programs {
        let name = program.name;
        let found = ebpf.program_mut(name).ok_or_else(|| format!("program {name} is not in the object"))?;
        match program.hook {
            Hook::Tracepoint(tracepoint) => {
                let found: &mut BtfTracePoint = found.try_into().map_err(|error| failed(name, &error))?;
                match found.load(tracepoint, types) {
                    // It stands in where the budget does not allow for more: without it there is less to choose from.
                    Err(error) if program.from > Step::Full => {
                        log::warn!("the budget will do without this program: {}", failed(name, &error));
                        continue;
                    }
                    loaded => loaded.map_err(|error| failed(name, &error))?,
                }
                if program.is_attached_at(Step::Full) {
                    let link = found.attach().map_err(|error| failed(name, &error))?;
                    loaded.links.insert(name, link);
                }
            }
            Hook::Iterator(kind) => {
                let found: &mut Iter = found.try_into().map_err(|error| failed(name, &error))?;
                found.load(kind, types).map_err(|error| failed(name, &error))?;
                let fd = found.fd().map_err(|error| failed(name, &error))?;
                loaded.tasks =
                    Some(Iterated::new(sys::link_iterator(fd.as_fd()).map_err(|error| failed(name, &error))?));
            }
        }
        let fd = match found_fd(ebpf.program(name)) {
            Some(fd) => fd.map_err(|error| failed(name, &error))?,
            None => continue,
        };
        loaded.programs.push((name, fd));
    }
    Ok(())
}

fn found_fd(program: Option<&Program>) -> Option<io::Result<OwnedFd>> {
    let fd = match program? {
        Program::BtfTracePoint(program) => program.fd(),
        Program::Iter(program) => program.fd(),
        _ => return None,
    };
    Some(fd.ok()?.as_fd().try_clone_to_owned())
}

/// The whole chain of causes in one line: the verifier's last words are at its end.
pub(super) fn failed(program: &str, error: &dyn std::error::Error) -> String {
    let mut text = format!("program {program}: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        // Some errors say their cause themselves.
        if !text.ends_with(&words) {
            text = format!("{text}: {words}");
        }
        cause = error.source();
    }
    text
}

fn cannot_load(error: &aya::EbpfError) -> String {
    let text = failed("object", error);
    if text.contains("EPERM") || text.contains("not permitted") {
        format!("{text}; loading programs needs root, or CAP_BPF and CAP_PERFMON (CAP_SYS_ADMIN before Linux 5.8)")
    } else {
        text
    }
}

pub(super) fn take_map(ebpf: &mut Ebpf, name: &str) -> io::Result<OwnedFd> {
    let map = ebpf.map(name).ok_or_else(|| io::Error::other("not in the object"))?;
    map_fd(map).unwrap_or_else(|| Err(io::Error::other("of another type than expected")))
}

fn map_fd(map: &Map) -> Option<io::Result<OwnedFd>> {
    match map {
        Map::Array(data) | Map::HashMap(data) | Map::PerCpuArray(data) | Map::RingBuf(data) => {
            Some(data.fd().as_fd().try_clone_to_owned())
        }
        _ => None,
    }
}

/// Before 5.11 maps count against the limit of locked memory.
fn raise_memlock() {
    let limit = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: reads the struct. If it is refused, making the maps says so.
    unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &limit) };
}

/// Type information takes some megabytes, once: give them back.
fn release_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: gives free pages back to the system.
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(test)]
mod tests;
