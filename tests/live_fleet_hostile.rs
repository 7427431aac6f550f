//! The server against those who mean no good, each by itself, while a node reports all the time and is not to notice.

use std::{
    io::{self, Read as _, Write as _},
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use flate2::{Compression, write::GzEncoder};
use kpulse::report::wire;
use prost::Message as _;
use rustls::ClientConfig;
use tests::{
    agent,
    fleet::{
        Answer, Authority, Client, Server, batch, command, report, sender, token, token_command, write_certificates,
    },
    scratch::Scratch,
    skip, wait,
};

/// More than this the server must never take here, whoever asks for what.
const MEMORY: u64 = 256 << 20;

/// A server with TLS, tokens and client certificates, and a node that reports to it all the time.
struct World {
    scratch: Scratch,
    authority: Authority,
    server: Server,
    tls: Arc<ClientConfig>,
    token: String,
    over: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    node: Option<thread::JoinHandle<Vec<String>>>,
}

impl World {
    fn new() -> Self {
        let (scratch, authority) = (Scratch::new(), Authority::new());
        let state = scratch.path().join("state");
        let token = token(&state, "--node", "good");
        let ca = scratch.file("ca.pem", authority.pem());
        let mut arguments = write_certificates(scratch.path(), &authority);
        arguments.extend(["--tls-client-ca-file".into(), ca.display().to_string()]);
        let server = Server::start(&state, &arguments);
        let (tls, address) = (authority.client(None), server.address);
        let (over, sent) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let good = (tls.clone(), token.clone(), over.clone(), sent.clone());
        let node = thread::spawn(move || {
            let (tls, token, over, sent) = good;
            let mut client = Client::connect(address, Some(&tls), Some(&token)).expect("a connection");
            let mut troubles = Vec::new();
            for sequence in 1.. {
                if over.load(Relaxed) {
                    break;
                }
                match client.post(&batch("good", vec![report(sequence, 1000)])) {
                    Ok(answer) if answer.status == 200 && answer.report().stored == [sequence] => {
                        _ = sent.fetch_add(1, Relaxed)
                    }
                    other => troubles.push(format!("{other:?}")),
                }
                thread::sleep(Duration::from_millis(100));
            }
            troubles
        });
        // Its connection stands before anything happens to the server.
        wait::until("the node's first report", || (sent.load(Relaxed) > 0).then_some(()));
        Self { scratch, authority, server, tls, token, over, sent, node: Some(node) }
    }

    fn client(&self, token: Option<&str>) -> Client {
        Client::connect(self.server.address, Some(&self.tls), token).expect("a connection")
    }

    fn post(&self, token: Option<&str>, batch: &wire::Batch) -> Answer {
        self.client(token).post(batch).expect("an answer")
    }

    fn body(&self, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        self.client(Some(&self.token)).request("POST", "/api/v1/reports", headers, body).expect("an answer")
    }

    /// The node goes on, and the server is as small as before.
    fn is_well(&self, after: &str) {
        let before = self.sent.load(Relaxed);
        wait::until(&format!("the node goes on after {after}"), || (self.sent.load(Relaxed) > before).then_some(()));
        let resident = self.server.resident();
        assert!(resident < MEMORY, "{after}: the server takes {resident} bytes");
        println!("{after}: {} MiB", resident >> 20);
    }

    fn end(mut self) {
        self.over.store(true, Relaxed);
        let troubles = self.node.take().expect("the node").join().expect("the node");
        assert_eq!(troubles, Vec::<String>::new());
        let log = self.server.log();
        assert!(!log.contains("panicked"), "{log}");
        assert!(self.server.end(libc::SIGTERM).success());
    }
}

#[test]
fn whoever_may_not_is_told_so_and_nobody_else_notices() {
    let _alone = skip::alone();
    let world = World::new();
    let state = world.scratch.path().join("state");
    let good = batch("good", vec![]);

    // Tokens.
    assert_eq!(world.post(None, &good).status, 401);
    assert!(world.post(None, &good).head.contains("www-authenticate: bearer"));
    assert_eq!(world.post(Some("kp_wrong"), &good).status, 401);
    assert_eq!(world.post(Some(&world.token), &batch("other", vec![report(1, 1)])).status, 403);
    let reader = token(&state, "--reader", "prometheus");
    let other = token(&state, "--node", "other");
    let ask = |token: &str| world.post(Some(token), &batch("other", vec![report(1, 1)])).status;
    wait::until("a token that is taken up", || (ask(&other) == 200).then_some(()));
    assert_eq!(world.post(Some(&reader), &good).status, 403);
    let list: serde_json::Value = serde_json::from_str(&token_command(&state, &["list", "--json"])).expect("JSON");
    let of_other =
        list.as_array().expect("a list").iter().find(|entry| entry["role"]["node"] == "other").expect("the token");
    token_command(&state, &["revoke", of_other["id"].as_str().expect("an id")]);
    wait::until("a token that is revoked", || (ask(&other) == 401).then_some(()));
    let read = |token: Option<&str>, path: &str| world.client(token).request("GET", path, &[], &[]).expect("an answer");
    assert_eq!(read(None, "/metrics").status, 401);
    assert_eq!(read(Some(&world.token), "/metrics").status, 403);
    assert_eq!((read(Some(&reader), "/metrics").status, read(None, "/-/healthy").status), (200, 200));
    world.is_well("tokens");

    // Certificates: one that is valid proves a name and no other; one that is over proves nothing.
    let as_node = |own: &(String, String), node: &str| {
        let tls = world.authority.client(Some(own));
        let mut client = Client::connect(world.server.address, Some(&tls), None)?;
        client.post(&batch(node, vec![report(1, 1)])).map(|answer| answer.status)
    };
    let valid = world.authority.issue("certified", false);
    assert_eq!(
        (as_node(&valid, "certified").expect("an answer"), as_node(&valid, "good").expect("an answer")),
        (200, 403)
    );
    assert!(as_node(&world.authority.issue("certified", true), "certified").is_err());
    assert!(as_node(&Authority::new().issue("certified", false), "certified").is_err());
    world.is_well("certificates");

    // Forms that are none.
    let mut plain = Client::connect(world.server.address, None, None).expect("a connection");
    let answer = plain.request("GET", "/", &[], &[]).expect("an answer in plain text");
    assert!(answer.status == 400 && answer.text().contains("speaks TLS"), "{answer:?}");
    assert_eq!(world.body(&[("Content-Type", "application/json")], b"{}").status, 415);
    assert_eq!(world.body(&[("Content-Encoding", "br")], b"x").status, 415);
    assert_eq!(world.body(&[("Content-Encoding", "gzip")], b"not gzip").status, 400);
    assert_eq!(world.body(&[], b"no protobuf at all").status, 400);
    let newer = wire::Batch { version: wire::VERSION + 1, ..good.clone() };
    assert_eq!(world.post(Some(&world.token), &newer).status, 426);
    let cloned =
        wire::Batch { sender: Some(wire::Sender { machine: b"clone".to_vec(), ..sender("good") }), ..good.clone() };
    let answer = world.post(Some(&world.token), &cloned);
    assert!(answer.status == 409 && answer.text().contains("server.name"), "{answer:?}");
    for name in ["a\u{7}b", "a\nb", ""] {
        let odd = wire::Batch { sender: Some(sender(name)), ..good.clone() };
        assert_eq!(world.post(Some(&world.token), &odd).status, 400, "{name:?}");
    }
    world.is_well("forms");

    // Reports that cannot be are refused one by one, and those beside them are taken.
    let good_token = token(&state, "--node", "<script>alert(1)</script>");
    let strata = |count| {
        let mut report = report(1, 1);
        let operation = &mut report.block.as_mut().expect("disks").devices[0].operations[0];
        operation.sizes = vec![wire::Size::default(); count];
        report
    };
    let mut odd = batch("<script>alert(1)</script>", vec![strata(100_000), report(2, 1), report(3, 1), report(4, 1)]);
    odd.reports[2].end_ns += 3_600_000_000_000;
    odd.reports[3].length_ns = 0;
    wait::until("the token", || {
        (world.post(Some(&good_token), &batch("<script>alert(1)</script>", vec![])).status == 200).then_some(())
    });
    let answer = world.post(Some(&good_token), &odd).report();
    let reasons: Vec<_> = answer.refused.iter().map(|refused| (refused.sequence, refused.reason.as_str())).collect();
    assert_eq!(
        (answer.stored, reasons),
        (vec![2], vec![(1, "too_many_strata"), (3, "future"), (4, "length_impossible")])
    );
    world.is_well("reports");
    world.end();
}

#[test]
fn no_body_and_no_number_of_connections_takes_the_server_from_its_nodes() {
    let _alone = skip::alone();
    let world = World::new();

    // A gibibyte that is announced is refused by its head; one that is not, once it is too long.
    let mut client = world.client(Some(&world.token));
    client.head("POST", "/api/v1/reports", &[("Content-Length", "1073741824")]).expect("a head");
    assert_eq!(client.answer().expect("an answer").status, 413);
    let mut client = world.client(Some(&world.token));
    client.head("POST", "/api/v1/reports", &[("Transfer-Encoding", "chunked")]).expect("a head");
    let chunk = [b"10000\r\n".as_slice(), &[0; 0x10000], b"\r\n"].concat();
    let sent = (0..1 << 14).take_while(|_| client.raw(&chunk).is_ok()).count();
    assert!(sent < 1 << 14, "a gibibyte was taken");
    world.is_well("a gibibyte");

    // A bomb.
    let mut bomb = GzEncoder::new(Vec::new(), Compression::fast());
    (0..64).for_each(|_| bomb.write_all(&[0; 1 << 20]).expect("memory"));
    let bomb = bomb.finish().expect("memory");
    for _ in 0..20 {
        let answer = world.body(&[("Content-Encoding", "gzip")], &bomb);
        assert!(answer.status == 413 && answer.text().contains("unpacks"), "{answer:?}");
    }
    world.is_well("a bomb");

    // What is small on the wire and large in memory.
    let mut dense =
        wire::Batch { reports: vec![wire::Report::default(); 100], ..batch("good", vec![]) }.encode_to_vec();
    let many = [0x2a, 0x00].repeat(1 << 19);
    dense.extend([0x1a]);
    prost::encoding::encode_varint(many.len() as u64, &mut dense);
    dense.extend(many);
    assert!(world.body(&[], &dense).report().stored.is_empty());
    world.is_well("empty messages");

    // Those who take their time: in the head, in the body, and in saying nothing at all.
    let begun = Instant::now();
    let mut slow = world.client(Some(&world.token));
    slow.head("POST", "/api/v1/reports", &[("Content-Length", "100000")]).expect("a head");
    let slow = thread::spawn(move || {
        while slow.raw(b"x").is_ok() {
            if begun.elapsed() > Duration::from_secs(18) {
                break;
            }
            thread::sleep(Duration::from_secs(1));
        }
        slow.answer().map(|answer| answer.status)
    });
    let address = world.server.address;
    let idle: Vec<TcpStream> = (0..1000).map(|_| TcpStream::connect(address).expect("a connection")).collect();
    world.is_well("a thousand connections that say nothing");
    assert_eq!(world.post(Some(&world.token), &batch("good", vec![])).status, 200, "a new connection beside them");
    assert!(idle.iter().all(is_closed), "some are held for ever");
    assert_eq!(slow.join().expect("the slow one").expect("an answer"), 408);
    world.is_well("those who take their time");
    world.end();
}

/// Whether the server closes this connection, in time.
fn is_closed(mut stream: &TcpStream) -> bool {
    stream.set_read_timeout(Some(wait::patience())).expect("a socket");
    let mut sink = [0; 256];
    loop {
        match stream.read(&mut sink) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() == io::ErrorKind::ConnectionReset,
        }
    }
}

