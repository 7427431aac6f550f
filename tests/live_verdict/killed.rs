//! The whole agent is killed again and again while an alert on a disk comes and goes.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    hash::{BuildHasher as _, Hasher as _, RandomState},
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use tests::{
    agent::Agent,
    loop_device::{LoopDevice, Plan},
    receiver::Receiver,
    root_or_skip,
    scaled::scaled,
    skip::alone,
    teller::now_ns,
    tool_or_skip,
    verdict::{Place, alerts, id, strict},
    wait,
};

/// Of them, and how many there are on every day.
const KILLS: (usize, usize) = (200, 8);
/// A judged window, and how much later than due a sample may be on a machine that is busy.
const WINDOW_NS: u64 = 2_500_000_000;
/// A change that was seen so long before the end is on disk.
const SAFE: Duration = Duration::from_millis(700);

fn random(below_ms: u64) -> Duration {
    Duration::from_millis(RandomState::new().build_hasher().finish() % below_ms)
}

/// A disk that is read or not.
struct Steered {
    on: Arc<AtomicBool>,
    over: Arc<AtomicBool>,
    /// When it was turned on and off, in nanoseconds since 1970, the first time on.
    turned: Mutex<Vec<u64>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Steered {
    fn new(device: &LoopDevice) -> Self {
        #[repr(align(4096))]
        struct Block([u8; 4096]);
        let disk = File::options().read(true).custom_flags(libc::O_DIRECT).open(device.path()).unwrap();
        let (on, over) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (reads, ended) = (Arc::clone(&on), Arc::clone(&over));
        let thread = thread::spawn(move || {
            let mut block = Block([0; 4096]);
            while !ended.load(Relaxed) {
                if reads.load(Relaxed) {
                    disk.read_exact_at(&mut block.0, 0).unwrap();
                }
                thread::sleep(Duration::from_millis(2));
            }
        });
        Self { on, over, turned: Mutex::default(), thread: Some(thread) }
    }

    fn turn(&self) {
        self.turned.lock().unwrap().push(now_ns());
        self.on.store(!self.on.load(Relaxed), Relaxed);
    }

    fn is_on(&self) -> bool {
        self.on.load(Relaxed)
    }

    /// Whether it was on, or off, at some time between the two.
    fn was(&self, on: bool, from_ns: u64, to_ns: u64) -> bool {
        let turned = self.turned.lock().unwrap();
        let is_on = |index: usize| index % 2 == 1;
        let before = turned.partition_point(|&at| at <= from_ns);
        let after = turned.partition_point(|&at| at <= to_ns);
        (before..=after).any(|index| is_on(index) == on)
    }
}

impl Drop for Steered {
    fn drop(&mut self) {
        self.over.store(true, Relaxed);
        let _ = self.thread.take().map(thread::JoinHandle::join);
    }
}

/// Such as `firing` of `00ff`.
type Change = (String, String);

/// Watches an agent for so long; gives the changes that are on disk for sure.
fn watch(agent: &Agent, time: Duration) -> BTreeSet<Change> {
    let begun = Instant::now();
    let mut seen: BTreeMap<Change, Instant> = BTreeMap::new();
    while begun.elapsed() < time {
        for alert in alerts(agent) {
            seen.entry((alert.state.name().to_owned(), alert.id)).or_insert_with(Instant::now);
        }
        thread::sleep(Duration::from_millis(20));
    }
    let safe = seen.into_iter().filter(|(_, at)| at.elapsed() > SAFE);
    safe.map(|(change, _)| change).filter(|change| ["firing", "resolved"].contains(&change.0.as_str())).collect()
}

#[test]
fn the_agent_killed_anywhere_in_an_alerts_life_tells_everything_and_nothing_twice_as_new() {
    root_or_skip!("the_agent_killed_anywhere_in_an_alerts_life_tells_everything_and_nothing_twice_as_new");
    tool_or_skip!("the_agent_killed_anywhere_in_an_alerts_life_tells_everything_and_nothing_twice_as_new", "losetup");
    let _alone = alone();
    let device = Plan::memory().make();
    let place = Place::new(&format!(
        "builtin = false\n[[rule]]\nname = \"DiskBusy\"\nsignal = \"block_requests_per_second\"\n\
         match = {{ device = \"{}\", operation = \"read\" }}\nabove = 20\n",
        device.name()
    ));
    // Now and then it fails, or takes what it hears and does not say so.
    let count = AtomicU64::new(0);
    let receiver = Receiver::start(move |_| match count.fetch_add(1, Relaxed) % 5 {
        1 => Some(500),
        3 => None,
        _ => Some(200),
    });
    let disk = Steered::new(&device);
    let start = || {
        let url = format!("--notify-webhooks=http://{}/", receiver.address());
        Agent::start(place.arguments(&["--judge-window=1s", &url]))
    };
    let mut must = BTreeSet::new();
    for _ in 0..scaled(KILLS.0, KILLS.1) {
        let agent = start();
        must.extend(watch(&agent, random(1_500)));
        disk.turn();
        must.extend(watch(&agent, Duration::from_secs(1) + random(2_500)));
        agent.signal(libc::SIGKILL);
        agent.ended();
    }
    println!("{} heard, {} must be, before the last run", receiver.heard().len(), must.len());

    // The last run fires once more for sure, and brings all to its end.
    let agent = start();
    let firing = || alerts(&agent).iter().any(|alert| alert.resolved_ns.is_none() && alert.fired_ns.is_some());
    if !disk.is_on() {
        disk.turn();
    }
    wait::until("an alert", || firing().then_some(()));
    disk.turn();
    wait::until("its end", || (!firing()).then_some(()));
    must.extend(alerts(&agent).into_iter().map(|alert| (alert.state.name().to_owned(), alert.id)));
    // The alert is shown a moment before the journal counts it.
    agent.collected();
    agent.scrape_until("the delivery of all", |scrape| {
        (scrape.sum("kpulse_notifications_queued", &[r#"kind="webhook""#]) == Some(0.0)).then_some(())
    });
    agent.signal(libc::SIGTERM);
    assert_eq!(agent.ended().0.code(), Some(0));

    let heard: Vec<_> = receiver.heard().into_iter().map(|heard| (strict(&heard), heard)).collect();
    // (status, id) to the keys under which it was told, whether it was taken, and its times.
    let mut keys: BTreeMap<Change, BTreeSet<String>> = BTreeMap::new();
    let mut taken = BTreeSet::new();
    for (message, heard) in &heard {
        let change = (message["status"].as_str().unwrap().to_owned(), id(message));
        keys.entry(change.clone()).or_default().insert(heard.header("idempotency-key").to_owned());
        if heard.answered == Some(200) {
            taken.insert(change);
        }
    }
    let lives = lives(&heard.iter().map(|(message, _)| message.clone()).collect::<Vec<_>>());
    println!("{} heard, {} changes, {} lives, {} must be", heard.len(), keys.len(), lives.len(), must.len());
    assert!(must.len() >= 4, "it was killed before it did anything");
    for change in &must {
        assert!(taken.contains(change), "{change:?} was never told");
    }
    for (change, keys) in &keys {
        assert_eq!(keys.len(), 1, "{change:?} was told as new twice: {keys:?}");
    }
    let mut last_end = 0;
    for (id, (began, ended)) in &lives {
        assert!(taken.contains(&("firing".into(), id.clone())), "{id} was over before it was told");
        assert!(taken.contains(&("resolved".into(), id.clone())), "{id} still fires");
        assert!(disk.was(true, began - WINDOW_NS, *began), "{id} fired without a cause at {began}");
        assert!(disk.was(false, ended - WINDOW_NS, *ended), "{id} was over without a cause at {ended}");
        assert!(*began > last_end, "{id} is new at {began}, while another fired until {last_end}");
        last_end = *ended;
    }
}

/// The id of each alert, in the order of their beginnings, with when it fired and when it was over.
fn lives(messages: &[serde_json::Value]) -> Vec<(String, (u64, u64))> {
    let mut lives = BTreeMap::<String, (u64, u64)>::new();
    for message in messages {
        let alert = &message["alerts"][0];
        let time = |name: &str| nanoseconds(alert[name].as_str().unwrap());
        let life = lives.entry(id(message)).or_default();
        *life = (time("startsAt"), life.1.max(if message["status"] == "resolved" { time("endsAt") } else { 0 }));
    }
    let mut lives: Vec<_> = lives.into_iter().collect();
    lives.sort_by_key(|life| life.1);
    lives
}

/// Of `2026-01-31T23:59:59.123456789Z`, since 1970.
fn nanoseconds(time: &str) -> u64 {
    let numbers: Vec<i64> = time.split(['-', 'T', ':', '.', 'Z']).filter_map(|part| part.parse().ok()).collect();
    let [year, month, day, hour, minute, second, ns] = numbers[..] else { panic!("no time: {time}") };
    // Days since 1970 of the Gregorian calendar, whose years here begin in March.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 - 719_468;
    (((days * 24 + hour) * 60 + minute) * 60 + second) as u64 * 1_000_000_000 + ns as u64
}
