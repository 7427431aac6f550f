//! The server killed at random points under load: what it acknowledged is there, once.

use std::{
    collections::BTreeMap,
    env,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use kpulse::store::{Limits, Resolution, Store};
use tests::{
    fleet::{Client, Server, batch, report},
    scratch::Scratch,
    skip, wait,
};

/// Threads of clients, each with as many nodes.
const CLIENTS: u64 = 4;
const NODES: u64 = 4;

/// How often it is killed: as often as `KPULSE_TEST_KILLS` says, or often enough to find what a crash can do.
fn kills() -> u64 {
    env::var("KPULSE_TEST_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(12)
}

/// A generator of numbers, the same for each run.
struct Random(u64);

impl Random {
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

#[test]
fn a_server_that_is_killed_at_any_moment_has_what_it_acknowledged_once() {
    let _alone = skip::alone();
    let scratch = Scratch::new();
    let state = scratch.path().join("state");
    let mut server = Server::start(&state, &[]);
    let address = server.address;
    let (over, acknowledged) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let (over, acknowledged) = (Arc::clone(&over), Arc::clone(&acknowledged));
            thread::spawn(move || load(address, client, &over, &acknowledged))
        })
        .collect();
    let mut random = Random(7);
    for kill in 0..kills() {
        // Under load, and not before it has acknowledged something.
        let before = acknowledged.load(Relaxed);
        wait::until("an acknowledgement", || (acknowledged.load(Relaxed) > before).then_some(()));
        thread::sleep(Duration::from_micros(random.next(150_000)));
        assert!(!server.end(libc::SIGKILL).success(), "kill {kill}");
        server = Server::start(&state, &["--listen".into(), address.to_string()]);
    }
    over.store(true, Relaxed);
    let counts: Vec<_> = clients.into_iter().flat_map(|client| client.join().expect("a client")).collect();
    assert!(server.end(libc::SIGTERM).success());

    let store = Store::open(&state.join("store"), Limits::default()).expect("the store");
    let reader = store.reader();
    let (mut stored, mut twice, mut missing) = (0, 0, 0);
    for (node, count) in &counts {
        let mut seen = BTreeMap::<u64, u64>::new();
        let mut from = 0;
        loop {
            let page = reader.reports(node, Resolution::Full, from, u64::MAX, 1000).expect("reports");
            page.items
                .iter()
                .for_each(|stored| *seen.entry(stored.decode().expect("a report").sequence).or_default() += 1);
            match page.next {
                Some(next) => from = next,
                None => break,
            }
        }
        twice += seen.values().filter(|times| **times > 1).count();
        missing += (1..=*count).filter(|sequence| !seen.contains_key(sequence)).count();
        stored += seen.len();
    }
    println!("{} kills, {} acknowledged, {stored} stored", kills(), acknowledged.load(Relaxed));
    assert_eq!((twice, missing), (0, 0));
    assert!(acknowledged.load(Relaxed) > kills() * CLIENTS);
}

/// Sends one report after the other of each of its nodes, each until it is acknowledged. Returns how many of each were.
fn load(address: std::net::SocketAddr, client: u64, over: &AtomicBool, acknowledged: &AtomicU64) -> Vec<(String, u64)> {
    let mut counts: Vec<(String, u64)> = (0..NODES).map(|node| (format!("node-{client}-{node}"), 0)).collect();
    let mut connection = None;
    while !over.load(Relaxed) {
        for (node, count) in &mut counts {
            // Two at once, so that a batch can be half done.
            let reports = vec![report(*count + 1, 1000), report(*count + 2, 1000)];
            let batch = batch(node, reports);
            while !over.load(Relaxed) {
                let open = connection.take().or_else(|| Client::connect(address, None, None).ok());
                let Some(mut open) = open else {
                    thread::sleep(Duration::from_millis(5));
                    continue;
                };
                let Ok(answer) = open.post(&batch) else { continue };
                connection = Some(open);
                if answer.status == 200 {
                    assert_eq!(answer.report().stored, [*count + 1, *count + 2], "{:?}", answer.report().refused);
                    *count += 2;
                    acknowledged.fetch_add(2, Relaxed);
                    break;
                }
            }
        }
    }
    counts
}
