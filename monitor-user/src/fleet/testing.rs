//! Nodes that do not exist, and reports of them.

use std::time::Duration;

use bytes::Bytes;
use prost::Message as _;

use super::{Limits, Now, Registry, Turned};
use crate::{
    host,
    index::Stratum,
    report::{check, wire},
};

/// A second in nanoseconds.
pub const S: u64 = 1_000_000_000;
/// When everything here begins.
pub const EPOCH: u64 = 1_700_000_000 * S;

/// So many seconds after the beginning, on both clocks.
pub fn at(seconds: u64) -> Now {
    Now { steady_ns: EPOCH + seconds * S, wall_ns: EPOCH + seconds * S }
}

/// A registry with the usual limits.
pub fn registry(nodes: usize) -> Registry {
    let (down_after, forget_after) = (Duration::from_secs(30), Duration::from_secs(3600));
    Registry::new(Limits { nodes, down_after, forget_after })
}

/// The agent of a node on a machine of its own.
pub fn sender(node: &str) -> wire::Sender {
    wire::Sender {
        node: node.into(),
        machine: node.as_bytes().into(),
        boot_id: "boot".into(),
        instance: 1,
        agent_version: "test".into(),
    }
}

/// Requests of a stratum on the disk `disk`: how many, and their times added up.
pub type Requests = (Stratum, u64, u64);

/// A report of ten seconds that ended then.
pub fn report(sequence: u64, end: u64, requests: &[Requests]) -> wire::Report {
    let mut block = wire::Block::default();
    for &(stratum, count, ns) in requests {
        let class = match stratum.class {
            host::Class::Rotational => wire::Class::Rotational,
            host::Class::Nvme => wire::Class::Nvme,
            _ => wire::Class::Unknown,
        };
        let size = wire::Size {
            size: stratum.size.into(),
            requests: count,
            bytes: count * 4096,
            timed: count,
            queue_ns: 0,
            device_ns: ns,
        };
        let total = wire::Histogram { sum_ns: ns, gaps: vec![150], counts: vec![count] };
        let operation = wire::Operation {
            operation: stratum.operation.into(),
            sizes: vec![size],
            total: Some(total),
            ..wire::Operation::default()
        };
        let name = format!("disk{}{}", stratum.operation, stratum.size);
        let device = wire::Device { name, class: class.into(), operations: vec![operation], ..wire::Device::default() };
        block.devices.push(device);
    }
    wire::Report { sequence, end_ns: EPOCH + end * S, length_ns: 10 * S, block: Some(block), ..wire::Report::default() }
}

/// Sends reports as the server would take them: how many were refused.
///
/// # Errors
///
/// As [`Registry::admit`].
pub fn send(
    registry: &Registry,
    sender: &wire::Sender,
    reports: Vec<wire::Report>,
    now: Now,
) -> Result<Vec<Result<(), check::Refused>>, Turned> {
    let admission = registry.admit(sender, reports.iter(), 0, now)?;
    let taken = reports.into_iter().zip(&admission).filter(|(_, taken)| taken.is_ok()).map(|(report, _)| {
        let bytes = Bytes::from(report.encode_to_vec());
        (report, bytes)
    });
    registry.stored(sender, taken, None, now.wall_ns, now);
    Ok(admission)
}
