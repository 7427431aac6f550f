//! 32 MiB, whatever the machine does: many tasks, tasks that come and go, many control groups.

use std::{
    fs,
    sync::{Arc, Condvar, Mutex},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use tests::{
    agent::{self, Agent},
    group::Group,
    guard::{Restored, fork},
    limits::Memory,
    load::Messages,
    root_or_skip, skip,
    verdict::Place,
    wait,
};

const LIMIT: u64 = 32 << 20;

/// Threads that sleep until this is dropped; a part of them wakes now and then.
struct Sleepers {
    over: Arc<(Mutex<bool>, Condvar)>,
    threads: Vec<JoinHandle<()>>,
}

impl Sleepers {
    fn start(count: usize) -> Self {
        let over = Arc::new((Mutex::new(false), Condvar::new()));
        let mut sleepers = Self { over: over.clone(), threads: Vec::with_capacity(count) };
        for n in 0..count {
            let over = over.clone();
            // Every tenth does something every few seconds.
            let nap = if n % 10 == 0 { Duration::from_secs(2 + n as u64 % 7) } else { Duration::from_secs(3600) };
            let thread = thread::Builder::new().stack_size(16 << 10).spawn(move || {
                let (over, changed) = &*over;
                let mut done = over.lock().unwrap();
                while !*done {
                    done = changed.wait_timeout(done, nap).unwrap().0;
                }
            });
            sleepers.threads.push(thread.expect("another thread"));
        }
        sleepers
    }
}

impl Drop for Sleepers {
    fn drop(&mut self) {
        *self.over.0.lock().unwrap() = true;
        self.over.1.notify_all();
        self.threads.drain(..).for_each(|thread| drop(thread.join()));
    }
}

/// An agent in 32 MiB.
fn start(place: &Place, memory: &Memory) -> Agent {
    let mut command = agent::command(["agent", "--listen", "127.0.0.1:0"]);
    command.args(place.arguments(&["--judge-window=6s"]));
    memory.enter(&mut command);
    Agent::start_command(command)
}

fn mib(bytes: Option<u64>) -> f64 {
    bytes.map_or(f64::NAN, |bytes| bytes as f64 / (1 << 20) as f64)
}

fn assert_well(agent: &Agent, memory: &Memory, what: &str) {
    agent.collected();
    let scrape = agent.scrape();
    println!(
        "{what}: {:.1} MiB at most, {:.1} MiB of it of the process's own, {:.1} MiB resident",
        mib(memory.peak()),
        mib(memory.anonymous()),
        scrape.value("kpulse_self_resident_bytes").unwrap_or(f64::NAN) / (1 << 20) as f64
    );
    assert_eq!(scrape.value("kpulse_collections_failed_total"), Some(0.0), "{:?}", agent.log());
    // What is not the process's own is a cache of files, which the kernel takes back.
    assert!(memory.anonymous().is_none_or(|bytes| bytes < LIMIT * 3 / 4), "{:?}", memory.anonymous());
}

#[test]
fn in_32_mib_the_agent_lives_through_every_load() {
    const NAME: &str = "in_32_mib_the_agent_lives_through_every_load";
    root_or_skip!("in_32_mib_the_agent_lives_through_every_load");
    let _alone = skip::alone();
    let memory = match Memory::at_most(LIMIT) {
        Ok(memory) => memory,
        Err(reason) => return skip::unsupported(NAME, &reason),
    };
    let tree = Group::make("tree");
    let place = Place::new("");
    let agent = start(&place, &memory);
    assert_well(&agent, &memory, "at rest");

    {
        let _load = Messages::start(4, None);
        thread::sleep(Duration::from_secs(3));
        assert_well(&agent, &memory, "under messages");
    }

    let groups = tests::scaled::scaled(5_000, 1_000);
    match &tree {
        Ok(tree) => {
            let begun = Instant::now();
            tree.grow(groups).unwrap();
            let _members: Vec<_> = (0..20)
                .filter_map(|n| {
                    tree.fork_in(n * groups / 20, || {
                        loop {
                            // SAFETY: burns a little CPU time and sleeps.
                            unsafe { libc::usleep(10_000) };
                        }
                    })
                    .ok()
                })
                .collect();
            thread::sleep(Duration::from_secs(3));
            println!("{groups} groups made in {:?}", begun.elapsed());
            assert_well(&agent, &memory, "with a tree of control groups");
        }
        Err(reason) => skip::unsupported(NAME, reason),
    }

    let seconds = tests::scaled::scaled(60, 6) as u64;
    let (mut children, begun) = (0u64, Instant::now());
    while begun.elapsed() < Duration::from_secs(seconds) {
        // 50,000 in a minute.
        for _ in 0..8 {
            fork(None, || {}).unwrap().ended();
            children += 1;
        }
        let due = Duration::from_micros(children * 60_000_000 / 50_000);
        thread::sleep(due.saturating_sub(begun.elapsed()));
    }
    println!("{children} processes in {:?}", begun.elapsed());
    assert_well(&agent, &memory, "with short-lived processes");

    let tasks = tests::scaled::scaled(50_000, 8_000);
    let _pids = Restored::set("/proc/sys/kernel/pid_max", "131072").unwrap();
    // A thread's stack is two pieces of its process's memory.
    let _pieces = Restored::set("/proc/sys/vm/max_map_count", "262144").unwrap();
    let sleepers = Sleepers::start(tasks);
    wait::within(Duration::from_secs(120), || {
        thread::sleep(Duration::from_millis(100));
        agent.scrape().value("kpulse_tasks").filter(|&count| count >= tasks as f64)
    })
    .expect("all of the tasks");
    // Through some judgements.
    (0..6).for_each(|_| agent.collected());
    assert_well(&agent, &memory, &format!("with {tasks} tasks"));
    drop(sleepers);
    wait::until("the end of the tasks", || agent.scrape().value("kpulse_tasks").filter(|&count| count < tasks as f64));
    assert_well(&agent, &memory, "after them");
    assert!(fs::metadata(format!("/proc/{}", agent.pid())).is_ok());
    super::assert_calm(&agent.log());
}
