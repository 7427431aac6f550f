use std::{net::SocketAddr, time::Instant};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::oneshot,
    task::JoinHandle,
};

use super::*;
use crate::expose::testing::{node, window};

const LONG: Duration = Duration::from_secs(60);

fn settings() -> Settings {
    Settings { max_series: 2000, clients: 8, patience: LONG }
}

struct Server {
    address: SocketAddr,
    publish: watch::Sender<Option<Arc<Snapshot>>>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

async fn start(settings: Settings) -> Server {
    start_with(settings, None).await
}

async fn start_with(settings: Settings, recorder: Option<recorder::Shared>) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (publish, snapshots) = watch::channel(None);
    let (stop, stopped) = oneshot::channel();
    let mut state = State::new(snapshots, settings).unwrap();
    if let Some(recorder) = recorder {
        state = state.with_recorder(recorder);
    }
    let task = tokio::spawn(serve(listener, state, async {
        let _ = stopped.await;
    }));
    Server { address, publish, stop, task }
}

impl Server {
    fn publish(&self, window: Option<crate::window::Window>) {
        self.publish_every(window, LONG);
    }

    fn publish_every(&self, window: Option<crate::window::Window>, interval: Duration) {
        let mut snapshot = Snapshot { window, ..node(2, 2) };
        snapshot.status.interval_ns = interval.as_nanos() as u64;
        self.publish.send_replace(Some(Arc::new(snapshot)));
    }

    async fn ask(&self, request: &str) -> String {
        ask(self.address, request).await
    }

    async fn get(&self, path: &str) -> String {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).await
    }

    /// The server follows the snapshots in a task of its own.
    async fn until_ready(&self) {
        while !status(&self.get("/-/ready").await).contains("200") {}
    }

    async fn shut_down(self) -> Duration {
        let began = Instant::now();
        self.stop.send(()).unwrap();
        timeout(LONG, self.task).await.expect("the server ends").unwrap();
        began.elapsed()
    }
}

async fn ask(address: SocketAddr, request: &str) -> String {
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(LONG, client.read_to_string(&mut answer)).await.expect("an answer").unwrap();
    answer
}

