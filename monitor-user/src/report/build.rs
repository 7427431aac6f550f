//! A report, from two samples: sums straight from the counters, so nothing is rounded and reports add up exactly.
//!
//! In: two [`Sample`]s at the ends of an interval, and the agent's own [`Status`] then. Out: a [`wire::Report`] without a
//! sequence and metadata, which who sends it adds. What is beyond the [`limits`] is left out, the least first.

mod block;
mod host;
mod tasks;

use std::{collections::BTreeSet, sync::Arc};

use monitor_common::sched::Switch;

use super::{
    limits::{self, clip},
    wire,
};
use crate::{
    alert::{Alert, State},
    sample::{self, Sample},
    status::Status,
    window::{self, Refused, both, sched::growth_of_cpus},
};

/// An end of an interval.
#[derive(Clone, Copy, Debug)]
pub struct Edge<'a> {
    /// The counters.
    pub sample: &'a Sample,
    /// The agent's own; absent where nobody knows. Probes that the configuration turns off are not in it.
    pub status: Option<&'a Status>,
}

/// What of a node was in an interval.
///
/// `top_tasks`: how many tasks and cgroups are named by each measure; 0 for none, and then nothing is said of tasks at all.
///
/// # Errors
/// If the samples have no difference, as [`window::derive`].
pub fn build(earlier: Edge<'_>, later: Edge<'_>, top_tasks: usize) -> Result<wire::Report, Refused> {
    let (from, to) = (earlier.sample, later.sample);
    let length_ns = window::length_ns(from, to)?;
    let cpus = both(&from.sched, &to.sched);
    let events = both(&from.events, &to.events).map(|(from, to)| window::events(from, to)).transpose()?;
    // As many as there is room for when each measure has others.
    let options = window::Options { top_tasks: top_tasks.min(limits::TASKS / 3) };
    let tasks = (top_tasks > 0).then(|| window::tasks::derive(from, to, length_ns, &options)).flatten();
    Ok(wire::Report {
        end_ns: to.realtime_ns,
        length_ns,
        sched: cpus.map(|(from, to)| sched(from, to)).transpose()?,
        block: block::build(from, to)?,
        host: Some(host::build(&from.host, &to.host)),
        tasks: tasks.as_ref().map(tasks::build),
        events: events.iter().flat_map(of_kinds).collect(),
        own: earlier.status.zip(later.status).map(|(from, to)| own(from, to, length_ns)),
        ..wire::Report::default()
    })
}

fn sched(from: &sample::Sched, to: &sample::Sched) -> Result<wire::Sched, Refused> {
    let mut out = wire::Sched::default();
    let mut wait = crate::histogram::Histogram::default();
    for growth in growth_of_cpus(from, to) {
        let (cpu, online, grown) = growth?;
        let switches = window::sum(grown.switches);
        out.switches = out.switches.saturating_add(switches);
        out.preemptions = out.preemptions.saturating_add(grown.switches[Switch::Preempted as usize]);
        out.discards = out.discards.saturating_add(grown.discards);
        wait.merge(&grown.wait);
        out.plain_waits = out.plain_waits.saturating_add(grown.plain_waits);
        out.plain_wait_ns = out.plain_wait_ns.saturating_add(grown.plain_wait_ns);
        if online || grown.busy_ns > 0 || grown.idle_ns > 0 || switches > 0 {
            let (busy_ns, idle_ns) = (grown.busy_ns, grown.idle_ns);
            out.cpus.push(wire::Cpu { cpu, busy_ns, idle_ns, switches, offline: !online });
        }
    }
    out.cpus.truncate(limits::CPUS);
    out.wait = wire::Histogram::of(&wait);
    Ok(out)
}

fn of_kinds(events: &sample::Events) -> impl Iterator<Item = wire::Events> {
    let counts = events.seen.into_iter().zip(events.dropped);
    (0..).zip(counts).map(|(kind, (seen, dropped))| wire::Events { kind, seen, dropped })
}

fn own(from: &Status, to: &Status, length_ns: u64) -> wire::Own {
    let grown = |from: Option<u64>, to: Option<u64>| to?.checked_sub(from?);
    let programs = |status: &Status| {
        let known: Vec<u64> = status.programs.iter().filter_map(|program| program.run_ns).collect();
        (!known.is_empty()).then(|| window::sum(known))
    };
    wire::Own {
        cpu_ns: grown(from.cpu_ns, to.cpu_ns),
        programs_ns: match &to.budget {
            // The kernel times them for moments only: what they took then stands for the rest.
            Some(budget) => budget.unmeasured.is_none().then(|| {
                let cpus: f64 = budget.programs.iter().map(|(_, cpus)| cpus).sum();
                (cpus * length_ns as f64) as u64
            }),
            None => grown(programs(from), programs(to)),
        },
        resident_bytes: to.resident_bytes,
        map_bytes: to.map_bytes,
        collections_failed: to.collections_failed.saturating_sub(from.collections_failed),
        agreement: to
            .agreement
            .iter()
            .filter(|(_, ratio)| ratio.is_finite())
            .map(|(figure, ratio)| wire::Agreement { figure: clip(figure, limits::NAME_BYTES), ratio: *ratio })
            .collect(),
        probes: to
            .probes
            .iter()
            .map(|probe| wire::Probe {
                probe: clip(&probe.name, limits::NAME_BYTES),
                reason: clip(&probe.reason, limits::TEXT_BYTES),
                off: !probe.on,
            })
            .collect(),
        steps: to.budget.iter().flat_map(|budget| [budget.step as u32, budget.process_step as u32]).collect(),
    }
}

/// Those of the agent's alerts that are pending or firing.
pub fn alerts<'a>(alerts: impl IntoIterator<Item = &'a Arc<Alert>>) -> Vec<wire::ActiveAlert> {
    let active = alerts.into_iter().filter(|alert| matches!(alert.state, State::Pending | State::Firing));
    let mut seen = BTreeSet::new();
    let wire = |alert: &Arc<Alert>| wire::ActiveAlert {
        id: clip(&alert.id, limits::NAME_BYTES),
        rule: clip(&alert.rule, limits::NAME_BYTES),
        severity: alert.severity as u32,
        firing: alert.state == State::Firing,
        since_ns: alert.changed_ns(),
        summary: alert.annotations.get("summary").map(|text| clip(text, limits::TEXT_BYTES)).unwrap_or_default(),
    };
    active.filter(|alert| seen.insert(alert.id.clone())).take(limits::ALERTS).map(wire).collect()
}
