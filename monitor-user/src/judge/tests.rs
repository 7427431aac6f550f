use std::collections::BTreeMap;

use super::*;
use crate::{
    evidence::contributions::IndexEvidence,
    index::{self, baseline::Baselines, baseline::Learning},
    recorder::story::{self, Chapter, SMALL},
    rules,
};

/// Twenty minutes as usual, ten with a slow disk, twenty as usual again.
fn samples() -> Vec<Arc<Sample>> {
    let chapters = vec![Chapter::healthy(1200), Chapter::slow_disk(600, 10.0), Chapter::healthy(1200)];
    story::tell(7, SMALL, chapters).map(Arc::new).collect()
}

fn settings() -> Settings {
    let seconds = Duration::from_secs;
    Settings { node: "n1".into(), interval: seconds(10), window: seconds(60), mode: Mode::Trailing, top_tasks: 10 }
}

fn indexer(baselines: Baselines) -> Indexer {
    let learning = Learning { time: Duration::from_secs(300), ..Learning::default() };
    Indexer::new("n1".into(), index::Options::default(), learning, baselines)
}

fn judge(known: Vec<Alert>) -> Judge {
    Judge::new(settings(), indexer(Baselines::default()), rules::builtin(), known)
}

fn judgements(judge: &mut Judge, samples: &[Arc<Sample>]) -> Vec<Judgement> {
    samples.iter().filter_map(|sample| judge.see(sample, None).unwrap()).collect()
}

fn of_p(judgements: &[Judgement]) -> Vec<Alert> {
    let changes = judgements.iter().flat_map(|judgement| &judgement.changes);
    changes.filter(|alert| alert.rule == "PerformanceIndexHigh").cloned().collect()
}

#[test]
fn a_slow_disk_is_one_alert_that_begins_fires_and_ends_and_names_the_disk_and_who_did_it() {
    let told = of_p(&judgements(&mut judge(Vec::new()), &samples()));
    assert_eq!(
        told.iter().map(|alert| alert.state).collect::<Vec<_>>(),
        [State::Pending, State::Firing, State::Resolved]
    );
    assert!(told.iter().all(|alert| alert.id == told[0].id && alert.labels["signal"] == "block"));
    let firing = told[1].firing_evidence.as_ref().unwrap();
    assert_eq!(told[1].pending_evidence, told[0].pending_evidence);
    let index = firing.index(index::Signal::Block).unwrap();
    assert_eq!(index.by_device.rows[0].name, "sda");
    assert!(told[1].annotations["because"].contains("sda"), "{:?}", told[1].annotations);
    // What was said when it fired is still said when it is over.
    assert_eq!(told[2].annotations["because"], told[1].annotations["because"]);
    assert_eq!(told[2].firing_evidence, told[1].firing_evidence);
}

#[test]
fn the_shares_in_every_alert_add_up_to_p_minus_1() {
    let told = judgements(&mut judge(Vec::new()), &samples());
    let evidence = told.iter().flat_map(|judgement| &judgement.changes).flat_map(|alert| {
        alert.pending_evidence.iter().chain(&alert.firing_evidence).flat_map(|evidence| evidence.indices.clone())
    });
    let mut seen = 0;
    for IndexEvidence { verdict, by_device, by_request, by_size, by_operation, .. } in evidence {
        let Some(verdict) = verdict else { continue };
        for split in [by_device, by_request, by_size, by_operation] {
            let sum: f64 = split.iter().map(|share| share.contribution).sum();
            assert_eq!(sum, verdict.p - 1.0);
            seen += 1;
        }
    }
    assert!(seen > 0);
}

#[test]
fn the_same_samples_give_the_same_bytes() {
    let samples = samples();
    let text = || {
        let judged = judgements(&mut judge(Vec::new()), &samples);
        let parts = judged.iter().map(|judgement| (&judgement.window, &judgement.indices, &judgement.changes));
        serde_json::to_string(&parts.collect::<Vec<_>>()).unwrap()
    };
    assert_eq!(text(), text());
}

