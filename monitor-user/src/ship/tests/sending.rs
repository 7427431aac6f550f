//! Reports on their way, against a strict stub.

use std::{fs, path::Path, sync::Mutex, time::Duration};

use super::*;
use crate::{
    notify::Url,
    report::wire::Report,
    ship::{
        Pace, Settings, Shipping,
        testing::{Seen, Stub},
    },
};

fn pace() -> Pace {
    Pace {
        timeout: Duration::from_secs(5),
        backoff: Duration::from_millis(5),
        backoff_most: Duration::from_millis(40),
        refused: Duration::from_millis(20),
        replay_per_second: 1_000_000,
        drain: Duration::from_secs(5),
    }
}

fn settings(url: &str) -> Settings {
    let (spool_bytes, spool_age) = (1 << 20, Duration::from_secs(86_400));
    Settings { url: Some(Url::parse(url).unwrap()), spool_bytes, spool_age, ..Settings::default() }
}

fn start(url: &str, folder: &Path, instance: u64) -> Shipping {
    Shipping::start(&settings(url), folder, sender(instance), pace()).unwrap().unwrap()
}

fn push(shipping: &Shipping, sequences: std::ops::Range<u64>) {
    let now_ns = crate::collect::realtime_ns();
    for sequence in sequences {
        shipping.push(&Report { sequence, end_ns: now_ns + sequence, length_ns: 1, ..Report::default() });
    }
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let wait = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(20), wait).await.is_ok(), "never: {what}");
}

fn each_once(seen: &Mutex<Seen>) -> bool {
    seen.lock().unwrap().reports.values().all(|&count| count == 1)
}

#[tokio::test]
async fn what_waited_while_the_server_was_away_arrives_once_and_in_order() {
    let folder = Directory::new();
    let stub = Stub::new().await;
    let (address, seen) = (stub.address, stub.seen.clone());
    let url = stub.url();
    drop(stub);
    let shipping = start(&url, &folder.0, 1);
    push(&shipping, 1..101);
    until("it fails", || shipping.status().failed > 1).await;
    assert_eq!((shipping.status().acknowledged, shipping.status().waiting), (0, 100));
    assert!(shipping.status().failing.is_some());
    shipping.end().await;
    // The agent starts anew, and then the server is there.
    let shipping = start(&url, &folder.0, 2);
    push(&shipping, 1..4);
    let _stub = Stub::at(address, seen.clone()).await;
    until("all is there", || shipping.status().acknowledged == 103 && shipping.status().waiting == 0).await;
    let expected: Vec<_> = (1..101).map(|sequence| (1, sequence)).chain((1..4).map(|sequence| (2, sequence))).collect();
    assert_eq!(seen.lock().unwrap().order, expected);
    assert!(each_once(&seen));
    assert_eq!(shipping.status().failing, None);
    shipping.end().await;
}

#[tokio::test]
async fn a_server_that_wants_to_be_left_alone_is() {
    let (folder, stub) = (Directory::new(), Stub::new().await);
    stub.seen.lock().unwrap().says.push_back((503, vec![("retry-after", "1".into())]));
    let begun = std::time::Instant::now();
    let shipping = start(&stub.url(), &folder.0, 1);
    push(&shipping, 1..2);
    until("it is there", || shipping.status().acknowledged == 1).await;
    assert!(begun.elapsed() >= Duration::from_secs(1));
    assert_eq!(shipping.status().failed, 1);
}

#[tokio::test]
async fn what_an_operator_can_put_right_is_tried_again_and_nothing_is_lost() {
    let (folder, stub) = (Directory::new(), Stub::new().await);
    let says = [401, 403, 409, 426, 429, 500, 404].map(|status| (status, Vec::new()));
    stub.seen.lock().unwrap().says.extend(says);
    let shipping = start(&stub.url(), &folder.0, 1);
    push(&shipping, 1..11);
    until("all is there", || shipping.status().acknowledged == 10).await;
    assert_eq!((shipping.status().failed, shipping.status().refused.len()), (7, 0));
}

