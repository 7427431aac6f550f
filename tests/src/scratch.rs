//! A folder of one's own, and a disk of one's own that can be torn out. Both are gone when they are dropped.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::{
        fd::AsRawFd as _,
        unix::fs::{FileExt as _, OpenOptionsExt as _, PermissionsExt as _},
    },
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

/// A folder that everybody may read.
pub struct Scratch(PathBuf);

impl Scratch {
    /// Makes it.
    ///
    /// # Panics
    ///
    /// If that fails.
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("kpulse-test-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).expect("a folder of our own");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("our own folder");
        Self(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file in it, which everybody may read.
    ///
    /// # Panics
    ///
    /// If that fails.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, content).expect("a file of our own");
        path
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("could not remove {}: {error}", self.0.display());
        }
    }
}

// Source: the kernel's include/uapi/linux/loop.h.
const LOOP_SET_FD: libc::Ioctl = 0x4c00;
const LOOP_CLR_FD: libc::Ioctl = 0x4c01;
const LOOP_CTL_ADD: libc::Ioctl = 0x4c80;
const LOOP_CTL_REMOVE: libc::Ioctl = 0x4c81;

/// Room in the disk, in bytes.
const SIZE: u64 = 16 << 20;

/// A loop device that did not exist before, over a file in memory.
pub struct Disk {
    /// Such as `loop23`.
    pub name: String,
    number: i32,
    device: Option<File>,
}

impl Disk {
    /// Makes it.
    ///
    /// # Errors
    ///
    /// Whatever the kernel says; without loop devices, that they do not exist.
    pub fn plug() -> io::Result<Self> {
        let control = File::open("/dev/loop-control")?;
        // Those that were there before stay what they are.
        let number = (64..512)
            .find_map(|number| ioctl(&control, LOOP_CTL_ADD, number).ok())
            .ok_or_else(|| io::Error::other("no loop device can be added"))?;
        let name = format!("loop{number}");
        // Dropped, and with it the device, if the rest fails.
        let mut disk = Self { name, number, device: None };
        let backing = PathBuf::from(format!("/dev/shm/kpulse-{}-{}", disk.name, std::process::id()));
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&backing)?;
        // The kernel keeps the file as long as the device does.
        fs::remove_file(&backing)?;
        file.set_len(SIZE)?;
        let node = crate::wait::until("the device's node", || {
            let path = format!("/dev/{}", disk.name);
            make_node(&path, number);
            Path::new(&path).exists().then_some(path)
        });
        let device = OpenOptions::new().read(true).write(true).custom_flags(libc::O_DIRECT).open(node)?;
        ioctl(&device, LOOP_SET_FD, file.as_raw_fd())?;
        disk.device = Some(device);
        Ok(disk)
    }

    /// Reads and writes so many blocks of 4 KiB each, past the page cache: each is one request.
    ///
    /// # Panics
    ///
    /// If one fails.
    pub fn use_it(&self, blocks: u64) {
        #[repr(align(4096))]
        struct Block([u8; 4096]);
        let mut block = Block([7; 4096]);
        let device = self.device.as_ref().expect("the device is there");
        for at in (0..blocks).map(|block| block * 4096 % SIZE) {
            device.write_all_at(&block.0, at).expect("a write");
            device.read_exact_at(&mut block.0, at).expect("a read");
        }
    }

    /// Tears it out.
    pub fn unplug(self) {}
}

impl Drop for Disk {
    fn drop(&mut self) {
        if let Some(device) = self.device.take() {
            let _ = ioctl(&device, LOOP_CLR_FD, 0);
        }
        // The device stays busy until whoever looks at it, such as blkid, has closed it.
        let removed = crate::wait::within(std::time::Duration::from_secs(5), || {
            ioctl(&File::open("/dev/loop-control").ok()?, LOOP_CTL_REMOVE, self.number).ok()
        });
        if removed.is_none() {
            eprintln!("could not remove {}", self.name);
        }
        if Path::new(&format!("/sys/block/{}", self.name)).exists() {
            return;
        }
        let _ = fs::remove_file(format!("/dev/{}", self.name));
    }
}

fn ioctl(file: &File, request: libc::Ioctl, argument: i32) -> io::Result<i32> {
    // SAFETY: these requests take a number.
    match unsafe { libc::ioctl(file.as_raw_fd(), request, libc::c_long::from(argument)) } {
        -1 => Err(io::Error::last_os_error()),
        result => Ok(result),
    }
}

/// Where /dev is a plain folder, nobody else makes the node. One that is there stays.
fn make_node(path: &str, number: i32) {
    const LOOP_MAJOR: u32 = 7;
    let Ok(path) = std::ffi::CString::new(path) else { return };
    // SAFETY: the string ends with a zero and lives through the call.
    unsafe { libc::mknod(path.as_ptr(), libc::S_IFBLK | 0o600, libc::makedev(LOOP_MAJOR, number as u32)) };
}
