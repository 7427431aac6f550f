//! Every request in both books, kpulse's and the kernel's, on disks of several drivers and on disks upon them.

use std::fs;

use kpulse::{host, sample::Requests};
use monitor_common::block::{Discard, Error};
use tests::{block::equal_once, diskstats::Counts};

use crate::{
    Outcome,
    disk::{self, Disk, NullDisk, NullPlan},
    load, modules,
    report::note,
    shared,
    stack::{Mapped, Mirror},
};

/// Runs a load and holds what the programs saw of a disk against its diskstats.
fn compare(disk: &Disk, load: impl Fn()) {
    equal_once(&disk.name, || {
        let seen = || shared::watch(|watch| Counts::of(watch.disk(disk.id()).requests.values()));
        let (kernels, before) = (disk.settled(), seen());
        load();
        let (kernels, seen) = (&disk.settled() - &kernels, &seen() - &before);
        note(&format!("{}: kernel {kernels:?}", disk.name));
        assert!(kernels.0.values().map(|count| count.requests).sum::<u64>() > 0, "the load made no request");
        if kernels == seen { Ok(()) } else { Err(format!("kpulse {seen:?}, kernel {kernels:?}")) }
    });
}

/// All loads.
fn every_load(disk: &Disk) {
    compare(disk, || load::reads(&disk.path(), 200));
    compare(disk, || load::writes(&disk.path(), 200));
    compare(disk, || load::mixed(&disk.path(), 4, 100));
}

/// As fast as it gets.
pub const FAST: NullPlan = NullPlan { delay_ns: 0, depth: 64, memory: true, mib: 64 };

/// null_blk, with memory behind it and without a scheduler, then with one.
pub fn null_blk() -> Outcome {
    let made = NullDisk::make(&FAST)?;
    every_load(&made.disk);
    modules::load("mq-deadline", "")?;
    fs::write(made.disk.sys("queue/scheduler"), "mq-deadline").unwrap();
    every_load(&made.disk);
    Ok(())
}

/// A SCSI disk.
pub fn scsi() -> Outcome {
    every_load(&disk::scsi(0)?);
    Ok(())
}

/// An NVMe disk without a medium.
pub fn nvme() -> Outcome {
    every_load(&disk::nvme("fast")?);
    Ok(())
}

/// scsi_debug has ten bad sectors from 0x1234 on, if it is told so.
pub fn medium_error() -> Outcome {
    const BAD: u64 = 0x1234 * 512;
    const READS: u64 = 20;
    let disk = disk::scsi(0)?;
    disk::scsi_set("opts", "2").unwrap();
    let file = load::open(&disk.path());
    equal_once("medium errors", || {
        let medium = || {
            let read = reads_of(&disk);
            (read.errors[Error::Medium as usize], read.errors.iter().sum::<u64>())
        };
        let before = medium();
        for _ in 0..READS {
            assert!(load::read(&file, BAD, 512).is_err(), "a bad sector was read");
        }
        disk.settled();
        let after = medium();
        let (medium, all) = (after.0 - before.0, after.1 - before.1);
        note(&format!("{READS} reads of a bad sector: {medium} medium errors, {all} errors"));
        assert!(all <= READS, "more errors than reads: {all}");
        if medium == READS { Ok(()) } else { Err(format!("{medium} medium errors of {READS} reads, {all} errors")) }
    });
    disk::scsi_set("opts", "0").unwrap();
    Ok(())
}

