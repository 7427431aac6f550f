//! A mixed load, a minute of each: messages, a disk that comes and goes, tasks that come and go, reads, rest.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use tests::{guard::fork, load::Messages, scratch::Disk};

const TURN: Duration = Duration::from_secs(60);
/// The load leaves the machine to others for most of the time.
const REST: Duration = Duration::from_millis(20);

/// Ends when it is dropped.
pub struct Mixed {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Mixed {
    /// Begins.
    pub fn start() -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let stop = over.clone();
        let thread = thread::spawn(move || {
            for turn in [messages, disks, processes, reads, rest].iter().cycle() {
                if stop.load(Relaxed) {
                    return;
                }
                turn(&stop);
            }
        });
        Self { over, thread: Some(thread) }
    }
}

impl Drop for Mixed {
    fn drop(&mut self) {
        self.over.store(true, Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Does it again and again for a turn.
fn turn(stop: &AtomicBool, mut each: impl FnMut()) {
    let begun = Instant::now();
    while begun.elapsed() < TURN && !stop.load(Relaxed) {
        each();
        thread::sleep(REST);
    }
}

fn messages(stop: &AtomicBool) {
    turn(stop, || {
        let _load = Messages::start(1, None);
        thread::sleep(Duration::from_millis(200));
        thread::sleep(Duration::from_millis(600) * u32::from(!stop.load(Relaxed)));
    });
}

fn disks(stop: &AtomicBool) {
    turn(stop, || {
        if let Ok(disk) = Disk::plug() {
            disk.use_it(200);
            thread::sleep(Duration::from_secs(2));
        }
    });
}

fn processes(stop: &AtomicBool) {
    turn(stop, || {
        for _ in 0..10 {
            if let Ok(child) = fork(None, || {}) {
                child.ended();
            }
        }
    });
}

fn reads(stop: &AtomicBool) {
    let Ok(disk) = Disk::plug() else { return };
    turn(stop, || disk.use_it(50));
}

fn rest(stop: &AtomicBool) {
    turn(stop, || thread::sleep(Duration::from_millis(500)));
}