#[tokio::test]
async fn refused_reports_are_counted_by_reason_and_the_others_arrive() {
    let (folder, stub) = (Directory::new(), Stub::new().await);
    stub.seen.lock().unwrap().refuses = vec![2, 5];
    let shipping = start(&stub.url(), &folder.0, 1);
    push(&shipping, 1..8);
    until("all is settled", || shipping.status().acknowledged == 5 && shipping.status().waiting == 0).await;
    assert_eq!(shipping.status().refused, [("future".to_owned(), 2)].into());
}

#[tokio::test]
async fn a_batch_that_is_too_large_is_sent_in_parts() {
    let (folder, stub) = (Directory::new(), Stub::new().await);
    stub.seen.lock().unwrap().most = 3;
    let url = stub.url();
    stub.seen.lock().unwrap().says.push_back((503, Vec::new()));
    let shipping = start(&url, &folder.0, 1);
    push(&shipping, 1..41);
    until("all is there", || shipping.status().acknowledged == 40).await;
    assert!(each_once(&stub.seen));
}

#[tokio::test]
async fn one_report_that_is_never_taken_holds_up_no_other() {
    let (folder, stub) = (Directory::new(), Stub::new().await);
    let shipping = start(&stub.url(), &folder.0, 1);
    stub.seen.lock().unwrap().says.push_back((400, Vec::new()));
    push(&shipping, 1..2);
    until("it is dropped", || shipping.status().refused.get("malformed") == Some(&1)).await;
    push(&shipping, 2..3);
    until("the next is there", || shipping.status().acknowledged == 1).await;
}

#[tokio::test]
async fn the_token_is_read_for_each_request_and_large_batches_are_packed() {
    let (folder, stub) = (Directory::new(), Stub::new().await);
    let token = folder.0.join("token");
    fs::write(&token, "kp_one\n").unwrap();
    let settings = Settings { token_file: Some(token.clone()), ..settings(&stub.url()) };
    let shipping = Shipping::start(&settings, &folder.0.join("spool"), sender(1), pace()).unwrap().unwrap();
    push(&shipping, 1..2);
    until("the first is there", || shipping.status().acknowledged == 1).await;
    fs::write(&token, "kp_two\n").unwrap();
    stub.seen.lock().unwrap().says.push_back((503, vec![]));
    let text = "x".repeat(1000);
    for sequence in 2..40 {
        let alert = crate::report::wire::ActiveAlert { summary: text.clone(), ..Default::default() };
        let end_ns = crate::collect::realtime_ns();
        shipping.push(&Report { sequence, end_ns, length_ns: 1, alerts: vec![alert], ..Report::default() });
    }
    until("all is there", || shipping.status().acknowledged == 39).await;
    let seen = stub.seen.lock().unwrap();
    assert_eq!((&seen.authorization[0][..], &seen.authorization[1][..]), ("Bearer kp_one", "Bearer kp_two"));
    assert!(seen.packed > 0);
}

#[tokio::test]
async fn what_was_lost_is_said_to_the_server() {
    let folder = Directory::new();
    let stub = Stub::new().await;
    stub.seen.lock().unwrap().says.extend(std::iter::repeat_n((503, vec![("retry-after", "1".into())]), 1));
    let settings = Settings { spool_bytes: 2_000, ..settings(&stub.url()) };
    let shipping = Shipping::start(&settings, &folder.0, sender(1), pace()).unwrap().unwrap();
    push(&shipping, 1..101);
    until("all is settled", || shipping.status().waiting == 0).await;
    let status = shipping.status();
    assert!(status.lost["no_room"] > 0 && status.lost["no_room"] + status.acknowledged == 100, "{status:?}");
    assert_eq!(stub.seen.lock().unwrap().lost.unwrap().reports, status.lost["no_room"]);
}