#[test]
fn a_restart_at_any_point_of_an_alerts_life_tells_nothing_twice_and_ends_it_once() {
    let samples = samples();
    for at in (1190..1990).step_by(110) {
        let mut first = judge(Vec::new());
        let before = judgements(&mut first, &samples[..at]);
        // What the journal holds: the latest state of each.
        let mut known = BTreeMap::new();
        for alert in before.iter().flat_map(|judgement| judgement.changes.clone()) {
            known.insert(alert.id.clone(), alert);
        }
        let baselines = first.indexer.baselines.clone();
        let known = known.into_values().filter(|alert| matches!(alert.state, State::Pending | State::Firing)).collect();
        let mut second = Judge::new(settings(), indexer(baselines), rules::builtin(), known);
        let after = judgements(&mut second, &samples[at..]);
        let told: Vec<Alert> = of_p(&before).into_iter().chain(of_p(&after)).collect();
        let count = |state| told.iter().filter(|alert| alert.state == state).count();
        assert!(count(State::Firing) <= 1 && count(State::Resolved) == count(State::Firing), "at {at}: {told:?}");
        let mut ids: Vec<_> =
            told.iter().filter(|alert| alert.state != State::Dropped).map(|alert| &alert.id).collect();
        ids.dedup();
        assert!(ids.len() <= 1, "at {at}: {ids:?}");
    }
}

#[test]
fn what_is_judged_is_never_part_of_what_it_is_judged_by() {
    let samples = samples();
    let mut judge = judge(Vec::new());
    judgements(&mut judge, &samples[..1200]);
    let before = judge.indexer.baselines.clone();
    // The first slow window ends here; until it has passed nothing of it is learned.
    judgements(&mut judge, &samples[1200..1250]);
    let mean = |baselines: &Baselines| {
        let strata = index::Stratum {
            class: crate::host::Class::Ssd,
            operation: monitor_common::block::Operation::Read as u8,
            size: 1,
        };
        baselines.mean(Mode::Trailing, index::Signal::Block, "", strata)
    };
    let (was, is) = (mean(&before), mean(&judge.indexer.baselines));
    let (was, is) = (was.unwrap(), is.unwrap());
    assert!((is / was - 1.0).abs() < 0.2, "{was} {is}");
    assert_ne!(before, judge.indexer.baselines, "the windows before it are learned meanwhile");
}

#[test]
fn another_origin_is_a_new_beginning() {
    let samples = samples();
    let mut judge = judge(Vec::new());
    judgements(&mut judge, &samples[..120]);
    let mut other = Sample::clone(&samples[120]);
    other.origin.attached_ns += 1;
    assert!(matches!(judge.see(&Arc::new(other.clone()), None), Err(Refused::OtherOrigin { .. })));
    // From there on it goes on as from a first sample.
    other.monotonic_ns += 10_000_000_000;
    assert!(judge.see(&Arc::new(other), None).unwrap().is_none());
}

#[test]
fn no_tasks_are_kept_of_what_lies_before_the_window() {
    let samples = samples();
    let mut judge = judge(Vec::new());
    judgements(&mut judge, &samples[..300]);
    let with_tasks = judge.edges.iter().filter(|edge| edge.sample.tasks.is_some()).count();
    assert_eq!((judge.edges.len(), with_tasks), (13, 7));
}

/// Which judgement changed what, with the wall clock set by so much in the middle of the slow disk's time.
fn told_with_clock(shift_ns: i64) -> Vec<(usize, String, State)> {
    let set = |(second, sample): (usize, Arc<Sample>)| {
        let mut sample = Sample::clone(&sample);
        if second > 1_500 {
            sample.realtime_ns = sample.realtime_ns.saturating_add_signed(shift_ns);
        }
        Arc::new(sample)
    };
    let samples: Vec<_> = samples().into_iter().enumerate().map(set).collect();
    let told = judgements(&mut judge(Vec::new()), &samples);
    let changes = told.into_iter().enumerate().flat_map(|(n, it)| it.changes.into_iter().map(move |alert| (n, alert)));
    changes.map(|(n, alert)| (n, alert.rule, alert.state)).collect()
}

/// A suspend looks the same: `CLOCK_MONOTONIC` stands still, and the wall clock is somewhere else.
#[test]
fn a_wall_clock_that_is_set_by_a_day_either_way_and_a_suspend_change_no_verdict() {
    const DAY: i64 = 86_400_000_000_000;
    let as_it_was = told_with_clock(0);
    assert!(as_it_was.iter().any(|(_, rule, state)| rule == "PerformanceIndexHigh" && *state == State::Resolved));
    assert_eq!(told_with_clock(DAY), as_it_was);
    assert_eq!(told_with_clock(-DAY), as_it_was);
}
