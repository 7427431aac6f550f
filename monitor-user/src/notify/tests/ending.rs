//! The end and the next start.

use super::{
    server::{Reply, status},
    *,
};

#[test]
fn the_end_is_quick_although_nobody_answers_and_the_next_start_delivers_the_rest() {
    on_one_thread(async {
        let folder = Folder::new();
        let dead = Server::start(|_, _| Reply { after: Duration::from_secs(3600), ..status(200) }).await;
        let notifier = start(&webhooks(&[&dead]), folder.path());
        record(&notifier, &life("a")).await;
        until("that it hangs", || !dead.heard().is_empty()).await;
        let begun = Instant::now();
        notifier.shutdown().await;
        assert!(begun.elapsed() < 4 * PACE.drain, "{:?}", begun.elapsed());
        let address = dead.address();
        drop(dead);
        let mut alive = None;
        // The port is free once the dead server's task is gone.
        until("the port", || std::net::TcpListener::bind(address).is_ok()).await;
        alive.get_or_insert(Server::start_at(address, |_, _| status(200)).await);
        let alive = alive.unwrap();
        let notifier = start(&webhooks(&[&alive]), folder.path());
        delivered(&notifier, "webhook").await;
        let keys: Vec<String> = alive.heard().iter().map(|h| h.header("idempotency-key").to_owned()).collect();
        assert_eq!(keys, ["a-firing-2", "a-resolved-3"]);
    });
}

#[test]
fn what_is_recorded_just_before_the_end_is_told_before_the_end() {
    on_one_thread(async {
        let (folder, server) = (Folder::new(), Server::start(|_, _| status(200)).await);
        let notifier = start(&webhooks(&[&server]), folder.path());
        drop(notifier.record(life("a").to_vec()));
        notifier.shutdown().await;
        assert_eq!(server.heard().len(), 2);
        // And it is not told again.
        let notifier = start(&webhooks(&[&server]), folder.path());
        record(&notifier, &[alert("b", State::Firing, 2)]).await;
        delivered(&notifier, "webhook").await;
        assert_eq!(server.heard().len(), 3);
    });
}

#[test]
fn without_a_disk_alerts_are_told_all_the_same() {
    on_one_thread(async {
        let (folder, server) = (Folder::new(), Server::start(|_, _| status(200)).await);
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let notifier = start(&webhooks(&[&server]), &file);
        assert!(!notifier.record(life("a").to_vec()).await.unwrap(), "it is not on disk");
        delivered(&notifier, "webhook").await;
        assert_eq!(server.heard().len(), 2);
        assert!(notifier.journal().trouble.unwrap().contains("cannot be used"));
    });
}