#[test]
fn certificates_rotate_without_a_restart_and_without_them_only_this_machine_is_listened_to() {
    let _alone = skip::alone();
    let world = World::new();
    let next = Authority::new();
    write_certificates(world.scratch.path(), &next);
    let tls = next.client(None);
    wait::until("the new certificate", || {
        let mut client = Client::connect(world.server.address, Some(&tls), Some(&world.token)).ok()?;
        client.request("GET", "/-/healthy", &[], &[]).ok().filter(|answer| answer.status == 200)
    });
    let old = Client::connect(world.server.address, Some(&world.tls), None)
        .and_then(|mut client| client.request("GET", "/-/healthy", &[], &[]));
    assert!(old.is_err(), "the old certificate is gone");
    // Half a certificate leaves the last whole one in force.
    std::fs::write(world.scratch.path().join("cert.pem"), "garbage").expect("a file of our own");
    wait::until("a word in the log", || world.server.log().contains("tls.cert_file: ").then_some(()));
    let mut client = Client::connect(world.server.address, Some(&tls), Some(&world.token)).expect("a connection");
    assert_eq!(client.request("GET", "/-/healthy", &[], &[]).expect("an answer").status, 200);
    world.is_well("a rotation");
    world.end();

    let scratch = Scratch::new();
    let open = command(scratch.path(), &["--listen".into(), "0.0.0.0:0".into()]);
    let output = agent::run(open);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(1) && said.contains("set tls.cert_file"), "{said}");
}
