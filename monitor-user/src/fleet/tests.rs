//! Who is taken, and what is found of a fleet.

use std::time::Duration;

use prost::Message as _;

use super::{
    Judge, Judgement, Registry, Standing, Turned,
    indices::Indices,
    node,
    testing::{EPOCH, Requests, S, at, registry, report, send, sender},
    window::Span,
};
use crate::{
    alert::{Alert, State},
    host::Class,
    index::{Mode, Options, Signal, Standing as Judged, Stratum, baseline::Learning},
    report::{check::Reason, wire},
    rules::{Set, load_for},
};

const READS: Stratum = Stratum { class: Class::Nvme, operation: 0, size: 1 };
const SPAN: Span = Span { interval: Duration::from_secs(10), window: Duration::from_secs(60) };

/// A fleet that lives: ten-second intervals, each node with a thousand requests of a millisecond.
struct World {
    registry: Registry,
    judge: Judge,
    second: u64,
    sequence: u64,
}

impl World {
    fn new(nodes: usize) -> Self {
        let learning = Learning { time: Duration::from_secs(60), ..Learning::default() };
        let indices = Indices::new(Mode::Trailing, Options::default(), learning, Default::default());
        let rules = load_for(Set::Fleet, None).unwrap();
        Self {
            registry: registry(nodes),
            judge: Judge::new("test", SPAN, indices, rules, Vec::new()),
            second: 0,
            sequence: 0,
        }
    }

    /// Lets so many intervals pass; `requests` says what a node does, `None` if it is not heard.
    fn live(&mut self, nodes: usize, intervals: usize, requests: impl Fn(usize) -> Option<Requests>) -> Vec<Judgement> {
        (0..intervals)
            .map(|_| {
                self.second += 10;
                self.sequence += 1;
                for node in 0..nodes {
                    let Some(requests) = requests(node) else { continue };
                    let report = report(self.sequence, self.second, &[requests]);
                    let refused = send(&self.registry, &sender(&name(node)), vec![report], at(self.second)).unwrap();
                    assert_eq!(refused, [Ok(())]);
                }
                self.judge.judge(&self.registry, at(self.second))
            })
            .collect()
    }

    fn settle(&mut self, nodes: usize) {
        self.live(nodes, 15, |_| USUAL);
    }
}

const USUAL: Option<Requests> = Some((READS, 1000, 1_000_000_000));

fn slow(times: u64) -> Option<Requests> {
    Some((READS, 1000, times * 1_000_000_000))
}

fn name(node: usize) -> String {
    format!("node{node:03}")
}

fn fired(judgements: &[Judgement]) -> Vec<&Alert> {
    judgements.iter().flat_map(|judgement| &judgement.changes).filter(|alert| alert.state == State::Firing).collect()
}

#[test]
fn a_second_machine_is_refused_for_ten_minutes_and_then_has_the_name() {
    let registry = registry(10);
    let other = wire::Sender { machine: b"another".to_vec(), ..sender("a") };
    let mut now = 10;
    let mut sent = |who: &wire::Sender, after: u64, sequence| {
        now += after;
        send(&registry, who, vec![report(sequence, now, &[])], at(now))
    };
    assert!(sent(&sender("a"), 0, 1).is_ok());
    assert_eq!(sent(&other, 1, 1), Err(Turned::Conflict("a".into())));
    assert!(sent(&sender("a"), 1, 2).is_ok());
    assert_eq!(sent(&other, 599, 2), Err(Turned::Conflict("a".into())));
    assert!(sent(&other, 1, 3).is_ok());
    assert_eq!(sent(&sender("a"), 1, 4), Err(Turned::Conflict("a".into())));
}

#[test]
fn reports_are_refused_one_by_one_and_what_is_there_already_is_welcome() {
    let registry = registry(1);
    let a = sender("a");
    let reports = vec![report(1, 10, &[]), report(2, 5, &[]), report(3, 20, &[]), report(4, 10_000, &[])];
    let reasons = |said: Vec<Result<(), crate::report::check::Refused>>| {
        said.into_iter().map(|said| said.err().map(|refused| refused.reason)).collect::<Vec<_>>()
    };
    let said = reasons(send(&registry, &a, reports.clone(), at(20)).unwrap());
    assert_eq!(said, [None, Some(Reason::BeforeLast), None, Some(Reason::Future)]);
    // Those that were stored come again: the store says that they are there. The one that was refused is the store's to judge now.
    assert_eq!(reasons(send(&registry, &a, reports[..1].to_vec(), at(20)).unwrap()), [None]);
    // Another agent of the node has an order of its own, as one whose spool is replayed.
    let earlier = wire::Sender { instance: 7, ..sender("a") };
    assert_eq!(reasons(send(&registry, &earlier, vec![report(1, 2, &[])], at(21)).unwrap()), [None]);
    assert_eq!(send(&registry, &sender("b"), vec![report(1, 2, &[])], at(21)), Err(Turned::Full(1)));
}

