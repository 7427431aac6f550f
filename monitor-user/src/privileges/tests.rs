//! What is forbidden is tried, by a thread that is held as the agent is. The whole agent is tried by the live tests.

use std::{
    collections::{BTreeSet, HashSet},
    env, fs, io,
    net::TcpListener,
    path::Path,
    ptr, thread,
};

use super::{
    calls::{CALLS, table},
    files::{Places, restrict, version},
    filter,
};

/// Runs this in a thread that is held to the list of system calls.
fn filtered<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> T {
    let held = || {
        filter::programs(CALLS).unwrap().iter().for_each(|program| seccompiler::apply_filter(program).unwrap());
        run()
    };
    thread::spawn(held).join().unwrap()
}

/// The error of a system call with these arguments; 0 if there is none.
fn error(number: i64, arguments: [u64; 4]) -> i32 {
    let [a, b, c, d] = arguments;
    // SAFETY: every call below gets null pointers, or is refused before it looks at them.
    match unsafe { libc::syscall(number, a, b, c, d) } {
        -1 => io::Error::last_os_error().raw_os_error().unwrap(),
        _ => 0,
    }
}

#[test]
fn what_is_not_on_the_list_is_refused() {
    const PROG_LOAD: u64 = 5;
    const ENABLE_STATS: u64 = 32;
    let forbidden: &[(&str, i64, [u64; 4])] = &[
        ("execve", libc::SYS_execve, [0; 4]),
        ("a process", libc::SYS_clone, [libc::SIGCHLD as u64, 0, 0, 0]),
        ("ptrace", libc::SYS_ptrace, [0; 4]),
        ("kill", libc::SYS_kill, [1, 0, 0, 0]),
        ("a signal for another process", libc::SYS_tgkill, [1, 1, 0, 0]),
        ("loading a program", libc::SYS_bpf, [PROG_LOAD, 0, 0, 0]),
        ("making a map", libc::SYS_bpf, [0; 4]),
        ("statistics", libc::SYS_bpf, [ENABLE_STATS, 0, 0, 0]),
        ("perf_event_open", libc::SYS_perf_event_open, [0; 4]),
        ("mount", libc::SYS_mount, [0; 4]),
        ("unshare", libc::SYS_unshare, [0; 4]),
        ("setns", libc::SYS_setns, [0; 4]),
        ("setuid", libc::SYS_setuid, [0; 4]),
        ("capset", libc::SYS_capset, [0; 4]),
        ("chown", libc::SYS_fchownat, [0; 4]),
        ("mknod", libc::SYS_mknodat, [0; 4]),
        ("a link", libc::SYS_linkat, [0; 4]),
        ("a module", libc::SYS_init_module, [0; 4]),
        ("another kernel", libc::SYS_kexec_load, [0; 4]),
        ("a key", libc::SYS_add_key, [0; 4]),
        ("io_uring", libc::SYS_io_uring_setup, [0; 4]),
        ("memory of others", libc::SYS_process_vm_readv, [0; 4]),
        ("a raw socket", libc::SYS_socket, [libc::AF_PACKET as u64, libc::SOCK_RAW as u64, 0, 0]),
        ("a netlink socket", libc::SYS_socket, [libc::AF_NETLINK as u64, libc::SOCK_RAW as u64, 0, 0]),
        ("input of a terminal", libc::SYS_ioctl, [0, libc::TIOCSTI, 0, 0]),
        ("a signal's owner", libc::SYS_fcntl, [0, libc::F_SETOWN as u64, 1, 0]),
        ("being watched", libc::SYS_prctl, [libc::PR_SET_DUMPABLE as u64, 1, 0, 0]),
        ("limits", libc::SYS_prlimit64, [0, 0, 1, 0]),
        ("listening at another port", libc::SYS_listen, [0; 4]),
        ("a clock", libc::SYS_clock_settime, [0; 4]),
        ("code that is written", libc::SYS_mmap, [0, 4096, (libc::PROT_WRITE | libc::PROT_EXEC) as u64, 0]),
        ("what is written as code", libc::SYS_mprotect, [0, 4096, libc::PROT_EXEC as u64, 0]),
    ];
    let got = filtered(|| forbidden.iter().map(|(_, number, given)| error(*number, *given)).collect::<Vec<_>>());
    for ((what, ..), error) in forbidden.iter().zip(got) {
        assert_eq!(error, libc::EPERM, "{what}");
    }
    assert_eq!(filtered(|| error(libc::SYS_clone3, [0; 4])), libc::ENOSYS);
}

