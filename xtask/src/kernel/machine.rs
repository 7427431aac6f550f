//! One virtual machine: boots a kernel with an initramfs, lets it run to its end, and says what became of it.
//!
//! In: a kernel, what it is given, a [`Shape`]. Out: what it wrote to its serial console, and how it ended. The way of QEMU's
//! exit: the guest writes `v` to the isa-debug-exit device, and QEMU leaves with `2 v + 1`; the guest's `v` is its status + 64, because
//! QEMU that cannot start leaves with 1. The guest also says `INIT-EXIT status` last of all, and both must agree.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};

use crate::shell;

/// How a machine is made.
#[derive(Debug)]
pub struct Shape {
    /// Its name in tables and on the guest's command line.
    pub name: &'static str,
    /// What it is there for.
    pub why: &'static str,
    /// CPUs.
    pub cpus: u32,
    /// Memory in MiB.
    pub memory: u32,
    /// Time counts instructions: a delay inside is exact, whatever else this machine does. For one CPU only.
    pub exact: bool,
    /// More for the kernel's command line.
    pub append: &'static str,
    /// How long it usually takes next to the others: the longest begins first.
    pub weight: u32,
    /// Whether it runs the live tests.
    pub live: bool,
    /// Whether continuous integration boots it, too, where it boots few.
    pub always: bool,
}

/// How a machine ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ending {
    /// The guest said so: how many of its checks failed.
    Exit(u8),
    /// It did nothing any more.
    Hung,
    /// It was over before the guest said so.
    Died,
    /// QEMU did not start.
    #[default]
    NotStarted,
}

impl Ending {
    /// Whether another try makes sense: never for what a test has said.
    pub fn may_be_chance(self) -> bool {
        !matches!(self, Self::Exit(_))
    }

    /// In words.
    pub fn said(self) -> String {
        match self {
            Self::Exit(0) => "ended well".into(),
            Self::Exit(status) => format!("ended with status {status}"),
            Self::Hung => "hung and was stopped (124)".into(),
            Self::Died => "died before its tests were over (125)".into(),
            Self::NotStarted => "was never started: QEMU did not run (126)".into(),
        }
    }
}

/// A machine that says nothing for so long hangs. It says something with every step, but its processor is slow and this machine may be
/// busy.
const SILENCE: Duration = Duration::from_secs(600);
/// And one that talks for so long never ends.
const LONGEST: Duration = Duration::from_secs(3_600);

/// What a machine wrote and how it ended.
#[derive(Default)]
pub struct Ran {
    /// Its console, line by line.
    pub console: Vec<String>,
    /// Its end.
    pub ending: Ending,
    /// What it took of this machine's processors, in seconds: on a busy machine the only time that means something.
    pub cpu_seconds: u64,
}

/// Boots a machine and waits for its end. Each line of the console goes to `log`.
///
/// # Errors
/// Where the log cannot be written.
pub fn run(shape: &Shape, image: &Path, initramfs: &Path, log: &Path) -> Result<Ran> {
    let mut log = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    let mut command = command(shape, image, initramfs);
    writeln!(log, "$ {}", shell::show(&command))?;
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let Ok(mut child) = child else { return Ok(Ran::default()) };
    let lines = lines(&mut child);
    let begun = Instant::now();
    let mut console = Vec::new();
    let hung = loop {
        match lines.recv_timeout(SILENCE) {
            Ok(_) if begun.elapsed() > LONGEST => break true,
            Ok(line) => {
                writeln!(log, "{line}")?;
                console.push(line);
            }
            Err(mpsc::RecvTimeoutError::Timeout) => break true,
            Err(mpsc::RecvTimeoutError::Disconnected) => break false,
        }
    };
    if hung {
        // It may have ended just now.
        let _ = child.kill();
    }
    let cpu_seconds = cpu_seconds(child.id());
    let status = child.wait().context("cannot wait for QEMU")?;
    let ending = if hung { Ending::Hung } else { ending(&console, status.code()) };
    writeln!(log, "QEMU: {status}; the machine {}", ending.said())?;
    Ok(Ran { console, ending, cpu_seconds })
}

/// What a process that nobody has waited for yet has used: fields 14 and 15 of its stat, in ticks of 10 ms (proc(5)).
fn cpu_seconds(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let (_, rest) = stat.rsplit_once(") ").unwrap_or_default();
    rest.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum::<u64>() / 100
}

/// What a machine wrote when it last ran, if the log says that it ended well on this kernel.
pub fn last_run(log: &Path, release: &str) -> Option<Ran> {
    let console: Vec<_> = std::fs::read_to_string(log).ok()?.lines().map(|line| plain(line).to_owned()).collect();
    let same = console.iter().any(|line| line.strip_prefix("@ kernel\t") == Some(release));
    let well = console.last().is_some_and(|line| line.starts_with("QEMU: ") && line.ends_with(&Ending::Exit(0).said()));
    (same && well).then_some(Ran { console, ending: Ending::Exit(0), cpu_seconds: 0 })
}

