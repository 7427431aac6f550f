//! Alertmanagers: what is invalid, what is forgotten, and clocks that differ. The real one is in the live tests.

use std::time::SystemTime;

use serde_json::Value;

use super::{
    server::{Heard, Reply, status},
    *,
};

fn to(servers: &[&Server], resend: Duration) -> Settings {
    Settings { alertmanagers: endpoints(servers), resend, ..settings() }
}

/// The devices of the alerts in a request.
fn devices(heard: &Heard) -> Vec<String> {
    let alerts = heard.json();
    alerts.as_array().unwrap().iter().map(|alert| alert["labels"]["device"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn of_a_batch_with_invalid_alerts_the_valid_ones_are_taken_and_the_others_are_not_sent_again() {
    on_one_thread(async {
        let folder = Folder::new();
        let sick = |device: &String| device.ends_with('3') || device.ends_with('7');
        let server = Server::start(move |now, _| status(if devices(now).iter().any(sick) { 400 } else { 200 })).await;
        let notifier = start(&to(&[&server], Duration::from_millis(50)), folder.path());
        let many: Vec<Alert> = (0..10).map(|n| alert(&n.to_string(), State::Firing, 2)).collect();
        record(&notifier, &many).await;
        delivered(&notifier, "alertmanager").await;
        let fares = of(&notifier, "alertmanager");
        assert_eq!((fares.delivered, fares.dropped["rejected"], fares.failed), (8, 2, 0));
        let before = server.heard().len();
        until("that they are told again", || server.heard().len() >= before + 3).await;
        for again in &server.heard()[before + 1..] {
            assert_eq!(devices(again).len(), 8, "{:?}", devices(again));
        }
    });
}

#[test]
fn what_fires_is_told_again_and_so_is_what_is_over_but_not_an_older_life() {
    on_one_thread(async {
        let (folder, server) = (Folder::new(), Server::start(|_, _| status(200)).await);
        let now_s = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let notifier = start(&to(&[&server], Duration::from_millis(50)), folder.path());
        let relive = |id: &str, state| Alert { labels: alert("x", State::Firing, 1).labels, ..alert(id, state, now_s) };
        let long_over = alert("old", State::Resolved, 3);
        record(
            &notifier,
            &[alert("a", State::Firing, now_s), relive("1", State::Firing), relive("1", State::Resolved)],
        )
        .await;
        record(&notifier, &[relive("2", State::Firing), alert("b", State::Resolved, now_s), long_over]).await;
        delivered(&notifier, "alertmanager").await;
        let before = server.heard().len();
        until("that they are told again", || server.heard().len() >= before + 3).await;
        let again = server.heard().pop().unwrap();
        assert_eq!(devices(&again), ["disk-a", "disk-x", "disk-b"]);
        let ends: Vec<u64> = again.json().as_array().unwrap().iter().map(ends_s).collect();
        assert_eq!(ends[2], now_s);
    });
}

/// When an alert ends, in seconds since 1970.
fn ends_s(alert: &Value) -> u64 {
    let text = alert["endsAt"].as_str().unwrap();
    let (date, time) = text.split_once('T').unwrap();
    let numbers = |text: &str, by: char| text.split(by).map(|n| n.parse().unwrap()).collect::<Vec<u64>>();
    let (date, time) = (numbers(date, '-'), numbers(&time[..8], ':'));
    let days = (1970..date[0]).map(|year| if year % 4 == 0 { 366 } else { 365 }).sum::<u64>()
        + [31, if date[0] % 4 == 0 { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30][..date[1] as usize - 1]
            .iter()
            .sum::<u64>()
        + date[2]
        - 1;
    days * 86_400 + time[0] * 3600 + time[1] * 60 + time[2]
}

#[test]
fn a_clock_that_differs_is_found_out_and_what_was_sent_is_corrected_at_once() {
    on_one_thread(async {
        let folder = Folder::new();
        let there = || SystemTime::now() - Duration::from_secs(7200);
        let server = Server::start(move |_, _| Reply {
            headers: vec![("date", httpdate::fmt_http_date(there()))],
            ..status(200)
        })
        .await;
        // Nothing is told again for an hour unless there is a reason.
        let notifier = start(&to(&[&server], Duration::from_secs(3600)), folder.path());
        record(&notifier, &[alert("a", State::Firing, 2)]).await;
        until("that it is told again", || server.heard().len() >= 2).await;
        let heard = server.heard();
        assert_eq!(heard[0].json()[0]["endsAt"], Value::Null);
        let expected = there().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() + 4 * 3600;
        let ends = ends_s(&heard[1].json()[0]);
        assert!(ends.abs_diff(expected) < 60, "{ends} {expected}");
    });
}

#[test]
fn every_alertmanager_is_told_everything() {
    on_one_thread(async {
        let folder = Folder::new();
        let [one, two] = [Server::start(|_, _| status(200)).await, Server::start(|_, _| status(202)).await];
        let notifier = start(&to(&[&one, &two], Duration::from_secs(60)), folder.path());
        record(&notifier, &life("a")).await;
        record(&notifier, &life("b")).await;
        delivered(&notifier, "alertmanager").await;
        for server in [&one, &two] {
            let told: Vec<String> = server.heard().iter().flat_map(devices).collect();
            assert!(told.contains(&"disk-a".to_owned()) && told.contains(&"disk-b".to_owned()), "{told:?}");
            assert!(server.heard().iter().all(|heard| heard.path == "/api/v2/alerts"));
        }
        assert_eq!(notifier.delivery().iter().filter(|target| target.kind == "alertmanager").count(), 2);
    });
}

#[test]
fn after_a_restart_what_fires_is_told_at_once() {
    on_one_thread(async {
        let (folder, server) = (Folder::new(), Server::start(|_, _| status(200)).await);
        let notifier = start(&to(&[&server], Duration::from_secs(3600)), folder.path());
        record(&notifier, &[alert("a", State::Firing, 2)]).await;
        delivered(&notifier, "alertmanager").await;
        notifier.shutdown().await;
        let before = server.heard().len();
        let _notifier = start(&to(&[&server], Duration::from_secs(3600)), folder.path());
        until("that it is told again", || server.heard().len() > before).await;
        assert_eq!(devices(&server.heard()[before]), ["disk-a"]);
    });
}
