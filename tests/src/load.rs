//! Loads of known shape. Each ends when it is dropped.

use std::{
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
};

use crate::{clock, cpu};

/// Threads that run until they are told to stop, and are then waited for.
struct Threads {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        for thread in self.threads.drain(..) {
            // One that panicked has said so; the test has its own opinion.
            let _ = thread.join();
        }
    }
}

/// Busy for a part of every period, on one CPU and before all ordinary tasks.
pub struct DutyCycle {
    threads: Threads,
    tid: Arc<AtomicU64>,
}

/// The shape of a [`DutyCycle`], in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub struct Duty {
    /// How long it is busy in each period; a whole period is a loop that never sleeps.
    pub busy_ns: u64,
    /// The period.
    pub period_ns: u64,
    /// How long after a multiple of the period (on `CLOCK_MONOTONIC`) each one begins.
    pub phase_ns: u64,
}

impl DutyCycle {
    /// Begins, on one CPU.
    pub fn start(on: usize, duty: Duty) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let tid = Arc::new(AtomicU64::new(0));
        let (stopped, told) = (stop.clone(), tid.clone());
        let thread = thread::spawn(move || {
            cpu::pin(on);
            cpu::real_time();
            // SAFETY: takes nothing and cannot fail.
            told.store(unsafe { libc::gettid() } as u64, Relaxed);
            let mut begin = clock::monotonic().next_multiple_of(duty.period_ns) + duty.phase_ns;
            while !stopped.load(Relaxed) {
                if duty.busy_ns < duty.period_ns {
                    clock::sleep_until(begin);
                }
                let end = clock::monotonic() + duty.busy_ns;
                while clock::monotonic() < end && !stopped.load(Relaxed) {}
                begin += duty.period_ns;
            }
        });
        let load = Self { threads: Threads { stop, threads: vec![thread] }, tid };
        crate::wait::until("the loop's first CPU time", || (load.tid() != 0 && load.cpu_ns() > 0).then_some(()));
        load
    }

    /// The loop's thread.
    pub fn tid(&self) -> i32 {
        self.tid.load(Relaxed) as i32
    }

    /// Its CPU time so far in nanoseconds; asking brings the kernel's books up to date.
    pub fn cpu_ns(&self) -> u64 {
        debug_assert!(!self.threads.threads.is_empty());
        clock::cpu_of(self.tid())
    }
}

/// Messages between threads of this process: groups of senders, each of which writes to every receiver of its group.
/// Far more threads than CPUs, woken in bursts and free to move: so they wait, and are moved while they wait.
pub struct Messages {
    _threads: Threads,
}

/// Senders, and receivers, of a group.
const GROUP: usize = 4;

impl Messages {
    /// Begins, with this many groups of eight threads. With `on`, they all stay on one CPU.
    ///
    /// # Panics
    ///
    /// If sockets or threads cannot be made.
    pub fn start(groups: usize, on: Option<usize>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut all = Threads { stop: stop.clone(), threads: Vec::new() };
        for _ in 0..groups {
            let mut senders: [Vec<UnixStream>; GROUP] = Default::default();
            for _ in 0..GROUP {
                let (sender, mut receiver) = UnixStream::pair().expect("a pair of sockets");
                for sockets in &mut senders {
                    sockets.push(sender.try_clone().expect("a copy of a socket"));
                }
                all.threads.push(thread::spawn(move || {
                    on.into_iter().for_each(cpu::pin);
                    while receiver.read(&mut [0; 100]).is_ok_and(|read| read > 0) {}
                }));
            }
            for mut sockets in senders {
                let stop = stop.clone();
                all.threads.push(thread::spawn(move || {
                    on.into_iter().for_each(cpu::pin);
                    while !stop.load(Relaxed) {
                        for socket in &mut sockets {
                            let _ = socket.write_all(&[0; 100]);
                        }
                    }
                }));
            }
        }
        Self { _threads: all }
    }
}

/// Two threads on one CPU that wake each other: as many switches as the CPU can make.
pub struct PingPong {
    _threads: Threads,
}

impl PingPong {
    /// Begins, on one CPU.
    ///
    /// # Panics
    ///
    /// If the sockets cannot be made.
    pub fn start(on: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (mut first, mut second) = UnixStream::pair().expect("a pair of sockets");
        let stopped = stop.clone();
        let threads = vec![
            thread::spawn(move || {
                cpu::pin(on);
                // Ends by closing its socket, which ends the other.
                while !stopped.load(Relaxed) && first.write_all(&[0]).is_ok() && first.read_exact(&mut [0]).is_ok() {}
            }),
            thread::spawn(move || {
                cpu::pin(on);
                while second.read_exact(&mut [0]).is_ok() && second.write_all(&[0]).is_ok() {}
            }),
        ];
        Self { _threads: Threads { stop, threads } }
    }
}

/// Threads in a ring on one CPU, before all ordinary tasks: each works for a while on what it gets before it passes it on.
/// Their waits are long against the moments by which definitions of their begin and end differ.
pub struct Ring {
    _threads: Threads,
}

/// Threads of a ring; half as many pieces of work go round.
const RING: usize = 8;

impl Ring {
    /// Begins, on one CPU.
    ///
    /// # Panics
    ///
    /// If the sockets cannot be made.
    pub fn start(on: usize) -> Self {
        let mut all = Threads { stop: Arc::new(AtomicBool::new(false)), threads: Vec::new() };
        let (mut senders, receivers): (Vec<_>, Vec<_>) =
            (0..RING).map(|_| UnixStream::pair().expect("a pair of sockets")).unzip();
        for sender in senders.iter_mut().take(RING / 2) {
            sender.write_all(&[0]).expect("room for one byte");
        }
        // Each reads from its own pair and writes into the next one's.
        senders.rotate_left(1);
        for (i, (mut sender, mut receiver)) in senders.into_iter().zip(receivers).enumerate() {
            let stop = all.stop.clone();
            all.threads.push(thread::spawn(move || {
                cpu::pin(on);
                cpu::real_time();
                while !stop.load(Relaxed) && receiver.read_exact(&mut [0]).is_ok() {
                    let end = clock::monotonic() + 50_000 * (1 + i as u64);
                    while clock::monotonic() < end {}
                    if sender.write_all(&[0]).is_err() {
                        break;
                    }
                }
            }));
        }
        Self { _threads: all }
    }
}
