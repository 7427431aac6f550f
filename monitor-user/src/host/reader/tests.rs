//! Whole machines: two in fixtures, and the one that runs the tests.

use std::{path::Path, sync::mpsc::channel};

use super::*;
use crate::{
    device::DeviceId,
    host::{Class, CpuModes, Disk, Filesystem, Pressure, Space, testing::Machine},
};

fn full(_: &Path) -> std::io::Result<Space> {
    Ok(Space { size: 100, free: 1, ..Space::default() })
}

/// A reader whose filesystems all answer, and which has the patience to wait for them.
fn reader(machine: &Machine) -> Reader {
    let options = Options { first_wait: Duration::from_secs(60), ..Options::default() };
    Reader::with_statfs(machine.roots(), options, Arc::new(full))
}

fn disk(host: &Host, name: &str) -> Disk {
    host.disks.values().find(|disk| disk.name == name).unwrap_or_else(|| panic!("no {name}")).clone()
}

fn names<'h>(host: &'h Host, of: impl Fn(&Filesystem) -> &str + 'h) -> Vec<String> {
    host.filesystems.iter().map(|filesystem| of(filesystem).to_owned()).collect()
}

#[test]
fn a_small_virtual_machine_is_read_whole() {
    let machine = Machine::small();
    let host = reader(&machine).read();
    assert_eq!(host.failures, BTreeMap::new());
    assert_eq!(host.unsupported, BTreeMap::new());
    assert_eq!(host.hostname.as_deref(), Some("node-1"));
    assert_eq!(host.online_cpus, Some(vec![0, 1]));
    assert_eq!(host.memory.unwrap().total, 24_684_092 << 10);
    assert_eq!(host.pressure.keys().collect::<Vec<_>>(), ["cpu", "io", "memory"]);
    assert_eq!(host.networks.keys().collect::<Vec<_>>(), ["eth0", "ifb0", "ifb1", "lo"]);
    assert_eq!(names(&host, |filesystem| &filesystem.mount), ["/", "/dev/shm"]);
    assert!(host.filesystems.iter().all(|filesystem| filesystem.space.is_some()));
    // The loop devices and zram are in reserve: of size 0, never used.
    assert_eq!(host.disks.len(), 1);
    let vda = disk(&host, "vda");
    assert_eq!((vda.class, vda.size, vda.request_based, vda.iostats), (Class::Virtual, 536_870_912 << 9, true, true));
    assert!(vda.stats.unwrap().flush.requests > 0);
}

#[test]
fn a_big_machine_with_disks_of_all_kinds_is_read_whole() {
    let machine = Machine::big();
    let host = reader(&machine).read();
    assert_eq!(host.failures, BTreeMap::new());
    assert_eq!(host.online_cpus.as_ref().map(Vec::len), Some(60));
    assert_eq!(host.context_switches, Some(123_456_789_012_345));
    assert_eq!(host.uptime_ns, Some(31_557_600_070_000_000));
    assert_eq!(host.load, Some([61.02, 58.77, 60.10]));
    assert_eq!(host.pressure["irq"], Pressure { some_ns: None, full_ns: Some(777_000) });
    assert_eq!(host.networks.len(), 42);
    assert_eq!(host.networks["eth0.100"].receive_bytes, 98_765_432_109_876);
    let mounts = ["/", "/backup", "/boot/efi", "/home", "/mnt/gone", "/run", "/srv/my data"];
    assert_eq!(names(&host, |filesystem| &filesystem.mount), mounts);
    let read_only: Vec<_> = host.filesystems.iter().filter(|f| f.read_only).map(|f| f.mount.as_str()).collect();
    assert_eq!(read_only, ["/backup"]);

    // Partitions, ram disks, hidden NVMe paths and unused loop devices are no disks; a used zram without a size is one.
    let disks: Vec<_> = host.disks.values().map(|disk| disk.name.as_str()).collect();
    let all = ["loop0", "sda", "sdb", "md127", "nbd0", "cciss/c0d0", "dm-0", "dm-1", "zram0", "nvme0n1", "nvme1n1"];
    assert_eq!(disks, all);
    let classes = [
        ("loop0", Class::Stacked, true),
        ("sda", Class::Rotational, true),
        ("sdb", Class::Virtual, true),
        ("md127", Class::Stacked, false),
        ("nbd0", Class::Unknown, true),
        ("cciss/c0d0", Class::Rotational, true),
        ("dm-0", Class::Stacked, false),
        ("dm-1", Class::Stacked, true),
        ("zram0", Class::Stacked, false),
        ("nvme0n1", Class::Nvme, true),
    ];
    for (name, class, request_based) in classes {
        let disk = disk(&host, name);
        assert_eq!((disk.class, disk.request_based), (class, request_based), "{name}");
    }
    assert_eq!((disk(&host, "nvme1n1").iostats, disk(&host, "nvme0n1").iostats), (false, true));
    assert_eq!(disk(&host, "sdb").stats.unwrap().discard.requests, 3);
}

