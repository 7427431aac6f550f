//! Requests and bytes of every operation against the kernel's diskstats: equal, not nearly.
//!
//! In: loads on loop devices, over memory and over a disk, raw and through ext4, with every scheduler. What a load does to a
//! device that was quiet before and is quiet again after must be in both books alike.

use std::fs;

use kpulse::sample::Class;
use monitor_common::block::{Discard, Operation, SizeClass};
use tests::{
    block::{Disk, Watch, equal_once},
    diskstats::Counts,
    fio,
    guard::Restored,
    loop_device::{LoopDevice, Mount, Plan, run},
    root_or_skip, skip, tool_or_skip,
};

/// Name, the operation that it must at least have done, fio's options.
type Load = (&'static str, Operation, &'static [&'static str]);

/// Short ones: a load that is counted exactly needs not be long, and see [`equal_once`].
const LOADS: &[Load] = &[
    ("reads, one by one", Operation::Read, &["--rw=randread", "--bs=4k", "--direct=1", "--io_size=1M"]),
    ("writes, one by one", Operation::Write, &["--rw=randwrite", "--bs=4k", "--direct=1", "--io_size=1M"]),
    (
        "both, all sizes from a sector to 1 MiB, deep and by several",
        Operation::Write,
        &[
            "--rw=randrw",
            "--bsrange=512-1M",
            "--direct=1",
            "--ioengine=libaio",
            "--iodepth=32",
            "--numjobs=3",
            "--io_size=32M",
        ],
    ),
    (
        "more at once than the device has tags",
        Operation::Read,
        &["--rw=randread", "--bs=4k", "--direct=1", "--ioengine=libaio", "--iodepth=256", "--io_size=8M"],
    ),
    (
        "neighbours that are merged",
        Operation::Write,
        &[
            "--rw=write",
            "--bs=4k",
            "--direct=1",
            "--ioengine=libaio",
            "--iodepth=64",
            "--iodepth_batch=64",
            "--io_size=16M",
        ],
    ),
    ("through the page cache", Operation::Write, &["--rw=randrw", "--bs=4k", "--io_size=2M", "--end_fsync=1"]),
    (
        "a flush after every fourth write",
        Operation::Flush,
        &["--rw=randwrite", "--bs=4k", "--direct=1", "--fsync=4", "--numjobs=2", "--io_size=1M"],
    ),
    ("flushes of the data alone", Operation::Flush, &["--rw=randwrite", "--bs=16k", "--fdatasync=1", "--io_size=1M"]),
    (
        "writes that flush themselves",
        Operation::Flush,
        &["--rw=randwrite", "--bs=4k", "--direct=1", "--sync=1", "--numjobs=3", "--io_size=256k"],
    ),
    (
        "the same, deep",
        Operation::Flush,
        &["--rw=randwrite", "--bs=8k", "--direct=1", "--sync=1", "--ioengine=libaio", "--iodepth=16", "--io_size=2M"],
    ),
    ("discards", Operation::Discard, &["--rw=randtrim", "--bs=64k", "--direct=1", "--io_size=8M"]),
    (
        "discards and writes",
        Operation::Discard,
        &["--rw=trimwrite", "--bs=16k", "--direct=1", "--ioengine=psync", "--io_size=4M"],
    ),
];

/// Runs `load` and holds what kpulse saw of it against the kernel's books. Gives what it was.
fn compare(watch: &mut Watch, device: &LoopDevice, what: &str, load: impl Fn()) -> Counts {
    let mut kernels = Counts::default();
    equal_once(what, || {
        let kernel_before = device.settled();
        let before = watch.disk(device.id());
        load();
        device.settled();
        let after = watch.disk(device.id());
        kernels = &device.settled() - &kernel_before;
        let seen = &Counts::of(after.requests.values()) - &Counts::of(before.requests.values());
        // An attempt may miss events that never reached the program. None may count what was not there.
        for (operation, count) in &seen.0 {
            let kernel = kernels.0[operation];
            assert!(count.requests <= kernel.requests && count.bytes <= kernel.bytes, "{what}: {seen:?}, {kernels:?}");
        }
        assert_sums(&before, &after, what);
        let lost = format!("kpulse discarded {:?} before, {:?} after", before.discards, after.discards);
        if seen == kernels { Ok(()) } else { Err(format!("kpulse {seen:?}, kernel {kernels:?}; {lost}")) }
    });
    eprintln!("{what}: {:?}", kernels.0.iter().map(|(op, n)| (op, n.requests, n.bytes)).collect::<Vec<_>>());
    kernels
}

/// Total is queue plus device for every request: then it is for their sums, by whatever they are added up.
fn assert_sums(before: &Disk, after: &Disk, what: &str) {
    let (mut untimed, mut empty_writes) = (0, 0);
    for (operation, requests) in &after.requests {
        let class = |of: fn(&Class) -> u64| requests.classes.iter().map(of).sum::<u64>();
        let (queue, device, total) = (&requests.queue, &requests.device_time, &requests.total);
        let context = format!("{what}, {operation}");
        assert_eq!(queue.sum_ns() + device.sum_ns(), total.sum_ns(), "{context}: sums of the histograms");
        assert_eq!(class(|class| class.queue_ns), queue.sum_ns(), "{context}: queue times by size");
        assert_eq!(class(|class| class.device_ns), device.sum_ns(), "{context}: device times by size");
        for histogram in [queue, device, total] {
            assert_eq!(histogram.count(), class(|class| class.timed), "{context}: requests in each histogram");
        }
        untimed += class(|class| class.requests) - class(|class| class.timed);
        // A write without data only asks for a flush and has no time of its own.
        empty_writes += if *operation == "write" { requests.classes[SizeClass::Empty as usize].requests } else { 0 };
    }
    assert_eq!(
        untimed, empty_writes,
        "{what}: requests without times; discards {:?} to {:?}",
        before.discards, after.discards
    );
}

fn every_load(plan: &Plan) {
    let device = plan.make();
    let mut watch = Watch::start();
    for (what, operation, options) in LOADS {
        let seen = compare(&mut watch, &device, what, || drop(fio::load(&device.text(), options)));
        assert!(seen.requests(*operation) > 0, "{what}: no {} at all", operation.name());
    }
    let path = device.text();
    let seen = compare(&mut watch, &device, "all discarded", || drop(run("blkdiscard", &[&path])));
    assert_eq!(seen.0["discard"].bytes, plan.size);
    let seen = compare(&mut watch, &device, "all zeroed", || drop(run("blkdiscard", &["--zeroout", &path])));
    assert!(seen.0["write"].bytes >= plan.size);
}

#[test]
fn over_memory_every_request_is_in_both_books() {
    root_or_skip!("over_memory_every_request_is_in_both_books");
    tool_or_skip!("over_memory_every_request_is_in_both_books", "fio");
    let _alone = skip::alone();
    every_load(&Plan::memory());
}

#[test]
fn over_a_disk_every_request_is_in_both_books() {
    root_or_skip!("over_a_disk_every_request_is_in_both_books");
    tool_or_skip!("over_a_disk_every_request_is_in_both_books", "fio");
    let _alone = skip::alone();
    every_load(&Plan { sector: 512, filled: false, ..Plan::disk() });
}

#[test]
fn with_every_scheduler_every_request_is_in_both_books() {
    root_or_skip!("with_every_scheduler_every_request_is_in_both_books");
    tool_or_skip!("with_every_scheduler_every_request_is_in_both_books", "fio");
    let _alone = skip::alone();
    let device = Plan::memory().make();
    let mut watch = Watch::start();
    let schedulers = fs::read_to_string(device.sys("queue/scheduler")).unwrap();
    for scheduler in schedulers.split_whitespace().map(|name| name.trim_matches(['[', ']'])) {
        // The old one stands in brackets: what is put back in the end is `none`, or the device is gone anyway.
        fs::write(device.sys("queue/scheduler"), scheduler).unwrap();
        for (what, operation, options) in LOADS.iter().skip(2) {
            let what = format!("{scheduler}: {what}");
            let seen = compare(&mut watch, &device, &what, || drop(fio::load(&device.text(), options)));
            assert!(seen.requests(*operation) > 0, "{what}: no {} at all", operation.name());
        }
    }
    fs::write(device.sys("queue/scheduler"), "none").unwrap();
}

#[test]
fn under_ext4_with_many_flushes_every_request_is_in_both_books() {
    root_or_skip!("under_ext4_with_many_flushes_every_request_is_in_both_books");
    tool_or_skip!("under_ext4_with_many_flushes_every_request_is_in_both_books", "fio");
    let _alone = skip::alone();
    let device = Plan::memory().make();
    let mut watch = Watch::start();
    let seen = compare(&mut watch, &device, "ext4, made and mounted, written and unmounted", || {
        let mount = Mount::ext4(&device);
        let options = ["--rw=randwrite", "--bsrange=1k-64k", "--fsync=1", "--numjobs=4", "--size=4M", "--io_size=1M"];
        fio::load_in(&mount.point, &options);
        drop(mount);
        run("blockdev", &["--flushbufs", &device.text()]);
    });
    assert!(seen.requests(Operation::Flush) > 20, "{seen:?}");
}

/// With the switch off the kernel keeps no books of its own, and no start times either.
#[test]
fn without_iostats_requests_are_counted_and_only_the_device_time_is_known() {
    root_or_skip!("without_iostats_requests_are_counted_and_only_the_device_time_is_known");
    tool_or_skip!("without_iostats_requests_are_counted_and_only_the_device_time_is_known", "fio");
    let _alone = skip::alone();
    let device = Plan::memory().make();
    let _off = Restored::set(device.sys("queue/iostats"), "0").unwrap();
    // Whoever measures latencies in the kernel switches the start times on as well: writeback throttling does.
    let _none = Restored::set(device.sys("queue/wbt_lat_usec"), "0").unwrap();
    let mut watch = Watch::start();
    let options = ["--rw=randrw", "--bsrange=512-64k", "--direct=1", "--io_size=4M"];
    equal_once("without iostats", || {
        // A fresh reading of everything: the counts begin at 0 with each set of programs.
        watch = Watch::start();
        let report = fio::load(&device.text(), &options);
        let disk = watch.disk(device.id());
        let discarded = disk.discarded(Discard::NoStartTime);
        for (operation, truth) in [("read", &report.read), ("write", &report.write)] {
            let requests = &disk.requests[operation];
            let (count, bytes) = requests.classes.iter().fold((0, 0), |sum, c| (sum.0 + c.requests, sum.1 + c.bytes));
            assert_eq!((requests.queue.count(), requests.total.count()), (0, 0), "{operation}: times from nowhere");
            assert_eq!(requests.classes.iter().map(|class| class.timed).sum::<u64>(), 0, "{operation}");
            assert_eq!(requests.device_time.count(), count, "{operation}: the device time is known");
            if (count, bytes) != (truth.ios, truth.bytes) {
                return Err(format!(
                    "{operation}: {count} requests, {bytes} bytes; fio {} and {}",
                    truth.ios, truth.bytes
                ));
            }
        }
        assert!(discarded >= report.read.ios + report.write.ios, "{:?}", disk.discards);
        Ok(())
    });
}
