//! Lives of alerts, window by window.

mod laws;

use super::*;
use crate::{
    rules::{builtin, file::parse, moment::Own, synthetic},
    window::Window,
};

const SECOND: u64 = 1_000_000_000;
/// Some time in 2023, in nanoseconds since 1970.
const EPOCH: u64 = 1_700_000_000 * SECOND;
/// Time between two windows.
const INTERVAL: u64 = 10;

/// The rules of a file alone.
fn rules(text: &str) -> Vec<Rule> {
    parse(std::path::Path::new("f"), format!("builtin = false\n{text}").as_bytes()).unwrap()
}

fn engine(text: &str) -> Engine {
    Engine::new(rules(text), node())
}

fn node() -> BTreeMap<String, String> {
    BTreeMap::from([("node".into(), "n1".into())])
}

/// A window with this utilisation; absent: none is known.
fn window(utilization: Option<f64>) -> Window {
    let mut window = synthetic::window(1, 0);
    window.sched = window.sched.filter(|_| utilization.is_some());
    if let Some(sched) = &mut window.sched {
        sched.utilization = utilization;
    }
    window
}

fn at(seconds: u64, window: &Window) -> Moment<'_> {
    Moment {
        now_ns: seconds * SECOND,
        now_realtime_ns: EPOCH + seconds * SECOND,
        window,
        indices: &[],
        own: None,
        fleet: None,
    }
}

/// What happened with windows of these utilisations, in short: the number of the window and the new state.
fn story(engine: &mut Engine, utilizations: &[Option<f64>]) -> Vec<(usize, State)> {
    let begin = engine.last_ns.map_or(0, |ns| ns / SECOND / INTERVAL + 1);
    let steps = utilizations.iter().enumerate();
    steps
        .flat_map(|(step, utilization)| {
            let changes = engine.step(&at((begin + step as u64) * INTERVAL, &window(*utilization)));
            changes.into_iter().map(move |alert| (step, alert.state)).collect::<Vec<_>>()
        })
        .collect()
}

const CPU: &str = "[[rule]]\nname = \"Cpu\"\nsignal = \"cpu_utilization\"\nabove = 0.9\nclear = 0.5\nfor = \"20s\"\n";

#[test]
fn an_alert_is_pending_then_fires_then_is_resolved() {
    let high = Some(0.95);
    let told = story(&mut engine(CPU), &[Some(0.1), high, high, high, high, Some(0.1), Some(0.1)]);
    assert_eq!(told, [(1, State::Pending), (3, State::Firing), (5, State::Resolved)]);
}

#[test]
fn without_for_it_fires_at_once_and_only_that_is_told() {
    let text = CPU.replace("20s", "0s");
    assert_eq!(story(&mut engine(&text), &[Some(0.95), Some(0.1)]), [(0, State::Firing), (1, State::Resolved)]);
}

#[test]
fn a_pending_alert_is_dropped_in_the_first_window_that_does_not_hold() {
    let told = story(&mut engine(CPU), &[Some(0.95), Some(0.7), Some(0.95), Some(0.95)]);
    assert_eq!(told, [(0, State::Pending), (1, State::Dropped), (2, State::Pending)]);
}

#[test]
fn between_the_thresholds_nothing_ends() {
    let told = story(&mut engine(CPU), &[Some(0.95), Some(0.95), Some(0.95), Some(0.6), Some(0.89), Some(0.5)]);
    assert_eq!(told, [(0, State::Pending), (2, State::Firing), (5, State::Resolved)]);
}

#[test]
fn an_alert_is_kept_until_it_has_been_over_for_long_enough() {
    let text = format!("{CPU}keep_firing_for = \"20s\"\n").replace("for = \"20s\"\nkeep", "keep");
    let (high, low) = (Some(0.95), Some(0.1));
    let told = story(&mut engine(&text), &[high, low, low, Some(0.6), low, low, low, low]);
    assert_eq!(told, [(0, State::Firing), (6, State::Resolved)]);
}