#[test]
fn a_part_that_cannot_be_read_is_absent_and_named_and_the_rest_is_there() {
    let machine = Machine::small();
    machine.remove("proc/meminfo");
    machine.write("proc/stat", "garbage\n");
    machine.remove("sys/block");
    let host = reader(&machine).read();
    assert_eq!((host.memory, host.cpu_modes), (None, None));
    assert_eq!(host.failures.keys().collect::<Vec<_>>(), ["disks", "memory", "stat"]);
    assert!(host.failures["memory"].contains("proc/meminfo: No such file"), "{:?}", host.failures);
    assert!(host.failures["stat"].contains("proc/stat: expected a line `cpu `"), "{:?}", host.failures);
    assert!(host.load.is_some() && !host.networks.is_empty());
}

#[test]
fn an_empty_machine_has_nothing_but_reasons() {
    let machine = Machine::new("");
    let host = reader(&machine).read();
    let bare = Host { failures: host.failures.clone(), unsupported: host.unsupported.clone(), ..Host::default() };
    assert_eq!(host, bare);
    assert!(host.failures.values().all(|reason| reason.contains("No such file")), "{:?}", host.failures);
    assert_eq!(host.unsupported.keys().collect::<Vec<_>>(), ["pressure"]);
}

#[test]
fn counters_are_new_at_each_reading_and_what_seldom_changes_after_a_while() {
    let machine = Machine::small();
    let mut reader = reader(&machine);
    let start = Instant::now();
    reader.read_at(start);
    machine.write("proc/stat", "cpu  1 0 0 0 0 0 0 0 0 0\nctxt 9\n");
    machine.write("proc/sys/kernel/hostname", "renamed\n");
    let soon = reader.read_at(start + Duration::from_secs(1));
    let user = 1_000_000_000 / stat::hz();
    assert_eq!(soon.cpu_modes, Some(CpuModes { user, ..CpuModes::default() }));
    assert_eq!(soon.hostname.as_deref(), Some("node-1"));
    let later = reader.read_at(start + Duration::from_secs(15));
    assert_eq!(later.hostname.as_deref(), Some("renamed"));
}

#[test]
fn a_hung_filesystem_leaves_all_else_in_place() {
    let machine = Machine::big();
    let (release, released) = channel::<()>();
    let released = std::sync::Mutex::new(released);
    let statfs = move |path: &Path| {
        if path.ends_with("mnt/gone") {
            let _ = released.lock().unwrap().recv();
        }
        full(path)
    };
    let options = Options { first_wait: Duration::ZERO, ..Options::default() };
    let mut reader = Reader::with_statfs(machine.roots(), options, Arc::new(statfs));
    let start = Instant::now();
    // Nothing tells the reader when the last good one has answered; each reading says what is known by then.
    let answered = |host: &Host| host.filesystems.iter().filter(|filesystem| filesystem.space.is_some()).count();
    let mut host = reader.read_at(start);
    while answered(&host) < 6 {
        std::thread::yield_now();
        host = reader.read_at(start + Duration::from_secs(10));
    }
    assert_eq!(host.failures.keys().collect::<Vec<_>>(), ["filesystem /mnt/gone"]);
    assert_eq!(host.filesystems.len(), 7);
    drop(reader);
    drop(release);
}

#[test]
fn this_machine_is_read_without_failures() {
    let mut reader = Reader::new(Roots::default());
    for _ in 0..2 {
        let host = reader.read();
        // Whoever runs this may have a mount that is broken; that is not ours to judge.
        let failures: Vec<_> = host.failures.iter().filter(|(part, _)| !part.starts_with("filesystem ")).collect();
        assert!(failures.is_empty(), "{failures:?}");
        assert!(host.hostname.is_some() && host.kernel.is_some() && host.uptime_ns.is_some());
        assert_eq!(host.boot_id.as_deref().map(str::len), Some(36));
        assert!(host.online_cpus.as_ref().is_some_and(|cpus| !cpus.is_empty()));
        assert!(host.cpu_modes.is_some() && host.memory.is_some() && host.load.is_some());
        assert!(host.pressure.is_empty() == host.unsupported.contains_key("pressure"));
        assert!(host.networks.contains_key("lo"));
    }
}

#[test]
fn what_the_kernel_says_of_this_machines_disks_holds() {
    let host = Reader::new(Roots::default()).read();
    for (device, disk) in &host.disks {
        let number = format!("{}:{}", device.major, device.minor);
        // One that is unplugged meanwhile has no entry any more.
        let name = std::fs::read_link(Path::new("/sys/dev/block").join(number));
        assert!(name.map_or(true, |path| path.ends_with(disk.name.replace('/', "!"))), "{device:?} {disk:?}");
        let virtio = disk.name.starts_with("vd");
        assert!(!virtio || (disk.class == Class::Virtual && disk.request_based), "{device:?} {disk:?}");
    }
    assert!(!host.disks.contains_key(&DeviceId { major: 0, minor: 0 }));
}
