//! A delay that was set is found where it belongs: in the device or in the queue, within 5 %.

use std::{
    fs,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use kpulse::sample::{Class, Requests};
use tests::{block::equal_once, clock, diskstats::Counts, wait};

use crate::{
    Outcome,
    disk::{self, Disk, NullDisk, NullPlan},
    load, modules,
    report::note,
    shared,
    stack::Mapped,
};

const DELAY_NS: u64 = 5_000_000;
const DELAYED: NullPlan = NullPlan { delay_ns: DELAY_NS, depth: 64, memory: false, mib: 64 };

/// Means in nanoseconds.
#[derive(Debug)]
struct Means {
    count: u64,
    queue: f64,
    device: f64,
}

/// The means of a disk's reads while a load runs.
fn means(disk: &Disk, load: impl FnOnce()) -> Means {
    let read = || shared::watch(|watch| watch.disk(disk.id()).requests.remove("read").unwrap_or_default());
    let before = read();
    load();
    disk.settled();
    let after = read();
    let sum = |of: fn(&Class) -> u64| {
        let sum = |requests: &Requests| requests.classes.iter().map(of).sum::<u64>();
        sum(&after) - sum(&before)
    };
    let count = sum(|class| class.timed);
    let mean = |ns: u64| ns as f64 / count as f64;
    let means = Means { count, queue: mean(sum(|class| class.queue_ns)), device: mean(sum(|class| class.device_ns)) };
    note(&format!("{}: {means:?}", disk.name));
    means
}

/// The kernel's own time of all reads of a disk, in milliseconds.
fn read_ms(disk: &Disk) -> u64 {
    let text = fs::read_to_string(disk.sys("stat")).unwrap();
    text.split_whitespace().nth(3).unwrap().parse().unwrap()
}

fn assert_near(what: &str, found: f64, expected: f64) {
    let ratio = found / expected;
    assert!((0.95..=1.05).contains(&ratio), "{what}: {found:.0} ns instead of {expected:.0}");
}

/// 5 ms by the device's own timer.
pub fn null_blk() -> Outcome {
    let made = NullDisk::make(&DELAYED)?;
    one_by_one(&made.disk);
    Ok(())
}

/// 5 ms by the timer of another driver.
pub fn scsi() -> Outcome {
    let disk = disk::scsi(DELAY_NS)?;
    one_by_one(&disk);
    Ok(())
}

fn one_by_one(disk: &Disk) {
    let means = means(disk, || load::reads(&disk.path(), 100));
    assert!(means.count >= 98, "{means:?}");
    assert_near("device time", means.device, DELAY_NS as f64);
    assert!(means.queue < 0.05 * DELAY_NS as f64, "{means:?}: nothing waited");
}

/// A device that takes one request at a time, and four that want it: three wait in the scheduler's queue. Whose turn it is is the
/// scheduler's affair, a reader comes back only when it was woken, and at the end fewer wait: so the truth is the kernel's own sum of
/// the times from start to end.
pub fn queue() -> Outcome {
    const CROWD: usize = 4;
    const EACH: u64 = 100;
    let made = NullDisk::make(&NullPlan { depth: 1, ..DELAYED })?;
    modules::load("mq-deadline", "")?;
    fs::write(made.disk.sys("queue/scheduler"), "mq-deadline").unwrap();
    // A request is made only when the scheduler has room for it; by default it has room for two here.
    fs::write(made.disk.sys("queue/nr_requests"), "64").unwrap();
    // Neighbours that wait would become one request.
    fs::write(made.disk.sys("queue/nomerges"), "2").unwrap();
    let before = read_ms(&made.disk);
    let means = means(&made.disk, || load::crowd(&made.disk.path(), CROWD, EACH));
    let total = (read_ms(&made.disk) - before) as f64 * 1e6 / means.count as f64;
    note(&format!("diskstats: {total:.0} ns a read"));
    assert_near("device time", means.device, DELAY_NS as f64);
    assert_near("queue time", means.queue, total - DELAY_NS as f64);
    assert!(means.queue > 2.0 * DELAY_NS as f64, "{means:?}: too few waited");
    Ok(())
}

/// QEMU delays on the host's clock and by the host's timers, which come late on a busy host and never early. So the truth is what
/// the reader itself waited, on the same clock as kpulse's; to wake it takes an emulated processor its time, too.
pub fn nvme() -> Outcome {
    const READS: u64 = 40;
    let disk = disk::nvme("slow")?;
    let mut waited_ns = 0;
    let means = means(&disk, || {
        let begun = clock::monotonic();
        load::reads(&disk.path(), READS);
        waited_ns = clock::monotonic() - begun;
    });
    let waited = waited_ns as f64 / READS as f64;
    note(&format!("the reader waited {waited:.0} ns for each read"));
    assert!(means.device >= 0.95 * DELAY_NS as f64, "{means:?}: shorter than the delay");
    assert!(means.device + means.queue <= waited, "{means:?}: longer than the reader waited");
    assert!(means.queue < 0.25 * means.device, "{means:?}: nothing waited in the queue");
    Ok(())
}

/// dm-delay makes requests wait before they are requests: its diskstats have the time, the device below does not.
pub fn delayed() -> Outcome {
    const READS: u64 = 50;
    let below = NullDisk::make(&NullPlan { delay_ns: 0, ..DELAYED })?;
    let mapped = Mapped::over(&below.disk, "kpulse-delay", "delay", Some(5))?;
    equal_once("dm-delay", || {
        let (before, counted) = (read_ms(&mapped.disk), Counts::settled(&mapped.disk.name));
        let means = means(&below.disk, || load::reads(&mapped.disk.path(), READS));
        let counted = &mapped.disk.settled() - &counted;
        let above = read_ms(&mapped.disk) - before;
        note(&format!("{}: {above} ms in {READS} reads, {counted:?}", mapped.disk.name));
        // Its timer counts ticks of the kernel's clock, of 4 ms: one late at the most.
        assert!((READS * 5..=READS * 13).contains(&above), "{above} ms");
        assert!(means.device < 0.1 * DELAY_NS as f64, "{means:?}");
        if means.count == READS { Ok(()) } else { Err(format!("{means:?}")) }
    });
    Ok(())
}

/// Whether whoever reads a slow disk may end.
static OVER: AtomicBool = AtomicBool::new(false);

/// Lets the reader end, also when a check fails meanwhile: its scope waits for it.
struct End;

impl Drop for End {
    fn drop(&mut self) {
        OVER.store(true, Ordering::Relaxed);
    }
}

/// A request of 0.9 s, watched while it is in flight.
pub fn in_flight() -> Outcome {
    let disk = disk::scsi(900_000_000)?;
    let in_flight = || shared::watch(|watch| watch.disk(disk.id()).in_flight);
    assert_eq!(in_flight(), None);
    thread::scope(|scope| {
        // Again and again: on a busy machine the first may be over before anybody has looked.
        let end = End;
        let reader = scope.spawn(|| {
            while !OVER.load(Ordering::Relaxed) {
                load::reads(&disk.path(), 1);
            }
        });
        let age = |least: Duration| {
            wait::until("a request in flight that is old enough", || {
                let found = in_flight()?;
                (Duration::from_nanos(found.oldest_ns) >= least).then_some(found)
            })
        };
        let (young, old) = (age(Duration::from_millis(100)), age(Duration::from_millis(500)));
        note(&format!("{young:?}, then {old:?}"));
        drop(end);
        assert_eq!((young.requests, old.requests), (1, 1));
        reader.join().expect("the reader reads");
    });
    disk.settled();
    assert_eq!(in_flight(), None, "it is over");
    disk::scsi(0).map(drop)
}