#[test]
fn a_report_counts_once_and_one_of_the_past_is_in_no_window() {
    let mut world = World::new(10);
    world.settle(1);
    let a = sender(&name(0));
    let requests = |judgement: &Judgement| judgement.index(Signal::Block, Mode::Trailing).unwrap().nodes[0].requests;
    assert_eq!(requests(&world.live(1, 1, |_| USUAL)[0]), 6_000);
    let again = report(world.sequence, world.second, &[USUAL.unwrap()]);
    send(&world.registry, &a, vec![again], at(world.second)).unwrap();
    let old = wire::Sender { instance: 99, ..a };
    let replayed = report(1, 1, &[slow(100).unwrap()]);
    send(&world.registry, &old, vec![replayed], at(world.second)).unwrap();
    let judgement = world.live(1, 1, |_| USUAL).remove(0);
    assert_eq!(requests(&judgement), 6_000);
    assert!((judgement.index(Signal::Block, Mode::Trailing).unwrap().verdict.unwrap().p - 1.0).abs() < 1e-9);
}

#[test]
fn an_outlier_is_told_with_its_own_evidence_and_is_not_learned() {
    let mut world = World::new(100);
    world.settle(10);
    let judgements = world.live(10, 30, |node| if node == 3 { slow(10) } else { USUAL });
    let fired = fired(&judgements);
    let outliers: Vec<_> = fired.iter().map(|alert| (alert.rule.as_str(), alert.labels["node"].as_str())).collect();
    assert_eq!(outliers, [("NodeOutlier", "node003")], "{fired:#?}");
    let evidence = fired[0].firing_evidence.as_ref().unwrap();
    let index = evidence.index(Signal::Block).unwrap();
    let sum: f64 = index.by_device.iter().map(|share| share.contribution).sum();
    assert!((index.verdict.unwrap().p - 10.0).abs() < 0.01 && (sum - (index.verdict.unwrap().p - 1.0)).abs() < 1e-9);
    assert_eq!(evidence.disks.devices.first().map(|disk| disk.device.as_str()), Some("disk01"));
    let index = judgements.last().unwrap().index(Signal::Block, Mode::Trailing).unwrap();
    let verdict = index.verdict.unwrap();
    assert!((verdict.p - 1.9).abs() < 0.01 && (verdict.shift - 1.0).abs() < 0.01, "{verdict:?}");
    let sum: f64 = index.nodes.iter().filter_map(|node| node.contribution).sum();
    assert!((sum - (verdict.p - 1.0)).abs() < 1e-9);
    let resolved = world.live(10, 30, |_| USUAL);
    assert!(resolved.iter().flat_map(|judgement| &judgement.changes).any(|alert| alert.state == State::Resolved));
}

#[test]
fn four_nodes_have_no_outlier() {
    let mut world = World::new(100);
    world.settle(4);
    assert_eq!(fired(&world.live(4, 30, |node| if node == 3 { slow(10) } else { USUAL })), [] as [&Alert; 0]);
}

#[test]
fn where_all_are_slow_it_is_the_fleet_and_no_node() {
    let mut world = World::new(100);
    world.settle(10);
    let judgements = world.live(10, 40, |_| slow(3));
    let fired = fired(&judgements);
    let rules: Vec<_> = fired.iter().map(|alert| alert.rule.as_str()).collect();
    assert_eq!(rules, ["FleetSlow"]);
    let evidence = fired[0].firing_evidence.as_ref().unwrap();
    assert_eq!(evidence.index(Signal::Block).unwrap().by_node.rows.len(), 8);
    assert_eq!(evidence.disks.devices[0].device, "all nvme disks");
}

#[test]
fn a_vanished_node_leaves_the_index_and_its_alerts_stay() {
    let mut world = World::new(100);
    world.settle(10);
    world.live(10, 30, |node| if node == 3 { slow(10) } else { USUAL });
    let gone = world.live(10, 30, |node| if node == 3 { None } else { USUAL });
    let last = gone.last().unwrap();
    assert_eq!(last.nodes[3].standing, Standing::Down);
    let index = last.index(Signal::Block, Mode::Trailing).unwrap();
    assert_eq!(index.verdict.unwrap().nodes, 9);
    let firing: Vec<_> = world.judge.alerts().into_iter().filter(|alert| alert.state == State::Firing).collect();
    let rules: Vec<_> = firing.iter().map(|alert| alert.rule.as_str()).collect();
    assert_eq!(rules, ["NodeAgentDown", "NodeOutlier"]);
    assert!(firing[1].annotations.contains_key("stale"), "{:?}", firing[1].annotations);
    // Forgotten after an hour.
    let forgotten = world.live(10, 360, |node| if node == 3 { None } else { USUAL });
    assert!(forgotten.iter().any(|judgement| judgement.forgotten == ["node003"]));
    let down = world.judge.alerts().into_iter().find(|alert| alert.rule == "NodeAgentDown").unwrap();
    assert_eq!(down.state, State::Resolved);
}

