//! An index in full: P, and the contributions that add up to P - 1.

use super::{
    Contribution, Index, Mode, NodeIndex, Observation, Options, Signal, Verdict,
    judge::{self, Judged, judge},
    reference::{Baseline, Reference},
};

/// P of one signal in one mode over N nodes, with everything that it is made of.
///
/// `nodes` are all nodes that were heard in the window, by name; a node that vanished is not among them. `baseline` is asked
/// in the trailing and the pinned mode only.
pub fn index(
    signal: Signal,
    mode: Mode,
    nodes: &[(&str, &Observation)],
    baseline: &Baseline,
    options: &Options,
) -> Index {
    let (judged, reference) = judge(mode, nodes, baseline, options);
    let verdict = judge::verdict(&judged);
    let count = verdict.map_or(0, |verdict| verdict.nodes) as f64;
    let node = |(place, ((name, observation), judged)): (usize, (&(&str, &Observation), &Judged))| {
        node(place, name, observation, judged, &reference, count)
    };
    Index { signal, mode, verdict, nodes: nodes.iter().zip(&judged).enumerate().map(node).collect() }
}

/// As [`index`], without its parts.
pub fn verdict(mode: Mode, nodes: &[(&str, &Observation)], baseline: &Baseline, options: &Options) -> Option<Verdict> {
    judge::verdict(&judge(mode, nodes, baseline, options).0)
}

fn node(
    place: usize,
    name: &str,
    observation: &Observation,
    judged: &Judged,
    reference: &Reference,
    count: f64,
) -> NodeIndex {
    let means = judged.means();
    let whole = means.map(|(_, expected)| expected * judged.known.requests as f64 * count);
    let part = |(part, load): (&super::Part, &super::Load)| {
        let expected_seconds = load.requests as f64 * reference.of(place, name, part.stratum)?;
        let contribution = (load.seconds - expected_seconds) / whole?;
        Some(Contribution { part: part.clone(), load: *load, expected_seconds, contribution })
    };
    let mut parts: Vec<Contribution> =
        if whole.is_some() { observation.iter().filter_map(part).collect() } else { Vec::new() };
    // Equals stay in the order of their names.
    parts.sort_by(|a, b| b.contribution.total_cmp(&a.contribution));
    NodeIndex {
        node: name.to_owned(),
        standing: judged.standing,
        requests: judged.all.requests,
        mean_seconds: means.map(|(mean, _)| mean).or_else(|| judged.all.mean()),
        expected_seconds: means.map(|(_, expected)| expected),
        ratio: judged.ratio(),
        contribution: judged.ratio().map(|ratio| (ratio - 1.0) / count),
        left_out: judged.left_out,
        parts,
    }
}
