//! Requests that fail, that complete in parts and that are slow: counted once, and each with a record.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    fs::{File, OpenOptions},
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::Path,
};

use kpulse::{kernel::load::Options, probes::events::reader::Happened};
use monitor_common::events::Kind;
use tests::{
    block::{Watch, equal_once},
    diskstats::Counts,
    loop_device::{LoopDevice, Mount, Plan},
    probes, root_or_skip, skip, wait,
};

/// Memory that starts where direct I/O wants it.
#[repr(align(4096))]
struct Aligned([u8; 65536]);

fn open_direct(path: &Path) -> File {
    OpenOptions::new().read(true).write(true).custom_flags(libc::O_DIRECT).open(path).unwrap()
}

fn watch(options: Options<'static>) -> Watch {
    Watch::with(&Options { events_per_second: u64::MAX, ..options })
}

/// The records of one kind about one device.
fn records(watch: &mut Watch, device: &LoopDevice, kind: Kind) -> Vec<Happened> {
    let about = |h: &Happened| h.kind == kind && h.request.as_ref().is_some_and(|r| r.device == device.id());
    watch.events().0.into_iter().filter(about).collect()
}

fn errors(watch: &mut Watch, device: &LoopDevice) -> Vec<(&'static str, &'static str, u64)> {
    let disk = watch.disk(device.id());
    let each = |(operation, requests): (&'static str, &kpulse::sample::Requests)| {
        let counts = monitor_common::block::Error::ALL.iter().zip(requests.errors);
        counts.filter(|(_, count)| *count > 0).map(|(e, count)| (operation, e.name(), count)).collect::<Vec<_>>()
    };
    disk.requests.iter().flat_map(|(operation, requests)| each((operation, requests))).collect()
}

/// The loop driver completes the part it could read and issues the rest again; that fails.
#[test]
fn a_read_that_completes_in_part_and_then_fails_is_one_request() {
    root_or_skip!("a_read_that_completes_in_part_and_then_fails_is_one_request");
    let _alone = skip::alone();
    let device = Plan { size: 1 << 20, ..Plan::disk() }.make();
    // The file ends 16 KiB into the second 64 KiB.
    OpenOptions::new().write(true).open(device.file()).unwrap().set_len((64 + 16) << 10).unwrap();
    let disk = open_direct(&device.path());
    equal_once("a read across the end", || {
        let mut watch = watch(probes::options(&["block", "events"]));
        let kernel_before = device.settled();
        let mut buffer = Box::new(Aligned([0; 65536]));
        let read = disk.read_at(&mut buffer.0, 64 << 10);
        let kernels = &device.settled() - &kernel_before;
        let seen = Counts::of(watch.disk(device.id()).requests.values());
        let found = errors(&mut watch, &device);
        eprintln!("read gave {read:?}; kernel {kernels:?}; kpulse {seen:?}; errors {found:?}");
        if seen != kernels {
            return Err(format!("kpulse {seen:?}, kernel {kernels:?}"));
        }
        assert_eq!((seen.0["read"].requests, seen.0["read"].bytes), (1, 65536));
        assert_eq!(found, [("read", "io", 1)]);
        let records = records(&mut watch, &device, Kind::BlockError);
        let [record] = &records[..] else { panic!("{records:?}") };
        let request = record.request.as_ref().unwrap();
        assert_eq!((request.operation, request.error, request.bytes), ("read", Some("io"), 65536));
        // Where the part that failed begins.
        assert_eq!(request.sector, (64 + 16) * 2);
        assert!(request.queue_ns.is_some() && request.device_ns.is_some(), "{request:?}");
        Ok(())
    });
}

