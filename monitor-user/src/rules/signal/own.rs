//! Signals of the agent itself: what it costs, what it loses, and whether it is right.

use super::{Signal, Take, Unit, domain::cpus};
use crate::rules::moment::{Moment, Own};

fn own<'a>(moment: &Moment<'a>) -> Option<&'a Own> {
    moment.own
}

/// The process, and the programs where the kernel says what they take.
fn machine_share(moment: &Moment) -> Option<f64> {
    let own = own(moment)?;
    Some((own.cpu? + own.programs_cpu.unwrap_or(0.0)) / cpus(moment).count() as f64)
}

pub(super) const SIGNALS: &[&[Signal]] = &[&[
    Signal::new(
        "agent_cpu",
        Unit::Proportion,
        Take::Node(|m| own(m)?.cpu),
        "CPU time of the agent's process; 100 % is one CPU. The programs in the kernel are not in it.",
    ),
    Signal::new(
        "agent_programs_cpu",
        Unit::Proportion,
        Take::Node(|m| own(m)?.programs_cpu),
        "CPU time of the programs in the kernel as it was last measured; 100 % is one CPU. Absent where they cannot be timed.",
    ),
    Signal::new(
        "agent_machine_share",
        Unit::Share,
        Take::Node(machine_share),
        "CPU time of the agent, with its programs where the kernel says it, over that of all CPUs.",
    ),
    Signal::new(
        "agent_programs_step",
        Unit::Count,
        Take::Node(|m| Some(own(m)?.steps?[0] as f64)),
        "How many things the programs have given up to stay within budget.programs: 1 records of single things, 2 sizes of \
         requests, 3 histograms, 4 the scheduler's probe, 5 the probe of block requests.",
    ),
    Signal::new(
        "agent_process_step",
        Unit::Count,
        Take::Node(|m| Some(own(m)?.steps?[1] as f64)),
        "How many things the process has given up to stay within budget.process: 1 reading all tasks with every sample, \
         2 the usual interval.",
    ),
    Signal::new(
        "agent_resident_bytes",
        Unit::Bytes,
        Take::Node(|m| Some(own(m)?.resident_bytes? as f64)),
        "Resident memory of the agent's process.",
    ),
    Signal::new(
        "agent_map_bytes",
        Unit::Bytes,
        Take::Node(|m| Some(own(m)?.map_bytes? as f64)),
        "Memory of the programs' maps in the kernel.",
    ),
    Signal::new(
        "agent_collections_failed",
        Unit::Count,
        Take::Node(|m| Some(own(m)?.collections_failed as f64)),
        "Collections in the window that failed.",
    ),
    Signal::new(
        "agent_agreement_ratio",
        Unit::Ratio,
        Take::Agreement(|ratio| ratio),
        "Our count over the kernel's own in the last five to ten minutes; it should be 1.",
    ),
    Signal::new(
        "agent_agreement_error",
        Unit::Proportion,
        Take::Agreement(|ratio| (ratio - 1.0).abs()),
        "How far our count is from the kernel's own, either way.",
    ),
    Signal::new(
        "agent_reports_waiting_seconds",
        Unit::Seconds,
        Take::Node(|m| {
            let oldest_ns = own(m)?.reports?.oldest_ns;
            Some(oldest_ns.map_or(0.0, |oldest_ns| m.now_realtime_ns.saturating_sub(oldest_ns) as f64 / 1e9))
        }),
        "How long ago the oldest interval ended whose report the fleet's server has not got yet; 0 if it has all.",
    ),
    Signal::new("agent_probe_off", Unit::Flag, Take::ProbeOff, "Whether a probe does not measure that should."),
    Signal::new(
        "discards_share",
        Unit::Share,
        Take::Discard(|discarded, counted, _| (discarded + counted > 0.0).then(|| discarded / (discarded + counted))),
        "Share of what a probe saw and did not count, because the times were not to be believed or had no room.",
    ),
    Signal::new(
        "discards_per_second",
        Unit::PerSecond,
        Take::Discard(|discarded, _, seconds| Some(discarded / seconds)),
        "What a probe saw and did not count, a second.",
    ),
]];