#[test]
fn what_becomes_absent_stays_and_says_so() {
    let mut engine = engine(CPU);
    story(&mut engine, &[Some(0.95); 3]);
    let before = engine.active();
    assert_eq!(story(&mut engine, &[None; 1000]), []);
    let active = engine.active();
    assert_eq!((active.len(), active[0].state), (1, State::Firing));
    assert!(active[0].annotations["stale"].starts_with("cpu_utilization has had no value for 2.8h"), "{active:?}");
    assert_eq!(active[0].annotations["summary"], before[0].annotations["summary"]);
    // It comes back, and what was said of its absence goes.
    assert_eq!(story(&mut engine, &[Some(0.6)]), []);
    assert!(!engine.active()[0].annotations.contains_key("stale"));
    assert_eq!(story(&mut engine, &[Some(0.1)]), [(0, State::Resolved)]);
}

#[test]
fn what_is_absent_for_long_ends_only_where_the_rule_says_so() {
    let mut engine = engine(&format!("{CPU}resolve_absent_after = \"1m\"\n"));
    story(&mut engine, &[Some(0.95); 3]);
    assert_eq!(story(&mut engine, &[None; 6]), []);
    let last = engine.step(&at(90, &window(None))).remove(0);
    assert_eq!(last.state, State::Resolved);
    assert_eq!(last.annotations["reason"], "cpu_utilization has had no value for as long as resolve_absent_after says");
    assert!(!last.annotations.contains_key("stale"));
}

#[test]
fn a_pending_alert_neither_fires_on_what_nobody_saw_nor_waits_for_ever() {
    // Two windows hold, then there is nothing for four minutes: not for `for = 20s`, but two windows are no 20 s.
    let mut engine = engine(CPU);
    let mut steps = vec![Some(0.95); 2];
    steps.extend([None; 24]);
    steps.extend([Some(0.95); 2]);
    assert_eq!(story(&mut engine, &steps), [(0, State::Pending), (27, State::Firing)]);
    let mut engine = self::engine(CPU);
    let mut steps = vec![Some(0.95)];
    steps.extend([None; 40]);
    assert_eq!(story(&mut engine, &steps), [(0, State::Pending), (32, State::Dropped)]);
}

#[test]
fn alerts_carry_identity_words_and_no_values_in_labels() {
    let text = format!(
        "{CPU}severity = \"critical\"\nlabels = {{ team = \"a\" }}\nannotations = {{ summary = \"{{{{ node }}}}: {{{{ value }}}}\" }}\n"
    );
    let mut engine = engine(&text);
    let alert = engine.step(&at(0, &window(Some(0.95)))).remove(0);
    let labels: Vec<String> = alert.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(labels, ["alertname=Cpu", "node=n1", "severity=critical", "team=a"]);
    assert_eq!((&*alert.annotations["summary"], alert.value, alert.threshold), ("n1: 95.0%", 0.95, 0.9));
    assert_eq!((alert.pending_ns, alert.fired_ns, alert.resolved_ns), (EPOCH, None, None));
    assert_eq!((alert.id.len(), &*alert.id), (16, "171a7ef397f87678"), "ids are written down: they may never change");
    // Over: the value is what it is now, the words are of when it held.
    story(&mut engine, &[Some(0.96); 2]);
    let last = engine.step(&at(30, &window(Some(0.2)))).remove(0);
    assert_eq!((&*last.annotations["summary"], last.value, last.id), ("n1: 96.0%", 0.2, alert.id));
    assert_eq!((last.fired_ns, last.resolved_ns), (Some(EPOCH + 20 * SECOND), Some(EPOCH + 30 * SECOND)));
}

#[test]
fn a_rule_without_words_says_what_it_found() {
    let alert = engine(CPU).step(&at(0, &window(Some(0.95)))).remove(0);
    assert_eq!(alert.annotations["summary"], "Cpu: cpu_utilization is 95.0%, above 90.0%");
}

