//! Disks whose ways are known: null_blk, scsi_debug, and the NVMe disks of the machine.
//!
//! Source: `Documentation/block/null_blk.rst`, `drivers/scsi/scsi_debug.c`.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use kpulse::sample::DeviceId;
use tests::{diskstats::Counts, loop_device::device_id, wait};

use crate::{Absent, modules};

/// A disk of the machine.
#[derive(Clone, Debug)]
pub struct Disk {
    /// As in /sys/block.
    pub name: String,
}

impl Disk {
    /// Its device file.
    pub fn path(&self) -> PathBuf {
        Path::new("/dev").join(&self.name)
    }

    /// Its number.
    pub fn id(&self) -> DeviceId {
        device_id(&self.name)
    }

    /// One of its files in /sys.
    pub fn sys(&self, file: &str) -> PathBuf {
        Path::new("/sys/block").join(&self.name).join(file)
    }

    /// What the kernel counted, once nothing is under way any more.
    pub fn settled(&self) -> Counts {
        Counts::settled(&self.name)
    }

    /// Its size in sectors of 512 bytes.
    pub fn sectors(&self) -> u64 {
        fs::read_to_string(self.sys("size")).unwrap().trim().parse().unwrap()
    }
}

/// How a null_blk device answers.
pub struct NullPlan {
    /// After so many nanoseconds; at once if it is 0.
    pub delay_ns: u64,
    /// Requests that it takes at a time.
    pub depth: u32,
    /// Whether it keeps what is written.
    pub memory: bool,
    /// Its size in MiB.
    pub mib: u32,
}

/// A null_blk device, gone when it is dropped.
pub struct NullDisk {
    /// The disk.
    pub disk: Disk,
    folder: PathBuf,
}

impl NullDisk {
    /// Makes it.
    ///
    /// # Errors
    ///
    /// If the machine has no such module.
    pub fn make(plan: &NullPlan) -> Result<Self, Absent> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        modules::load("null_blk", "nr_devices=0")?;
        // Needs configfs, which comes with the module where it is not built in.
        if !Path::new("/sys/kernel/config/nullb").exists() {
            crate::init::mount("configfs", "/sys/kernel/config").unwrap();
        }
        let name = format!("nullb{}", 40 + COUNT.fetch_add(1, Ordering::Relaxed));
        let folder = Path::new("/sys/kernel/config/nullb").join(&name);
        fs::create_dir(&folder).unwrap();
        let set = |attribute: &str, value: &str| {
            fs::write(folder.join(attribute), value).unwrap_or_else(|error| panic!("null_blk {attribute}: {error}"));
        };
        set("size", &plan.mib.to_string());
        set("queue_mode", "2");
        set("submit_queues", "1");
        set("hw_queue_depth", &plan.depth.to_string());
        set("irqmode", if plan.delay_ns == 0 { "0" } else { "2" });
        set("completion_nsec", &plan.delay_ns.to_string());
        if plan.memory {
            set("memory_backed", "1");
        }
        set("power", "1");
        // Older kernels name it by its index.
        let index = fs::read_to_string(folder.join("index")).unwrap();
        let by_index = format!("nullb{}", index.trim());
        let name = if Path::new("/sys/block").join(&name).exists() { name } else { by_index };
        let disk = Disk { name };
        wait::until("the null_blk device", || disk.path().exists().then_some(()));
        Ok(Self { disk, folder })
    }
}

impl Drop for NullDisk {
    fn drop(&mut self) {
        let _ = fs::write(self.folder.join("power"), "0");
        let _ = fs::remove_dir(&self.folder);
    }
}

/// The scsi_debug disk, made on first use: 8 MiB, and each request takes `delay_ns`.
///
/// # Errors
///
/// If the machine has no such module.
pub fn scsi(delay_ns: u64) -> Result<Disk, Absent> {
    modules::load("sd_mod", "")?;
    modules::load("scsi_debug", "dev_size_mb=8 delay=0")?;
    let disk = wait::until("the scsi_debug disk", || {
        let disks = fs::read_dir("/sys/block").unwrap().flatten();
        let mut names = disks.filter_map(|entry| entry.file_name().into_string().ok());
        let debug = |name: &String| {
            let model = fs::read_to_string(format!("/sys/block/{name}/device/model")).unwrap_or_default();
            model.trim() == "scsi_debug" && Path::new("/dev").join(name).exists()
        };
        names.find(debug).map(|name| Disk { name })
    });
    // What probes the new disk must be over: the delay cannot be changed meanwhile.
    wait::until("a quiet scsi_debug disk", || {
        disk.settled();
        let (file, value) = if delay_ns == 0 { ("delay", "0".to_owned()) } else { ("ndelay", delay_ns.to_string()) };
        scsi_set(file, &value).ok()
    });
    Ok(disk)
}

/// Sets something of scsi_debug.
///
/// # Errors
///
/// Whatever the kernel says; `EBUSY` for a delay while there are requests.
pub fn scsi_set(file: &str, value: &str) -> std::io::Result<()> {
    fs::write(format!("/sys/bus/pseudo/drivers/scsi_debug/{file}"), value)
}

/// The machine's NVMe disk with this serial number.
///
/// # Errors
///
/// If there is none.
pub fn nvme(serial: &str) -> Result<Disk, Absent> {
    modules::load("nvme", "")?;
    let found = wait::within(wait::patience(), || {
        let controllers = fs::read_dir("/sys/class/nvme").into_iter().flatten().flatten();
        let mut controllers = controllers.map(|entry| entry.path());
        let found = controllers
            .find(|path| fs::read_to_string(path.join("serial")).is_ok_and(|found| found.trim() == serial))?;
        let name = format!("{}n1", found.file_name()?.to_str()?);
        Path::new("/dev").join(&name).exists().then_some(Disk { name })
    });
    found.ok_or_else(|| Absent(format!("no NVMe disk with the serial number {serial}")))
}

/// Turns the kernel's own statistics off ("0") or on ("1") for every disk that there is. No kernel has a word for this on its command line: there
/// it is `kpulse.iostats=off`, which the first process reads, as udev's rules would do it on an ordinary system.
pub fn turn_iostats(value: &str) {
    for entry in fs::read_dir("/sys/block").into_iter().flatten().flatten() {
        // Disks that have no requests have no such switch.
        let _ = fs::write(entry.path().join("queue/iostats"), value);
    }
}
