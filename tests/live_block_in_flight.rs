//! What is in flight while a disk hangs, and what is left of a disk that has gone.

use std::{fs, os::fd::AsRawFd as _, process::Stdio, thread, time::Duration};

use tests::{
    block::{Watch, equal_once},
    clock,
    diskstats::Counts,
    fio,
    guard::Running,
    loop_device::{Frozen, LoopDevice, Mount, Plan, run},
    root_or_skip, skip, tool_or_skip, wait,
};

/// Requests in flight by the kernel's own count.
fn in_flight(device: &LoopDevice) -> u64 {
    let text = fs::read_to_string(device.sys("inflight")).unwrap();
    text.split_whitespace().map(|count| count.parse::<u64>().unwrap()).sum()
}

/// A loop device over a file in a frozen filesystem: its writes begin and do not end.
#[test]
fn the_age_of_a_hanging_request_grows_with_time_and_goes_when_it_ends() {
    root_or_skip!("the_age_of_a_hanging_request_grows_with_time_and_goes_when_it_ends");
    tool_or_skip!("the_age_of_a_hanging_request_grows_with_time_and_goes_when_it_ends", "fio");
    let _alone = skip::alone();
    let below = Plan { size: 128 << 20, ..Plan::memory() }.make();
    let mount = Mount::ext4(&below);
    for depth in [1u64, 8, 128] {
        let device = Plan { folder: mount.point.clone(), size: 32 << 20, ..Plan::memory() }.make();
        let mut watch = Watch::start();
        let frozen = Frozen::freeze(&mount);
        let begun = clock::monotonic();
        let iodepth = format!("--iodepth={depth}");
        let options = ["--rw=randwrite", "--bs=4k", "--direct=1", "--ioengine=libaio", &iodepth, "--io_size=1M"];
        let mut load = Running::start(fio::command(&device.text(), &options).stdout(Stdio::null()));
        let first = wait::until("all are in flight", || {
            let seen = watch.disk(device.id()).in_flight?;
            (seen.requests == depth && in_flight(&device) == depth).then_some(seen)
        });
        let between = clock::monotonic();
        thread::sleep(Duration::from_millis(300));
        let slept = clock::monotonic() - between;
        let second = watch.disk(device.id()).in_flight.expect("they still hang");
        eprintln!("depth {depth}: {first:?}, {slept} ns later {second:?}");
        assert_eq!(second.requests, depth);
        assert!(second.oldest_ns >= first.oldest_ns + slept, "{first:?}, {slept} ns later {second:?}");
        assert!(second.oldest_ns <= clock::monotonic() - begun, "{second:?} is older than the load");
        drop(frozen);
        wait::until("the load ends", || load.0.try_wait().unwrap());
        device.settled();
        assert_eq!(watch.disk(device.id()).in_flight, None);
    }
}

/// A loop device that does not exist until this is dropped.
struct Removed(fs::File, libc::c_int);

impl Removed {
    fn remove(number: libc::c_int) -> Self {
        let control = fs::File::open("/dev/loop-control").unwrap();
        // SAFETY: LOOP_CTL_REMOVE takes the number of a loop device.
        let result = unsafe { libc::ioctl(control.as_raw_fd(), 0x4C81, number) };
        assert!(result >= 0, "{}", std::io::Error::last_os_error());
        Self(control, number)
    }
}

impl Drop for Removed {
    fn drop(&mut self) {
        // SAFETY: LOOP_CTL_ADD takes the number of a loop device.
        let result = unsafe { libc::ioctl(self.0.as_raw_fd(), 0x4C80, self.1) };
        if result < 0 {
            eprintln!("loop{} is not back: {}", self.1, std::io::Error::last_os_error());
        }
    }
}

#[test]
fn a_disk_that_is_detached_under_load_and_comes_back_leaves_nothing_stale() {
    root_or_skip!("a_disk_that_is_detached_under_load_and_comes_back_leaves_nothing_stale");
    tool_or_skip!("a_disk_that_is_detached_under_load_and_comes_back_leaves_nothing_stale", "fio");
    let _alone = skip::alone();
    let mut watch = Watch::start();
    let device = Plan::memory().make();
    let (id, name, path) = (device.id(), device.name().to_owned(), device.text());
    let options =
        ["--rw=randrw", "--bs=4k", "--direct=1", "--ioengine=libaio", "--iodepth=32", "--time_based", "--runtime=1"];
    let mut load = Running::start(fio::command(&path, &options).stdout(Stdio::null()));
    wait::until("the load runs", || watch.disk(id).requests.contains_key("write").then_some(()));
    // It is open, so it goes only when the load lets go of it.
    run("losetup", &["--detach", &path]);
    let mut last = 0;
    wait::until("the load ends", || {
        let count = watch.disk(id).requests.values().flat_map(|r| &r.classes).map(|class| class.requests).sum::<u64>();
        assert!(count >= last, "{count} after {last}");
        last = count;
        load.0.try_wait().unwrap()
    });
    wait::until("it is detached", || (!device.attached()).then_some(()));
    assert_eq!(watch.disk(id).in_flight, None);
    assert!(watch.elements(id) > 0);

    let number = name.trim_start_matches("loop").parse().unwrap();
    let removed = Removed::remove(number);
    let mut readings = 0;
    wait::until("its statistics are removed from the kernel", || {
        readings += 1;
        watch.read();
        (watch.elements(id) == 0).then_some(())
    });
    assert!((3..10).contains(&readings), "after {readings} readings");
    drop(removed);
    run("losetup", &[&path, device.file().to_str().unwrap()]);
    equal_once("the new disk of the old number", || {
        let before = (device.settled(), watch.disk(id));
        fio::load(&path, &["--rw=randread", "--bs=4k", "--direct=1", "--io_size=1M"]);
        let kernels = &device.settled() - &before.0;
        let seen = &Counts::of(watch.disk(id).requests.values()) - &Counts::of(before.1.requests.values());
        if seen == kernels { Ok(()) } else { Err(format!("kpulse {seen:?}, kernel {kernels:?}")) }
    });
}
