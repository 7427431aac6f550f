//! A delay that was set is found where it belongs: in the device or in the queue, within 5 %.

use std::{fs, thread, time::Duration};

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

fn assert_near(what: &str, found: f64, expected: u64) {
    let ratio = found / expected as f64;
    assert!((0.95..=1.05).contains(&ratio), "{what}: {found:.0} ns instead of {expected}");
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
    assert_near("device time", means.device, DELAY_NS);
    assert!(means.queue < 0.05 * DELAY_NS as f64, "{means:?}: nothing waited");
}

/// A device that takes one request at a time, and four that want it: three wait in the scheduler's queue.
pub fn queue() -> Outcome {
    const CROWD: u64 = 4;
    const EACH: u64 = 100;
    let made = NullDisk::make(&NullPlan { depth: 1, ..DELAYED })?;
    modules::load("mq-deadline", "")?;
    fs::write(made.disk.sys("queue/scheduler"), "mq-deadline").unwrap();
    // A request is made only when the scheduler has room for it; by default it has room for two here.
    fs::write(made.disk.sys("queue/nr_requests"), "64").unwrap();
    let means = means(&made.disk, || load::crowd(&made.disk.path(), CROWD as usize, EACH));
    assert_near("device time", means.device, DELAY_NS);
    // One after another: each waits for the three others, but for the first three.
    assert_near("queue time", means.queue, (CROWD - 1) * DELAY_NS);
    Ok(())
}

/// QEMU delays on the host's clock and by the host's timers, which come late on a busy host and never early. So the truth is what
/// the reader itself waited, on the same clock as kpulse's.
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
    assert!((0.85..=1.0).contains(&(means.device / waited)), "{means:?}: the reader waited {waited:.0} ns");
    assert!(means.queue < 0.05 * means.device, "{means:?}: nothing waited in the queue");
    Ok(())
}

/// dm-delay makes requests wait before they are requests: its diskstats have the time, the device below does not.
pub fn delayed() -> Outcome {
    const READS: u64 = 50;
    let below = NullDisk::make(&NullPlan { delay_ns: 0, ..DELAYED })?;
    let mapped = Mapped::over(&below.disk, "kpulse-delay", "delay", Some(5))?;
    equal_once("dm-delay", || {
        let ticks = |disk: &Disk| {
            let text = fs::read_to_string(disk.sys("stat")).unwrap();
            text.split_whitespace().nth(3).unwrap().parse::<u64>().unwrap()
        };
        let (before, counted) = (ticks(&mapped.disk), Counts::settled(&mapped.disk.name));
        let means = means(&below.disk, || load::reads(&mapped.disk.path(), READS));
        let counted = &mapped.disk.settled() - &counted;
        let above = ticks(&mapped.disk) - before;
        note(&format!("{}: {above} ms in {READS} reads, {counted:?}", mapped.disk.name));
        // Its timer counts ticks of the kernel's clock, of 4 ms: one late at the most.
        assert!((READS * 5..=READS * 13).contains(&above), "{above} ms");
        assert!(means.device < 0.1 * DELAY_NS as f64, "{means:?}");
        if means.count == READS { Ok(()) } else { Err(format!("{means:?}")) }
    });
    Ok(())
}

/// A request of 0.9 s, watched while it is in flight.
pub fn in_flight() -> Outcome {
    let disk = disk::scsi(900_000_000)?;
    let in_flight = || shared::watch(|watch| watch.disk(disk.id()).in_flight);
    assert_eq!(in_flight(), None);
    thread::scope(|scope| {
        scope.spawn(|| load::reads(&disk.path(), 1));
        let age = |least: Duration| {
            wait::until("a request in flight that is old enough", || {
                let found = in_flight()?;
                (Duration::from_nanos(found.oldest_ns) >= least).then_some(found)
            })
        };
        let (young, old) = (age(Duration::from_millis(100)), age(Duration::from_millis(500)));
        note(&format!("{young:?}, then {old:?}"));
        assert_eq!((young.requests, old.requests), (1, 1));
    });
    disk.settled();
    assert_eq!(in_flight(), None, "it is over");
    disk::scsi(0).map(drop)
}
