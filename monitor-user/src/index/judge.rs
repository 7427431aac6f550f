//! r of each node, and P = F * S over them.
//!
//! In: what each node did in a window, the mode, a baseline. Out: how each node stands, and the [`Verdict`]. This is all the
//! arithmetic there is; [`super::explain`] only splits it.

use super::{
    Load, Mode, Observation, Options, Standing, Verdict,
    load::{is_plausible, total},
    reference::{Baseline, Reference, mean, median},
};

/// How one node stands.
#[derive(Clone, Debug)]
pub(super) struct Judged {
    pub standing: Standing,
    /// Requests in the window.
    pub all: Load,
    /// Those of them that have a reference.
    pub known: Load,
    /// The others.
    pub left_out: Load,
    /// T_avg: what those with a reference usually take on average, in seconds; 0 if there are none.
    pub expected_mean: f64,
}

impl Judged {
    /// T of the requests that have a reference, and T_avg, if there is a verdict.
    pub fn means(&self) -> Option<(f64, f64)> {
        let mean = self.known.mean().filter(|_| self.standing == Standing::Judged)?;
        Some((mean, self.expected_mean))
    }

    /// r, if there is a verdict.
    pub fn ratio(&self) -> Option<f64> {
        self.means().map(|(mean, expected)| mean / expected)
    }
}

/// Every node, in the order given, and the reference that they were held against.
pub(super) fn judge<'a>(
    mode: Mode,
    nodes: &[(&str, &Observation)],
    baseline: &'a Baseline<'a>,
    options: &Options,
) -> (Vec<Judged>, Reference<'a>) {
    let loads: Vec<Load> = nodes.iter().map(|(_, node)| total(node)).collect();
    let admitted: Vec<Standing> = nodes.iter().zip(&loads).map(|((_, node), all)| admit(node, all, options)).collect();
    let counted: Vec<Option<&Observation>> = nodes
        .iter()
        .zip(&admitted)
        .map(|((_, node), standing)| (*standing == Standing::Judged).then_some(*node))
        .collect();
    let reference = Reference::new(mode, &counted, baseline);
    let judged = nodes.iter().zip(admitted).zip(loads).enumerate();
    let judged = judged.map(|(place, (((name, node), standing), all))| {
        // What cannot be is in no figure.
        let all = if standing == Standing::Refused { Load::default() } else { all };
        let unknown = Judged { standing, all, known: Load::default(), left_out: all, expected_mean: 0.0 };
        if standing != Standing::Judged {
            return unknown;
        }
        hold_against(&reference, place, name, node, options, unknown)
    });
    (judged.collect(), reference)
}

/// Whether a node counts: [`Standing::Judged`] if it does.
fn admit(node: &Observation, all: &Load, options: &Options) -> Standing {
    match all.requests {
        _ if !is_plausible(node) => Standing::Refused,
        0 => Standing::Idle,
        requests if requests < options.min_requests => Standing::TooFew,
        _ => Standing::Judged,
    }
}

fn hold_against(
    reference: &Reference,
    place: usize,
    name: &str,
    node: &Observation,
    options: &Options,
    mut judged: Judged,
) -> Judged {
    judged.left_out = Load::default();
    let mut expected_seconds = 0.0;
    for (part, load) in node {
        match reference.of(place, name, part.stratum) {
            Some(seconds) => {
                expected_seconds += load.requests as f64 * seconds;
                judged.known.add(*load);
            }
            None => judged.left_out.add(*load),
        }
    }
    judged.expected_mean = match reference {
        Reference::Common(mean) => *mean,
        _ => expected_seconds / judged.known.requests.max(1) as f64,
    };
    // However much there is of what is not known: a newcomer that fills a disk makes those slow that are known.
    if judged.known.requests < options.min_requests.max(1) {
        judged.standing = match reference {
            Reference::Baseline(_) => Standing::Learning,
            _ => Standing::NoPeers,
        };
    }
    judged
}

/// P, F and S; absent if no node has a verdict.
///
/// P is the sum of T_i / (N * T_avg,i). Nodes in a row with the same T_avg are added up before they are divided by it: the
/// same number, with one rounding for all of them. So `instant-mean` divides a mean by itself, which is exactly 1.
pub(super) fn verdict(judged: &[Judged]) -> Option<Verdict> {
    let means: Vec<(f64, f64)> = judged.iter().filter_map(Judged::means).collect();
    let shift = median(means.iter().map(|(mean, expected)| mean / expected).collect())?;
    let share =
        |row: &[(f64, f64)]| mean(row.iter().map(|(mean, _)| *mean)) / row[0].1 * row.len() as f64 / means.len() as f64;
    let p = means.chunk_by(|a, b| a.1 == b.1).map(share).sum::<f64>();
    Some(Verdict { p, shift, unevenness: if shift > 0.0 { p / shift } else { 1.0 }, nodes: means.len() as u64 })
}
