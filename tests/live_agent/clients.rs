//! Many clients, and bad ones.

use std::{io::Write as _, sync::Barrier, thread};

use tests::{
    agent::{Agent, is_shipped},
    exposition::Scrape,
    http, root_or_skip,
    skip::alone,
};

const CLIENTS: usize = 50;

#[test]
fn fifty_clients_that_scrape_at_once_all_get_a_complete_answer() {
    root_or_skip!("fifty_clients_that_scrape_at_once_all_get_a_complete_answer");
    let _alone = alone();
    let agent = Agent::start::<&str>([]);
    agent.collected();
    let (before, scrapes_before) = (agent.cpu_ns(), agent.scrape().value("kpulse_scrapes_total"));
    let barrier = Barrier::new(CLIENTS);
    let answers: Vec<_> = thread::scope(|scope| {
        let client = || {
            barrier.wait();
            http::get(agent.address, "/metrics")
        };
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(client)).collect();
        clients.into_iter().map(|client| client.join().unwrap().unwrap()).collect()
    });
    let cost = agent.cpu_ns() - before;
    for answer in &answers {
        assert_eq!(answer.status, 200);
        let scrape = Scrape::parse(&answer.body);
        assert_eq!(scrape.value("kpulse_series"), Some(scrape.series.len() as f64), "the scrape is not whole");
    }
    agent.collected();
    let scrapes = agent.scrape().value("kpulse_scrapes_total").unwrap() - scrapes_before.unwrap();
    assert!(scrapes >= CLIENTS as f64, "{scrapes} scrapes counted");
    let each = cost as f64 / 1e6 / CLIENTS as f64;
    println!("{CLIENTS} scrapes at once: {each:.3} ms of CPU each, collections meanwhile included");
    assert!(!is_shipped() || each <= 1.0, "{each} ms of CPU for a scrape, more than 1");
}

#[test]
fn clients_that_never_read_or_never_finish_asking_do_not_stop_others() {
    root_or_skip!("clients_that_never_read_or_never_finish_asking_do_not_stop_others");
    let _alone = alone();
    let agent = Agent::start(["--metrics-clients", "16", "--interval", "200ms"]);
    let question = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n".repeat(400);
    let mut bad: Vec<_> = (0..12).map(|_| http::connect(agent.address).unwrap()).collect();
    for client in &mut bad[..4] {
        client.write_all(question.as_bytes()).unwrap();
    }
    for client in &mut bad[4..8] {
        client.write_all(b"GET /metrics HT").unwrap();
    }
    for _ in 0..5 {
        bad[4..8].iter_mut().for_each(|client| client.write_all(b"T").unwrap());
        agent.collected();
        let scrape = agent.scrape();
        assert_eq!(scrape.value("kpulse_series"), Some(scrape.series.len() as f64));
    }
    assert_eq!(agent.get("/-/healthy"), "healthy\n");
}

#[test]
fn nonsense_from_clients_is_answered_and_does_no_harm() {
    root_or_skip!("nonsense_from_clients_is_answered_and_does_no_harm");
    let _alone = alone();
    let agent = Agent::start::<&str>([]);
    for nonsense in
        [&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..], b"GET\r\n\r\n", &[0; 100_000], &[b'A'; 500_000]]
    {
        let mut client = http::connect(agent.address).unwrap();
        // The agent may hang up on what is too long before all of it is written.
        let _ = client.write_all(nonsense);
    }
    let status = |path| agent.try_get(path).unwrap().status;
    assert_eq!(
        ["/", "/metrics", "/-/healthy", "/-/ready", "/api/v1/nothing", "/../etc/passwd"].map(status),
        [200, 200, 200, 200, 404, 404]
    );
    assert!(!agent.log().iter().any(|line| line.contains("ERROR") || line.contains("panicked")), "{:?}", agent.log());
}