/// The disk above never has a request; the agent shows it from diskstats and says so.
fn above_and_below(above: &Disk, below: &[&Disk], load: impl Fn()) {
    equal_once(&format!("{} below {}", below[0].name, above.name), || {
        let settled = || below.iter().map(|disk| disk.settled()).collect::<Vec<_>>();
        let seen = || {
            let of = |disk: &&Disk| shared::watch(|watch| Counts::of(watch.disk(disk.id()).requests.values()));
            below.iter().map(of).collect::<Vec<_>>()
        };
        let (kernel_before, seen_before) = (settled(), seen());
        load();
        let (kernel_after, seen_after) = (settled(), seen());
        for (index, disk) in below.iter().enumerate() {
            let kernels = &kernel_after[index] - &kernel_before[index];
            let ours = &seen_after[index] - &seen_before[index];
            note(&format!("{}: kernel {kernels:?}", disk.name));
            if kernels != ours {
                return Err(format!("{}: kpulse {ours:?}, kernel {kernels:?}", disk.name));
            }
        }
        Ok(())
    });
    let requests = shared::watch(|watch| watch.disk(above.id()).requests);
    assert!(requests.is_empty(), "{} has requests", above.name);
    let known = host::Reader::new(host::Roots::default()).read().disks.remove(&above.id()).expect("the disk is known");
    assert!(!known.request_based, "{known:?}");
    let device = format!("device=\"{}\"", above.name);
    shared::agent(|agent| {
        agent.scrape_until("the disk above, from diskstats", |scrape| {
            let info = scrape.of("kpulse_disk_info", &[&device, "source=\"diskstats\""]);
            let requests = scrape.sum("kpulse_diskstats_requests_total", &[&device])?;
            (!info.is_empty() && requests > 0.0).then_some(())
        });
        assert_eq!(agent.scrape().sum("kpulse_block_requests_total", &[&device]), None);
    });
}

/// dm-linear over NVMe.
pub fn device_mapper() -> Outcome {
    let below = disk::nvme("fast")?;
    let mapped = Mapped::over(&below, "kpulse-linear", "linear", None)?;
    above_and_below(&mapped.disk, &[&below], || load::mixed(&mapped.disk.path(), 4, 50));
    Ok(())
}

/// RAID 1 over two null_blk devices.
pub fn raid() -> Outcome {
    let (one, two) = (NullDisk::make(&FAST)?, NullDisk::make(&FAST)?);
    let mirror = Mirror::over([&one.disk, &two.disk])?;
    let below = [&one.disk, &two.disk];
    above_and_below(&mirror.disk, &below, || load::mixed(&mirror.disk.path(), 4, 50));
    Ok(())
}

/// Without the kernel's books a request has no start: it is counted, its device time is known and nothing else.
pub fn without_iostats() -> Outcome {
    const READS: u64 = 300;
    let made = NullDisk::make(&FAST)?;
    let disk = &made.disk;
    disk::turn_iostats("0");
    // Writeback throttling has start times made for itself.
    let _ = fs::write(disk.sys("queue/wbt_lat_usec"), "0");
    equal_once("without iostats", || {
        let discarded = || shared::watch(|watch| watch.read().discards[Discard::NoStartTime as usize]);
        let (before, discards) = (reads_of(disk), discarded());
        load::reads(&disk.path(), READS);
        let (after, discards) = (reads_of(disk), discarded() - discards);
        let times =
            |requests: &Requests| (requests.queue.count(), requests.total.count(), requests.device_time.count());
        let ((count, bytes), devices) = (sums(&after), times(&after).2 - times(&before).2);
        let (count, bytes) = (count - sums(&before).0, bytes - sums(&before).1);
        note(&format!("{count} reads, {devices} device times, {discards} without a start"));
        assert!(count <= READS, "{count} of {READS}");
        assert_eq!((times(&after).0, times(&after).1), (0, 0), "times from nowhere");
        assert_eq!(devices, count, "the device time is known");
        assert!(discards >= count);
        if (count, bytes) == (READS, READS * 4096) { Ok(()) } else { Err(format!("{count} reads of {READS}")) }
    });
    disk::turn_iostats("1");
    Ok(())
}

/// What the programs saw of a disk's reads so far.
fn reads_of(disk: &Disk) -> Requests {
    shared::watch(|watch| watch.disk(disk.id()).requests.remove("read").unwrap_or_default())
}

fn sums(requests: &Requests) -> (u64, u64) {
    requests.classes.iter().fold((0, 0), |sum, class| (sum.0 + class.requests, sum.1 + class.bytes))
}
