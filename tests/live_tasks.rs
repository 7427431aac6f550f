//! The tasks probe against /proc: one task's record, a wait under way, and what a snapshot of thousands costs.

use std::{
    fs,
    io::{Read as _, Seek as _, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    sync::atomic::{AtomicBool, AtomicI32, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use kpulse::{
    kernel::load::Loaded,
    probes::{sched, tasks::reader},
    sample::Task,
};
use tests::{
    clock, cpu,
    guard::{Forked, fork},
    load::{Duty, DutyCycle},
    probes, proc, root_or_skip,
    skip::{self, alone},
    wait,
};

fn snapshot(loaded: &mut Loaded, clock: Option<u64>) -> Vec<Task> {
    reader::read(loaded.tasks.as_mut().unwrap(), clock).unwrap()
}

fn find(tasks: &[Task], pid: u32) -> Task {
    tasks.iter().find(|task| task.pid == pid).unwrap_or_else(|| panic!("no record of task {pid}")).clone()
}

/// What /proc says of this thread: CPU time, run delay, voluntary and involuntary switches, bytes read and written.
fn own_books() -> [u64; 6] {
    let books = proc::schedstat("/proc/thread-self").unwrap();
    let number = |file: &str, key: &str| proc::field(file, key).unwrap().parse::<u64>().unwrap();
    [
        clock::thread_cpu(),
        books.run_delay_ns,
        number("/proc/thread-self/status", "voluntary_ctxt_switches"),
        number("/proc/thread-self/status", "nonvoluntary_ctxt_switches"),
        number("/proc/thread-self/io", "read_bytes"),
        number("/proc/thread-self/io", "write_bytes"),
    ]
}

/// Reads and writes a megabyte past the page cache.
fn direct_io() {
    const SIZE: usize = 1 << 20;
    let path = std::env::current_exe().unwrap().with_file_name(format!("kpulse-io-{}", std::process::id()));
    let mut file = fs::File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .custom_flags(libc::O_DIRECT)
        .open(&path)
        .unwrap();
    fs::remove_file(&path).unwrap();
    let mut memory = vec![1u8; SIZE + 4096];
    let aligned = memory.as_ptr().align_offset(4096);
    file.write_all(&memory[aligned..aligned + SIZE]).unwrap();
    file.sync_all().unwrap();
    file.rewind().unwrap();
    file.read_exact(&mut memory[aligned..aligned + SIZE]).unwrap();
}

#[test]
fn a_threads_own_record_is_what_proc_says_of_it() {
    root_or_skip!("a_threads_own_record_is_what_proc_says_of_it");
    let _alone = alone();
    let mut loaded = probes::load(&probes::options(&["tasks"]));
    direct_io();
    let before = own_books();
    // One reading to warm up: the second one's own cost is small.
    snapshot(&mut loaded, None);
    let record = find(&snapshot(&mut loaded, None), own_tid());
    let after = own_books();

    assert_eq!(record.tgid, std::process::id());
    assert_eq!(record.comm, fs::read_to_string("/proc/thread-self/comm").unwrap().trim_end());
    let ticks: u64 = proc::stat_field("/proc/thread-self", 22).unwrap().parse().unwrap();
    assert_eq!(record.start_ns / 10_000_000, ticks, "began at another time");
    let values = [
        ("CPU time", record.cpu_ns),
        ("run delay", record.wait_ns),
        ("voluntary switches", record.voluntary),
        ("involuntary switches", record.involuntary),
        ("bytes read", record.read_bytes),
        ("bytes written", record.write_bytes),
    ];
    for ((name, value), (least, most)) in values.into_iter().zip(before.into_iter().zip(after)) {
        println!("{name}: {value} in {least}..={most}");
        assert!((least..=most).contains(&value), "{name}: {value} is not in {least}..={most}");
    }
    assert!(record.read_bytes >= 1 << 20 && record.write_bytes >= 1 << 20, "the bytes moved are missing: {record:?}");

    let groups = fs::read_to_string("/proc/self/cgroup").unwrap();
    let own = groups.lines().find_map(|line| line.strip_prefix("0::"));
    let mounted = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];
    let root = mounted.into_iter().find(|folder| fs::exists(format!("{folder}/cgroup.controllers")).unwrap_or(false));
    if let (Some(own), Some(root)) = (own, root) {
        assert_eq!(record.cgroup, fs::metadata(format!("{root}{own}")).unwrap().ino(), "another cgroup");
    }
}

fn own_tid() -> u32 {
    // SAFETY: takes nothing and cannot fail.
    unsafe { libc::gettid() as u32 }
}

#[test]
fn a_wait_under_way_is_in_the_record() {
    root_or_skip!("a_wait_under_way_is_in_the_record");
    let _alone = alone();
    let cpus = cpu::online();
    if cpus.len() < 2 {
        return skip::unsupported("a_wait_under_way_is_in_the_record", "there is one CPU only");
    }
    let on = cpus[1] as usize;
    cpu::pin(cpus[0] as usize);
    let mut loaded = probes::load(&probes::options(&["sched", "tasks"]));
    let mut sched = sched::reader::Reader::default();
    let mut clock_now = |loaded: &mut Loaded| {
        let maps = loaded.sched.as_mut().unwrap();
        let offset = sched.read(maps, &cpus, clock::monotonic).unwrap().clock_offset_ns.unwrap();
        clock::monotonic().wrapping_add_signed(offset)
    };
    static VICTIM: AtomicI32 = AtomicI32::new(0);
    static STOP: AtomicBool = AtomicBool::new(false);
    STOP.store(false, Relaxed);
    thread::scope(|scope| {
        scope.spawn(|| {
            cpu::pin(on);
            VICTIM.store(own_tid() as i32, Relaxed);
            while !STOP.load(Relaxed) {
                std::hint::spin_loop();
            }
        });
        let _stop = StopOnDrop(&STOP);
        let victim = wait::until("the victim's start", || Some(VICTIM.load(Relaxed)).filter(|tid| *tid != 0));
        let folder = format!("/proc/self/task/{victim}");
        // The hog keeps the CPU until the kernel makes room for ordinary tasks, after most of a second.
        for _ in 0..5 {
            let hog = DutyCycle::start(on, Duty { busy_ns: 4_000_000, period_ns: 4_000_000, phase_ns: 0 });
            let first = clock::monotonic();
            let books = proc::schedstat(&folder).unwrap();
            let now = clock_now(&mut loaded);
            let before = find(&snapshot(&mut loaded, Some(now)), victim as u32);
            clock::sleep_until(first + 300_000_000);
            let now = clock_now(&mut loaded);
            let after = find(&snapshot(&mut loaded, Some(now)), victim as u32);
            let elapsed = clock::monotonic() - first;
            let same = proc::schedstat(&folder).unwrap() == books;
            drop(hog);
            if !same {
                continue;
            }
            let waited = after.wait_ns - before.wait_ns;
            println!("waited {waited} ns of {elapsed} ns; the kernel's closed books did not move");
            assert!(waited <= elapsed && waited >= 280_000_000, "{waited} ns of {elapsed} ns");
            assert!(after.wait_ns > books.run_delay_ns + 280_000_000, "the open wait is missing: {after:?}");
            return;
        }
        panic!("the victim was given the CPU in each of five tries");
    });
}

struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

const SLEEPERS: usize = 5_000;

#[test]
fn a_snapshot_of_5000_tasks_is_30_times_faster_than_a_walk_of_proc() {
    root_or_skip!("a_snapshot_of_5000_tasks_is_30_times_faster_than_a_walk_of_proc");
    let _alone = alone();
    let mut loaded = probes::load(&probes::options(&["tasks"]));
    let sleep = || {
        // SAFETY: waits for a signal.
        unsafe { libc::pause() };
    };
    let sleepers: Result<Vec<Forked>, _> = (0..SLEEPERS).map(|_| fork(None, sleep)).collect();
    let _sleepers = match sleepers {
        Ok(sleepers) => sleepers,
        Err(error) => {
            return skip::unsupported(
                "a_snapshot_of_5000_tasks_is_30_times_faster_than_a_walk_of_proc",
                &format!("it does not allow {SLEEPERS} processes: {error}"),
            );
        }
    };
    let timed = |work: &mut dyn FnMut() -> usize| {
        let begun = Instant::now();
        let found = work();
        assert!(found >= SLEEPERS, "{found} tasks only");
        begun.elapsed()
    };
    let (mut snapshots, mut walks) = (Vec::new(), Vec::new());
    // Without optimisation, our own part of the snapshot (a name's String for each task) says nothing of what it costs:
    // then only the reading is timed.
    let mut take = || match cfg!(debug_assertions) {
        true => loaded.tasks.as_mut().unwrap().read().unwrap().len(),
        false => snapshot(&mut loaded, None).len(),
    };
    take();
    for _ in 0..5 {
        snapshots.push(timed(&mut take));
        walks.push(timed(&mut walk));
    }
    let (snapshot, walk) = (median(snapshots), median(walks));
    let ratio = walk.as_secs_f64() / snapshot.as_secs_f64();
    println!("snapshot {snapshot:?}, walk {walk:?}: {ratio:.1} times");
    assert!(ratio >= 30.0, "a snapshot took {snapshot:?}, a walk {walk:?}: {ratio:.1} times only");
}

fn walk() -> usize {
    let mut buffer = [0u8; 4096];
    let mut read = |path: String| fs::File::open(path).and_then(|mut file| file.read(&mut buffer)).is_ok();
    let processes = proc::numbers("/proc");
    processes
        .iter()
        .filter(|pid| ["stat", "schedstat", "io"].iter().all(|name| read(format!("/proc/{pid}/{name}"))))
        .count()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}
