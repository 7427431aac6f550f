//! A real Alertmanager is stopped, is gone for ten minutes of the notifier's own time, and is started again.
//!
//! The notifier has the agent's own pace. Its clock stands still but for what the test moves it on, a tenth of a second at a time,
//! and everything it does in between is real: connections that are refused, the journal on disk.

use std::{net::TcpStream, sync::mpsc, time::Duration};

use kpulse::{
    alert::{
        Alert,
        State::{Firing, Resolved},
    },
    journal::{Journal, Limits},
    notify::{Node, Notifier, Pace, Settings},
    status::Delivery,
};
use tests::{
    alertmanager::{Alertmanager, free_address},
    receiver::{Heard, Receiver, forward},
    scratch::Scratch,
    teller::{alert, to_alertmanagers},
    tool_or_skip,
    wait::{self, patience},
};
use tokio::time::{Instant, advance};

/// How far the clock is moved on at once.
const STEP: Duration = Duration::from_millis(100);
/// How long the Alertmanager is gone.
const GONE: Duration = Duration::from_secs(600);

/// What happens meanwhile: seconds since it was stopped, an alert's id, its device, its state. `b` has two lives.
const MEANWHILE: [(u64, &str, &str, kpulse::alert::State); 7] = [
    (0, "000b", "vdb", Firing),
    (60, "000a", "vda", Resolved),
    (120, "000b", "vdb", Resolved),
    (180, "00b2", "vdb", Firing),
    (300, "000c", "vdc", Firing),
    (500, "000c", "vdc", Resolved),
    (590, "000d", "vdd", Firing),
];

#[test]
fn ten_minutes_without_an_alertmanager_lose_nothing_and_change_no_order() {
    tool_or_skip!("ten_minutes_without_an_alertmanager_lose_nothing_and_change_no_order", "prometheus-alertmanager");
    tool_or_skip!("ten_minutes_without_an_alertmanager_lose_nothing_and_change_no_order", "amtool");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        // While a thread of the runtime is busy the clock does not move by itself.
        let (over, busy) = mpsc::channel::<()>();
        let still = tokio::task::spawn_blocking(move || {
            let _ = busy.recv();
        });
        live().await;
        drop(over);
        still.await.unwrap();
    });
}

async fn live() {
    let (scratch, receiver) = (Scratch::new(), Receiver::content());
    let [address, way] = [free_address(), free_address()];
    let start = || {
        let manager = Alertmanager::start(&scratch, address, receiver.address(), "1h");
        (manager, Receiver::start_at(way, move |heard| forward(heard, address).ok().map(|answer| answer.status)))
    };
    let settings = Settings { resend: Duration::from_secs(60), ..to_alertmanagers(&[way]) };
    let (journal, _) = Journal::open(&scratch.path().join("journal"), Limits::default()).unwrap();
    let node = Node { name: "node-1".into(), boot_id: "boot".into(), url: "http://node-1:9466".into() };
    let notifier = Notifier::start(&settings, node, Pace::default(), journal).unwrap();

    let (manager, hearing) = start();
    record(&notifier, alert("000a", "vda", Firing)).await;
    until(&notifier, "the first alert", |fares| fares.delivered == 1).await;
    drop((manager, hearing));
    wait::until("that nobody is there", || TcpStream::connect(way).is_err().then_some(()));

    let attempts = gone(&notifier).await;
    check_pace(&attempts);
    let fares = of(&notifier);
    assert_eq!((fares.delivered, fares.queued, fares.failed), (1, MEANWHILE.len() as u64, attempts.len() as u64));

    let (manager, hearing) = start();
    let back = Instant::now();
    while of(&notifier).queued > 0 {
        assert!(back.elapsed() <= Pace::default().backoff_most + STEP, "the longest wait has passed");
        step(&notifier).await;
    }
    println!("all are delivered {:?} after it is back", back.elapsed());
    let told: Vec<(String, bool)> = hearing.heard().iter().flat_map(told).collect();
    let meant = MEANWHILE.map(|(_, id, _, state)| (id.to_owned(), state == Firing));
    assert_eq!(told[..meant.len()], meant, "each, in the order in which they happened");
    let fares = of(&notifier);
    assert_eq!((fares.delivered, fares.failed), (1 + meant.len() as u64, attempts.len() as u64));
    assert!(fares.dropped.values().all(|count| *count == 0), "{fares:?}");
    let mut devices: Vec<_> = manager.alerts().iter().map(|alert| alert["labels"]["device"].to_string()).collect();
    devices.sort();
    assert_eq!(devices, ["\"vdb\"", "\"vdd\""], "what still fires");
    notifier.shutdown().await;
}

