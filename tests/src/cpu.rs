//! Where threads run, and what the kernel itself says each CPU did.

use std::{
    fs, io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

use crate::guard::Folder;

/// Keeps the calling thread, and what it starts from now on, on one CPU.
///
/// # Panics
///
/// If the kernel refuses.
pub fn pin(cpu: usize) {
    let result = keep(0, &[cpu as u32]);
    assert_eq!(result, 0, "cannot pin to CPU {cpu}: {}", io::Error::last_os_error());
}

/// Keeps all other threads of this process on these CPUs: those that wait on another one move.
pub fn keep_others(cpus: &[u32]) {
    // SAFETY: the call takes nothing.
    let own = unsafe { libc::gettid() };
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let others = tasks.filter_map(|task| task.file_name().to_str()?.parse().ok()).filter(|task| *task != own);
    // One that has ended meanwhile is no matter.
    others.for_each(|task| {
        keep(task, cpus);
    });
}

fn keep(task: libc::pid_t, cpus: &[u32]) -> libc::c_int {
    // SAFETY: an empty set is all zeros.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: writes to our own set, which has room for 1,024 CPUs; the call only reads it.
    unsafe {
        cpus.iter().for_each(|cpu| libc::CPU_SET(*cpu as usize, &mut set));
        libc::sched_setaffinity(task, size_of_val(&set), &raw const set)
    }
}

/// Lets the calling thread run before all ordinary ones.
///
/// # Panics
///
/// If the kernel refuses.
pub fn real_time() {
    assert_eq!(schedule(libc::SCHED_FIFO, 10), 0, "cannot become SCHED_FIFO: {}", io::Error::last_os_error());
}

/// Changes how the calling thread is scheduled. The system call itself: one C library refuses to make it, and the kernel's struct
/// is this one number.
fn schedule(policy: i32, priority: i32) -> libc::c_long {
    // SAFETY: the call only reads the number.
    unsafe { libc::syscall(libc::SYS_sched_setscheduler, 0, policy, &raw const priority) }
}

/// Keeps every CPU from sleeping, until dropped, with work that anything else comes before: waking a sleeping CPU takes a
/// guest tens of microseconds.
pub struct Awake {
    done: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Awake {
    /// Begins.
    #[expect(clippy::new_without_default, reason = "it starts threads")]
    pub fn new() -> Self {
        let done = Arc::new(AtomicBool::new(false));
        let spin = |cpu: u32| {
            let done = Arc::clone(&done);
            thread::spawn(move || {
                pin(cpu as usize);
                // Refused or not, it only gives way less.
                schedule(libc::SCHED_IDLE, 0);
                while !done.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            })
        };
        let threads = online().into_iter().map(spin).collect();
        Self { done, threads }
    }
}

impl Drop for Awake {
    fn drop(&mut self) {
        self.done.store(true, Ordering::Relaxed);
        self.threads.drain(..).for_each(|thread| drop(thread.join()));
    }
}

/// The numbers of the CPUs that are online.
///
/// # Panics
///
/// If the kernel's list cannot be read.
pub fn online() -> Vec<u32> {
    let list = fs::read_to_string("/sys/devices/system/cpu/online").expect("the list of CPUs");
    let number = |text: &str| text.parse::<u32>().expect("a CPU's number");
    let range = |part: &str| match part.split_once('-') {
        Some((first, last)) => number(first)..=number(last),
        None => number(part)..=number(part),
    };
    list.trim().split(',').flat_map(range).collect()
}

/// One line of /proc/stat, in ticks of 10 ms.
#[derive(Clone, Copy, Debug, Default)]
pub struct Modes {
    /// user, nice, system, irq and softirq together.
    pub busy: u64,
    /// idle and iowait together.
    pub idle: u64,
    /// What the hypervisor took.
    pub steal: u64,
}

/// What /proc/stat says of a CPU.
///
/// # Panics
///
/// If it says nothing.
pub fn modes(cpu: usize) -> Modes {
    let stat = fs::read_to_string("/proc/stat").expect("/proc/stat");
    let name = format!("cpu{cpu} ");
    let line = stat.lines().find_map(|line| line.strip_prefix(&name)).expect("the CPU's line");
    let values: Vec<u64> = line.split_whitespace().map(|value| value.parse().expect("a number")).collect();
    Modes {
        busy: values[0] + values[1] + values[2] + values[5] + values[6],
        idle: values[3] + values[4],
        steal: values[7],
    }
}

/// All context switches since boot.
///
/// # Panics
///
/// If /proc/stat does not say.
pub fn context_switches() -> u64 {
    let stat = fs::read_to_string("/proc/stat").expect("/proc/stat");
    let line = stat.lines().find_map(|line| line.strip_prefix("ctxt ")).expect("the line ctxt");
    line.trim().parse().expect("a number")
}

/// The time that tasks used each CPU, as the kernel charges it to the root of the control groups: in nanoseconds, and
/// from other books than those that kpulse reads (`update_curr` in kernel/sched/fair.c, not `rq->clock` at a switch).
pub struct Charged {
    file: String,
    _mounted: Option<Mounted>,
}

impl Charged {
    /// Finds the books, mounting them if nobody has.
    ///
    /// # Errors
    ///
    /// Says why this kernel does not have them.
    pub fn open() -> Result<Self, String> {
        let known = ["/sys/fs/cgroup/cpuacct", "/sys/fs/cgroup/cpu,cpuacct"];
        if let Some(folder) = known.iter().find(|folder| Path::new(folder).join(PER_CPU).exists()) {
            return Ok(Self { file: format!("{folder}/{PER_CPU}"), _mounted: None });
        }
        let mounted = Mounted::cpuacct().map_err(|error| format!("no cpuacct control group: {error}"))?;
        Ok(Self { file: mounted.0.0.join(PER_CPU).display().to_string(), _mounted: Some(mounted) })
    }

    /// The time charged to a CPU so far in nanoseconds. What runs there now is charged at the next tick.
    ///
    /// # Panics
    ///
    /// If the file cannot be read any more.
    pub fn read(&self, cpu: usize) -> u64 {
        let text = fs::read_to_string(&self.file).expect("the file was there before");
        text.split_whitespace().nth(cpu).expect("a value for each CPU").parse().expect("a number")
    }
}

const PER_CPU: &str = "cpuacct.usage_percpu";

struct Mounted(Folder);

impl Mounted {
    fn cpuacct() -> io::Result<Self> {
        let folder = Folder::make(std::env::temp_dir().join(format!("kpulse-cpuacct-{}", std::process::id())))?;
        let target = std::ffi::CString::new(folder.0.display().to_string())?;
        // SAFETY: all strings end with a zero and live through the call.
        match unsafe {
            libc::mount(c"none".as_ptr(), target.as_ptr(), c"cgroup".as_ptr(), 0, c"cpuacct".as_ptr().cast())
        } {
            0 => Ok(Self(folder)),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let Ok(target) = std::ffi::CString::new(self.0.0.display().to_string()) else { return };
        // SAFETY: the string ends with a zero and lives through the call.
        unsafe { libc::umount2(target.as_ptr(), libc::MNT_DETACH) };
    }
}
