//! Pages, bounds, and what is not there.

use std::collections::BTreeMap;

use super::*;
use crate::{
    alert::{Severity, State},
    index::{Mode, Signal},
};

#[test]
fn reports_come_in_pages_in_the_order_of_their_ends() {
    // Half of it is in sums, half is not: it must not be seen.
    let place = Place::new(eager());
    place.submit("one", (1..=20).rev());
    place.rolled_up();
    let place = Place { limits: Limits::default(), ..place }.again();
    place.submit("one", 21..=30);
    place.submit("two", 1..=30);
    let (mut from_ns, mut seen) = (0, Vec::new());
    loop {
        let page = place.store().reader().reports("one", Resolution::Full, from_ns, u64::MAX, 7).unwrap();
        seen.extend(page.items.iter().map(|stored| stored.decode().unwrap().sequence));
        let Some(next) = page.next else { break };
        assert_eq!(page.items.len(), 7);
        from_ns = next;
    }
    assert_eq!(seen, (1..=30).collect::<Vec<_>>());
    let end = |sequence| incoming("one", sequence).end_ns;
    let page = place.store().reader().reports("one", Resolution::Full, end(3), end(24), MOST).unwrap();
    let seen: Vec<_> = page.items.iter().map(|stored| stored.decode().unwrap().sequence).collect();
    assert_eq!(seen, (4..=24).collect::<Vec<_>>());
    let nobody = place.store().reader().reports("nobody", Resolution::Hour, 0, u64::MAX, 1).unwrap();
    assert_eq!(nobody, Page { items: Vec::new(), next: None });
}

#[test]
fn nodes_come_in_pages_in_the_order_of_their_names() {
    let place = Place::new(Limits::default());
    ["c", "a", "b"].iter().for_each(|name| place.submit(name, 1..=3));
    let reader = place.store().reader();
    let names = |page: &Page<KnownNode, String>| page.items.iter().map(|node| node.name.clone()).collect::<Vec<_>>();
    let page = reader.nodes(None, 2);
    assert_eq!(names(&page), ["a", "b"]);
    let page = reader.nodes(page.next.as_deref(), 2);
    assert_eq!((names(&page), page.next.clone()), (vec!["c".to_owned()], None));
    let (node, third) = (&page.items[0], incoming("c", 3));
    assert_eq!((node.first_ns, node.last_end_ns()), (incoming("c", 1).end_ns, third.end_ns));
    assert_eq!((node.streams[0].last_sequence, node.streams[0].last_received_ns), (3, third.received_ns));
}

fn alert(number: u64, state: State) -> Alert {
    let node = if number.is_multiple_of(2) { "even" } else { "odd" };
    Alert {
        id: format!("{number:016x}"),
        rule: format!("Rule{}", number % 3),
        labels: BTreeMap::from([("instance".into(), node.into())]),
        annotations: BTreeMap::new(),
        severity: Severity::Warning,
        state,
        // Two of each begin at the same time.
        pending_ns: 1_000 + number / 2,
        fired_ns: Some(2_000 + number),
        resolved_ns: (state == State::Resolved).then_some(3_000 + number),
        value: 1.5,
        threshold: 1.0,
        pending_evidence: None,
        firing_evidence: None,
    }
}

#[test]
fn alerts_come_in_pages_as_they_are_now() {
    let place = Place::new(Limits::default());
    for number in 0..20 {
        wait(place.store().alert(&alert(number, State::Firing))).unwrap();
    }
    (0..5).for_each(|number| wait(place.store().alert(&alert(number, State::Resolved))).unwrap());
    let reader = place.store().reader();
    let all = |filter: AlertFilter| {
        let (mut after, mut numbers) = (None, Vec::new());
        loop {
            let page = reader.alerts(&filter, after.as_ref(), 3).unwrap();
            numbers.extend(page.items.iter().map(|alert| u64::from_str_radix(&alert.id, 16).unwrap()));
            after = page.next;
            if after.is_none() {
                return numbers;
            }
        }
    };
    assert_eq!(all(AlertFilter::default()), (0..20).rev().collect::<Vec<_>>());
    assert_eq!(all(AlertFilter { states: vec![State::Resolved], ..AlertFilter::default() }), [4, 3, 2, 1, 0]);
    let filter = AlertFilter { node: Some("odd".into()), rule: Some("Rule1".into()), ..AlertFilter::default() };
    assert_eq!(all(filter), [19, 13, 7, 1]);
    let filter = AlertFilter { from_ns: Some(3_003), to_ns: Some(1_003), ..AlertFilter::default() };
    assert_eq!(all(filter), [7, 6, 5, 4, 3]);
    assert!(all(AlertFilter { severity: Some(Severity::Critical), ..AlertFilter::default() }).is_empty());
    let first = reader.alerts(&AlertFilter::default(), None, 1).unwrap();
    assert_eq!(*first.items[0], alert(19, State::Firing));
}

#[test]
fn the_fleets_figures_are_kept_at_three_resolutions() {
    let place = Place::new(Limits::default());
    let point =
        |p| IndexPoint { signal: Signal::Block, mode: Mode::Trailing, p, shift: 1.0, unevenness: p, nodes: 100 };
    for second in 1..=120u64 {
        let at_ns = BEGIN_NS + second * 1_000_000_000;
        let p = if second <= 60 { 1.0 } else { 3.0 };
        wait(place.store().indices(at_ns, &[point(p), IndexPoint { mode: Mode::Pinned, ..point(f64::NAN) }])).unwrap();
        wait(place.store().indices(at_ns, &[point(9.0)])).unwrap();
    }
    let series = |mode, resolution| {
        place.store().reader().series(Signal::Block, mode, resolution, 0, u64::MAX, MOST).unwrap().items
    };
    assert_eq!(series(Mode::Trailing, Resolution::Full).len(), 120);
    assert!(series(Mode::Pinned, Resolution::Full).is_empty());
    let minutes = series(Mode::Trailing, Resolution::Minute);
    assert_eq!(minutes.len(), 2);
    assert_eq!((minutes[0].p, minutes[1].p, minutes[1].points), (1.0, 3.0, 60));
    let hours = series(Mode::Trailing, Resolution::Hour);
    assert_eq!((hours.len(), hours[0].points, hours[0].p_most, hours[0].nodes), (1, 120, 3.0, 100.0));
    assert!((hours[0].p - 2.0).abs() < 1e-12, "{hours:?}");
}

#[test]
fn a_query_that_takes_too_long_is_ended() {
    let place = Place::new(eager());
    place.submit("one", 1..=4_000);
    place.rolled_up();
    let place = Place { limits: Limits { read: Duration::ZERO, ..eager() }, ..place }.again();
    let error = place.store().reader().reports("one", Resolution::Full, 0, u64::MAX, MOST).unwrap_err();
    assert!(matches!(error, Error::TooLong(_)), "{error}");
}
