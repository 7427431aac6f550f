//! What rules judge: one moment of a node.
//!
//! In: a window, the indices over it, and the agent's own use. Out: [`super::signal`] takes every value from here.

use serde::{Deserialize, Serialize};

use crate::{index::Index, status::Status, window::Window};

/// One moment of a node, as rules see it.
#[derive(Clone, Copy, Debug)]
pub struct Moment<'a> {
    /// Now, on a clock that never goes back (`CLOCK_MONOTONIC`), in nanoseconds. `for` and `keep_firing_for` are measured on it.
    pub now_ns: u64,
    /// Now, in nanoseconds since 1970. For people, and for what has to survive a restart.
    pub now_realtime_ns: u64,
    /// What happened in the window that ends now.
    pub window: &'a Window,
    /// How it compares with what is usual, by signal and mode.
    pub indices: &'a [Index],
    /// What the agent itself used and how well it measures; absent where nobody knows.
    pub own: Option<&'a Own>,
    /// What a server knows of its nodes; absent on a node.
    pub fleet: Option<&'a Fleet>,
}

/// What a server knows of its nodes besides their times.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fleet {
    /// Each node that it knows, by name.
    pub nodes: Vec<FleetNode>,
}

/// One node as the server sees it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FleetNode {
    /// Its name.
    pub node: String,
    /// Since the latest report came, in seconds.
    pub silent_seconds: f64,
    /// For how long it has been down, in seconds: 0 while it is heard.
    pub down_seconds: f64,
    /// Age of the oldest block request in flight when it was last heard, in seconds; absent if it is down or does not say.
    pub oldest_in_flight_seconds: Option<f64>,
    /// Its reports in the window that were refused.
    pub refused: u64,
    /// Its reports in the window of which it says that they will never come.
    pub lost: u64,
    /// Whether another machine uses its name.
    pub conflict: bool,
}

/// The agent itself in a window.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Own {
    /// CPU time of the agent's process, in CPUs (1 is one of them, all the time).
    pub cpu: Option<f64>,
    /// CPU time of the programs in the kernel, in CPUs; absent while the kernel's BPF statistics are off.
    pub programs_cpu: Option<f64>,
    /// Resident memory in bytes.
    pub resident_bytes: Option<u64>,
    /// Memory of the programs' maps in bytes.
    pub map_bytes: Option<u64>,
    /// Collections that failed in the window.
    pub collections_failed: u64,
    /// Our count over the kernel's own, by figure.
    pub agreement: Vec<(String, f64)>,
    /// Reports to the fleet's server; absent where none are sent.
    #[serde(default)]
    pub reports: Option<Reports>,
    /// How many steps the programs and the process have taken down; absent where nobody measures them.
    #[serde(default)]
    pub steps: Option<[usize; 2]>,
    /// Each probe that should measure, and whether it does. One that the configuration turns off is not here.
    pub probes: Vec<(String, bool)>,
}

/// Reports to the fleet's server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reports {
    /// When the oldest ended that the server has not got yet, in nanoseconds since 1970; absent if it has all.
    pub oldest_ns: Option<u64>,
}

impl Own {
    /// What the agent used between two of its states that lie `seconds` apart. Probes are all those the later one knows: leave
    /// out those that are off on purpose.
    pub fn between(earlier: &Status, later: &Status, seconds: f64) -> Self {
        let grown = |from: u64, to: u64| to.checked_sub(from).map(|ns| ns as f64 / 1e9 / seconds);
        let cpus = |from: Option<u64>, to: Option<u64>| grown(from?, to?).filter(|cpus| cpus.is_finite());
        let run_ns = |status: &Status| {
            let known: Vec<u64> = status.programs.iter().filter_map(|program| program.run_ns).collect();
            (!known.is_empty()).then(|| known.into_iter().fold(0, u64::saturating_add))
        };
        let budget = later.budget.as_ref();
        // The kernel's own count grows only while the programs are timed, which is a hundredth of the time.
        let timed = budget.map(|budget| budget.programs.iter().map(|(_, cpus)| cpus).sum());
        Self {
            cpu: cpus(earlier.cpu_ns, later.cpu_ns),
            programs_cpu: match budget {
                Some(budget) => timed.filter(|_| budget.unmeasured.is_none()),
                None => cpus(run_ns(earlier), run_ns(later)),
            },
            steps: budget.map(|budget| [budget.step, budget.process_step]),
            resident_bytes: later.resident_bytes,
            map_bytes: later.map_bytes,
            collections_failed: later.collections_failed.saturating_sub(earlier.collections_failed),
            agreement: later.agreement.clone(),
            reports: later.shipping.as_ref().map(|shipping| Reports { oldest_ns: shipping.oldest_ns }),
            probes: later.probes.iter().map(|probe| (probe.name.clone(), probe.on)).collect(),
        }
    }

    /// Whether this probe should measure and does not.
    pub fn lacks(&self, probe: &str) -> bool {
        self.probes.iter().any(|(name, on)| name == probe && !on)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::{ProbeState, Program};

    #[test]
    fn the_agents_use_is_the_difference_of_its_counters() {
        let program = |run_ns| Program { name: "p".into(), run_ns, ..Program::default() };
        let status = |cpu_ns, run_ns, collections_failed| Status {
            cpu_ns: Some(cpu_ns),
            programs: vec![program(run_ns), program(run_ns)],
            collections_failed,
            probes: vec![ProbeState { name: "block".into(), on: false, reason: "why".into() }],
            ..Status::default()
        };
        let (earlier, later) = (status(1_000_000_000, Some(5), 2), status(3_000_000_000, Some(1_000_000_005), 5));
        let own = Own::between(&earlier, &later, 4.0);
        assert_eq!((own.cpu, own.programs_cpu, own.collections_failed), (Some(0.5), Some(0.5), 3));
        assert!(own.lacks("block") && !own.lacks("sched"));
        // The kernel's statistics went on in between; the agent started anew.
        let own = Own::between(&status(9_000_000_000, None, 9), &later, 4.0);
        assert_eq!((own.cpu, own.programs_cpu, own.collections_failed), (None, None, 0));
    }
}
