//! Signals of the performance index: P, its factors, and each node's ratio.

use super::{Signal, Take, Unit};

pub(super) const SIGNALS: &[&[Signal]] = &[&[
    Signal::new(
        "performance_index",
        Unit::Ratio,
        Take::Index(|verdict| verdict.p),
        "P: how many times as long as usual things take, the mean over the nodes. Absent without a verdict.",
    ),
    Signal::new(
        "performance_index_shift",
        Unit::Ratio,
        Take::Index(|verdict| verdict.shift),
        "F: the median over the nodes, how far all of them have shifted.",
    ),
    Signal::new(
        "performance_index_unevenness",
        Unit::Ratio,
        Take::Index(|verdict| verdict.unevenness),
        "S: P over F, how uneven the nodes are.",
    ),
    Signal::new(
        "performance_index_nodes",
        Unit::Count,
        Take::Index(|verdict| verdict.nodes as f64),
        "N: the nodes in P.",
    ),
    Signal::new(
        "performance_index_mean_seconds",
        Unit::Seconds,
        Take::WholeIndex(|index| {
            let judged = index.nodes.iter().filter(|node| node.ratio.is_some()).filter_map(|node| node.mean_seconds);
            let (sum, count) = judged.fold((0.0, 0u64), |(sum, count), mean| (sum + mean, count + 1));
            (count > 0).then(|| sum / count as f64)
        }),
        "The mean of T over the nodes in P; on a server only in the modes trailing and index.mode.",
    ),
    Signal::new(
        "response_ratio",
        Unit::Ratio,
        Take::NodeIndex(|node| node.ratio),
        "r: how many times as long as usual things take on one node. Absent without a verdict.",
    ),
    Signal::new(
        "response_ratio_to_fleet",
        Unit::Ratio,
        Take::NodeOfIndex(|index, node| {
            let shift = index.verdict.map(|verdict| verdict.shift).filter(|shift| *shift > 0.0)?;
            node.ratio.map(|ratio| ratio / shift)
        }),
        "r over F: how many times as slow as the fleet's middle one node is, each held against what is usual.",
    ),
    Signal::new(
        "response_mean_seconds",
        Unit::Seconds,
        Take::NodeIndex(|node| node.mean_seconds),
        "T: how long things take on one node, on average.",
    ),
    Signal::new(
        "response_expected_seconds",
        Unit::Seconds,
        Take::NodeIndex(|node| node.expected_seconds),
        "T_avg: how long the same things take on one node when all is as usual.",
    ),
    Signal::new(
        "response_requests",
        Unit::Count,
        Take::NodeIndex(|node| Some(node.requests as f64)),
        "Block requests, or waits for a CPU, of one node in the window.",
    ),
]];
