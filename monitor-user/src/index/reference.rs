//! T_avg: what a node's requests would have taken, in each mode.
//!
//! In: the loads of the nodes that count in this window, and for the trailing and the pinned mode a baseline. Out: seconds a
//! request by stratum. The peers' modes compare like with like as well: a reference is made for each stratum, of the nodes
//! that did such requests. Only `instant-mean` is the formula as it reads, one mean for all.

use std::collections::BTreeMap;

use super::{Load, Mode, Observation, Stratum, load::is_reference};

/// Looks up a baseline: seconds a request, by node and stratum; absent while it is not known.
pub type Baseline<'a> = dyn Fn(&str, Stratum) -> Option<f64> + 'a;

/// The fewest nodes that are compared with each other, as a whole and in a stratum.
pub const MIN_PEERS: usize = 3;

/// The fewest requests in a stratum that make a node somebody's peer there: the mean of fewer says little.
const PEER_REQUESTS: u64 = 10;

/// T_avg of one window in one mode.
pub(super) enum Reference<'a> {
    /// By node and stratum, from before the window.
    Baseline(&'a Baseline<'a>),
    /// By stratum, the same for all nodes.
    Strata(BTreeMap<Stratum, f64>),
    /// By stratum and node, the node counted from 0.
    Others(BTreeMap<Stratum, Vec<Option<f64>>>),
    /// The same for all.
    Common(f64),
    /// The mode compares nodes, and there are too few of them.
    NoPeers,
}

impl<'a> Reference<'a> {
    /// Of these nodes; absent are those that do not count.
    pub(super) fn new(mode: Mode, nodes: &[Option<&Observation>], baseline: &'a Baseline<'a>) -> Self {
        let peers = nodes.iter().flatten().count();
        match mode {
            Mode::Trailing | Mode::Pinned => Self::Baseline(baseline),
            Mode::InstantMean => {
                let means = nodes.iter().flatten().filter_map(|node| super::load::total(node).mean());
                Self::Common(mean(means))
            }
            _ if peers < MIN_PEERS => Self::NoPeers,
            Mode::FleetMedian => Self::Strata(by_stratum(nodes, |loads| median(peer_means(loads).flatten().collect()))),
            Mode::RequestWeighted => Self::Strata(by_stratum(nodes, |loads| {
                let mut sum = Load::default();
                loads.iter().for_each(|load| sum.add(*load));
                sum.mean()
            })),
            Mode::LeaveOneOut => Self::Others(by_stratum(nodes, |loads| Some(means_of_others(loads)))),
        }
    }

    /// For the node with this place and name, in seconds a request.
    pub(super) fn of(&self, place: usize, name: &str, stratum: Stratum) -> Option<f64> {
        let reference = match self {
            Self::Baseline(baseline) => baseline(name, stratum),
            Self::Strata(strata) => strata.get(&stratum).copied(),
            Self::Others(strata) => strata.get(&stratum).and_then(|nodes| nodes.get(place).copied().flatten()),
            Self::Common(mean) => Some(*mean),
            Self::NoPeers => None,
        };
        reference.filter(|seconds| is_reference(*seconds))
    }
}

/// The one way to take a mean over nodes: what two places compute of the same numbers is the same to the last bit.
pub(super) fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0u64), |(sum, count), value| (sum + value, count + 1));
    sum / count as f64
}

/// The middle, or the mean of the two in the middle; absent without values.
pub(super) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    Some(if values.len() % 2 == 1 { upper } else { (values[middle - 1] + upper) / 2.0 })
}

/// Calls `make` with the loads of all nodes in each stratum that has enough peers.
fn by_stratum<T>(nodes: &[Option<&Observation>], make: impl Fn(&[Load]) -> Option<T>) -> BTreeMap<Stratum, T> {
    let mut strata = BTreeMap::<Stratum, Vec<Load>>::new();
    for (place, node) in nodes.iter().enumerate() {
        for (part, load) in node.iter().flat_map(|node| node.iter()) {
            strata.entry(part.stratum).or_insert_with(|| vec![Load::default(); nodes.len()])[place].add(*load);
        }
    }
    let with_peers = strata.into_iter().filter(|(_, loads)| peer_means(loads).flatten().count() >= MIN_PEERS);
    with_peers.filter_map(|(stratum, loads)| Some((stratum, make(&loads)?))).collect()
}

fn peer_means(loads: &[Load]) -> impl Iterator<Item = Option<f64>> {
    loads.iter().map(|load| load.mean().filter(|_| load.requests >= PEER_REQUESTS))
}

/// For each node the mean of the other peers' means. From sums of both sides of it: to take a node out of the sum of all
/// would lose the others beside one that is very slow.
fn means_of_others(loads: &[Load]) -> Vec<Option<f64>> {
    let means: Vec<Option<f64>> = peer_means(loads).collect();
    let add = |(sum, count): (f64, u64), mean: &Option<f64>| mean.map_or((sum, count), |mean| (sum + mean, count + 1));
    let mut after = vec![(0.0, 0); means.len() + 1];
    for place in (0..means.len()).rev() {
        after[place] = add(after[place + 1], &means[place]);
    }
    let mut before = (0.0, 0);
    let of_others = |(place, own): (usize, &Option<f64>)| {
        let (sum, count) = (before.0 + after[place + 1].0, before.1 + after[place + 1].1);
        before = add(before, own);
        (count > 0).then(|| sum / count as f64)
    };
    means.iter().enumerate().map(of_others).collect()
}