#[test]
fn what_the_agent_does_is_on_the_list() {
    let folder = env::temp_dir().join(format!("kpulse-list-{}", std::process::id()));
    // The agent listens before it is held.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let done = filtered(move || -> io::Result<()> {
        fs::create_dir_all(&folder)?;
        crate::durable::save(&folder.join("a"), b"b").map_err(io::Error::other)?;
        fs::read_dir(&folder)?.for_each(drop);
        fs::remove_dir_all(&folder)?;
        fs::read_to_string("/proc/self/stat")?;
        std::net::TcpStream::connect(listener.local_addr()?)?;
        thread::Builder::new().name("a".into()).spawn(thread::yield_now)?.join().map_err(|_| io::Error::other("panic"))
    });
    done.unwrap();
}

#[test]
fn of_files_only_some_are_to_be_had() {
    if version().is_none() {
        return eprintln!("SKIPPED of_files_only_some_are_to_be_had: this kernel has no Landlock");
    }
    let root = env::temp_dir().join(format!("kpulse-files-{}", std::process::id()));
    let (read, write) = (root.join("read"), root.join("write"));
    fs::create_dir_all(&read).unwrap();
    fs::create_dir_all(&write).unwrap();
    fs::write(read.join("it"), "read me").unwrap();
    fs::copy("/bin/true", write.join("true")).unwrap();
    let places = Places { read: BTreeSet::from([read.clone(), "/proc".into()]), write: write.clone() };
    let run = move || {
        restrict(&places).unwrap();
        assert_eq!(fs::read_to_string(read.join("it")).unwrap(), "read me");
        crate::durable::save(&write.join("state"), b"x").unwrap();
        assert_eq!(crate::durable::load(&write.join("state")).unwrap(), Some(b"x".to_vec()));
        let denied = |what: &str, result: io::Result<()>| {
            assert_eq!(result.unwrap_err().kind(), io::ErrorKind::PermissionDenied, "{what}");
        };
        denied("reading elsewhere", fs::read_to_string("/etc/passwd").map(drop));
        denied("listing elsewhere", fs::read_dir("/etc").map(drop));
        denied("writing where it reads", fs::write(read.join("it"), ""));
        denied("removing where it reads", fs::remove_file(read.join("it")));
        denied("running what it wrote", std::process::Command::new(write.join("true")).status().map(drop));
        assert_eq!(space(Path::new("/")), 0, "space is not asked of an open file");
        if version() >= Some(4) {
            denied("listening", TcpListener::bind("127.0.0.1:0").map(drop));
        }
    };
    thread::spawn(run).join().unwrap();
    fs::remove_dir_all(root).unwrap();
}

fn space(path: &Path) -> i32 {
    let path = std::ffi::CString::new(path.as_os_str().as_encoded_bytes()).unwrap();
    // SAFETY: a path that ends with 0, and room for what is written.
    unsafe { libc::statfs(path.as_ptr(), ptr::from_mut(&mut std::mem::zeroed())) }
}

#[test]
fn each_call_is_there_once_with_a_word() {
    let numbers: HashSet<_> = CALLS.iter().map(|call| call.number).collect();
    assert_eq!(numbers.len(), CALLS.len());
    assert!(CALLS.iter().all(|call| !call.why.is_empty() && !call.name.is_empty()));
}

/// `UPDATE_DOCS=1` writes it.
#[test]
fn the_page_of_privileges_has_the_list() {
    let path = format!("{}/../docs/PRIVILEGES.md", env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(&path).unwrap();
    let (head, _) = page.split_once("| system call |").expect("the list at the page's end");
    let wanted = format!("{head}{}", table());
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &wanted).unwrap();
    }
    assert!(page == wanted || env::var_os("UPDATE_DOCS").is_some(), "{path} has another list: run with UPDATE_DOCS=1");
}