/// Lives through the ten minutes; gives when each attempt failed.
async fn gone(notifier: &Notifier) -> Vec<Duration> {
    let begun = Instant::now();
    let mut ahead = MEANWHILE.iter().peekable();
    let mut attempts = Vec::new();
    while begun.elapsed() < GONE {
        while let Some((_, id, device, state)) = ahead.next_if(|it| it.0 <= begun.elapsed().as_secs()) {
            record(notifier, alert(id, device, *state)).await;
            if attempts.is_empty() {
                // The first attempt is made at once, on a connection that was kept; the clock stands still meanwhile.
                until(notifier, "the first failure", |fares| fares.failed == 1).await;
            }
        }
        if of(notifier).failed > attempts.len() as u64 {
            attempts.push(begun.elapsed());
        }
        step(notifier).await;
    }
    attempts
}

/// As docs/ALERTING.md says: 1 s at first, twice as long each time, at most 5 min; the jitter takes off up to a half.
fn check_pace(attempts: &[Duration]) {
    println!("attempts after {attempts:?}");
    let Pace { backoff, backoff_most, .. } = Pace::default();
    for (n, pair) in attempts.windows(2).enumerate() {
        let (waited, longest) = (pair[1] - pair[0], (backoff * (1 << n)).min(backoff_most));
        assert!(waited + 2 * STEP >= longest / 2, "{waited:?} is too short a wait before attempt {}", n + 2);
        assert!(waited <= longest + 2 * STEP, "{waited:?} is too long a wait before attempt {}", n + 2);
    }
    // With the longest waits 511 s are the tenth's; with the shortest the twelfth is at 555 s.
    assert!((10..=12).contains(&attempts.len()), "{} attempts", attempts.len());
}

fn of(notifier: &Notifier) -> Delivery {
    notifier.delivery().into_iter().find(|target| target.kind == "alertmanager").unwrap()
}

async fn record(notifier: &Notifier, alert: Alert) {
    assert!(notifier.record(vec![alert]).await.unwrap(), "not on disk");
}

/// Moves the clock on, and lets everything happen that happens then.
async fn step(notifier: &Notifier) {
    advance(STEP).await;
    settle(notifier).await;
}

/// The journal answers in the order in which it is asked: what was asked before has an answer, too. And what is refused is
/// refused at once.
async fn settle(notifier: &Notifier) {
    for _ in 0..3 {
        notifier.alerts(Some("none")).await;
        for _ in 0..4 {
            tokio::task::yield_now().await;
        }
    }
}

/// Waits, while the clock stands still.
async fn until(notifier: &Notifier, what: &str, ready: impl Fn(&Delivery) -> bool) {
    let begun = std::time::Instant::now();
    while !ready(&of(notifier)) {
        assert!(begun.elapsed() < patience(), "waited in vain: {what}: {:?}", of(notifier));
        settle(notifier).await;
    }
}

/// What was told in a request that the Alertmanager took: ids, and whether they fire.
fn told(heard: &Heard) -> Vec<(String, bool)> {
    let alerts = heard.json();
    let alerts = alerts.as_array().filter(|_| heard.answered == Some(200)).cloned().unwrap_or_default();
    let one = |alert: serde_json::Value| {
        let url = alert["generatorURL"].as_str().unwrap_or_default();
        // Its clock is not known, because the way to it does not say it: only what is over has an end.
        (url.rsplit('/').next().unwrap_or_default().to_owned(), alert["endsAt"].is_null())
    };
    alerts.into_iter().map(one).collect()
}