fn status(answer: &str) -> &str {
    answer.lines().next().unwrap_or_default()
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

#[tokio::test]
async fn each_address_answers_before_the_first_snapshot_and_after_it() {
    let server = start(settings()).await;
    let not_ready = server.get("/-/ready").await;
    assert!(status(&not_ready).contains("503") && not_ready.contains("the first collection is not complete"));
    let no_window = server.get("/api/v1/window").await;
    assert!(status(&no_window).contains("503") && no_window.contains("application/json"), "{no_window}");
    assert!(status(&server.get("/").await).contains("200"));
    assert!(status(&server.get("/-/healthy").await).contains("200"));
    let empty = server.get("/metrics").await;
    assert!(status(&empty).contains("200") && body(&empty).is_empty());

    server.publish(Some(window()));
    server.until_ready().await;
    let metrics = server.get("/metrics").await;
    assert!(
        metrics.contains("content-type: text/plain; version=0.0.4; charset=utf-8\r\n")
            && metrics.contains("kpulse_cpu_busy_seconds")
    );
    let found: crate::window::Window = serde_json::from_str(body(&server.get("/api/v1/window").await)).unwrap();
    assert_eq!(found, window());
    assert!(server.get("/").await.contains("42.0%"));
    server.shut_down().await;
}

#[tokio::test]
async fn the_alerts_are_listed_and_each_has_its_address() {
    let server = start(settings()).await;
    let no_alerts = server.get("/api/v1/alerts").await;
    assert!(status(&no_alerts).contains("503") && no_alerts.contains("application/json"), "{no_alerts}");
    assert!(server.get("/alerts").await.contains("Not ready: the first collection"));

    let alert = Arc::new(crate::evidence::testing::alert());
    let mut snapshot = Snapshot { alerts: vec![alert.clone()], ..node(2, 2) };
    snapshot.status.interval_ns = LONG.as_nanos() as u64;
    server.publish.send_replace(Some(Arc::new(snapshot)));
    server.until_ready().await;
    let found: Vec<Arc<crate::alert::Alert>> = serde_json::from_str(body(&server.get("/api/v1/alerts").await)).unwrap();
    assert_eq!(found, std::slice::from_ref(&alert));
    let address = format!("/alerts/{}", alert.id);
    for page in ["/", "/alerts"] {
        let page = server.get(page).await;
        assert!(status(&page).contains("200") && page.contains(&format!("href=\"{address}\"")), "{page}");
        assert!(page.contains("1 firing"), "{page}");
    }
    let page = server.get(&address).await;
    assert!(status(&page).contains("200") && page.contains("/system.slice/backup.service"), "{page}");
    assert!(page.contains("content-security-policy: default-src 'none'; style-src 'unsafe-inline'\r\n"), "{page}");
    for unknown in ["/alerts/0123456789abcdef", "/alerts/%3Cscript%3E", "/alerts/"] {
        let answer = server.get(unknown).await;
        assert!(status(&answer).contains("404") && !answer.contains("<script>"), "{answer}");
    }
    server.shut_down().await;
}

#[tokio::test]
async fn what_does_not_exist_or_cannot_be_done_is_said() {
    let server = start(settings()).await;
    let unknown = server.get("/metric").await;
    assert!(
        status(&unknown).contains("404")
            && unknown.contains("there is nothing at /metric; there are / /alerts /metrics")
    );
    let unknown = server.get("/api/v1/windows").await;
    assert!(status(&unknown).contains("404") && unknown.contains("application/json"));
    let post = server.ask("POST /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n").await;
    assert!(status(&post).contains("405") && post.contains("allow: GET,HEAD"), "{post}");
    assert!(status(&server.ask("nonsense\r\n\r\n").await).contains("400"));
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(600_000));
    let mut client = TcpStream::connect(server.address).await.unwrap();
    // The server may well have closed before all of it was sent.
    let _ = client.write_all(long.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = client.read_to_end(&mut answer).await;
    assert!(!String::from_utf8_lossy(&answer).contains(" 200 "));
    server.shut_down().await;
}

#[tokio::test]
async fn head_has_the_length_and_no_body() {
    let server = start(settings()).await;
    server.publish(None);
    server.until_ready().await;
    let head = server.ask("HEAD /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert!(status(&head).contains("200") && body(&head).is_empty());
    let length = body(&server.get("/metrics").await).len();
    assert!(head.contains(&format!("content-length: {length}")), "{head}");
    server.shut_down().await;
}

#[tokio::test]
async fn a_node_without_fresh_figures_is_not_ready() {
    let server = start(settings()).await;
    server.publish_every(None, Duration::from_millis(2));
    let stale = loop {
        let answer = server.get("/-/ready").await;
        if answer.contains("s old") {
            break answer;
        }
    };
    assert!(status(&stale).contains("503") && stale.contains("more than 0.0 s"), "{stale}");
    server.shut_down().await;
}

#[tokio::test]
async fn fifty_scrapes_at_once_are_all_answered_in_full() {
    let server = start(settings()).await;
    server.publish(None);
    server.until_ready().await;
    let expected = body(&server.get("/metrics").await).to_owned();
    let mut scrapes = JoinSet::new();
    for _ in 0..50 {
        scrapes.spawn(ask(server.address, "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
    }
    let answers = scrapes.join_all().await;
    assert!(answers.len() == 50 && answers.iter().all(|answer| body(answer) == expected));
    server.shut_down().await;
}

#[tokio::test]
async fn a_client_that_sends_its_request_for_ever_loses_its_slot() {
    let server = start(Settings { clients: 1, patience: Duration::from_millis(100), ..settings() }).await;
    let mut slow = TcpStream::connect(server.address).await.unwrap();
    slow.write_all(b"GET /metrics HTTP/1.1\r\nHost: ").await.unwrap();
    assert!(status(&server.get("/-/healthy").await).contains("200"), "the only slot is free again");
    let mut rest = Vec::new();
    timeout(LONG, slow.read_to_end(&mut rest)).await.expect("the slow client is closed").ok();
    server.shut_down().await;
}

/// The answer's head, and its body as bytes.
async fn get_bytes(server: &Server, path: &str) -> (String, Vec<u8>) {
    let mut client = TcpStream::connect(server.address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    client.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    timeout(LONG, client.read_to_end(&mut answer)).await.expect("an answer").unwrap();
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    (String::from_utf8(answer[..end].to_vec()).unwrap(), answer[end..].to_vec())
}

#[tokio::test]
async fn the_recording_is_served_as_a_file() {
    let recorder = recorder::Shared::new(recorder::Limits::default());
    let server = start_with(settings(), Some(recorder.clone())).await;
    let early = server.get("/api/v1/recording").await;
    assert!(status(&early).contains("503") && early.contains("nothing is recorded yet"), "{early}");

    let samples: Vec<_> = recorder::story::hour_with_a_slow_disk(1).take(90).collect();
    samples.iter().for_each(|sample| recorder.lock().push(sample));
    for (query, kept) in [("", 90), ("?seconds=20", 21), ("?seconds=99999", 90)] {
        let (head, body) = get_bytes(&server, &format!("/api/v1/recording{query}")).await;
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{head}");
        assert!(head.contains("attachment; filename=\"kpulse-story-20261123T000130Z.kpr\""), "{head}");
        let read: Result<Vec<_>, _> = recorder::Recording::read(&body[..]).unwrap().collect();
        assert_eq!(read.unwrap(), samples[90 - kept..], "{query}");
    }
    let head = server.ask("HEAD /api/v1/recording HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert!(status(&head).contains("200") && body(&head).is_empty() && head.contains("content-length: "), "{head}");
    for query in ["?seconds=0", "?seconds=-1", "?seconds=1.5", "?minutes=1", "?seconds"] {
        let refused = server.get(&format!("/api/v1/recording{query}")).await;
        assert!(status(&refused).contains("400") && refused.contains("expected seconds=N"), "{refused}");
    }
    server.shut_down().await;
}

#[tokio::test]
async fn an_agent_that_records_nothing_says_how_to_change_that() {
    let server = start(settings()).await;
    let answer = server.get("/api/v1/recording").await;
    assert!(status(&answer).contains("404") && answer.contains("set record.max_bytes above 0"), "{answer}");
    server.shut_down().await;
}

/// Asks again and again without reading, until the answers fill every buffer on the way and no more can be asked for
/// `patience`, or the server closes the connection: then there is none.
async fn never_read(address: SocketAddr, patience: Duration) -> Option<TcpStream> {
    let mut client = TcpStream::connect(address).await.unwrap();
    let request = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n".repeat(50);
    loop {
        match timeout(patience, client.write_all(request.as_bytes())).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return None,
            Err(_) => return Some(client),
        }
    }
}

#[tokio::test]
async fn a_client_that_never_reads_loses_its_slot() {
    let server = start(Settings { clients: 1, patience: Duration::from_millis(200), ..settings() }).await;
    server.publish(None);
    server.until_ready().await;
    assert!(never_read(server.address, LONG).await.is_none(), "the server closes the connection");
    assert!(status(&server.get("/-/healthy").await).contains("200"), "the only slot is free again");
    server.shut_down().await;
}

#[tokio::test]
async fn shutdown_takes_less_than_a_second_with_idle_slow_and_stuck_clients() {
    let server = start(settings()).await;
    server.publish(None);
    server.until_ready().await;
    let idle = TcpStream::connect(server.address).await.unwrap();
    let mut slow = TcpStream::connect(server.address).await.unwrap();
    slow.write_all(b"GET / HT").await.unwrap();
    let stuck = never_read(server.address, Duration::from_millis(200)).await;
    let address = server.address;
    let took = server.shut_down().await;
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert!(TcpStream::connect(address).await.is_err(), "the port is free");
    drop((idle, slow, stuck));
}
