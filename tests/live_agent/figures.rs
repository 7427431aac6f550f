//! The figures from one scrape to the next: counters never fall, books agree, many tasks, disks that come and go.

use std::{
    collections::BTreeMap,
    sync::{Arc, Condvar, Mutex},
    thread::{self, JoinHandle},
    time::Duration,
};

use kpulse::window::Window;
use tests::{
    agent::Agent,
    exposition::Scrape,
    load::{Messages, PingPong},
    root_or_skip,
    scratch::Disk,
    skip::{self, alone},
};

#[test]
fn no_counter_falls_from_one_scrape_to_the_next() {
    root_or_skip!("no_counter_falls_from_one_scrape_to_the_next");
    let _alone = alone();
    let agent = Agent::start(["--interval=100ms"]);
    let _load = Messages::start(2, None);
    let mut before: BTreeMap<String, f64> = BTreeMap::new();
    for _ in 0..30 {
        agent.collected();
        let scrape = agent.scrape();
        let now: BTreeMap<String, f64> = scrape.growing().map(|(series, value)| (series.into(), value)).collect();
        assert!(now.len() > 100, "{} counters", now.len());
        for (series, before) in &before {
            let now = now.get(series);
            assert!(now.is_some_and(|now| now >= before), "{series} was {before} and is {now:?}");
        }
        before = now;
    }
}

#[test]
fn switches_between_two_scrapes_are_those_of_the_kernels_own_count() {
    root_or_skip!("switches_between_two_scrapes_are_those_of_the_kernels_own_count");
    let _alone = alone();
    let agent = Agent::start::<&str>([]);
    let _load = PingPong::start(0);
    let mut off = Vec::new();
    // Between the two readings of one collection, the agent may be kept from its CPU.
    while off.len() < 3 && !off.last().is_some_and(|off| *off <= 0.01) {
        let counts = |scrape: &Scrape| {
            ["kpulse_context_switches_total", "kpulse_host_context_switches_total"]
                .map(|name| scrape.sum(name, &[]).unwrap())
        };
        agent.collected();
        let before = counts(&agent.scrape());
        thread::sleep(Duration::from_secs(4));
        agent.collected();
        let after = counts(&agent.scrape());
        let [ours, kernels] = [0, 1].map(|i| after[i] - before[i]);
        println!("{ours} switches, the kernel says {kernels}");
        assert!(kernels > 1_000.0, "the load does not switch");
        off.push((ours / kernels - 1.0).abs());
    }
    assert!(off.last().is_some_and(|off| *off <= 0.01), "{off:?}");
}

#[test]
fn the_window_is_one_and_its_utilisation_is_a_share() {
    root_or_skip!("the_window_is_one_and_its_utilisation_is_a_share");
    let _alone = alone();
    let agent = Agent::start(["--interval=100ms"]);
    for _ in 0..10 {
        agent.collected();
        let window: Window = serde_json::from_str(&agent.get("/api/v1/window")).unwrap();
        let sched = window.sched.unwrap();
        let shares = sched.cpus.iter().map(|cpu| cpu.utilization).chain([sched.utilization]);
        for share in shares {
            assert!(share.is_some_and(|share| (0.0..=1.0).contains(&share)), "{share:?}");
        }
        assert_eq!(sched.cpus.len(), tests::cpu::online().len());
        assert!(sched.switches_per_second > 0.0 && window.seconds > 0.0);
        let load: f64 = window.cpu_modes.into_iter().map(|modes| modes.user + modes.system + modes.idle).sum();
        assert!((0.0..=1.0 + 1e-9).contains(&load), "{load}");
    }
}

/// Threads that sleep until this is dropped.
struct Sleepers {
    wake: Arc<(Mutex<bool>, Condvar)>,
    threads: Vec<JoinHandle<()>>,
}

impl Sleepers {
    fn start(count: usize) -> Self {
        let wake = Arc::new((Mutex::new(false), Condvar::new()));
        let mut sleepers = Self { wake: wake.clone(), threads: Vec::new() };
        for _ in 0..count {
            let wake = wake.clone();
            let sleeper = thread::Builder::new().stack_size(16 << 10).name("kpulse-sleeper".into()).spawn(move || {
                let (woken, changed) = &*wake;
                drop(changed.wait_while(woken.lock().unwrap(), |woken| !*woken));
            });
            sleepers.threads.push(sleeper.expect("another thread"));
        }
        sleepers
    }
}

impl Drop for Sleepers {
    fn drop(&mut self) {
        let (woken, changed) = &*self.wake;
        *woken.lock().unwrap() = true;
        changed.notify_all();
        self.threads.drain(..).for_each(|thread| drop(thread.join()));
    }
}

