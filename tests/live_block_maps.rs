//! Disks that the programs cannot see, and statistics for which there is no room.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    fs,
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    sync::Mutex,
};

use kpulse::{
    host::{self, Roots},
    kernel::load,
    sample::Requests,
};
use monitor_common::block::{Discard, Operation};
use tests::{
    block::Watch,
    diskstats::Counts,
    fio,
    loop_device::{Plan, device_id},
    probes, root_or_skip, skip, tool_or_skip,
};

/// A zram disk of our own, reset when dropped.
struct Zram(&'static str);

impl Drop for Zram {
    fn drop(&mut self) {
        if let Err(error) = fs::write(format!("/sys/block/{}/reset", self.0), "1") {
            eprintln!("could not reset {}: {error}", self.0);
        }
    }
}

#[test]
fn a_disk_without_requests_is_in_diskstats_alone() {
    const NAME: &str = "a_disk_without_requests_is_in_diskstats_alone";
    root_or_skip!("a_disk_without_requests_is_in_diskstats_alone");
    let size = "/sys/block/zram0/disksize";
    match fs::read_to_string(size) {
        Ok(text) if text.trim() == "0" => {}
        Ok(_) => return skip::unsupported(NAME, "zram0 is in use"),
        Err(_) => return skip::unsupported(NAME, "it has no zram0"),
    }
    let _alone = skip::alone();
    fs::write(size, "16M").unwrap();
    let _zram = Zram("zram0");
    let mut watch = Watch::start();
    let before = Counts::read("zram0").0;
    {
        let disk = fs::OpenOptions::new().read(true).write(true).custom_flags(libc::O_SYNC).open("/dev/zram0").unwrap();
        (0..100).for_each(|n| disk.write_all_at(&[n as u8; 4096], n * 4096).unwrap());
    }
    let kernels = &Counts::settled("zram0") - &before;
    assert!(kernels.requests(Operation::Write) >= 100, "{kernels:?}");
    let id = device_id("zram0");
    assert!(watch.disk(id).requests.is_empty(), "it has requests after all");
    let disks = host::Reader::new(Roots::default()).read().disks;
    assert!(!disks[&id].request_based);
    assert!(disks[&id].stats.is_some_and(|stats| stats.write.requests >= 100));
}

/// What the programs logged.
static LOGGED: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Collect;

impl log::Log for Collect {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }
    fn log(&self, record: &log::Record<'_>) {
        LOGGED.lock().unwrap().push(format!("{} {}", record.level(), record.args()));
    }
    fn flush(&self) {}
}

#[test]
fn without_room_requests_are_discarded_and_counted_and_a_warning_says_so_once() {
    root_or_skip!("without_room_requests_are_discarded_and_counted_and_a_warning_says_so_once");
    tool_or_skip!("without_room_requests_are_discarded_and_counted_and_a_warning_says_so_once", "fio");
    let _alone = skip::alone();
    log::set_logger(&Collect).unwrap();
    log::set_max_level(log::LevelFilter::Trace);
    // Each has two operations on every CPU; the kernel gives the reserve one more element for each CPU than it was asked for.
    let devices: Vec<_> = (0..4).map(|_| Plan::memory().make()).collect();
    let loaded = load::load_with_room(&probes::options(&["block"]), 0);
    assert!(loaded.states.iter().any(|(name, state)| *name == "block" && state.is_on()), "{:?}", loaded.states);
    let mut watch = Watch::of(loaded);
    let mut made = 0;
    for device in &devices {
        let report = fio::load(&device.text(), &["--rw=randrw", "--bs=4k", "--direct=1", "--io_size=2M"]);
        made += report.read.ios + report.write.ios;
        device.settled();
    }
    let block = watch.read();
    let full = block.discards[Discard::TableFull as usize];
    assert!(full > 0, "there was room for all: {:?}", block.requests);
    let ours = |requests: &&Requests| devices.iter().any(|device| device.id() == requests.device);
    let seen = Counts::of(block.requests.iter().filter(ours));
    let counted = seen.0.values().map(|count| count.requests).sum::<u64>();
    // Those of other disks are discarded, too.
    assert!(full + counted >= made * 99 / 100, "{full} + {counted} of {made}");
    watch.loaded.flush_log();
    let warnings: Vec<String> =
        LOGGED.lock().unwrap().iter().filter(|line| line.contains("no room for the statistics")).cloned().collect();
    eprintln!("{full} discarded, {counted} counted, {warnings:?}");
    let cpus = load::possible_cpus().unwrap();
    assert!((1..=cpus).contains(&warnings.len()), "once for each CPU: {warnings:?}");
}