fn command(shape: &Shape, image: &Path, initramfs: &Path) -> Command {
    let mut qemu = shell::command("qemu-system-x86_64");
    match has_kvm() && !shape.exact {
        true => qemu.args(["-accel", "kvm", "-cpu", "host"]),
        // With several threads the emulated CPUs see each other's changes of code too late, and die when programs are attached.
        false => qemu.args(["-accel", "tcg,thread=single", "-cpu", "max"]),
    };
    if shape.exact {
        qemu.args(["-icount", "shift=2,sleep=off"]);
    }
    qemu.args(["-smp", &shape.cpus.to_string(), "-m", &shape.memory.to_string()]);
    qemu.arg("-kernel").arg(image).arg("-initrd").arg(initramfs);
    let append = format!(
        "console=ttyS0 panic=-1 oops=panic no_timer_check quiet loglevel=3 kpulse.machine={} {}",
        shape.name, shape.append
    );
    qemu.args(["-append", append.trim_end()]);
    qemu.args(["-nographic", "-no-reboot", "-nodefaults", "-serial", "stdio", "-monitor", "none"]);
    qemu.args(["-device", "isa-debug-exit,iobase=0xf4,iosize=0x04"]);
    // Two NVMe disks without a medium: one as fast as it gets, one with a delay of 5 ms on the host's clock.
    for (name, delay_ns) in [("fast", 0), ("slow", 5_000_000)] {
        qemu.args([
            "-blockdev",
            &format!("driver=null-co,node-name={name},size=67108864,read-zeroes=on,latency-ns={delay_ns}"),
        ]);
        qemu.args(["-device", &format!("nvme,serial={name},drive={name}")]);
    }
    qemu
}

/// Whether virtual machines run on the processor itself. The device alone says nothing: it is there on some machines whose
/// processor shows no such extension, and kernels die on it. KPULSE_QEMU_ACCEL=kvm or =tcg decides otherwise.
fn has_kvm() -> bool {
    match std::env::var("KPULSE_QEMU_ACCEL").as_deref() {
        Ok("kvm") => true,
        Ok("tcg") => false,
        _ => {
            let flags = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
            Path::new("/dev/kvm").exists() && flags.split_whitespace().any(|word| word == "vmx" || word == "svm")
        }
    }
}

/// Both streams' lines, until both are closed.
fn lines(child: &mut Child) -> mpsc::Receiver<String> {
    let (send, receive) = mpsc::channel();
    if let Some(stderr) = child.stderr.take() {
        pass_on(stderr, send.clone());
    }
    if let Some(stdout) = child.stdout.take() {
        pass_on(stdout, send);
    }
    receive
}

fn pass_on(stream: impl std::io::Read + Send + 'static, to: mpsc::Sender<String>) {
    thread::spawn(move || {
        for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
            // Nobody listens any more once the machine is given up.
            let _ = to.send(plain(&String::from_utf8_lossy(&line)).to_owned());
        }
    });
}

/// A line without what the BIOS wrote before it cleared the screen: it does so without an end of line.
fn plain(line: &str) -> &str {
    let line = line.trim_end_matches('\r');
    line.rsplit_once("\x1b[2J").map_or(line, |(_, rest)| rest)
}

/// What the console and QEMU's status say together.
fn ending(console: &[String], status: Option<i32>) -> Ending {
    let said = console.iter().rev().find_map(|line| line.strip_prefix("INIT-EXIT ")?.trim().parse::<u8>().ok());
    match (said, status) {
        // A machine that is locked down may not reach the exit device, and switches itself off.
        (Some(said), Some(0)) => Ending::Exit(said),
        (Some(said), Some(status)) if status == ((i32::from(said) + 64) << 1) | 1 => Ending::Exit(said),
        (None, Some(1)) if console.iter().all(|line| line.starts_with("qemu-system")) => Ending::NotStarted,
        _ => Ending::Died,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(console: &[&str], status: i32) -> Ending {
        ending(&console.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>(), Some(status))
    }

    #[test]
    fn the_console_and_qemus_status_must_agree() {
        assert_eq!(ended(&["x", "INIT-EXIT 0"], 129), Ending::Exit(0));
        assert_eq!(ended(&["INIT-EXIT 3"], 135), Ending::Exit(3));
        assert_eq!(ended(&["INIT-EXIT 0"], 0), Ending::Exit(0));
        assert_eq!(ended(&["INIT-EXIT 0"], 131), Ending::Died);
        assert_eq!(ended(&["x"], 129), Ending::Died);
        assert_eq!(ended(&["Kernel panic"], 0), Ending::Died);
        assert_eq!(ended(&["qemu-system-x86_64: no such device"], 1), Ending::NotStarted);
    }

    #[test]
    fn only_a_run_that_ended_well_on_the_same_kernel_is_taken_up_again() {
        let log = std::env::temp_dir().join(format!("kpulse-xtask-{}.log", std::process::id()));
        let taken = |text: &str| {
            std::fs::write(&log, text).expect("a file of our own");
            last_run(&log, "6.1-x").is_some()
        };
        assert!(taken(
            "Booting\x1bc\x1b[2J@ kernel\t6.1-x\nINIT-EXIT 0\nQEMU: exit status: 129; the machine ended well\n"
        ));
        assert!(!taken("@ kernel\t6.1-y\nINIT-EXIT 0\nQEMU: exit status: 129; the machine ended well\n"));
        assert!(!taken("@ kernel\t6.1-x\nINIT-EXIT 1\nQEMU: exit status: 131; the machine ended with status 1\n"));
        assert!(!taken("@ kernel\t6.1-x\nINIT-EXIT 0\n"));
        std::fs::remove_file(&log).expect("our own file");
    }

    #[test]
    fn what_a_test_said_is_never_asked_again() {
        assert!(!Ending::Exit(1).may_be_chance());
        assert!([Ending::Hung, Ending::Died, Ending::NotStarted].iter().all(|ending| ending.may_be_chance()));
    }
}
