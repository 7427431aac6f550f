//! The system calls that the agent still makes once it measures: the whole list, a word with each.
//!
//! Found with strace on every path: collecting, serving, telling, saving, taking up a new configuration, ending. What is not
//! here fails with `EPERM` (see [`super::filter`]). A call that only one C library or one architecture makes is here as
//! well, so that one list serves all builds.

use aya_obj::generated::bpf_cmd;
use libc::{c_long, *};

/// One system call, and how much of it.
pub struct Call {
    /// Its number on this architecture.
    pub number: c_long,
    /// Its name.
    pub name: &'static str,
    /// What for.
    pub why: &'static str,
    /// With which arguments.
    pub limit: Limit,
}

/// What the arguments of a call are held to. Arguments count from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// To nothing.
    Any,
    /// One argument, of 32 bits, is one of these values.
    OneOf(u8, &'static [u64]),
    /// One argument, of 32 bits, is the number of this process.
    Own(u8),
    /// One argument, a pointer, is null.
    Null(u8),
    /// One argument has all of these bits.
    With(u8, u64),
    /// One argument has none of these bits.
    Without(u8, u64),
    /// One argument lacks at least one of these two bits.
    NotBoth(u8, u64, u64),
}

use Limit::{Any, NotBoth, Null, OneOf, Own, With, Without};

