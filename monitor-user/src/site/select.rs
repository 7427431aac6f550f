//! Which nodes, and in what order: from all of them to the part that is asked for.

use std::cmp::Ordering;

use super::model::{Node, Page, Presence};
use crate::index::Signal;

/// In what order nodes come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The worst first: the largest r, then those without a verdict.
    #[default]
    Ratio,
    /// By name.
    Name,
    /// The busiest CPUs first.
    Utilization,
    /// The longest waits first.
    Wait,
    /// The longest requests first.
    Request,
    /// Those that were heard the longest ago first.
    Heard,
}

impl Order {
    /// All of them, and what they are called.
    pub const ALL: &'static [(&'static str, Self, &'static str)] = &[
        ("ratio", Self::Ratio, "r, worst first"),
        ("name", Self::Name, "name"),
        ("utilization", Self::Utilization, "CPU busy"),
        ("wait", Self::Wait, "wait p99"),
        ("request", Self::Request, "request p99"),
        ("heard", Self::Heard, "silent the longest"),
    ];
}

/// What is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Part of the name, in lower case; all if empty.
    pub name: String,
    /// How they are heard.
    pub presence: Option<Presence>,
    /// Only those about which an alert fires.
    pub firing: bool,
    /// Whose r; the larger of both if absent.
    pub signal: Option<Signal>,
    /// In what order.
    pub order: Order,
    /// How many come before.
    pub offset: u64,
    /// How many at most.
    pub limit: u64,
}

/// The part of the nodes that is asked for.
pub fn select(mut nodes: Vec<Node>, asked: &Selection) -> Page<Node> {
    nodes.retain(|node| {
        (asked.name.is_empty() || node.name.to_lowercase().contains(&asked.name))
            && asked.presence.is_none_or(|presence| node.presence == presence)
            && (!asked.firing || node.firing > 0)
    });
    nodes.sort_by(|a, b| {
        let figure = |of: fn(&Node) -> Option<f64>| most_first(of(a), of(b));
        let order = match asked.order {
            Order::Ratio => most_first(worst(a, asked.signal), worst(b, asked.signal)),
            Order::Name => Ordering::Equal,
            Order::Utilization => figure(|node| node.utilization),
            Order::Wait => figure(|node| node.wait_p99),
            Order::Request => figure(|node| node.request_p99),
            Order::Heard => a.heard_ns.cmp(&b.heard_ns),
        };
        order.then_with(|| a.name.cmp(&b.name))
    });
    Page::of(nodes.into_iter(), asked.offset, asked.limit)
}

/// Its r of one signal, or the larger of both.
pub fn worst(node: &Node, signal: Option<Signal>) -> Option<f64> {
    let of = |signal| node.ratio(signal);
    match signal {
        Some(signal) => of(signal),
        None => Signal::ALL.iter().filter_map(|&signal| of(signal)).max_by(f64::total_cmp),
    }
}

/// Largest first, absent last.
fn most_first(a: Option<f64>, b: Option<f64>) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => b.total_cmp(&a),
        (a, b) => b.is_some().cmp(&a.is_some()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::Source as _;
    use crate::site::tests::story::Story;

    fn names(asked: Selection) -> Vec<String> {
        select(Story::new(7).nodes(), &asked).items.into_iter().map(|node| node.name).collect()
    }

    #[test]
    fn the_worst_come_first_and_those_without_a_verdict_last() {
        let nodes = Story::new(7).nodes();
        let page = select(nodes.clone(), &Selection { limit: 1000, ..Selection::default() });
        assert_eq!(page.total as usize, nodes.len());
        let ratios: Vec<_> = page.items.iter().map(|node| worst(node, None)).collect();
        assert!(ratios.windows(2).all(|pair| match (pair[0], pair[1]) {
            (Some(a), Some(b)) => a >= b,
            (None, Some(_)) => false,
            _ => true,
        }));
        assert!(ratios.last().unwrap().is_none(), "the story has a node without a verdict");
    }

    #[test]
    fn a_list_is_cut_into_pages_without_gap_or_overlap() {
        let whole = names(Selection { limit: 1000, ..Selection::default() });
        let mut parts = Vec::new();
        let mut offset = Some(0);
        while let Some(at) = offset {
            let page = select(Story::new(7).nodes(), &Selection { offset: at, limit: 7, ..Selection::default() });
            offset = page.next;
            parts.extend(page.items.into_iter().map(|node| node.name));
        }
        assert_eq!(parts, whole);
        assert!(names(Selection { offset: 100_000, limit: 7, ..Selection::default() }).is_empty());
    }

    #[test]
    fn nodes_are_found_by_part_of_the_name_and_by_presence() {
        let asked = Selection { name: "db-".into(), order: Order::Name, limit: 100, ..Selection::default() };
        let found = names(asked.clone());
        assert!(!found.is_empty() && found.iter().all(|name| name.contains("db-")) && found.is_sorted());
        assert_eq!(names(Selection { presence: Some(Presence::Silent), ..asked }).len(), 0);
        let silent = Selection { presence: Some(Presence::Silent), limit: 100, ..Selection::default() };
        assert_eq!(names(silent), ["web-09"]);
    }
}
