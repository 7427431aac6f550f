//! Whole disks: what they are called, what kind they are, what the kernel keeps about them.
//!
//! In: /proc/diskstats at every reading, and /sys/block, which is looked at when a disk appears and now and then, because
//! sizes and switches change. Out: a [`Disk`] for each whole disk (those with an entry in /sys/block). Left out are ram
//! disks, disks of size 0 that never did anything (loop devices in reserve), and the hidden paths of multipath NVMe, which
//! all have the number 0:0. (Kernel: block/genhd.c, block/blk-sysfs.c; Documentation/ABI/stable/sysfs-block.)

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::{Path, PathBuf},
};

use super::{
    Class, Disk, Diskstats, Roots,
    diskstats::{self, Row, SECTOR},
    file::{Failure, Kept, read_once},
};
use crate::device::DeviceId;

/// The name of a disk, or `major:minor` for one that is not among `disks` (any more).
pub fn device_name(disks: &BTreeMap<DeviceId, Disk>, device: DeviceId) -> String {
    match disks.get(&device) {
        Some(disk) => disk.name.clone(),
        None => format!("{}:{}", device.major, device.minor),
    }
}

/// The disks and what is remembered of them between readings.
#[derive(Debug)]
pub(super) struct Disks {
    stats: Kept,
    block: PathBuf,
    known: HashMap<DeviceId, Known>,
}

/// What is remembered of one line of /proc/diskstats.
#[derive(Debug)]
struct Known {
    /// The kernel gives a number to another disk once the first has gone.
    name: String,
    /// `None`: a partition, or of no interest.
    disk: Option<Disk>,
    /// Whether it had done anything when it was looked at.
    used: bool,
}

impl Disks {
    /// Names the files; nothing is read yet.
    pub(super) fn new(roots: &Roots) -> Self {
        let stats = Kept::new(roots.proc.join("diskstats"));
        Self { stats, block: roots.sys.join("block"), known: HashMap::new() }
    }

    /// Forgets what /sys said: the next reading looks at it again.
    pub(super) fn forget(&mut self) {
        self.known.clear();
    }

    /// Reads all disks, and what was wrong with the reading. Without /proc/diskstats the disks come without counters.
    pub(super) fn read(&mut self, buffer: &mut Vec<u8>) -> (BTreeMap<DeviceId, Disk>, Option<Failure>) {
        let mut disks = BTreeMap::new();
        let Self { stats, block, known } = self;
        let read = stats.parse(buffer, |text| {
            diskstats::parse(text, |row| {
                if let Some(disk) = known_disk(known, block, &row) {
                    disks.insert(row.device, Disk { stats: Some(row.stats), ..disk.clone() });
                }
            })
        });
        if let (Err(Failure::Unreadable(..)), true) = (&read, disks.is_empty()) {
            disks = list(block);
        }
        let failure = read.err().or_else(|| fs::metadata(&*block).err().map(|e| Failure::Unreadable(block.clone(), e)));
        (disks, failure)
    }
}

/// The disk of a line, looked up in /sys if it is new or has just begun to be used.
fn known_disk<'k>(known: &'k mut HashMap<DeviceId, Known>, block: &Path, row: &Row<'_>) -> Option<&'k Disk> {
    let used = row.stats != Diskstats::default();
    let current = known.get(&row.device).is_some_and(|known| {
        let resized = known.disk.as_ref().is_some_and(|disk| disk.size == 0) && used && !known.used;
        known.name == row.name && !resized
    });
    if !current {
        let hidden = row.device == DeviceId { major: 0, minor: 0 };
        let disk = if hidden || is_ram(row.name) { None } else { look(block, row.name, used) };
        known.insert(row.device, Known { name: row.name.to_owned(), disk, used });
    }
    known.get(&row.device)?.disk.as_ref().filter(|disk| used || disk.size > 0)
}

/// The disks by /sys alone, without counters.
fn list(block: &Path) -> BTreeMap<DeviceId, Disk> {
    let names = fs::read_dir(block).into_iter().flatten().flatten();
    let names = names.filter_map(|entry| entry.file_name().into_string().ok()).filter(|name| !is_ram(name));
    let disks = names.filter_map(|name| {
        let device = read_once(&block.join(&name).join("dev")).ok()?.parse().ok()?;
        Some((device, look(block, &name, false)?)).filter(|(_, disk)| disk.size > 0)
    });
    disks.collect()
}

/// What /sys says about a disk; `None` if it has no entry of its own, as a partition. Of one of size 0 that is not `used`
/// nobody wants to know more than that: it is not shown.
fn look(block: &Path, name: &str, used: bool) -> Option<Disk> {
    // In /sys a slash in a name is written as an exclamation mark.
    let directory = block.join(name.replace('/', "!"));
    let value = |file: &str| read_once(&directory.join(file)).ok();
    // Every disk has a size; this is also the test whether there is an entry.
    let sectors: u64 = value("size")?.parse().unwrap_or(0);
    let kernel_name = name.replace('!', "/");
    if sectors == 0 && !used {
        return Some(Disk { name: kernel_name, ..Disk::default() });
    }
    Some(Disk {
        name: kernel_name,
        class: class(name, value),
        size: sectors.saturating_mul(SECTOR),
        iostats: value("queue/iostats").as_deref() == Some("1"),
        request_based: fs::read_dir(directory.join("mq")).is_ok_and(|mut queues| queues.next().is_some()),
        stats: None,
    })
}

/// A ram disk: `ram` and a number.
fn is_ram(name: &str) -> bool {
    numbered(name, "ram")
}

fn numbered(name: &str, stem: &str) -> bool {
    name.strip_prefix(stem).is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
}