#[test]
fn idle_nodes_and_those_with_few_requests_have_no_verdict() {
    let mut world = World::new(100);
    world.settle(5);
    let judgements = world.live(5, 6, |node| match node {
        0 => Some((READS, 0, 0)),
        1 => Some((READS, 10, 10_000_000)),
        _ => USUAL,
    });
    let index = judgements.last().unwrap().index(Signal::Block, Mode::Trailing).unwrap().clone();
    let standings: Vec<_> = index.nodes.iter().map(|node| node.standing).collect();
    assert_eq!(standings, [Judged::Idle, Judged::TooFew, Judged::Judged, Judged::Judged, Judged::Judged]);
    assert_eq!(index.verdict.unwrap().nodes, 3);
}

#[test]
fn a_request_that_hangs_a_name_that_is_taken_and_what_was_lost_are_told() {
    let mut world = World::new(100);
    world.settle(2);
    let mut changes = Vec::new();
    for _ in 0..12 {
        world.second += 10;
        world.sequence += 1;
        let now = at(world.second);
        let mut hangs = report(world.sequence, world.second, &[USUAL.unwrap()]);
        let device = &mut hangs.block.as_mut().unwrap().devices[0];
        (device.in_flight, device.oldest_ns) = (1, 60 * S);
        send(&world.registry, &sender(&name(0)), vec![hangs], now).unwrap();
        let cloned = wire::Sender { machine: b"clone".to_vec(), ..sender(&name(0)) };
        assert!(send(&world.registry, &cloned, vec![report(1, world.second, &[])], now).is_err());
        let lost = Some(wire::Lost { reports: world.sequence * 5, bytes: 9 });
        let future = report(world.sequence, world.second + 9_999, &[]);
        assert!(world.registry.admit(&sender(&name(1)), [future].iter(), 0, now).unwrap()[0].is_err());
        world.registry.stored(&sender(&name(1)), std::iter::empty(), lost, now.wall_ns, now);
        changes.extend(world.judge.judge(&world.registry, now).changes);
    }
    let mut fired: Vec<_> = changes.iter().filter(|alert| alert.state == State::Firing).collect();
    fired.sort_by(|a, b| a.rule.cmp(&b.rule));
    let fired: Vec<_> = fired.into_iter().map(|alert| (&*alert.rule, &*alert.labels["node"])).collect();
    let expected = [
        ("NodeAgentDown", "node001"),
        ("NodeNameConflict", "node000"),
        ("NodeStalled", "node000"),
        ("ReportsLost", "node001"),
        ("ReportsRefused", "node001"),
    ];
    // The second node is heard of its losses, but sends no report that can be taken.
    assert_eq!(fired, expected);
}

#[test]
fn the_first_loss_of_a_node_is_told_also_if_the_server_was_away_meanwhile() {
    let mut world = World::new(100);
    let told = |world: &mut World, lost: u64| {
        world.second += 10;
        world.sequence += 1;
        let lost = Some(wire::Lost { reports: lost, bytes: 9 }).filter(|of| of.reports > 0);
        let (who, now) = (sender(&name(0)), at(world.second));
        let report = report(world.sequence, world.second, &[USUAL.unwrap()]);
        world.registry.admit(&who, [&report].into_iter(), 0, now).unwrap()[0].as_ref().unwrap();
        let bytes = bytes::Bytes::from(report.encode_to_vec());
        world.registry.stored(&who, std::iter::once((report, bytes)), lost, now.wall_ns, now);
        world.judge.judge(&world.registry, now);
        world.registry.look(&name(0), |node| node.lost.total).unwrap()
    };
    assert_eq!((told(&mut world, 0), told(&mut world, 3), told(&mut world, 3)), (0, 3, 3));
    // The next server knows the node, and what it had said.
    let said = world.registry.losses();
    assert_eq!(said, [(name(0), 3)].into());
    world.registry = registry(100);
    let last = node::Stream { boot_id: "boot".into(), instance: 1, ..node::Stream::default() };
    world.registry.restore(&name(0), &sender(&name(0)).machine, last);
    world.registry.restore_losses(&said);
    assert_eq!((told(&mut world, 5), told(&mut world, 5)), (2, 2));
    // A node that is new to the server has lost to others.
    world.registry = registry(100);
    assert_eq!((told(&mut world, 5), told(&mut world, 6)), (0, 1));
}

#[test]
fn quantiles_are_those_of_all_nodes_together() {
    let mut world = World::new(100);
    let judgement = world.live(4, 6, |_| USUAL).pop().unwrap();
    let (class, _, times) = judgement.totals.requests().next().unwrap();
    assert_eq!((class, times.count(), times.sum_ns()), (Class::Nvme, 24_000, 24 * S));
    assert!(judgement.at_ns > EPOCH);
}