#[test]
fn every_write_that_finds_no_room_is_an_error_with_a_record() {
    root_or_skip!("every_write_that_finds_no_room_is_an_error_with_a_record");
    let _alone = skip::alone();
    let small = Mount::new(&["-t", "tmpfs", "-o", "size=256k", "tmpfs"]);
    let device = Plan { folder: small.point.clone(), size: 1 << 20, ..Plan::memory() }.make();
    let disk = open_direct(&device.path());
    equal_once("writes without room", || {
        let mut watch = watch(probes::options(&["block", "events"]));
        let buffer = Box::new(Aligned([1; 65536]));
        let failed: Vec<u64> =
            (0..256u64).filter(|n| disk.write_at(&buffer.0[..4096], n * 4096).is_err()).map(|n| n * 8).collect();
        assert!(failed.len() > 100, "only {} writes failed", failed.len());
        device.settled();
        let found = errors(&mut watch, &device);
        let records = records(&mut watch, &device, Kind::BlockError);
        eprintln!("{} failed, errors {found:?}, {} records, {:?}", failed.len(), records.len(), records.last());
        let count: u64 = found.iter().map(|(_, _, count)| count).sum();
        if count != failed.len() as u64 {
            return Err(format!("{count} errors, {} writes failed", failed.len()));
        }
        let [("write", class, _)] = found[..] else { panic!("{found:?}") };
        assert!(["io", "no_space"].contains(&class), "{class}");
        assert_eq!(records.iter().map(|r| r.request.as_ref().unwrap().sector).collect::<Vec<_>>(), failed);
        for record in &records {
            let request = record.request.as_ref().unwrap();
            assert_eq!((request.operation, request.bytes, request.error), ("write", 4096, Some(class)));
            // Older kernels have a worker of their own issue what a loop device gets (seen on 5.10 and 6.1).
            // SAFETY: takes nothing.
            let ours = record.pid == unsafe { libc::gettid() } as u32;
            assert!(ours || record.comm.starts_with("kworker/"), "{record:?}");
            assert!(!record.comm.is_empty());
        }
        Ok(())
    });
}

#[test]
fn slow_requests_have_a_record_or_are_counted_as_dropped() {
    root_or_skip!("slow_requests_have_a_record_or_are_counted_as_dropped");
    let _alone = skip::alone();
    let device = Plan::memory().make();
    let options = Options { slow_request_ns: 1, events_per_second: 100, ..probes::options(&["block", "events"]) };
    let mut watch = Watch::with(&options);
    let disk = open_direct(&device.path());
    let mut buffer = Box::new(Aligned([0; 65536]));
    let (kind, mut all) = (Kind::SlowRequest as usize, Vec::new());
    let slow = |record: &Happened| record.kind == Kind::SlowRequest;
    let is_ours = |record: &&Happened| record.request.as_ref().is_some_and(|request| request.device == device.id());
    let mut reads = 0;
    wait::until("some of our requests have a record and some were dropped", || {
        // Requests of other disks use up the rate as well.
        for n in 0..200 {
            disk.read_at(&mut buffer.0[..8192], n * 8192).unwrap();
        }
        reads += 200;
        let (records, events) = watch.events();
        all.extend(records.into_iter().filter(slow));
        (all.iter().any(|record| is_ours(&record)) && events.dropped[kind] > 0).then_some(())
    });
    // Other disks go on all the time: what has just been counted is read the next time.
    let events = wait::until("every slow request has a record or was dropped", || {
        let (records, events) = watch.events();
        all.extend(records.into_iter().filter(slow));
        (events.seen[kind] == all.len() as u64 + events.dropped[kind]).then_some(events)
    });
    eprintln!("{events:?}, {} records", all.len());
    assert!(events.seen[kind] >= reads * 99 / 100, "{events:?}, {reads} reads");
    let ours: Vec<_> = all.iter().filter(is_ours).collect();
    assert!(!ours.is_empty());
    for record in ours {
        let request = record.request.as_ref().unwrap();
        assert_eq!((request.operation, request.bytes, request.error), ("read", 8192, None));
        assert!(request.queue_ns.is_some() && request.device_ns.is_some_and(|ns| ns > 0), "{request:?}");
        // SAFETY: takes nothing.
        assert_eq!(record.pid, unsafe { libc::gettid() } as u32);
    }
}
