//! Disks upon disks: device mapper by dmsetup(8), md by its files in /sys.
//!
//! Source: `Documentation/admin-guide/device-mapper`, `Documentation/admin-guide/md.rst`.

use std::{fs, path::Path};

use tests::{loop_device::run, wait};

use crate::{Absent, disk::Disk, modules};

/// A device of the device mapper, gone when it is dropped.
pub struct Mapped {
    /// The disk.
    pub disk: Disk,
    name: &'static str,
}

impl Mapped {
    /// Makes one over the whole of a disk. `target` is a module and a target: `linear`, or `delay` with the milliseconds that
    /// each request waits.
    ///
    /// # Errors
    ///
    /// If the machine has no such module.
    pub fn over(below: &Disk, name: &'static str, target: &str, delay_ms: Option<u32>) -> Result<Self, Absent> {
        modules::load("dm-mod", "")?;
        if target != "linear" {
            modules::load(&format!("dm-{target}"), "")?;
        }
        let delay = delay_ms.map(|ms| format!(" {ms}")).unwrap_or_default();
        let table = format!("0 {} {target} {} 0{delay}", below.sectors(), below.path().display());
        run("dmsetup", &["create", name, "--noudevsync", "--noudevrules", "--table", &table]);
        let number = run("dmsetup", &["info", "--columns", "--noheadings", "-o", "minor", name]);
        let disk = Disk { name: format!("dm-{number}") };
        wait::until("the mapped device", || disk.path().exists().then_some(()));
        Ok(Self { disk, name })
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        let _ = std::process::Command::new("dmsetup").args(["remove", "--noudevsync", self.name]).status();
    }
}

/// A RAID 1 without metadata, stopped when it is dropped.
pub struct Mirror {
    /// The disk.
    pub disk: Disk,
}

impl Mirror {
    /// Makes it over two disks of one size.
    ///
    /// # Errors
    ///
    /// If the machine has no such module.
    pub fn over(members: [&Disk; 2]) -> Result<Self, Absent> {
        modules::load("md-mod", "")?;
        modules::load("raid1", "")?;
        let disk = Disk { name: "md100".into() };
        let set = |file: &str, value: &str| {
            fs::write(disk.sys(&format!("md/{file}")), value)
                .unwrap_or_else(|error| panic!("md {file} = {value}: {error}"));
        };
        fs::write("/sys/module/md_mod/parameters/new_array", "md100").unwrap();
        wait::until("md100", || disk.sys("md").exists().then_some(()));
        set("metadata_version", "none");
        set("level", "raid1");
        set("raid_disks", "2");
        for (slot, member) in members.into_iter().enumerate() {
            let id = member.id();
            set("new_dev", &format!("{}:{}", id.major, id.minor));
            // In KiB.
            set(&format!("dev-{}/size", member.name), &(member.sectors() / 2).to_string());
            set(&format!("dev-{}/slot", member.name), &slot.to_string());
        }
        // Equal already, both full of zeroes: nothing to do behind our back.
        let _ = fs::write(disk.sys("md/resync_start"), "none");
        set("array_state", "active");
        wait::until("md100 has a size", || (disk.sectors() > 0 && disk.path().exists()).then_some(()));
        Ok(Self { disk })
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        if Path::new("/sys/block/md100/md").exists() {
            let _ = fs::write(self.disk.sys("md/array_state"), "clear");
        }
    }
}
