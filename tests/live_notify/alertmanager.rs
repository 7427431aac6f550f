//! A real Alertmanager: fires, repeats, resolves, and is one alert all the time.

use std::collections::BTreeSet;

use kpulse::alert::{
    Alert,
    State::{Firing, Resolved},
};
use serde_json::{Value, json};
use tests::{
    alertmanager::{Alertmanager, free_address},
    receiver::Receiver,
    scratch::Scratch,
    teller::{Teller, alert, to_alertmanagers},
    tool_or_skip, wait,
};

/// What the receiver of an Alertmanager was told, oldest first: status and devices.
fn told(receiver: &Receiver) -> Vec<(String, Vec<String>)> {
    let devices = |message: &Value| {
        let alerts = message["alerts"].as_array().unwrap();
        alerts.iter().map(|alert| alert["labels"]["device"].as_str().unwrap_or("").to_owned()).collect()
    };
    let messages = receiver.heard().into_iter().map(|heard| heard.json());
    messages.map(|message| (message["status"].as_str().unwrap().to_owned(), devices(&message))).collect()
}

#[test]
fn an_alert_fires_repeats_and_resolves_and_amtool_lists_its_evidence() {
    tool_or_skip!("an_alert_fires_repeats_and_resolves_and_amtool_lists_its_evidence", "prometheus-alertmanager");
    tool_or_skip!("an_alert_fires_repeats_and_resolves_and_amtool_lists_its_evidence", "amtool");
    let (scratch, receiver) = (Scratch::new(), Receiver::content());
    let manager = Alertmanager::start(&scratch, free_address(), receiver.address(), "1s");
    let teller = Teller::start(&scratch.path().join("journal"), to_alertmanagers(&[manager.address]));
    teller.record(&[alert("00ff", "vda", Firing)]);
    let found = wait::until("the alert", || manager.alerts().pop());
    println!("{found:#}");
    assert_eq!(found["labels"]["alertname"], "SlowDisk");
    assert_eq!(found["annotations"]["culprits"], "fio.scope 81%, postgres.service 12%, other 7%");
    assert_eq!(found["generatorURL"], "http://node-1:9466/alerts/00ff");
    let fingerprint = alert("00ff", "vda", Firing).fingerprint();
    assert_eq!(found["fingerprint"], format!("{fingerprint:016x}"), "ours is Alertmanager's");
    let shown = manager.amtool("extended");
    println!("{shown}");
    for words in
        ["culprits=\"fio.scope 81%, postgres.service 12%, other 7%\"", "index=\"P 4.2 = 1 + 3.1", "/alerts/00ff"]
    {
        assert!(shown.contains(words), "{words}\n{shown}");
    }

    wait::until("that it repeats", || (told(&receiver).len() >= 3).then_some(()));
    teller.record(&[alert("00ff", "vda", Resolved)]);
    wait::until("that nothing fires", || manager.alerts().is_empty().then_some(()));
    wait::until("that it is over", || told(&receiver).last().filter(|last| last.0 == "resolved").cloned());
    let told = told(&receiver);
    let fired = told.iter().take_while(|one| one.0 == "firing").count();
    assert_eq!((fired, told.iter().filter(|one| one.0 == "resolved").count()), (told.len() - 1, 1), "{told:?}");
    teller.end();
}

#[test]
fn an_hour_of_telling_again_is_one_alert_in_one_group_and_one_message() {
    tool_or_skip!("an_hour_of_telling_again_is_one_alert_in_one_group_and_one_message", "prometheus-alertmanager");
    tool_or_skip!("an_hour_of_telling_again_is_one_alert_in_one_group_and_one_message", "amtool");
    let (scratch, receiver) = (Scratch::new(), Receiver::content());
    let manager = Alertmanager::start(&scratch, free_address(), receiver.address(), "1h");
    let teller = Teller::start(&scratch.path().join("journal"), to_alertmanagers(&[manager.address]));
    teller.record(&[alert("00ff", "vda", Firing)]);
    let (mut seen, mut minutes) = (BTreeSet::new(), BTreeSet::new());
    wait::until("an hour", || {
        for group in manager.groups() {
            let alerts = group["alerts"].as_array().unwrap();
            assert_eq!(alerts.len(), 1, "{group}");
            minutes.insert(alerts[0]["updatedAt"].to_string());
            seen.insert(json!([group["labels"], alerts[0]["fingerprint"], alerts[0]["startsAt"]]).to_string());
        }
        (minutes.len() > 60).then_some(())
    });
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert_eq!(told(&receiver), [("firing".to_owned(), vec!["vda".to_owned()])]);
    teller.record(&[alert("00ff", "vda", Resolved)]);
    wait::until("that it is over", || (told(&receiver).len() == 2).then_some(()));
    // What is over is told again for a quarter of an hour. Another alert shows when that has been done a few times.
    teller.record(&[Alert { labels: [("alertname".into(), "Other".into())].into(), ..alert("0a0a", "vdb", Firing) }]);
    minutes.clear();
    wait::until("a quarter of an hour", || {
        minutes.extend(manager.alerts().iter().map(|alert| alert["updatedAt"].to_string()));
        (minutes.len() > 15).then_some(())
    });
    let both = [("firing".to_owned(), vec!["vda".to_owned()]), ("resolved".to_owned(), vec!["vda".to_owned()])];
    let of_vda = |one: &(String, Vec<String>)| one.1 == ["vda"];
    assert_eq!(told(&receiver).into_iter().filter(of_vda).collect::<Vec<_>>(), both);
    teller.end();
}

#[test]
fn two_alertmanagers_both_get_everything() {
    tool_or_skip!("two_alertmanagers_both_get_everything", "prometheus-alertmanager");
    tool_or_skip!("two_alertmanagers_both_get_everything", "amtool");
    let scratch = Scratch::new();
    let receivers = [Receiver::content(), Receiver::content()];
    let managers =
        receivers.each_ref().map(|receiver| Alertmanager::start(&scratch, free_address(), receiver.address(), "1h"));
    let settings = to_alertmanagers(&managers.each_ref().map(|manager| manager.address));
    let teller = Teller::start(&scratch.path().join("journal"), settings);
    for n in 0..5 {
        teller.record(&[alert(&format!("{n:04x}"), &format!("vd{n}"), Firing)]);
    }
    for manager in &managers {
        wait::until("all five", || (manager.alerts().len() == 5).then_some(()));
    }
    for n in 0..5 {
        teller.record(&[alert(&format!("{n:04x}"), &format!("vd{n}"), Resolved)]);
    }
    for (manager, receiver) in managers.iter().zip(&receivers) {
        wait::until("that nothing fires", || manager.alerts().is_empty().then_some(()));
        wait::until("that all is over", || told(receiver).last().filter(|last| last.0 == "resolved").cloned());
    }
    teller.end();
}
