//! Loop devices over files of our own, detached and removed when dropped.
//!
//! losetup(8) makes them. Source of their ways: `drivers/block/loop.c`.

use std::{
    fs,
    fs::File,
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    process::{self, Command},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use kpulse::sample::DeviceId;

use crate::{
    diskstats::Counts,
    guard::{Forked, fork},
    wait,
};

/// Runs a program to its end and gives what it wrote.
///
/// # Panics
///
/// If it cannot be started or fails.
#[expect(clippy::panic, reason = "for tests")]
pub fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("cannot start {program}: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {errors}");
    String::from_utf8_lossy(&output.stdout).trim().into()
}

/// A name that no other test uses at the same time.
pub fn unique(stem: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("kpulse-{stem}-{}-{}", process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// What a loop device is made of.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where its file lies.
    pub folder: PathBuf,
    /// Its size in bytes.
    pub size: u64,
    /// Its sector size in bytes.
    pub sector: u32,
    /// Whether it passes the page cache of the filesystem below it.
    pub direct: bool,
    /// Whether its file has all its blocks from the start.
    pub filled: bool,
}

impl Plan {
    /// 64 MiB in memory: as fast as it gets.
    pub fn memory() -> Self {
        Self { folder: "/dev/shm".into(), size: 64 << 20, sector: 512, direct: false, filled: false }
    }

    /// 64 MiB on a disk, read and written directly: as slow as the disk.
    pub fn disk() -> Self {
        Self { folder: std::env::temp_dir(), direct: true, filled: true, ..Self::memory() }
    }

    /// Makes it.
    ///
    /// # Panics
    ///
    /// If that fails.
    pub fn make(&self) -> LoopDevice {
        let file = self.folder.join(unique("loop"));
        // Dropped, and with it the file, if the rest fails.
        let mut device = LoopDevice { name: String::new(), file };
        let made = File::create(&device.file).expect("a file for the loop device");
        if self.filled {
            // With data: blocks that were only reserved are zeroes, for which no filesystem asks its disk.
            let noise: Vec<u8> = (0..1 << 20).map(|i: u32| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
            for offset in (0..self.size).step_by(noise.len()) {
                made.write_all_at(&noise, offset).expect("room for the file");
            }
            made.sync_all().expect("the file is written");
        }
        made.set_len(self.size).expect("a sparse file");
        let (sector, direct) = (self.sector.to_string(), if self.direct { "on" } else { "off" });
        let file = device.file.to_str().expect("an ordinary path").to_owned();
        let direct = format!("--direct-io={direct}");
        let path = run("losetup", &["--find", "--show", "--sector-size", &sector, &direct, &file]);
        device.name = path.trim_start_matches("/dev/").into();
        // A loop device keeps the settings of its last life.
        for (setting, value) in [("queue/scheduler", "none"), ("queue/iostats", "1")] {
            fs::write(device.sys(setting), value).expect("an ordinary setting");
        }
        device
    }
}

/// A loop device, detached when dropped, its file removed.
pub struct LoopDevice {
    name: String,
    file: PathBuf,
}

impl LoopDevice {
    /// As `loop0`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// As `/dev/loop0`.
    pub fn path(&self) -> PathBuf {
        Path::new("/dev").join(&self.name)
    }

    /// The path as text.
    pub fn text(&self) -> String {
        format!("/dev/{}", self.name)
    }

    /// The file behind it.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// A file of the device in /sys.
    pub fn sys(&self, file: &str) -> PathBuf {
        Path::new("/sys/block").join(&self.name).join(file)
    }

    /// Its number.
    ///
    /// # Panics
    ///
    /// If /sys does not say.
    pub fn id(&self) -> DeviceId {
        device_id(&self.name)
    }

    /// A process that reads so many bytes past the page cache, pauses, and reads on, here and there.
    ///
    /// # Panics
    ///
    /// If the device cannot be opened, or there is no process.
    pub fn read_steadily(&self, bytes: usize, pause: Duration) -> Forked {
        let disk = File::options().read(true).custom_flags(libc::O_DIRECT).open(self.path()).expect("our own device");
        let sectors = fs::read_to_string(self.sys("size")).expect("its size").trim().parse::<u64>().expect("a number");
        let blocks = sectors * 512 / bytes as u64;
        // Both before the fork: a forked process may not allocate. Direct reads want memory on a page's border.
        let mut room = vec![0; bytes + 4096];
        let border = room.as_ptr().align_offset(4096);
        let reader = fork(None, move || {
            for at in (0..).map(|n: u64| n * 7919 % blocks * bytes as u64) {
                let _ = disk.read_exact_at(&mut room[border..border + bytes], at);
                // SAFETY: takes a number.
                unsafe { libc::usleep(pause.as_micros() as u32) };
            }
        });
        reader.expect("a process")
    }

    /// What the kernel counted, once nothing is under way any more.
    pub fn settled(&self) -> Counts {
        Counts::settled(&self.name)
    }
}

/// The number of a disk.
///
/// # Panics
///
/// If /sys does not say.
pub fn device_id(disk: &str) -> DeviceId {
    let text = fs::read_to_string(format!("/sys/block/{disk}/dev")).expect("the disk is there");
    let (major, minor) = text.trim().split_once(':').expect("major:minor");
    DeviceId { major: major.parse().expect("a number"), minor: minor.parse().expect("a number") }
}

impl Drop for LoopDevice {
    fn drop(&mut self) {
        if !self.name.is_empty() && self.attached() {
            // Fails if the test has detached it itself a moment ago.
            let _ = Command::new("losetup").arg("--detach").arg(self.path()).output();
            if !std::thread::panicking() {
                wait::until("the loop device is detached", || (!self.attached()).then_some(()));
            }
        }
        let _ = fs::remove_file(&self.file);
    }
}

impl LoopDevice {
    /// Whether it still stands on this file.
    pub fn attached(&self) -> bool {
        fs::read_to_string(self.sys("loop/backing_file")).is_ok_and(|file| Path::new(file.trim()) == self.file)
    }
}

/// A mounted filesystem, unmounted when dropped, its mount point removed.
pub struct Mount {
    /// Where.
    pub point: PathBuf,
}

impl Mount {
    /// Mounts with mount(8).
    ///
    /// # Panics
    ///
    /// If that fails.
    pub fn new(arguments: &[&str]) -> Self {
        let point = std::env::temp_dir().join(unique("mount"));
        fs::create_dir(&point).expect("a mount point");
        let mount = Self { point };
        let mut all = arguments.to_vec();
        all.push(mount.point.to_str().expect("an ordinary path"));
        run("mount", &all);
        mount
    }

    /// Makes an ext4 on the device and mounts it.
    ///
    /// # Panics
    ///
    /// If that fails.
    pub fn ext4(device: &LoopDevice) -> Self {
        // Nothing is left for later: no thread of the kernel writes when the test does not.
        run("mkfs.ext4", &["-q", "-E", "lazy_itable_init=0,lazy_journal_init=0", &device.text()]);
        Self::new(&[&device.text()])
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(&self.point).status();
        if !unmounted.is_ok_and(|status| status.success()) {
            let _ = Command::new("umount").arg("--lazy").arg(&self.point).status();
        }
        let _ = fs::remove_dir(&self.point);
    }
}

/// A frozen filesystem: whoever writes to it waits until this is dropped.
pub struct Frozen(PathBuf);

impl Frozen {
    /// Freezes it.
    ///
    /// # Panics
    ///
    /// If that fails.
    pub fn freeze(mount: &Mount) -> Self {
        run("fsfreeze", &["--freeze", mount.point.to_str().expect("an ordinary path")]);
        Self(mount.point.clone())
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        let _ = Command::new("fsfreeze").arg("--unfreeze").arg(&self.0).status();
    }
}
