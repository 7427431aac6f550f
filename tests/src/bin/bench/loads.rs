//! The loads, each a fixed amount of work, and how long it took.

use std::{
    fs::{self, File},
    os::fd::AsRawFd as _,
    path::Path,
    process::Command,
};

use anyhow::{Context as _, Result, ensure};

/// Two tasks pass a token to and fro, which is little but context switches. Gives its seconds.
///
/// # Errors
///
/// If perf is missing or fails.
pub fn sched_pipe(loops: u32) -> Result<f64> {
    perf_bench(Command::new("perf"), &["sched", "pipe", "-l", &loops.to_string()])
}

/// The same with both tasks on one CPU: nobody waits for another CPU to wake up, so that a switch is dearest here.
///
/// # Errors
///
/// If taskset or perf is missing or fails.
pub fn sched_pipe_on_one_cpu(loops: u32) -> Result<f64> {
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", "0", "perf"]);
    perf_bench(command, &["sched", "pipe", "-l", &loops.to_string()])
}

/// Groups of 40 tasks send messages to each other. Gives its seconds.
///
/// # Errors
///
/// If perf is missing or fails.
pub fn sched_messaging(groups: u32, loops: u32) -> Result<f64> {
    perf_bench(Command::new("perf"), &["sched", "messaging", "-g", &groups.to_string(), "-l", &loops.to_string()])
}

fn perf_bench(mut perf: Command, args: &[&str]) -> Result<f64> {
    let said = output(perf.args(["bench", "--format=simple"]).args(args))?;
    said.trim().parse().with_context(|| format!("perf bench said {said:?} instead of seconds"))
}

/// Random reads of 4 KiB that bypass the page cache. Gives its seconds.
///
/// # Errors
///
/// If fio is missing or fails.
pub fn random_reads(disk: &Disk, depth: u32, requests: u64) -> Result<f64> {
    let said = output(Command::new("fio").args(["--name=reads", "--rw=randread", "--bs=4k", "--direct=1"]).args([
        "--ioengine=libaio",
        "--output-format=json",
        "--norandommap",
        &format!("--filename={}", disk.path),
        &format!("--iodepth={depth}"),
        &format!("--io_size={}", requests * 4096),
        &format!("--size={SIZE}"),
    ]))?;
    // Warnings may stand before it.
    let json = said.find('{').map_or("", |start| &said[start..]);
    let json: serde_json::Value = serde_json::from_str(json).with_context(|| format!("fio said {said:?}"))?;
    let read = &json["jobs"][0]["read"];
    let (done, ms) = (read["total_ios"].as_u64(), read["runtime"].as_u64());
    ensure!(done == Some(requests), "fio did {done:?} requests instead of {requests}");
    Ok(ms.context("fio says no run time")? as f64 / 1e3)
}

/// A command's output.
fn output(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot start {:?}", command.get_program()))?;
    ensure!(output.status.success(), "{command:?} failed: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

const SIZE: u64 = 256 << 20;

/// What fio reads. It is gone when this is dropped or the process ends in any way: its file has no name any more, and the kernel
/// detaches a loop device when the last one closes it.
pub struct Disk {
    path: String,
    _open: File,
}

impl Disk {
    /// A file on the disk that this program lies on.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn real() -> Result<Self> {
        let beside = std::env::current_exe()?.with_file_name(format!("bench-reads-{}", std::process::id()));
        let written = Self::write(&beside);
        let removed = fs::remove_file(&beside);
        let open = written?;
        removed?;
        open.sync_all()?;
        Ok(Self { path: format!("/proc/{}/fd/{}", std::process::id(), open.as_raw_fd()), _open: open })
    }

    fn write(path: &Path) -> Result<File> {
        fs::write(path, vec![0x5a; SIZE as usize]).with_context(|| path.display().to_string())?;
        Ok(File::open(path)?)
    }

    /// A loop device on memory.
    ///
    /// # Errors
    ///
    /// If there is no room in /dev/shm, or no loop device to be had.
    pub fn make() -> Result<Self> {
        let backing = format!("/dev/shm/kpulse-bench-{}", std::process::id());
        fs::write(&backing, vec![0x5a; SIZE as usize]).with_context(|| backing.clone())?;
        let path = output(Command::new("losetup").args(["--find", "--show", &backing]));
        fs::remove_file(&backing)?;
        let path = path?.trim().to_owned();
        let open = File::open(&path);
        output(Command::new("losetup").args(["--detach", &path]))?;
        Ok(Self { _open: open.with_context(|| path.clone())?, path })
    }
}
