//! A process that keeps and tells alerts is killed 200 times, anywhere. A strict receiver hears what it tells.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{BuildHasher as _, Hasher as _, RandomState},
    io::Read as _,
    net::SocketAddr,
    path::Path,
    process::{Command, Stdio},
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Duration,
};

use tests::{
    guard::Running,
    receiver::{Heard, Receiver},
    scratch::Scratch,
    wait,
};

const KILLS: u64 = 200;

/// Such as `firing` of `00ff`.
type Change = (String, String);

/// What the process said about itself before it was killed.
#[derive(Default)]
struct Said {
    /// What it was about to record.
    meant: BTreeSet<Change>,
    /// What was on disk.
    safe: BTreeSet<Change>,
}

impl Said {
    fn take(&mut self, stdout: thread::JoinHandle<Vec<u8>>) {
        // The last line may have no end.
        let text = stdout.join().unwrap();
        for line in String::from_utf8_lossy(&text).split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
            if let [word, state, id] = line.split(' ').collect::<Vec<_>>()[..] {
                let change = (state.to_owned(), id.to_owned());
                if word == "safe" {
                    self.safe.insert(change)
                } else {
                    self.meant.insert(change)
                };
            }
        }
    }
}

fn start(folder: &Path, receiver: SocketAddr, run: u64, how: &str) -> (Running, thread::JoinHandle<Vec<u8>>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_alert_lives"));
    command.arg(folder).arg(receiver.to_string()).arg(run.to_string()).arg(how);
    let mut child = Running::start(command.stdin(Stdio::null()).stdout(Stdio::piped()));
    let mut stdout = child.0.stdout.take().unwrap();
    let reading = thread::spawn(move || {
        let mut text = Vec::new();
        stdout.read_to_end(&mut text).unwrap();
        text
    });
    (child, reading)
}

/// What was told, by the key of the transition, oldest first.
fn told(heard: &[Heard]) -> Vec<(String, Change)> {
    let one = |heard: &Heard| {
        let body = heard.json();
        let url = body["alerts"][0]["generatorURL"].as_str().unwrap().to_owned();
        let id = url.rsplit('/').next().unwrap().to_owned();
        (heard.header("idempotency-key").to_owned(), (body["status"].as_str().unwrap().to_owned(), id))
    };
    heard.iter().map(one).collect()
}

#[test]
fn killed_anywhere_it_tells_everything_and_nothing_twice_as_new() {
    let scratch = Scratch::new();
    let folder = scratch.path().join("journal");
    // Now and then it fails, or takes what it hears and does not say so.
    let count = AtomicU64::new(0);
    let receiver = Receiver::start(move |_| match count.fetch_add(1, Ordering::Relaxed) % 11 {
        3 => None,
        7 => Some(500),
        _ => Some(200),
    });
    let mut said = Said::default();
    for run in 0..KILLS {
        let (child, stdout) = start(&folder, receiver.address(), run, "live");
        let random = RandomState::new().build_hasher().finish();
        thread::sleep(Duration::from_micros(random % 120_000));
        drop(child);
        said.take(stdout);
    }
    let heard_before = receiver.heard().len();
    println!("{heard_before} told, {} safe, {} meant before the last run", said.safe.len(), said.meant.len());
    let (mut child, stdout) = start(&folder, receiver.address(), KILLS, "finish");
    let status = wait::until("the end of what is left", || child.0.try_wait().unwrap());
    said.take(stdout);
    assert!(status.success());

    let told = told(&receiver.heard());
    println!(
        "{} told ({heard_before} before the last run), {} safe, {} meant",
        told.len(),
        said.safe.len(),
        said.meant.len()
    );
    assert!(said.safe.len() > 50, "it was killed before it did anything");
    // The receiver failed one in eleven and kept silent to another: so many were told again, and not as new.
    let mut keys: BTreeMap<&Change, BTreeSet<&str>> = BTreeMap::new();
    for (key, change) in &told {
        keys.entry(change).or_default().insert(key);
    }
    for (change, keys) in &keys {
        assert_eq!(keys.len(), 1, "{change:?} was told as new twice: {keys:?}");
        assert!(said.meant.contains(change), "{change:?} without a cause");
    }
    // It counts as told only if the receiver has said that it has got it.
    let heard = receiver.heard().into_iter().filter(|heard| heard.answered == Some(200)).collect::<Vec<_>>();
    let taken: BTreeSet<Change> = self::told(&heard).into_iter().map(|(_, change)| change).collect();
    for change in said.safe.iter().filter(|change| ["firing", "resolved"].contains(&change.0.as_str())) {
        assert!(taken.contains(change), "{change:?} was never told");
    }
    for (_, id) in keys.keys().filter(|change| change.0 == "resolved") {
        let first = |state: &str| told.iter().position(|(_, change)| change.0 == state && change.1 == *id);
        assert!(first("firing").is_some_and(|fired| Some(fired) < first("resolved")), "{id} was over before it fired");
    }
    // Whatever fired is over in the end, for the last run saw to it.
    for (_, id) in keys.keys().filter(|change| change.0 == "firing") {
        assert!(taken.contains(&("resolved".to_owned(), id.clone())), "{id} still fires");
    }
}
