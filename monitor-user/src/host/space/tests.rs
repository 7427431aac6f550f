//! Filesystems that hang, played by a function that blocks until the test lets go of it.

use std::sync::mpsc::{Receiver, Sender, channel};

use super::*;

const LONG: Duration = Duration::from_secs(60);

/// Filesystems below `/hung` hang, `/broken` answers with an error, all others answer.
struct Play {
    prober: Prober,
    /// The path of each call that begins.
    begun: Receiver<PathBuf>,
    /// Lets go of one hung call, whichever it is.
    release: Sender<()>,
    /// Closed when no thread is left that could call.
    gone: Receiver<()>,
}

fn play(threads: usize) -> Play {
    let (begin, begun) = channel();
    let (release, released) = channel::<()>();
    let (alive, gone) = channel();
    let released = Mutex::new(released);
    let statfs = move |path: &Path| {
        let _alive = &alive;
        let _ = begin.send(path.to_owned());
        if path.starts_with("/hung") {
            let _ = released.lock().unwrap().recv();
        }
        if path.starts_with("/broken") { Err(io::Error::from_raw_os_error(libc::ESTALE)) } else { Ok(space()) }
    };
    let limits = Limits { deadline: Duration::from_secs(1), threads };
    Play { prober: Prober::new(Arc::new(statfs), limits), begun, release, gone }
}

fn space() -> Space {
    Space { size: 10, ..Space::default() }
}

fn paths(names: &[&str]) -> Vec<PathBuf> {
    names.iter().map(PathBuf::from).collect()
}

impl Play {
    fn answers(&self, names: &[&str], now: Instant) -> Vec<Answer> {
        self.prober.answers(names.iter().map(Path::new), now)
    }

    fn threads(&self) -> usize {
        self.prober.shared.lock().threads
    }
}

fn reason(answer: &Answer) -> &str {
    match answer {
        Answer::None(reason) => reason,
        other => panic!("expected a reason, not {other:?}"),
    }
}

#[test]
fn one_thread_serves_all_filesystems_that_answer() {
    let play = play(8);
    let all: Vec<PathBuf> = (0..100).map(|n| PathBuf::from(format!("/{n}"))).collect();
    play.prober.ask(&all, Instant::now());
    play.prober.wait(&all, LONG);
    assert_eq!(play.answers(&["/0", "/99"], Instant::now()), [Answer::Space(space()), Answer::Space(space())]);
    assert_eq!(play.threads(), 1);
}

#[test]
fn an_error_is_an_answer() {
    let play = play(8);
    play.prober.ask(&paths(&["/broken"]), Instant::now());
    play.prober.wait(&paths(&["/broken"]), LONG);
    assert!(reason(&play.answers(&["/broken"], Instant::now())[0]).contains("os error 116"));
}

#[test]
fn a_hung_filesystem_delays_no_other_and_is_not_asked_again_until_it_returns() {
    let play = play(8);
    let names = ["/hung", "/good"];
    let now = Instant::now();
    play.prober.ask(&paths(&names), now);
    play.prober.wait(&paths(&["/good"]), LONG);
    assert_eq!(play.answers(&names, now), [Answer::Pending, Answer::Space(space())]);

    let later = now + Duration::from_secs(30);
    play.prober.ask(&paths(&names), later);
    play.prober.wait(&paths(&["/good"]), LONG);
    let answers = play.answers(&names, later);
    assert_eq!(reason(&answers[0]), "no answer for 30 s; its server or device hangs");
    assert_eq!(answers[1], Answer::Space(space()));
    assert_eq!(play.begun.try_iter().filter(|path| path.starts_with("/hung")).count(), 1);

    play.release.send(()).unwrap();
    play.prober.wait(&paths(&["/hung"]), LONG);
    assert_eq!(play.answers(&["/hung"], later), [Answer::Space(space())]);
}

#[test]
fn the_threads_are_bounded_and_the_rest_is_reported_as_not_asked() {
    let play = play(2);
    let names = ["/hung/1", "/hung/2", "/good"];
    let now = Instant::now();
    play.prober.ask(&paths(&names), now);
    play.begun.recv().unwrap();
    // A reading a minute later finds the first thread busy for long, and starts the second; a third would be too many.
    let later = now + LONG;
    play.answers(&names, later);
    play.begun.recv().unwrap();
    let answers = play.answers(&names, later);
    assert_eq!(play.threads(), 2);
    assert_eq!(reason(&answers[2]), "not asked: 2 other filesystems do not answer");

    play.release.send(()).unwrap();
    play.prober.wait(&paths(&["/good"]), LONG);
    assert_eq!(play.answers(&["/good"], later), [Answer::Space(space())]);
}

#[test]
fn a_filesystem_that_was_unmounted_while_it_hung_is_forgotten_when_it_returns() {
    let play = play(8);
    play.prober.ask(&paths(&["/hung"]), Instant::now());
    play.begun.recv().unwrap();
    play.prober.ask(&paths(&[]), Instant::now());
    assert_eq!(play.prober.shared.lock().questions.len(), 1);
    play.release.send(()).unwrap();
    play.prober.wait(&paths(&["/hung"]), LONG);
    play.prober.ask(&paths(&[]), Instant::now());
    assert_eq!(play.prober.shared.lock().questions.len(), 0);
}

#[test]
fn dropping_waits_for_no_thread_and_the_threads_end_when_they_return() {
    let Play { prober, begun, release, gone } = play(8);
    prober.ask(&paths(&["/hung", "/idle"]), Instant::now());
    begun.recv().unwrap();
    prober.wait(&paths(&["/idle"]), LONG);
    drop(prober);
    release.send(()).unwrap();
    // All senders are in the function, and that goes with the last thread.
    assert!(gone.recv().is_err());
}
