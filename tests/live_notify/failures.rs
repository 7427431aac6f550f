//! A real Alertmanager that is down, slow, content with half of it, broken, or another one.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use kpulse::alert::State::{Firing, Resolved};
use tests::{
    alertmanager::{Alertmanager, free_address},
    receiver::{Receiver, forward, slow_way},
    scratch::Scratch,
    teller::{Teller, alert, to_alertmanagers},
    tool_or_skip, wait,
};

#[test]
fn an_alertmanager_that_was_down_or_is_replaced_by_an_empty_one_gets_what_fires() {
    tool_or_skip!(
        "an_alertmanager_that_was_down_or_is_replaced_by_an_empty_one_gets_what_fires",
        "prometheus-alertmanager"
    );
    tool_or_skip!("an_alertmanager_that_was_down_or_is_replaced_by_an_empty_one_gets_what_fires", "amtool");
    let (scratch, receiver) = (Scratch::new(), Receiver::content());
    let address = free_address();
    let teller = Teller::start(&scratch.path().join("journal"), to_alertmanagers(&[address]));
    teller.record(&[alert("0001", "vda", Firing), alert("0002", "vdb", Firing)]);
    // As often as in ten minutes with the waits of the agent: 1 + 2 + 4 + ... seconds.
    wait::until("ten minutes of failures", || (teller.targets("alertmanager")[0].failed >= 10).then_some(()));
    assert_eq!(teller.targets("alertmanager")[0].queued, 2);
    teller.record(&[alert("0002", "vdb", Resolved)]);

    let manager = Alertmanager::start(&scratch, address, receiver.address(), "1h");
    teller.delivered("alertmanager");
    let devices = |manager: &Alertmanager| {
        manager.alerts().iter().map(|alert| alert["labels"]["device"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    wait::until("the alert that still fires", || (devices(&manager) == ["vda"]).then_some(()));

    drop(manager);
    let failed = teller.targets("alertmanager")[0].failed;
    wait::until("that it is missed", || (teller.targets("alertmanager")[0].failed > failed).then_some(()));
    let another = Alertmanager::start(&scratch, address, receiver.address(), "1h");
    wait::until("that the other one knows", || (devices(&another) == ["vda"]).then_some(()));
    let fares = &teller.targets("alertmanager")[0];
    assert_eq!((fares.delivered, fares.queued, fares.dropped["rejected"]), (3, 0, 0));
    teller.end();
}

#[test]
fn an_alertmanager_that_is_slow_gets_it_later_and_the_other_at_once() {
    tool_or_skip!("an_alertmanager_that_is_slow_gets_it_later_and_the_other_at_once", "prometheus-alertmanager");
    tool_or_skip!("an_alertmanager_that_is_slow_gets_it_later_and_the_other_at_once", "amtool");
    let (scratch, receiver) = (Scratch::new(), Receiver::content());
    let [far, near] = [(); 2].map(|()| Alertmanager::start(&scratch, free_address(), receiver.address(), "1h"));
    let way = slow_way(far.address, Duration::from_secs(2));
    let teller = Teller::start(&scratch.path().join("journal"), to_alertmanagers(&[way.address, near.address]));
    teller.record(&[alert("0001", "vda", Firing)]);
    wait::until("the near one's", || (near.alerts().len() == 1).then_some(()));
    assert_eq!(far.alerts().len(), 0, "it is two seconds away");
    wait::until("the far one's", || (far.alerts().len() == 1).then_some(()));
    assert_eq!(teller.targets("alertmanager").iter().map(|target| target.failed).sum::<u64>(), 0);
    teller.end();
}

#[test]
fn of_a_batch_with_an_invalid_alert_all_others_arrive_and_it_is_counted() {
    tool_or_skip!("of_a_batch_with_an_invalid_alert_all_others_arrive_and_it_is_counted", "prometheus-alertmanager");
    tool_or_skip!("of_a_batch_with_an_invalid_alert_all_others_arrive_and_it_is_counted", "amtool");
    let (scratch, receiver) = (Scratch::new(), Receiver::content());
    let manager = Alertmanager::start(&scratch, free_address(), receiver.address(), "1h");
    let mut alerts: Vec<_> = (0..300).map(|n| alert(&format!("{n:04x}"), &format!("vd{n:03}"), Firing)).collect();
    alerts[77].labels.insert("no-label".into(), "it has a dash".into());
    let teller = Teller::start(&scratch.path().join("journal"), to_alertmanagers(&[manager.address]));
    teller.record(&alerts);
    teller.delivered("alertmanager");
    let fares = &teller.targets("alertmanager")[0];
    assert_eq!((fares.delivered, fares.dropped["rejected"], fares.failed), (299, 1, 0));
    let found = manager.alerts();
    assert_eq!(found.len(), 299);
    assert!(found.iter().all(|alert| alert["labels"]["device"] != "vd077"));
    teller.end();
}

#[test]
fn an_alertmanager_that_answers_500_is_asked_again() {
    tool_or_skip!("an_alertmanager_that_answers_500_is_asked_again", "prometheus-alertmanager");
    tool_or_skip!("an_alertmanager_that_answers_500_is_asked_again", "amtool");
    let (scratch, receiver) = (Scratch::new(), Receiver::content());
    let manager = Alertmanager::start(&scratch, free_address(), receiver.address(), "1h");
    let (to, asked) = (manager.address, AtomicUsize::new(0));
    let broken = Receiver::start(move |heard| match asked.fetch_add(1, Ordering::Relaxed) {
        0..5 => Some(500),
        _ => forward(heard, to).ok().map(|answer| answer.status),
    });
    let teller = Teller::start(&scratch.path().join("journal"), to_alertmanagers(&[broken.address()]));
    teller.record(&[alert("0001", "vda", Firing)]);
    wait::until("the alert", || (manager.alerts().len() == 1).then_some(()));
    assert_eq!(teller.targets("alertmanager")[0].failed, 5);
    teller.end();
}
