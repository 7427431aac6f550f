//! Signals that only a server has: whether its nodes are heard, and whether what they say can be taken.

use super::{Signal, Take, Unit};

pub(super) const SIGNALS: &[&[Signal]] = &[&[
    Signal::new(
        "fleet_node_silent_seconds",
        Unit::Seconds,
        Take::FleetNode(|node| Some(node.silent_seconds)),
        "How long ago the latest report of a node came, replayed ones included.",
    ),
    Signal::new(
        "fleet_node_down_seconds",
        Unit::Seconds,
        Take::FleetNode(|node| Some(node.down_seconds)),
        "For how long a node has been down; 0 while it is heard. It is down after nodes.down_after without a report.",
    ),
    Signal::new(
        "fleet_node_oldest_in_flight_seconds",
        Unit::Seconds,
        Take::FleetNode(|node| node.oldest_in_flight_seconds),
        "Age of the oldest block request in flight on a node, as its latest report says. Absent while it is down.",
    ),
    Signal::new(
        "fleet_node_reports_refused",
        Unit::Count,
        Take::FleetNode(|node| Some(node.refused as f64)),
        "Reports of a node in the window that were refused for good.",
    ),
    Signal::new(
        "fleet_node_reports_lost",
        Unit::Count,
        Take::FleetNode(|node| Some(node.lost as f64)),
        "Reports that a node had to drop before the server had them, as it said in the window.",
    ),
    Signal::new(
        "fleet_node_name_conflict",
        Unit::Flag,
        Take::FleetNode(|node| Some(f64::from(u8::from(node.conflict)))),
        "Whether another machine reports under the name of a node.",
    ),
]];
