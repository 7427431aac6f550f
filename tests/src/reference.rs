//! The programs of `reference-ebpf`: what kpulse is compared with.
//!
//! In: the running kernel. Out: run times of the programs by the kernel's own statistics, and the waits that the naive way
//! sees. Offsets of fields are set as for kpulse's own programs: the globals have the same names.

use anyhow::{Context as _, Result, ensure};
use aya::{
    Btf, Ebpf, EbpfLoader, Pod,
    maps::{PerCpuArray, PerCpuValues},
    programs::{BtfTracePoint, ProgramInfo},
};
use kpulse::{kernel::btf, probes::PROBES};
use monitor_common::histogram::BUCKETS;

static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/reference"));

/// A program of the object, and the tracepoint it belongs to.
pub type Program = (&'static str, &'static str);

/// Does nothing at each switch.
pub const EMPTY_SWITCH: Program = ("empty_switch", "sched_switch");
/// Does nothing at each wakeup.
pub const EMPTY_WAKEUP: Program = ("empty_wakeup", "sched_wakeup");
/// Does nothing when a request is issued.
pub const EMPTY_ISSUE: Program = ("empty_issue", "block_rq_issue");
/// Does nothing when a request completes.
pub const EMPTY_COMPLETE: Program = ("empty_complete", "block_rq_complete");
/// Run-queue waits by a hash map.
pub const NAIVE_SCHED: [Program; 3] =
    [("naive_wakeup", "sched_wakeup"), ("naive_wakeup_new", "sched_wakeup_new"), ("naive_switch", "sched_switch")];
/// Request times by a hash map.
pub const NAIVE_BLOCK: [Program; 2] = [("naive_issue", "block_rq_issue"), ("naive_complete", "block_rq_complete")];

/// Runs of one program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Runs {
    /// How many, while the kernel keeps statistics.
    pub count: u64,
    /// Their time in nanoseconds.
    pub ns: u64,
}

/// Some of the programs, attached until this is dropped.
pub struct Reference {
    ebpf: Ebpf,
    programs: Vec<&'static str>,
}

impl Reference {
    /// Loads the object and attaches some of its programs.
    ///
    /// # Errors
    ///
    /// If the kernel has no type information, or refuses the object or one of the programs.
    pub fn attach(programs: &[Program]) -> Result<Self> {
        let offsets = offsets()?;
        let mut loader = EbpfLoader::new();
        for (name, value) in &offsets {
            loader.override_global(name, value, false);
        }
        let types = Btf::from_sys_fs()?;
        let mut ebpf = loader.load(OBJECT).context("the reference programs")?;
        for (name, tracepoint) in programs {
            let program: &mut BtfTracePoint = ebpf.program_mut(name).with_context(|| missing(name))?.try_into()?;
            program.load(tracepoint, &types).with_context(|| format!("program {name}"))?;
            program.attach().with_context(|| format!("program {name}"))?;
        }
        Ok(Self { ebpf, programs: programs.iter().map(|(name, _)| *name).collect() })
    }

    /// The runs of each program so far, in the order of [`Self::attach`].
    ///
    /// # Errors
    ///
    /// Whatever the kernel says.
    pub fn runs(&self) -> Result<Vec<Runs>> {
        self.programs
            .iter()
            .map(|name| {
                let info: ProgramInfo = self.ebpf.program(name).with_context(|| missing(name))?.info()?;
                Ok(Runs { count: info.run_count(), ns: info.run_time().as_nanos() as u64 })
            })
            .collect()
    }
}

/// The naive way to measure run-queue waits, attached until this is dropped.
pub struct NaiveSched {
    reference: Reference,
}

/// Buckets in the form that aya can read.
#[repr(transparent)]
#[derive(Clone, Copy)]
struct Waits([u64; BUCKETS]);

// SAFETY: an array of integers.
unsafe impl Pod for Waits {}

impl NaiveSched {
    /// Attaches it. Waits that have begun before are not seen.
    ///
    /// # Panics
    ///
    /// If the kernel refuses.
    pub fn attach() -> Self {
        let reference = Reference::attach(&NAIVE_SCHED).unwrap_or_else(|error| panic!("the naive programs: {error:#}"));
        Self { reference }
    }

    /// The waits of all CPUs so far by [`monitor_common::histogram`] bucket, and how many.
    ///
    /// # Panics
    ///
    /// If the kernel does not let the map be read.
    pub fn read(&self) -> ([u64; BUCKETS], u64) {
        let waits = self.waits().unwrap_or_else(|error| panic!("the naive programs: {error:#}"));
        (waits, waits.iter().sum())
    }

    /// The waits of one CPU.
    ///
    /// # Panics
    ///
    /// If the kernel does not let the map be read.
    pub fn read_on(&self, cpu: usize) -> [u64; BUCKETS] {
        self.cpus().unwrap_or_else(|error| panic!("the naive programs: {error:#}"))[cpu].0
    }

    fn waits(&self) -> Result<[u64; BUCKETS]> {
        let mut total = [0; BUCKETS];
        for cpu in self.cpus()?.iter() {
            total.iter_mut().zip(cpu.0).for_each(|(total, waits)| *total += waits);
        }
        Ok(total)
    }

    fn cpus(&self) -> Result<PerCpuValues<Waits>> {
        let map = self.reference.ebpf.map("NAIVE_WAITS").context("map NAIVE_WAITS is missing")?;
        let map: PerCpuArray<_, Waits> = PerCpuArray::try_from(map)?;
        Ok(map.get(&0, 0)?)
    }
}

/// The globals that kpulse's own programs get, by name.
fn offsets() -> Result<Vec<(&'static str, u32)>> {
    let types = btf::Btf::open(None)?;
    let fields = PROBES.iter().flat_map(|probe| probe.fields);
    let mut offsets: Vec<_> = fields
        .filter_map(|field| Some((field.global, field.paths.iter().find_map(|path| types.offset(path))?)))
        .collect();
    let arguments = |tracepoint| types.arguments(tracepoint).map_or(0, |arguments| arguments.len());
    offsets.push(("SCHED_SWITCH_HAS_STATE", u32::from(arguments("sched_switch") > 3)));
    offsets.push(("BLOCK_ISSUE_ARG", u32::from(arguments("block_rq_issue") > 1)));
    ensure!(
        offsets.iter().any(|(name, _)| *name == "TASK_PID"),
        "the kernel's type information has no task_struct.pid"
    );
    Ok(offsets)
}

fn missing(program: &str) -> String {
    format!("program {program} is not in the object")
}