#[test]
fn a_second_condition_must_hold_for_the_same_thing() {
    let text = "[[rule]]\nname = \"R\"\nsignal = \"disk_request_mean_seconds\"\nabove = \"1ms\"\n\
                and = [{ signal = \"block_in_flight\", above = 10 }, { signal = \"block_requests_per_second\", match = { operation = \"read\" }, above = 1 }]\n";
    let mut window = synthetic::window(3, 5);
    window.block.as_mut().unwrap().devices[1].in_flight = 20;
    window.block.as_mut().unwrap().devices[2].in_flight = 20;
    window.block.as_mut().unwrap().devices[2].operations.retain(|operation| operation.operation != "read");
    let mut engine = engine(text);
    let devices: Vec<String> =
        engine.step(&at(0, &window)).iter().map(|alert| alert.labels["device"].clone()).collect();
    assert_eq!(devices, ["nvme1n1"]);
    // The reads cease. That a disk reads nothing is known, so one condition is known to be over.
    window.block.as_mut().unwrap().devices[1].operations.retain(|operation| operation.operation != "read");
    assert_eq!(engine.step(&at(10, &window))[0].state, State::Resolved);
}

#[test]
fn one_condition_that_is_known_to_be_over_decides() {
    for (mean, in_flight, expected) in [
        (Truth::Unknown, Truth::Over, Truth::Over),
        (Truth::Unknown, Truth::Holds, Truth::Unknown),
        (Truth::Unknown, Truth::Between, Truth::Unknown),
        (Truth::Between, Truth::Holds, Truth::Between),
        (Truth::Holds, Truth::Holds, Truth::Holds),
    ] {
        assert_eq!((mean.and(in_flight), in_flight.and(mean)), (expected, expected));
    }
}

#[test]
fn a_disk_with_nothing_in_flight_is_not_stuck_though_it_is_no_more_listed() {
    let text = "[[rule]]\nname = \"Stuck\"\nsignal = \"block_oldest_in_flight_seconds\"\nabove = \"1m\"\n";
    let mut engine = engine(text);
    let mut stuck = synthetic::window(2, 1);
    stuck.block.as_mut().unwrap().devices[1].oldest = Some(90.0);
    assert_eq!(engine.step(&at(0, &stuck)).len(), 1);
    stuck.block.as_mut().unwrap().devices.truncate(1);
    // With the probe off nobody knows.
    let off = Own { probes: vec![("block".into(), false)], ..Own::default() };
    assert_eq!(engine.step(&Moment { own: Some(&off), ..at(10, &stuck) }), []);
    assert_eq!(engine.step(&at(20, &stuck))[0].state, State::Resolved);
}

#[test]
fn nothing_begins_for_what_is_not_there() {
    let text = "[[rule]]\nname = \"Idle\"\nsignal = \"block_in_flight\"\nbelow = 1\n";
    let mut engine = engine(text);
    assert_eq!(engine.step(&at(0, &synthetic::window(2, 1))), []);
    assert_eq!(engine.step(&at(10, &synthetic::window(1, 1))), []);
}

#[test]
fn a_wall_clock_that_is_set_decides_nothing() {
    const DAY: i64 = 86_400 * SECOND as i64;
    let (high, low) = (window(Some(0.95)), window(Some(0.1)));
    for day in [DAY, -DAY] {
        let mut engine = engine(CPU);
        let set = |seconds, window| {
            let moment: Moment = at(seconds, window);
            Moment { now_realtime_ns: moment.now_realtime_ns.strict_add_signed(day), ..moment }
        };
        assert_eq!(engine.step(&at(0, &high))[0].state, State::Pending);
        assert_eq!(engine.step(&set(10, &high)), []);
        let fired = engine.step(&set(20, &high)).remove(0);
        assert_eq!((fired.state, fired.fired_ns >= Some(fired.pending_ns)), (State::Firing, true));
        let over = engine.step(&at(30, &low)).remove(0);
        assert_eq!((over.state, over.resolved_ns >= over.fired_ns), (State::Resolved, true));
    }
    // The steady clock does not go back; if it did, time would stand still.
    let mut engine = engine(CPU);
    engine.step(&at(1000, &window(Some(0.95))));
    assert_eq!(engine.step(&at(10, &window(Some(0.95)))), []);
    assert_eq!(engine.step(&at(1010, &window(Some(0.95)))), []);
    assert_eq!(engine.step(&at(1020, &window(Some(0.95)))).len(), 1);
}

/// What is written down of an engine's alerts, as a journal has it: the latest of each.
fn journal(changes: &[Alert]) -> Vec<Alert> {
    let mut current = BTreeMap::new();
    for alert in changes {
        current.insert(alert.id.clone(), alert.clone());
    }
    current.into_values().collect()
}

