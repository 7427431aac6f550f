//! Attaches other programs, or none, where the budget does not allow for all that a probe measures.
//!
//! In: a [`Step`]. Out: the programs of that step are attached and no others. All of them were loaded at the start; neither to
//! attach nor to detach them asks the kernel for a capability, from Linux 5.19 on (`link_create` and
//! `bpf_raw_tracepoint_open` in the kernel's `kernel/bpf/syscall.c`; before, all of bpf(2) wants CAP_BPF where it wants it for
//! the reading of a map). One program ends before the other begins: what happens in between is in no figure, and nothing is
//! in it twice.

use std::os::fd::AsFd as _;

use aya::programs::BtfTracePoint;
use monitor_common::{block, sched};

use super::{
    load::{Loaded, failed, take_map},
    sys,
};
use crate::probes::{Hook, PROBES, Probe, step::Step};

impl Loaded {
    /// What is given up.
    pub fn step(&self) -> Step {
        self.step
    }

    /// Whether a probe works and measures at this step.
    pub fn measures(&self, probe: &str) -> bool {
        let works = self.states.iter().any(|(name, state)| *name == probe && state.is_on());
        works && self.step.turns_off(probe).is_none()
    }

    /// Goes to a step. What a probe kept before it was turned off and what would be wrong now is forgotten.
    ///
    /// # Errors
    ///
    /// Says what could not be attached or cleared; all else of the step is done.
    pub fn take_step(&mut self, step: Step) -> Result<(), String> {
        let mut problems = Vec::new();
        let before = std::mem::replace(&mut self.step, step);
        let on = |loaded: &Self, probe: &Probe| loaded.measures(probe.name);
        let wanted: Vec<_> = PROBES
            .iter()
            .filter(|probe| on(self, probe))
            .flat_map(|probe| probe.programs)
            .filter(|program| program.is_attached_at(step))
            .collect();
        let ended: Vec<_> =
            self.links.keys().copied().filter(|name| !wanted.iter().any(|program| program.name == *name)).collect();
        for name in ended {
            problems.extend(self.detach(name).err());
        }
        for probe in ["sched", "block"] {
            if before.turns_off(probe).is_some() && step.turns_off(probe).is_none() {
                problems.extend(self.forget(probe).err());
            }
        }
        for program in wanted {
            if matches!(program.hook, Hook::Tracepoint(_)) && !self.links.contains_key(program.name) {
                problems.extend(self.attach(program.name).err());
            }
        }
        if let Some(maps) = &mut self.block {
            (maps.sizes, maps.histograms) = (step < Step::Sizes, step < Step::Histograms);
        }
        problems.extend(self.silence(step >= Step::Events).err());
        if problems.is_empty() { Ok(()) } else { Err(problems.join("; ")) }
    }

    fn program(&mut self, name: &str) -> Result<&mut BtfTracePoint, String> {
        let program = self.ebpf.as_mut().and_then(|ebpf| ebpf.program_mut(name));
        let program = program.ok_or_else(|| format!("program {name} is not loaded"))?;
        program.try_into().map_err(|error| failed(name, &error))
    }

    fn attach(&mut self, name: &'static str) -> Result<(), String> {
        let link = self.program(name)?.attach().map_err(|error| failed(name, &error))?;
        self.links.insert(name, link);
        Ok(())
    }

    fn detach(&mut self, name: &'static str) -> Result<(), String> {
        let Some(link) = self.links.remove(name) else { return Ok(()) };
        self.program(name)?.detach(link).map_err(|error| failed(name, &error))
    }

    /// Tells the programs whether to report single things.
    fn silence(&mut self, off: bool) -> Result<(), String> {
        self.set("EVENTS_OFF", 0, &u32::from(off).to_ne_bytes())
    }

    /// A probe that has been off for a while must not take what it kept for the latest: an interval that is still open, a
    /// departure, a request in flight.
    fn forget(&mut self, probe: &str) -> Result<(), String> {
        if probe == "sched" {
            if let Some(maps) = &mut self.sched {
                let open = |cpu: &mut sched::Cpu| (cpu.begin, cpu.end, cpu.monotonic_ns) = (0, 0, 0);
                maps.cpus.change(open).map_err(|error| format!("map SCHED_CPUS: {error}"))?;
            }
            return self.set("SCHED_DEPARTURES", 0, &vec![0; sched::DEPARTURES as usize * size_of::<u64>()]);
        }
        (0..block::SETS).try_for_each(|set| self.set("BLOCK_IN_FLIGHT", set, &[0; size_of::<block::Set>()]))
    }

    /// Sets one value of an array; `value` is as long as the map's values are.
    fn set(&mut self, name: &str, index: u32, value: &[u8]) -> Result<(), String> {
        let Some(ebpf) = &mut self.ebpf else { return Ok(()) };
        let fd = match self.kept.get(name) {
            Some(fd) => fd,
            None => {
                let fd = take_map(ebpf, name).map_err(|error| format!("map {name}: {error}"))?;
                self.kept.entry(name.into()).or_insert(fd)
            }
        };
        // SAFETY: the three maps above are arrays of values of these sizes, as `monitor-common` and `monitor-ebpf` have them.
        unsafe { sys::update(fd.as_fd(), &index.to_ne_bytes(), value) }.map_err(|error| format!("map {name}: {error}"))
    }
}