macro_rules! calls {
    ($($(#[$when:meta])* $number:ident $limit:expr, $why:literal;)*) => {
        &[$($(#[$when])* Call { number: $number, name: stringify!($number).split_at(4).1, why: $why, limit: $limit }),*]
    };
}

/// bpf() without what loads or makes anything. A command that is needed once more is needed here.
const BPF: &[u64] = &[
    bpf_cmd::BPF_MAP_LOOKUP_ELEM as u64,
    bpf_cmd::BPF_MAP_UPDATE_ELEM as u64,
    bpf_cmd::BPF_MAP_DELETE_ELEM as u64,
    bpf_cmd::BPF_OBJ_GET_INFO_BY_FD as u64,
    bpf_cmd::BPF_MAP_LOOKUP_BATCH as u64,
    bpf_cmd::BPF_ITER_CREATE as u64,
    bpf_cmd::BPF_RAW_TRACEPOINT_OPEN as u64,
];
const SOCKETS: &[u64] = &[AF_UNIX as u64, AF_INET as u64, AF_INET6 as u64];
/// Bits of a descriptor, without `F_SETOWN` and what else sends signals.
const FCNTL: &[u64] = &[
    F_DUPFD as u64,
    F_GETFD as u64,
    F_SETFD as u64,
    F_GETFL as u64,
    F_SETFL as u64,
    F_SETLK as u64,
    F_SETLKW as u64,
    F_GETLK as u64,
    F_DUPFD_CLOEXEC as u64,
];
#[allow(clippy::unnecessary_cast, reason = "another C library has these numbers in another type")]
const IOCTL: &[u64] = &[FIONBIO as u64, FIOCLEX as u64, FIONREAD as u64, TCGETS as u64, TIOCGWINSZ as u64];
const THREAD: u64 = (CLONE_VM | CLONE_THREAD) as u64;
const EXEC: u64 = PROT_EXEC as u64;
const WRITE: u64 = PROT_WRITE as u64;

/// Every system call that the running agent may make.
#[rustfmt::skip] // A table.
pub static CALLS: &[Call] = calls! {
    // What it is for.
    SYS_bpf OneOf(0, BPF), "reads and changes maps, runs the iterator, attaches what was loaded at the start; loads and makes nothing";
    SYS_openat Any, "/proc, /sys, configuration, secrets, state";
    #[cfg(target_arch = "x86_64")] SYS_open Any, "the same, older C libraries";
    SYS_read Any, "all of these, and sockets";
    SYS_pread64 Any, "files of /proc that are kept open";
    SYS_readv Any, "sockets";
    SYS_lseek Any, "files that are read again";
    SYS_close Any, "files and sockets";
    SYS_getdents64 Any, "cgroups, recordings, /sys";
    SYS_readlinkat Any, "devices in /sys";
    #[cfg(target_arch = "x86_64")] SYS_readlink Any, "the same, older C libraries";
    SYS_newfstatat Any, "cgroups, certificates, recordings";
    SYS_fstat Any, "sizes of files";
    SYS_statx Any, "the same, with times";
    #[cfg(target_arch = "x86_64")] SYS_stat Any, "the same, older C libraries";
    #[cfg(target_arch = "x86_64")] SYS_lstat Any, "the same, older C libraries";
    SYS_faccessat Any, "name service";
    #[cfg(target_arch = "x86_64")] SYS_access Any, "the same, older C libraries";
    SYS_statfs Any, "space on filesystems";
    SYS_uname Any, "the name of the host";

    // State that outlives it.
    SYS_write Any, "state, log, sockets";
    SYS_pwrite64 Any, "state";
    SYS_writev Any, "log, sockets";
    SYS_fsync Any, "state that survives a loss of power";
    SYS_fdatasync Any, "the same";
    SYS_ftruncate Any, "the journal's end after a failed write";
    SYS_fcntl OneOf(1, FCNTL), "flags of descriptors, locks";
    SYS_flock Any, "one agent to a state directory";
    SYS_renameat Any, "files that are whole or not there";
    SYS_renameat2 Any, "the same";
    #[cfg(target_arch = "x86_64")] SYS_rename Any, "the same, older C libraries";
    SYS_unlinkat Any, "old journals and recordings";
    #[cfg(target_arch = "x86_64")] SYS_unlink Any, "the same, older C libraries";
    SYS_mkdirat Any, "folders of the state directory";
    #[cfg(target_arch = "x86_64")] SYS_mkdir Any, "the same, older C libraries";

    // Network.
    SYS_socket OneOf(0, SOCKETS), "receivers of alerts, name servers, the service manager; no raw or other sockets";
    SYS_socketpair OneOf(0, &[AF_UNIX as u64]), "waking the event loop";
    SYS_connect Any, "receivers of alerts";
    SYS_accept4 Any, "clients of the HTTP server";
    SYS_shutdown Any, "the end of a connection";
    SYS_sendto Any, "sockets";
    SYS_sendmsg Any, "sockets";
    SYS_sendmmsg Any, "name servers";
    SYS_recvfrom Any, "sockets";
    SYS_recvmsg Any, "sockets";
    SYS_recvmmsg Any, "name servers";
    SYS_getsockopt Any, "errors of sockets";
    SYS_setsockopt Any, "options of sockets";
    SYS_getsockname Any, "where it listens";
    SYS_getpeername Any, "who asks";
    SYS_bind Any, "ports of its own for questions to name servers";

    // Waiting.
    SYS_epoll_create1 Any, "the event loop";
    SYS_epoll_ctl Any, "the event loop";
    SYS_epoll_pwait Any, "the event loop";
    #[cfg(target_arch = "x86_64")] SYS_epoll_wait Any, "the event loop";
    SYS_eventfd2 Any, "waking the event loop";
    SYS_ppoll Any, "the end of a connection";
    #[cfg(target_arch = "x86_64")] SYS_poll Any, "name servers";
    SYS_futex Any, "locks between threads";
    SYS_nanosleep Any, "pauses";
    SYS_clock_nanosleep Any, "pauses";
    SYS_clock_gettime Any, "clocks, where the fast way is not there";
    SYS_restart_syscall Any, "a call that a signal or a freezer interrupted";

    // Threads: for what waits for a disk or a name server.
    SYS_clone With(0, THREAD), "threads; no processes";
    // Its flags are in memory, where no filter can see them: it is answered with ENOSYS, and the C library takes clone.
    SYS_clone3 Any, "answered with ENOSYS: the C library then takes clone";
    SYS_exit Any, "a thread's end";
    SYS_exit_group Any, "the end";
    SYS_set_robust_list Any, "threads";
    SYS_set_tid_address Any, "threads";
    SYS_rseq Any, "threads";
    SYS_gettid Any, "which thread this is";
    SYS_getpid Any, "which process this is";
    SYS_sched_yield Any, "locks between threads";
    SYS_sched_getaffinity Any, "how many CPUs there are";
    SYS_sched_setaffinity OneOf(0, &[0]), "a visit to each CPU at the start, so that its books are open";
    SYS_getcpu Any, "which CPU this is";
    SYS_prctl OneOf(0, &[PR_SET_NAME as u64, PR_GET_NAME as u64, PR_SET_VMA as u64]), "names of threads and memory";
    SYS_membarrier Any, "locks between threads";

    // Memory.
    SYS_mmap NotBoth(2, WRITE, EXEC), "memory; none that is written and run";
    SYS_mprotect Without(2, EXEC), "guards of stacks; nothing becomes code";
    SYS_munmap Any, "memory";
    SYS_mremap Any, "memory";
    SYS_madvise Any, "memory that is given back";
    SYS_brk Any, "memory";

    // Signals.
    SYS_rt_sigaction Any, "what a signal does";
    SYS_rt_sigprocmask Any, "which signals wait";
    SYS_rt_sigreturn Any, "the end of a signal's handler";
    SYS_sigaltstack Any, "a stack for the case that the stack overflows";
    SYS_tgkill Own(0), "an end by abort(), which sends the signal to its own thread";

    // Who it is.
    SYS_getuid Any, "whose process this is";
    SYS_geteuid Any, "the same";
    SYS_getgid Any, "the same";
    SYS_getegid Any, "the same";
    SYS_wait4 With(2, WNOHANG as u64), "whether the helper that times the programs has ended";
    SYS_getrandom Any, "keys of TLS and of hash tables";
    SYS_ioctl OneOf(1, IOCTL), "sockets that do not wait; whether the log is a terminal";
    SYS_prlimit64 Null(2), "limits; sets none";
};

/// And every one of the helper that times the programs.
#[rustfmt::skip] // A table.
pub static HELPERS_CALLS: &[Call] = calls! {
    SYS_bpf OneOf(0, &[bpf_cmd::BPF_ENABLE_STATS as u64]), "the timing of programs, and nothing else of bpf()";
    SYS_close Any, "the end of it";
    SYS_read Any, "what the agent wants";
    SYS_recvfrom Any, "the same";
    SYS_write Any, "what became of it";
    SYS_sendto Any, "the same";
    SYS_setsockopt Any, "how long it waits for the agent";
    SYS_fcntl OneOf(1, FCNTL), "flags of descriptors";
    SYS_restart_syscall Any, "waiting, after a stop";
    SYS_futex Any, "locks";
    SYS_mmap Without(2, EXEC), "memory, without code";
    SYS_munmap Any, "memory";
    SYS_madvise Any, "memory that is given back";
    SYS_brk Any, "memory";
    SYS_rt_sigaction Any, "what a signal does";
    SYS_rt_sigprocmask Any, "which signals wait";
    SYS_rt_sigreturn Any, "the end of a signal's handler";
    SYS_sigaltstack Any, "a stack for the case that the stack overflows";
    SYS_tgkill Own(0), "an end by abort(), which sends the signal to its own thread";
    SYS_exit Any, "its end";
    SYS_exit_group Any, "the same";
};

/// The list as a table in Markdown.
pub fn table() -> String {
    use std::fmt::Write as _;
    let mut out = "| system call | held to | what for |\n|---|---|---|\n".to_string();
    for call in CALLS {
        let limit = match call.limit {
            Any => String::new(),
            OneOf(at, values) => {
                let values: Vec<_> = values.iter().map(u64::to_string).collect();
                format!("argument {at}: {}", values.join(", "))
            }
            Own(at) => format!("argument {at}: its own process"),
            Null(at) => format!("argument {at}: null"),
            With(at, bits) => format!("argument {at} with {bits:#x}"),
            Without(at, bits) => format!("argument {at} without {bits:#x}"),
            NotBoth(at, one, other) => format!("argument {at} without {one:#x} or without {other:#x}"),
        };
        let _ = writeln!(out, "| `{}` | {limit} | {} |", call.name, call.why);
    }
    out
}