#[test]
fn ten_thousand_tasks_are_all_counted_and_the_agent_goes_on() {
    root_or_skip!("ten_thousand_tasks_are_all_counted_and_the_agent_goes_on");
    const TASKS: usize = 10_000;
    let _alone = alone();
    let agent = Agent::start(["--interval=200ms"]);
    // The shortest of some collections: the others were held up by something.
    let collection = || {
        let took = |_| {
            agent.collected();
            let scrape = agent.scrape();
            (scrape.value("kpulse_collection_seconds").unwrap(), scrape.value("kpulse_tasks").unwrap())
        };
        (0..8).map(took).min_by(|a, b| a.0.total_cmp(&b.0)).unwrap()
    };
    let (few_seconds, few) = collection();
    let sleepers = Sleepers::start(TASKS);
    agent.scrape_until("all of the tasks", |scrape| scrape.value("kpulse_tasks").filter(|&n| n >= TASKS as f64));
    let (many_seconds, many) = collection();
    println!(
        "{few} tasks: {:.3} ms for a collection; {many} tasks: {:.3} ms, {:.3} us for each one more",
        few_seconds * 1e3,
        many_seconds * 1e3,
        (many_seconds - few_seconds) / (many - few) * 1e6
    );
    let window: Window = serde_json::from_str(&agent.get("/api/v1/window")).unwrap();
    assert!(window.tasks.is_some_and(|tasks| tasks.count >= TASKS as u64 && tasks.by_cpu.len() <= 10));
    drop(sleepers);
    agent.scrape_until("the end of the tasks", |scrape| {
        scrape.value("kpulse_tasks").filter(|&n| n < few + TASKS as f64 / 2.0)
    });
    let failed = agent.scrape().value("kpulse_collections_failed_total");
    assert_eq!(failed, Some(0.0), "{:?}", agent.log());
}

#[test]
fn the_series_of_a_disk_that_is_torn_out_end_and_nothing_else_moves() {
    const NAME: &str = "the_series_of_a_disk_that_is_torn_out_end_and_nothing_else_moves";
    root_or_skip!("the_series_of_a_disk_that_is_torn_out_end_and_nothing_else_moves");
    let _alone = alone();
    let agent = Agent::start(["--interval=100ms"]);
    let disk = match Disk::plug() {
        Ok(disk) => disk,
        Err(error) => return skip::unsupported(NAME, &format!("no loop device: {error}")),
    };
    let device = format!("device=\"{}\"", disk.name);
    let totals = ["kpulse_block_requests_total", "kpulse_block_bytes_total", "kpulse_block_request_seconds_count"];
    let sum = |scrape: &Scrape, name, labels: &[&str]| scrape.sum(name, labels).unwrap_or(0.0);
    let others = |scrape: &Scrape| totals.map(|name| sum(scrape, name, &[]) - sum(scrape, name, &[&device]));
    disk.use_it(50);
    for operation in ["operation=\"read\"", "operation=\"write\""] {
        agent.scrape_until("the disk's requests", |scrape| {
            scrape.sum(totals[0], &[&device, operation]).filter(|&requests| requests >= 50.0)
        });
    }
    let with = agent.scrape();
    let bytes = sum(&with, totals[1], &[&device]);
    assert!(bytes >= 100.0 * 4096.0, "{bytes} bytes");
    disk.unplug();
    let mut last = others(&with);
    let gone = agent.scrape_until("the end of the disk's series", |scrape| {
        let now = others(scrape);
        assert!(now.iter().zip(last).all(|(now, last)| *now >= last), "{last:?}, then {now:?}");
        last = now;
        let of_disk = scrape.series.keys().any(|series| series.contains(&device));
        (!of_disk).then(|| scrape.clone())
    });
    // A rate over the other disks must not jump by what this one did in its life.
    assert_eq!(sum(&gone, totals[0], &["device=\"other\""]), sum(&with, totals[0], &["device=\"other\""]));
    // A disk of the same number is another one, and begins anew.
    let again = Disk::plug().unwrap();
    let device = format!("device=\"{}\"", again.name);
    again.use_it(3);
    let requests = agent.scrape_until("the new disk's requests", |scrape| {
        scrape.sum(totals[0], &[&device]).filter(|&requests| requests >= 6.0)
    });
    assert!(requests < 100.0, "{requests} requests: the old disk's are among them");
    assert!(!agent.log().iter().any(|line| line.contains("panicked") || line.contains("ERROR")), "{:?}", agent.log());
}
