//! The kernel's clocks, in nanoseconds.

/// `CLOCK_MONOTONIC`: what kpulse's readers are given as now.
pub fn monotonic() -> u64 {
    read(libc::CLOCK_MONOTONIC)
}

/// The calling thread's CPU time.
pub fn thread_cpu() -> u64 {
    read(libc::CLOCK_THREAD_CPUTIME_ID)
}

/// The CPU time of another thread, brought up to date by the kernel first. 0 if there is no such thread.
pub fn cpu_of(tid: i32) -> u64 {
    // As the kernel builds the number of a thread's scheduler clock: CPUCLOCK_PERTHREAD_MASK (4) | CPUCLOCK_SCHED (2).
    read((!tid << 3) | 6)
}

/// The CPU time of another process, all its threads together. 0 if there is no such process.
pub fn of_process(pid: i32) -> u64 {
    // CPUCLOCK_SCHED (2) without CPUCLOCK_PERTHREAD_MASK.
    read((!pid << 3) | 2)
}

/// Any of the kernel's clocks; 0 if it does not exist.
pub fn read(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes to our own struct.
    unsafe { libc::clock_gettime(clock, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Sleeps until a moment on `CLOCK_MONOTONIC`; not at all if it has passed.
pub fn sleep_until(monotonic_ns: u64) {
    let time = libc::timespec {
        tv_sec: (monotonic_ns / 1_000_000_000) as i64,
        tv_nsec: (monotonic_ns % 1_000_000_000) as i64,
    };
    // SAFETY: reads our own struct. An early return makes one period longer, and the truth is measured anyway.
    unsafe { libc::clock_nanosleep(libc::CLOCK_MONOTONIC, libc::TIMER_ABSTIME, &time, std::ptr::null_mut()) };
}