#[test]
fn a_restart_that_took_too_long_or_met_a_clock_that_was_set_drops_what_was_pending() {
    let pending = engine(CPU).step(&at(0, &window(Some(0.95))));
    for (seconds, expected) in
        [(10, vec![]), (20, vec![State::Firing]), (320, vec![State::Firing]), (321, vec![State::Dropped])]
    {
        let mut again = engine(CPU);
        again.restore(pending.clone());
        // The steady clock began anew with the machine.
        let moment_window = window(Some(0.95));
        let moment = Moment { now_ns: 5, ..at(seconds, &moment_window) };
        let states: Vec<State> = again.step(&moment).iter().map(|alert| alert.state).collect();
        assert_eq!(states, expected, "{seconds} s");
    }
    let mut again = engine(CPU);
    again.restore(pending);
    let set_back = window(Some(0.95));
    assert_eq!(again.step(&Moment { now_realtime_ns: 5, ..at(20, &set_back) }), []);
}

#[test]
fn after_a_restart_what_has_no_rule_any_more_ends_with_the_reason() {
    let firing = {
        let mut engine = engine(CPU);
        journal(&[0, 10, 20].map(|seconds| engine.step(&at(seconds, &window(Some(0.95))))).concat())
    };
    for (text, node, reason) in [
        ("", node(), "there is no such rule any more, or it is turned off"),
        (&*format!("{CPU}enabled = false\n"), node(), "there is no such rule any more, or it is turned off"),
        (&*format!("{CPU}silenced = true\n"), node(), "the rule is silenced"),
        (
            &*format!("{CPU}severity = \"info\"\n"),
            node(),
            "the rule or the node has changed: this alert can no more arise",
        ),
        (CPU, BTreeMap::new(), "the rule or the node has changed: this alert can no more arise"),
    ] {
        let mut engine = Engine::new(rules(text), node);
        engine.restore(firing.clone());
        let told = engine.step(&at(30, &window(None)));
        assert_eq!((told[0].state, &*told[0].annotations["reason"]), (State::Resolved, reason));
        assert_eq!((&told[0].id, &told[0].labels), (&firing[0].id, &firing[0].labels));
        assert_eq!(engine.step(&at(40, &window(None))), []);
    }
    // The same rule, another threshold: it goes on.
    let mut engine = engine(&CPU.replace("above = 0.9\n", "above = 0.6\n"));
    engine.restore(firing);
    assert_eq!(engine.step(&at(30, &window(Some(0.7)))), []);
    assert_eq!(engine.active()[0].threshold, 0.6);
}

#[test]
fn a_reload_keeps_states_and_ends_what_is_no_more_asked() {
    let other = "[[rule]]\nname = \"Other\"\nsignal = \"load_per_cpu\"\nabove = 0.1\n";
    let mut engine = engine(&format!("{CPU}{other}"));
    let high = window(Some(0.95));
    let told: Vec<Alert> = [0, 10].iter().flat_map(|&seconds| engine.step(&at(seconds, &high))).collect();
    assert_eq!(told.len(), 4);
    engine.reload(rules(&CPU.replace("20s", "30s")));
    let ended = engine.step(&at(20, &high));
    assert_eq!(ended.len(), 3);
    assert!(ended.iter().all(|alert| alert.rule == "Other" && alert.state == State::Resolved));
    let fired = engine.step(&at(30, &high));
    assert_eq!((fired[0].state, &fired[0].id), (State::Firing, &told[0].id));
}

#[test]
fn of_a_silenced_rule_nobody_is_told_and_all_can_see() {
    let silenced = format!("{CPU}silenced = true\n");
    let mut engine = engine(&silenced);
    assert_eq!(story(&mut engine, &[Some(0.95); 3]), []);
    assert_eq!((engine.active().len(), engine.silenced()[0].state), (0, State::Firing));
    // Speaking again, it tells of what it has; silenced again, it ends for the others, and never comes back as the same.
    engine.reload(rules(CPU));
    let told = engine.step(&at(30, &window(Some(0.95))));
    assert_eq!(told[0].state, State::Firing);
    engine.reload(rules(&silenced));
    let ended = engine.step(&at(40, &window(Some(0.95))));
    assert_eq!((ended[0].state, &*ended[0].annotations["reason"]), (State::Resolved, "the rule is silenced"));
    engine.reload(rules(CPU));
    let told_again = engine.step(&at(50, &window(Some(0.95))));
    assert_eq!(told_again[0].state, State::Pending);
    assert_ne!(told_again[0].id, told[0].id);
}

