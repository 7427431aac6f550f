use proptest::{collection::vec, prelude::*};

use super::{testing::any_observation, *};

const READ: Stratum = Stratum { class: Class::Nvme, operation: 0, size: 1 };
const WRITE: Stratum = Stratum { class: Class::Nvme, operation: 1, size: 1 };
const ALL: Options = Options { min_requests: 1 };

fn done(parts: &[(&str, Stratum, u64, f64)]) -> Observation {
    let load = |&(device, stratum, requests, seconds): &(&str, Stratum, u64, f64)| {
        (Part { device: device.into(), stratum }, Load { requests, seconds })
    };
    parts.iter().map(load).collect()
}

fn named(nodes: &[Observation]) -> Vec<(String, &Observation)> {
    nodes.iter().enumerate().map(|(n, node)| (format!("node{n}"), node)).collect()
}

fn of(mode: Mode, nodes: &[Observation], options: &Options, baseline: &Baseline) -> Index {
    let names = named(nodes);
    let nodes: Vec<_> = names.iter().map(|(name, node)| (&name[..], *node)).collect();
    let index = index(Signal::Block, mode, &nodes, baseline, options);
    assert_eq!(verdict(mode, &nodes, baseline, options), index.verdict);
    index
}

fn one_ms(_: &str, _: Stratum) -> Option<f64> {
    Some(1e-3)
}

/// Each node did 100 reads of that mean time in milliseconds.
fn reads(means: &[f64]) -> Vec<Observation> {
    means.iter().map(|mean| done(&[("sda", READ, 100, mean / 10.0)])).collect()
}

