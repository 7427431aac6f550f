use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpListener,
    thread::{self, JoinHandle},
};

use super::*;
use crate::{
    host::testing::Machine as Directory,
    recorder::{Limits, Recorder, story},
};

/// Answers one question, and gives it.
fn server(answer: Vec<u8>) -> (Agent, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let agent = Agent::at(listener.local_addr().unwrap());
    let thread = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut question = Vec::new();
        while !question.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            question.extend(byte);
        }
        // The client may have seen enough before all of it was sent.
        let _ = stream.write_all(&answer);
        String::from_utf8(question).unwrap()
    });
    (agent, thread)
}

fn ok(body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).as_bytes(), body].concat()
}

fn recording() -> Vec<u8> {
    let mut recorder = Recorder::new(Limits::default());
    story::hour_with_a_slow_disk(1).take(30).for_each(|sample| recorder.push(&sample));
    let mut bytes = Vec::new();
    recorder.tape().write_to(&mut bytes).unwrap();
    bytes
}

/// `kpulse record` with these arguments and an agent that answers so.
fn record(directory: &Directory, answer: Vec<u8>, file: &str, more: &[&str]) -> Result<String> {
    let (agent, thread) = server(answer);
    let file = directory.root().join(file);
    let place = Place::new(Some(&file), more.contains(&"--force"))?;
    let mut to = Unfinished::new(&place.directory)?;
    agent.get("/api/v1/recording", &mut to)?;
    let said = place.keep(to)?;
    let question = thread.join().unwrap();
    assert!(question.starts_with("GET /api/v1/recording HTTP/1.1\r\nHost: 127.0.0.1:"), "{question}");
    Ok(said.replace(directory.root().to_str().unwrap(), "DIR"))
}

fn files(directory: &Directory) -> Vec<String> {
    let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    let mut names: Vec<_> = fs::read_dir(directory.root()).unwrap().map(name).collect();
    names.sort();
    names
}

#[test]
fn what_the_agent_answers_is_written_and_told() {
    let directory = Directory::new("");
    let bytes = recording();
    let said = record(&directory, ok(&bytes), "x.kpr", &[]).unwrap();
    let size = units::bytes(bytes.len() as f64);
    let expected =
        format!("DIR/x.kpr: 30 samples of story, 2026-11-23 00:00:01 UTC to 2026-11-23 00:00:30 UTC, {size}\n");
    assert_eq!(said, expected);
    assert_eq!(fs::read(directory.root().join("x.kpr")).unwrap(), bytes);
    assert_eq!(files(&directory), ["x.kpr"]);
}

#[test]
fn a_file_that_exists_is_replaced_only_by_force() {
    let directory = Directory::new("== x.kpr\nprecious\n");
    let refused = record(&directory, Vec::new(), "x.kpr", &[]).unwrap_err().to_string();
    assert!(refused.ends_with("x.kpr exists: name another file, or add --force"), "{refused}");
    // One that appears while the agent is asked is safe too.
    let place = Place::new(Some(&directory.root().join("y.kpr")), false).unwrap();
    let mut to = Unfinished::new(&place.directory).unwrap();
    to.write_all(&recording()).unwrap();
    directory.write("y.kpr", "precious");
    let refused = place.keep(to).unwrap_err().to_string();
    assert!(refused.ends_with("File exists (os error 17): name another file, or add --force"), "{refused}");
    assert_eq!(files(&directory), ["x.kpr", "y.kpr"]);

    record(&directory, ok(&recording()), "x.kpr", &["--force"]).unwrap();
    assert_eq!(fs::read(directory.root().join("x.kpr")).unwrap(), recording());
}

#[test]
fn an_answer_that_is_no_whole_recording_leaves_nothing_behind() {
    let directory = Directory::new("");
    let whole = recording();
    let head = |lines: &str| format!("HTTP/1.1 200 OK\r\n{lines}\r\n\r\n").into_bytes();
    for (answer, reason) in [
        (
            b"HTTP/1.1 404 Not Found\r\n\r\n{\"error\":\"this agent records nothing\"}".to_vec(),
            "says 404: this agent records",
        ),
        (b"HTTP/1.1 503 No\r\nContent-Length: 9\r\n\r\nnot \x1byet\n".to_vec(), "says 503: not  yet"),
        (b"SSH-2.0-OpenSSH_9.2\r\n".to_vec(), "is not HTTP/1.1"),
        (Vec::new(), "head is not complete"),
        (head("X: y"), "has no length"),
        (head("Content-Length: many"), "length is no number"),
        (head("content-length: 99999999999999"), "more than any recording"),
        (head(&"X: y\r\n".repeat(9_000)), "head is not complete"),
        ([head("content-length: 999999"), whole.clone()].concat(), "was cut off after"),
        (ok(&whole[..whole.len() - 30]), "cannot be read again, and is not kept: the recording is"),
        (ok(b"hello"), "this is no recording"),
    ] {
        let error = format!("{:#}", record(&directory, answer, "x.kpr", &[]).unwrap_err());
        assert!(error.contains(reason), "{reason}: {error}");
        assert_eq!(files(&directory), [""; 0], "{reason}");
    }
}

#[test]
fn without_an_agent_it_says_what_to_do() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let agent = Agent::at(listener.local_addr().unwrap());
    drop(listener);
    let error = format!("{:#}", agent.get("/", &mut Vec::new()).unwrap_err());
    assert!(error.contains(&format!("no agent answers at {agent}: start one with `kpulse agent`")), "{error}");
    assert!(error.contains("refused"), "{error}");
}

#[test]
fn the_address_of_an_agent_is_understood_or_refused() {
    for (text, agent) in [
        ("http://127.0.0.1:9466", "http://127.0.0.1:9466"),
        ("http://web1.example:80/", "http://web1.example:80"),
        ("web1:9466", "http://web1:9466"),
        ("http://[::1]:9466", "http://[::1]:9466"),
    ] {
        assert_eq!(text.parse::<Agent>().unwrap().to_string(), agent);
    }
    for text in [
        "",
        "web1",
        "http://web1",
        "https://web1:1",
        "ftp://x:1",
        ":1",
        "::1",
        "a:b",
        "a:99999",
        "a:1/x",
        "a b:1",
        "u@a:1",
    ] {
        assert!(text.parse::<Agent>().is_err(), "{text}");
    }
}

#[test]
fn the_agent_of_this_machine_is_where_it_listens() {
    for (listen, agent) in
        [("0.0.0.0:1", "http://127.0.0.1:1"), ("[::]:2", "http://[::1]:2"), ("10.0.0.7:3", "http://10.0.0.7:3")]
    {
        let config = Config { listen: listen.parse().unwrap(), ..Config::default() };
        assert_eq!(local(&config).to_string(), agent);
    }
}

#[test]
fn without_a_name_the_recording_gives_one() {
    let directory = Directory::new("");
    let place = Place { directory: directory.root().to_owned(), name: None, force: false };
    let mut to = Unfinished::new(&place.directory).unwrap();
    to.write_all(&recording()).unwrap();
    place.keep(to).unwrap();
    assert_eq!(files(&directory), ["kpulse-story-20261123T000030Z.kpr"]);
    assert!(Place::new(Some(directory.root()), false).is_err_and(|error| error.to_string().contains("is a directory")));
}
