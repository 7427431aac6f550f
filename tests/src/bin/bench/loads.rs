//! The loads, each a fixed amount of work, and how long it took.

use std::{
    fs::{self, File},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};

/// Two tasks pass a token to and fro, which is little but context switches. Gives its seconds.
///
/// # Errors
///
/// If perf is missing or fails.
pub fn sched_pipe(loops: u32) -> Result<f64> {
    perf_bench(&["sched", "pipe", "-l", &loops.to_string()])
}

/// Groups of 40 tasks send messages to each other. Gives its seconds.
///
/// # Errors
///
/// If perf is missing or fails.
pub fn sched_messaging(groups: u32, loops: u32) -> Result<f64> {
    perf_bench(&["sched", "messaging", "-g", &groups.to_string(), "-l", &loops.to_string()])
}

fn perf_bench(args: &[&str]) -> Result<f64> {
    let said = output(Command::new("perf").args(["bench", "--format=simple"]).args(args))?;
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

/// A loop device on memory. It is gone when this is dropped or the process ends in any way: its file has no name any more, and the
/// kernel detaches it when the last one closes it.
pub struct Disk {
    path: String,
    _open: File,
}

impl Disk {
    /// Makes one.
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