fn ratios(index: &Index) -> Vec<f64> {
    index.nodes.iter().filter_map(|node| node.ratio).map(|ratio| (ratio * 1e3).round() / 1e3).collect()
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * (1.0 + a.abs().max(b.abs()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// The sums that the issue of an alert rests on. A contribution is a difference of two nearly equal numbers: what is
    /// lost is of the order of the larger, hence the scale.
    #[test]
    fn contributions_add_up_to_p_less_one(nodes in vec(any_observation(), 0..8), mode in 0..Mode::COUNT, min_requests in 1u64..3_000) {
        let usual = |node: &str, stratum: Stratum| {
            (stratum.size < 2 || node != "node0").then(|| 1e-3 * f64::from(stratum.operation + 1))
        };
        let index = of(Mode::ALL[mode], &nodes, &Options { min_requests }, &usual);
        let judged: Vec<_> = index.nodes.iter().filter(|node| node.standing == Standing::Judged).collect();
        prop_assert_eq!(index.verdict.map_or(0, |v| v.nodes), judged.len() as u64);
        let Some(verdict) = index.verdict else { return Ok(()) };
        let largest = judged.iter().filter_map(|n| n.ratio).fold(1.0, f64::max);
        let near = |a: f64, b: f64| (a - b).abs() <= 1e-12 * largest * 64.0;
        prop_assert!(near(judged.iter().filter_map(|n| n.contribution).sum(), verdict.p - 1.0));
        prop_assert!(close(verdict.p, verdict.shift * verdict.unevenness));
        for node in judged {
            prop_assert!(near(node.parts.iter().map(|p| p.contribution).sum(), node.contribution.unwrap()));
            prop_assert!(close(node.ratio.unwrap(), node.mean_seconds.unwrap() / node.expected_seconds.unwrap()));
            let known: u64 = node.parts.iter().map(|p| p.load.requests).sum();
            prop_assert_eq!(known + node.left_out.requests, node.requests);
            prop_assert!(node.parts.is_sorted_by(|a, b| a.contribution >= b.contribution));
        }
    }

    #[test]
    fn the_literal_formula_is_exactly_one(nodes in vec(any_observation(), 1..40), min_requests in 1u64..3_000) {
        let index = of(Mode::InstantMean, &nodes, &Options { min_requests }, &|_, _| None);
        if let Some(verdict) = index.verdict {
            prop_assert_eq!(verdict.p.to_bits(), 1f64.to_bits());
        } else {
            prop_assert!(nodes.iter().all(|node| load::total(node).requests < min_requests));
        }
    }

    #[test]
    fn an_index_survives_json(nodes in vec(any_observation(), 0..5), mode in 0..Mode::COUNT) {
        let index = of(Mode::ALL[mode], &nodes, &ALL, &one_ms);
        prop_assert_eq!(serde_json::from_str::<Index>(&serde_json::to_string(&index).unwrap()).unwrap(), index);
    }
}

#[test]
fn p_is_the_mean_and_f_the_median_of_r() {
    let index = of(Mode::Trailing, &reads(&[1.0, 1.0, 2.0, 8.0]), &ALL, &one_ms);
    assert_eq!(ratios(&index), [1.0, 1.0, 2.0, 8.0]);
    let verdict = index.verdict.unwrap();
    assert!(close(verdict.p, 3.0) && close(verdict.shift, 1.5) && close(verdict.unevenness, 2.0), "{verdict:?}");
}

#[test]
fn r_compares_like_with_like() {
    let usual = |_: &str, stratum: Stratum| Some(if stratum == READ { 1e-3 } else { 20e-3 });
    let mix = |reads: u64, writes: u64| {
        vec![done(&[("sda", READ, reads, reads as f64 * 1e-3), ("sda", WRITE, writes, writes as f64 * 20e-3)])]
    };
    for (reads, writes) in [(100, 1), (1, 100), (50, 50)] {
        let index = of(Mode::Trailing, &mix(reads, writes), &ALL, &usual);
        assert!(close(index.verdict.unwrap().p, 1.0));
    }
}

#[test]
fn a_peers_reference_comes_from_the_nodes_of_this_window() {
    let nodes = reads(&[1.0, 1.0, 1.0, 9.0]);
    let p = |mode| of(mode, &nodes, &ALL, &|_, _| None).verdict.unwrap().p;
    assert!(close(p(Mode::FleetMedian), 3.0));
    // The slow one against 1 ms, the others against (1 + 1 + 9) / 3.
    assert!(close(p(Mode::LeaveOneOut), (9.0 + 3.0 * 3.0 / 11.0) / 4.0));
    assert!(close(p(Mode::RequestWeighted), 1.0));
    let uneven = [reads(&[1.0, 1.0, 1.0]), vec![done(&[("sda", READ, 10, 0.09)])]].concat();
    // 390 ms for 310 requests.
    assert!(close(of(Mode::RequestWeighted, &uneven, &ALL, &|_, _| None).verdict.unwrap().p, 3.0 / (390.0 / 310.0)));
}

#[test]
fn two_nodes_are_no_peers() {
    for mode in [Mode::FleetMedian, Mode::LeaveOneOut, Mode::RequestWeighted] {
        // The third has done nothing, or too little.
        for third in [done(&[]), done(&[("sda", READ, 99, 0.1)])] {
            let nodes = [reads(&[1.0, 2.0]), vec![third]].concat();
            let index = of(mode, &nodes, &Options::default(), &one_ms);
            assert_eq!((index.verdict, index.nodes[0].standing), (None, Standing::NoPeers));
        }
        // A kind of request that only two do has no peers either.
        let mut nodes = reads(&[1.0, 1.0, 1.0]);
        nodes[0] = done(&[("sda", WRITE, 500, 1.0)]);
        let index = of(mode, &nodes, &ALL, &one_ms);
        assert!(index.nodes.iter().all(|node| node.standing == Standing::NoPeers), "{index:?}");
    }
}

#[test]
fn a_node_without_enough_requests_leaves_n() {
    let nodes = [done(&[]), done(&[("sda", READ, 99, 99.0)]), done(&[("sda", READ, 100, 0.3)])];
    let index = of(Mode::Trailing, &nodes, &Options::default(), &one_ms);
    let standings: Vec<_> = index.nodes.iter().map(|node| node.standing).collect();
    assert_eq!(standings, [Standing::Idle, Standing::TooFew, Standing::Judged]);
    let verdict = index.verdict.unwrap();
    assert!(verdict.nodes == 1 && close(verdict.p, 3.0), "{verdict:?}");
    assert_eq!((index.nodes[0].mean_seconds, index.nodes[1].mean_seconds), (None, Some(1.0)));
}

#[test]
fn garbage_leaves_n_and_no_trace_in_the_others() {
    for seconds in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, 1e300] {
        for &mode in Mode::ALL {
            let healthy = of(mode, &reads(&[1.0, 2.0, 3.0]), &ALL, &one_ms);
            let garbage = done(&[("sda", READ, 100, seconds), ("sdb", READ, 100, 0.1)]);
            let nodes = [reads(&[1.0, 2.0, 3.0]), vec![garbage]].concat();
            let index = of(mode, &nodes, &ALL, &one_ms);
            assert_eq!(index.nodes[3].standing, Standing::Refused);
            assert_eq!((index.verdict, &index.nodes[..3]), (healthy.verdict, &healthy.nodes[..]));
        }
    }
}

#[test]
fn a_newcomer_of_an_unknown_kind_hides_nothing() {
    let usual = |_: &str, stratum: Stratum| (stratum == READ).then_some(1e-3);
    let options = Options { min_requests: 100 };
    for (requests, known) in [(100, true), (99, false)] {
        // What fills the disk is new; who suffers from it is known.
        let reads = requests as f64 * 2e-3;
        let nodes = [done(&[("sda", READ, requests, reads), ("sda", WRITE, 1_000_000, 5e3)])];
        let index = of(Mode::Trailing, &nodes, &options, &usual);
        let node = &index.nodes[0];
        assert_eq!(node.left_out, Load { requests: 1_000_000, seconds: 5e3 });
        assert_eq!(node.standing, if known { Standing::Judged } else { Standing::Learning });
        assert_eq!(index.verdict.is_some_and(|v| close(v.p, 2.0)), known, "only reads are judged");
    }
}

#[test]
fn nothing_is_divided_by_a_reference_that_is_none() {
    for reference in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-300] {
        let index = of(Mode::Trailing, &reads(&[1.0]), &ALL, &|_, _| Some(reference));
        assert_eq!((index.verdict, index.nodes[0].standing), (None, Standing::Learning));
    }
    for &mode in Mode::ALL {
        let index = of(mode, &reads(&[0.0, 0.0, 0.0]), &ALL, &|_, _| None);
        assert_eq!(index.verdict, None, "{mode:?}");
    }
}
