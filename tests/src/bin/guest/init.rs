//! The first process of a machine: what an operating system would have done, as far as the checks need it.

use std::{
    fs, io,
    process::{self, Command},
};

/// What is mounted: type and place.
const MOUNTS: [(&str, &str); 10] = [
    ("proc", "/proc"),
    ("sysfs", "/sys"),
    ("devtmpfs", "/dev"),
    ("tmpfs", "/dev/shm"),
    ("tmpfs", "/tmp"),
    ("tracefs", "/sys/kernel/tracing"),
    ("debugfs", "/sys/kernel/debug"),
    ("bpf", "/sys/fs/bpf"),
    ("cgroup2", "/sys/fs/cgroup"),
    ("configfs", "/sys/kernel/config"),
];

/// Status of a machine whose checks ended in no orderly way.
const BROKEN: u8 = 99;

/// Mounts, runs the checks as a child, ends the machine. Never returns.
pub fn main() -> ! {
    let status = run().unwrap_or_else(|error| {
        println!("init: {error}");
        BROKEN
    });
    println!("INIT-EXIT {status}");
    end(status)
}

fn run() -> io::Result<u8> {
    for (kind, place) in MOUNTS {
        mount(kind, place).or_else(|error| match kind {
            // Some kernels have it as a module, and a locked one refuses some.
            "configfs" | "debugfs" | "tracefs" => Ok(()),
            _ => Err(io::Error::new(error.kind(), format!("cannot mount {kind} at {place}: {error}"))),
        })?;
    }
    loopback_up()?;
    let line = fs::read_to_string("/proc/cmdline")?;
    let value = |key: &str| line.split_whitespace().find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
    let machine = value("kpulse.machine").unwrap_or("four");
    if value("kpulse.iostats") == Some("off") {
        crate::disk::turn_iostats("0");
    }
    let mut checks = Command::new("/init");
    checks.arg(machine).env_clear().envs([
        ("PATH", "/bin:/sbin:/usr/bin:/usr/sbin"),
        ("KPULSE_BIN", "/bin/kpulse"),
        ("HOME", "/tmp"),
        ("RUST_BACKTRACE", "0"),
        // An emulated processor is slow, and 64 of them share one thread.
        ("KPULSE_TEST_PATIENCE", "180"),
        // Nothing may be missing in a machine that was made for it.
        ("CI", "1"),
    ]);
    let child = checks.spawn()?.id() as i32;
    loop {
        let mut status = 0;
        // SAFETY: writes the integer. The first process also buries those whose parents have gone.
        let ended = unsafe { libc::waitpid(-1, &raw mut status, 0) };
        if ended == child {
            return Ok(if libc::WIFEXITED(status) { libc::WEXITSTATUS(status) as u8 } else { BROKEN });
        }
        if ended < 0 {
            return Err(io::Error::last_os_error());
        }
    }
}

/// Mounts a filesystem without a device; makes the place if it can.
///
/// # Errors
///
/// Whatever the kernel says.
pub fn mount(kind: &str, place: &str) -> io::Result<()> {
    let _ = fs::create_dir_all(place);
    let (kind, place) = (std::ffi::CString::new(kind)?, std::ffi::CString::new(place)?);
    // SAFETY: all strings end with a zero and live through the call.
    match unsafe { libc::mount(c"none".as_ptr(), place.as_ptr(), kind.as_ptr(), 0, std::ptr::null()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The agent listens there.
fn loopback_up() -> io::Result<()> {
    // SAFETY: plain numbers and names, of which zeros are valid; the calls read and write our own struct.
    unsafe {
        let socket = libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0);
        let mut request: libc::ifreq = std::mem::zeroed();
        request.ifr_name[0] = b'l' as libc::c_char;
        request.ifr_name[1] = b'o' as libc::c_char;
        request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
        let result = libc::ioctl(socket, libc::SIOCSIFFLAGS as _, &raw const request);
        let error = io::Error::last_os_error();
        libc::close(socket);
        if result == 0 { Ok(()) } else { Err(error) }
    }
}

/// Ends the machine: through QEMU's exit device, which is told the status + 64, or by switching off where the kernel lets
/// nobody reach a port.
fn end(status: u8) -> ! {
    // SAFETY: no memory is touched by either.
    unsafe {
        // The exit device does not wait for what the console has not sent yet.
        libc::tcdrain(libc::STDOUT_FILENO);
        if libc::syscall(libc::SYS_ioperm, 0xf4, 1, 1) == 0 {
            std::arch::asm!("out dx, al", in("dx") 0xf4u16, in("al") status.saturating_add(64), options(nomem, nostack));
        }
        libc::reboot(libc::RB_POWER_OFF);
    }
    process::exit(i32::from(status))
}
