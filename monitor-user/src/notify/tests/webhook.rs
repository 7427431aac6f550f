//! Webhooks: order, retries, refusals, and that no target waits for another.

use super::{
    server::{Heard, Reply, status},
    *,
};

/// A receiver that knows the contract: the right headers, and no transition twice.
fn strict(now: &Heard, before: &[Heard]) -> Reply {
    let key = now.header("idempotency-key");
    if now.header("content-type") != "application/json" || now.json()["version"] != "4" || key.is_empty() {
        return status(400);
    }
    status(if before.iter().any(|heard| heard.header("idempotency-key") == key) { 409 } else { 200 })
}

fn keys(heard: &[Heard]) -> Vec<&str> {
    heard.iter().map(|heard| heard.header("idempotency-key")).collect()
}

#[test]
fn each_change_is_told_once_and_in_order() {
    on_one_thread(async {
        let (folder, server) = (Folder::new(), Server::start(strict).await);
        let notifier = start(&webhooks(&[&server]), folder.path());
        record(&notifier, &life("a")).await;
        record(&notifier, &[alert("b", State::Pending, 1), alert("b", State::Dropped, 2)]).await;
        record(&notifier, &life("c")).await;
        delivered(&notifier, "webhook").await;
        assert_eq!(keys(&server.heard()), ["a-firing-2", "a-resolved-3", "c-firing-7", "c-resolved-8"]);
        let fares = of(&notifier, "webhook");
        assert_eq!((fares.delivered, fares.failed, fares.dropped["rejected"]), (4, 0, 0));
        assert_eq!(notifier.alerts(Some("c")).await, [alert("c", State::Resolved, 3)]);
        let ids: Vec<String> = notifier.alerts(None).await.into_iter().map(|alert| alert.id).collect();
        assert_eq!(ids, ["a", "c"]);
        notifier.shutdown().await;
    });
}

#[test]
fn an_answer_that_was_lost_is_asked_for_again_with_the_same_key() {
    on_one_thread(async {
        let folder = Folder::new();
        // It takes what it hears at first and forgets to say so.
        let server = Server::start(|now, before| match before.len() {
            0 => Reply { after: 2 * PACE.timeout, ..status(200) },
            _ => strict(now, before),
        })
        .await;
        let notifier = start(&webhooks(&[&server]), folder.path());
        record(&notifier, &life("a")).await;
        delivered(&notifier, "webhook").await;
        assert_eq!(keys(&server.heard()), ["a-firing-2", "a-firing-2", "a-resolved-3"]);
        assert_eq!(of(&notifier, "webhook").failed, 1);
    });
}

#[test]
fn who_asks_to_be_left_alone_is_left_alone() {
    on_one_thread(async {
        let folder = Folder::new();
        let server = Server::start(|now, before| match before.len() {
            0 => Reply { headers: vec![("retry-after", "1".into())], ..status(429) },
            _ => strict(now, before),
        })
        .await;
        let notifier = start(&webhooks(&[&server]), folder.path());
        record(&notifier, &life("a")).await;
        until("the first request", || !server.heard().is_empty()).await;
        record(&notifier, &life("b")).await;
        delivered(&notifier, "webhook").await;
        let heard = server.heard();
        assert!(heard[1].at - heard[0].at >= Duration::from_secs(1), "{:?}", heard[1].at - heard[0].at);
        assert_eq!(keys(&heard)[1..], ["a-firing-2", "a-resolved-3", "b-firing-5", "b-resolved-6"]);
    });
}

#[test]
fn one_alert_that_fails_holds_up_what_comes_later_for_it_and_nothing_else() {
    on_one_thread(async {
        let folder = Folder::new();
        let server = Server::start(|now, before| {
            let sick = now.header("idempotency-key").starts_with("a-");
            let tried = before.iter().filter(|heard| heard.header("idempotency-key").starts_with("a-")).count();
            if sick && tried < 5 { status(500) } else { status(200) }
        })
        .await;
        let notifier = start(&webhooks(&[&server]), folder.path());
        let [a, b] = [life("a"), life("b")];
        record(&notifier, &[a, b].concat()).await;
        delivered(&notifier, "webhook").await;
        let heard = server.heard();
        assert_eq!(keys(&heard)[..3], ["a-firing-2", "b-firing-5", "b-resolved-6"]);
        assert_eq!(
            keys(&heard)[3..],
            ["a-firing-2", "a-firing-2", "a-firing-2", "a-firing-2", "a-firing-2", "a-resolved-3"]
        );
    });
}

#[test]
fn what_is_refused_is_counted_and_holds_up_nothing() {
    on_one_thread(async {
        let folder = Folder::new();
        let server =
            Server::start(|now, _| status(if now.header("idempotency-key").starts_with("a-") { 422 } else { 204 }))
                .await;
        let notifier = start(&webhooks(&[&server]), folder.path());
        let [a, b] = [life("a"), life("b")];
        record(&notifier, &[a, b].concat()).await;
        delivered(&notifier, "webhook").await;
        let fares = of(&notifier, "webhook");
        assert_eq!((fares.delivered, fares.failed, fares.dropped["rejected"], server.heard().len()), (2, 0, 2, 4));
    });
}

#[test]
fn a_target_that_never_answers_delays_no_other() {
    on_one_thread(async {
        let folder = Folder::new();
        let dead = Server::start(|_, _| Reply { after: Duration::from_secs(3600), ..status(200) }).await;
        let alive = Server::start(strict).await;
        let notifier = start(&webhooks(&[&dead, &alive]), folder.path());
        let lives: Vec<Alert> = (0..20).flat_map(|n| life(&n.to_string())).collect();
        record(&notifier, &lives).await;
        until("all at the one that lives", || alive.heard().len() == 40).await;
        assert!(dead.heard().len() < 20, "{}", dead.heard().len());
        let queued: Vec<u64> = notifier.delivery().iter().map(|target| target.queued).collect();
        assert!(queued.contains(&40), "{queued:?}");
        assert!(notifier.delivery().iter().any(|target| target.oldest_ns == Some(2_000_000_000)));
    });
}

#[test]
fn a_server_that_fails_at_everything_is_not_asked_about_everything() {
    on_one_thread(async {
        let (folder, server) = (Folder::new(), Server::start(|_, _| status(500)).await);
        let notifier = start(&webhooks(&[&server]), folder.path());
        let lives: Vec<Alert> = (0..50).flat_map(|n| life(&n.to_string())).collect();
        record(&notifier, &lives).await;
        until("the second time", || server.heard().len() > 3).await;
        let heard = server.heard();
        let first: Vec<&str> = keys(&heard)[..3].to_vec();
        assert_eq!(first, ["0-firing-2", "1-firing-5", "2-firing-8"]);
        assert_eq!(keys(&heard)[3], "0-firing-2");
    });
}
