//! Reports of nodes that do not exist.

use prost::Message as _;

use super::Incoming;
use crate::report::wire;

/// Between two reports.
pub(super) const STEP_NS: u64 = 10_000_000_000;
/// When the story begins: a full hour.
pub(super) const BEGIN_NS: u64 = 1_800_000_000_000_000_000;

/// The n-th report of a node, which ends n steps after the beginning. Its number of switches is a power of two, so that a sum says
/// what is in it.
pub(super) fn report(sequence: u64) -> wire::Report {
    let wait = wire::Histogram { sum_ns: sequence, gaps: vec![(sequence % 20) as u32], counts: vec![1] };
    wire::Report {
        sequence,
        end_ns: BEGIN_NS + sequence * STEP_NS,
        length_ns: STEP_NS,
        sched: Some(wire::Sched { switches: 1 << (sequence % 6), wait: Some(wait), ..wire::Sched::default() }),
        ..wire::Report::default()
    }
}

/// The same on its way into the store, at its own time.
pub(super) fn incoming(node: &str, sequence: u64) -> Incoming {
    let report = report(sequence);
    Incoming {
        node: node.into(),
        sender: wire::Sender {
            node: node.into(),
            machine: node.as_bytes().to_vec(),
            boot_id: "boot".into(),
            instance: 7,
            agent_version: "0".into(),
        },
        sequence,
        end_ns: report.end_ns,
        received_ns: report.end_ns,
        bytes: report.encode_to_vec().into(),
    }
}
