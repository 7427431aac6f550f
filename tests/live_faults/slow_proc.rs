//! A /proc that answers slowly: the figures come later, and nothing is lost.

use std::{
    ffi::CString,
    fs::{self, File},
    io::Write as _,
    os::unix::{ffi::OsStrExt as _, fs::symlink},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use tests::{agent::Agent, root_or_skip, scratch::Scratch, skip::alone, verdict::Place, wait};

/// A pipe in the place of a file: whoever opens it waits for us.
fn pipe(path: &Path) {
    let path = CString::new(path.as_os_str().as_bytes()).unwrap();
    // SAFETY: the string ends with a zero and lives through the call.
    assert_eq!(unsafe { libc::mkfifo(path.as_ptr(), 0o644) }, 0);
}

#[test]
fn a_proc_that_answers_slowly_delays_the_figures_and_loses_none() {
    root_or_skip!("a_proc_that_answers_slowly_delays_the_figures_and_loses_none");
    let _alone = alone();
    let scratch = Scratch::new();
    // /proc as it is, but for the host's name, which is read now and then.
    let kernel = scratch.path().join("sys/kernel");
    fs::create_dir_all(&kernel).unwrap();
    for (from, to, but) in [("/proc", scratch.path(), "sys"), ("/proc/sys/kernel", kernel.as_path(), "hostname")] {
        for entry in fs::read_dir(from).unwrap().flatten() {
            let name = entry.file_name();
            if name.to_str().is_some_and(|name| name != but && !name.starts_with(|c: char| c.is_ascii_digit())) {
                symlink(entry.path(), to.join(name)).unwrap();
            }
        }
    }
    let slow = kernel.join("hostname");
    pipe(&slow);
    let name = slow.clone();
    let (over, answers) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let (stop, answered) = (over.clone(), answers.clone());
    let writer = thread::spawn(move || {
        while !stop.load(Relaxed) {
            // Waits until somebody reads.
            let mut pipe = File::options().write(true).open(&slow).unwrap();
            thread::sleep(Duration::from_millis(400));
            let _ = pipe.write_all(b"slow\n");
            answered.fetch_add(1, Relaxed);
        }
    });
    let place = Place::new("");
    let proc = format!("--host-proc={}", scratch.path().display());
    let agent = Agent::start(place.arguments(&["--interval=200ms", "--host-filesystem-interval=1s", &proc]));
    let before = agent.scrape().sum("kpulse_context_switches_total", &[]).unwrap();
    let seen = answers.load(Relaxed);
    wait::until("some slow answers", || (answers.load(Relaxed) > seen + 4).then_some(()));
    let scrape = agent.scrape_until("a slow collection", |scrape| {
        scrape.value("kpulse_collection_seconds").filter(|took| *took >= 0.3).map(|_| scrape.clone())
    });
    assert!(scrape.sum("kpulse_context_switches_total", &[]).unwrap() > before);
    let took = scrape.value("kpulse_collection_seconds").unwrap();
    println!("a collection takes {took:.3} s");
    assert_eq!(scrape.value("kpulse_collections_failed_total"), Some(0.0));
    super::assert_calm(&agent.log());
    agent.signal(libc::SIGTERM);
    // The one that is waiting for a reader gets one.
    let (status, _, log) = agent.ended();
    assert_eq!(status.code(), Some(0), "{log:?}");
    over.store(true, Relaxed);
    let _ = fs::read(&name);
    writer.join().unwrap();
}