/// Vendors that hypervisors write on their SCSI and ATA disks.
const HYPERVISORS: &[&str] = &["QEMU", "VMware", "Msft", "Google", "VBOX", "XENSRC", "Nutanix", "BHYVE"];

/// The kind of a disk, by its name where that says it, else by what `value` finds in /sys.
pub(super) fn class(name: &str, value: impl Fn(&str) -> Option<String>) -> Class {
    let stacked = ["loop", "dm-", "md", "zram", "ram", "pmem", "drbd", "bcache"];
    let scsi_vendor = || {
        let words = [value("device/vendor"), value("device/model")];
        words.iter().flatten().any(|word| HYPERVISORS.iter().any(|vendor| word.starts_with(vendor)))
    };
    match name {
        _ if name.starts_with("nvme") => Class::Nvme,
        // `md_d0` and `md127` are arrays; `md` alone would be something else.
        _ if stacked.iter().any(|stem| numbered(name, stem)) || name.starts_with("md_") => Class::Stacked,
        _ if name.starts_with("vd") || name.starts_with("xvd") => Class::Virtual,
        // Their queue says that they do not turn, but what is at the other end of the network nobody knows.
        _ if numbered(name, "nbd") || numbered(name, "rbd") => Class::Unknown,
        _ if scsi_vendor() => Class::Virtual,
        _ => match value("queue/rotational").as_deref() {
            Some("1") => Class::Rotational,
            Some("0") => Class::Ssd,
            _ => Class::Unknown,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::Machine;

    const IDLE: &str = "0 0 0 0 0 0 0 0 0 0 0";
    const USED: &str = "1 0 8 1 0 0 0 0 0 1 1";

    fn id(major: u32, minor: u32) -> DeviceId {
        DeviceId { major, minor }
    }

    #[test]
    fn classes_come_from_the_name_before_the_queue() {
        let turning = |file: &str| (file == "queue/rotational").then(|| "1".to_owned());
        let still = |file: &str| (file == "queue/rotational").then(|| "0".to_owned());
        let qemu = |file: &str| (file == "device/vendor").then(|| "QEMU".to_owned());
        assert_eq!(class("vda", turning), Class::Virtual);
        assert_eq!(class("xvdb", turning), Class::Virtual);
        assert_eq!(class("sda", turning), Class::Rotational);
        assert_eq!(class("sda", still), Class::Ssd);
        assert_eq!(class("sda", qemu), Class::Virtual);
        assert_eq!(class("sda", |_: &str| None), Class::Unknown);
        assert_eq!(class("nvme0n1", still), Class::Nvme);
        assert_eq!(class("nbd0", still), Class::Unknown);
        for name in ["loop7", "dm-0", "md127", "md_d0", "zram0", "pmem0"] {
            assert_eq!(class(name, still), Class::Stacked, "{name}");
        }
    }

    #[test]
    fn a_disk_that_takes_the_number_of_another_is_looked_at() {
        let machine = Machine::new(&format!("== proc/diskstats\n8 0 sda {USED}\n== sys/block/sda/size\n8\n"));
        let mut disks = Disks::new(&machine.roots());
        assert_eq!(disks.read(&mut Vec::new()).0[&id(8, 0)].size, 4096);
        machine.write("proc/diskstats", &format!("8 0 sdb {USED}\n"));
        machine.write("sys/block/sdb/size", "16\n");
        let disk = &disks.read(&mut Vec::new()).0[&id(8, 0)];
        assert_eq!((disk.name.as_str(), disk.size), ("sdb", 8192));
    }

    #[test]
    fn a_loop_device_appears_with_its_size_when_it_is_used() {
        let machine = Machine::new(&format!("== proc/diskstats\n7 0 loop0 {IDLE}\n== sys/block/loop0/size\n0\n"));
        let mut disks = Disks::new(&machine.roots());
        assert!(disks.read(&mut Vec::new()).0.is_empty());
        machine.write("sys/block/loop0/size", "2\n");
        machine.write("proc/diskstats", &format!("7 0 loop0 {USED}\n"));
        assert_eq!(disks.read(&mut Vec::new()).0[&id(7, 0)].size, 1024);
    }

    #[test]
    fn a_size_that_grows_is_seen_after_forgetting() {
        let machine = Machine::new(&format!("== proc/diskstats\n8 0 sda {USED}\n== sys/block/sda/size\n8\n"));
        let mut disks = Disks::new(&machine.roots());
        disks.read(&mut Vec::new());
        machine.write("sys/block/sda/size", "80\n");
        assert_eq!(disks.read(&mut Vec::new()).0[&id(8, 0)].size, 4096);
        disks.forget();
        assert_eq!(disks.read(&mut Vec::new()).0[&id(8, 0)].size, 40_960);
    }

    #[test]
    fn without_diskstats_the_disks_come_without_counters() {
        let machine = Machine::new("== sys/block/sda/size\n8\n== sys/block/sda/dev\n8:0\n== sys/block/ram0/size\n8\n");
        let (disks, failure) = Disks::new(&machine.roots()).read(&mut Vec::new());
        assert_eq!(disks.len(), 1);
        assert_eq!(disks[&id(8, 0)].stats, None);
        assert!(failure.unwrap().to_string().contains("proc/diskstats"));
    }

    #[test]
    fn a_disk_that_has_gone_is_named_by_its_number() {
        let disks = BTreeMap::from([(id(8, 0), Disk { name: "sda".into(), ..Disk::default() })]);
        assert_eq!(device_name(&disks, id(8, 0)), "sda");
        assert_eq!(device_name(&disks, id(8, 16)), "8:16");
    }
}