#[test]
fn alerts_are_bounded_and_those_without_room_are_counted() {
    let text = "[[rule]]\nname = \"R\"\nsignal = \"block_requests_per_second\"\nabove = 1\n";
    let mut engine = engine(text);
    let changes = engine.step(&at(0, &synthetic::window(250, 1)));
    assert_eq!((changes.len(), engine.work().suppressed), (MOST_ALERTS, 250));
    // Room is used by those that were there first.
    assert_eq!(engine.step(&at(10, &synthetic::window(250, 2))), []);
}

#[test]
fn rows_that_have_gone_are_forgotten_but_not_their_alerts() {
    let text = "[[rule]]\nname = \"R\"\nsignal = \"filesystem_used_share\"\nmatch = { mount = \"/m0\" }\nabove = 0.1\n";
    let mut engine = engine(text);
    let mut window = synthetic::window(0, 1);
    for n in 0..3000 {
        window.filesystems[0].mount = format!("/m{n}");
        assert_eq!(engine.step(&at(n * INTERVAL, &window)).len(), usize::from(n == 0), "{n}");
    }
    assert!(engine.tables.rows(crate::rules::signal::Domain::Filesystem).len() <= 1100);
    window.filesystems[0] = crate::host::Filesystem { mount: "/m0".into(), ..window.filesystems[0].clone() };
    window.filesystems[0].space.as_mut().unwrap().free = 1 << 40;
    assert_eq!(engine.step(&at(40_000, &window))[0].state, State::Resolved);
}

#[test]
fn a_thousand_rules_over_two_hundred_disks_look_at_each_value_once() {
    let mut engine = synthetic::engine(1000);
    engine.step(&at(0, &synthetic::slow_window(200, 0)));
    let first = engine.work();
    engine.step(&at(10, &synthetic::slow_window(200, 1)));
    let work = engine.work();
    let rows = 200 * 5;
    // Labels are looked at when they are new, values taken once for all rules, and compared only by rules for which one can be
    // beyond: here by all about disks in general, a third of all. Each costs no more than its rows.
    assert!(first.matched > rows && work.matched == 0, "{first:?} {work:?}");
    assert!(work.values < 20 * rows, "{work:?}");
    assert!((100 * rows..340 * rows).contains(&work.compared), "{work:?}");
    assert!((50..MOST_ALERTS).contains(&engine.active().len()), "{}", engine.active().len());
    // Where nothing is beyond, nothing is compared.
    engine.step(&at(20, &synthetic::window(200, 2)));
    assert_eq!(engine.work().compared, 0);
}

#[test]
fn no_built_in_rule_has_anything_to_say_of_a_healthy_node() {
    let mut engine = Engine::new(builtin(), node());
    for step in 0..1000 {
        let window = synthetic::window(3, step);
        let indices = synthetic::indices(1.0 + (step % 7) as f64 / 10.0);
        assert_eq!(engine.step(&Moment { indices: &indices, ..at(step * INTERVAL, &window) }), []);
    }
}

#[test]
fn p_beyond_t_fires_for_block_requests_and_for_the_run_queue() {
    let mut engine = Engine::new(builtin(), node());
    let window = synthetic::window(1, 0);
    let indices = synthetic::indices(3.0);
    let told: Vec<Alert> = (0..20)
        .flat_map(|step| engine.step(&Moment { indices: &indices, ..at(step * INTERVAL, &window) }))
        .filter(|alert| alert.state == State::Firing)
        .collect();
    assert_eq!(told.iter().map(|alert| &*alert.labels["signal"]).collect::<Vec<_>>(), ["block", "run_queue"]);
    assert!(told.iter().all(|alert| alert.rule == "PerformanceIndexHigh"));
    assert_eq!(told[0].annotations["summary"], "block on n1 takes 3.00 times as long as usual");
}
