//! What is forbidden is tried from inside the running agent.

use std::fs;

use tests::{agent::Agent, inside::Inside, root_or_skip, skip::alone};

const EPERM: i64 = -(libc::EPERM as i64);
const EACCES: i64 = -(libc::EACCES as i64);

#[test]
#[cfg(target_arch = "x86_64")]
fn what_is_forbidden_fails_inside_the_agent_and_the_agent_goes_on() {
    root_or_skip!("what_is_forbidden_fails_inside_the_agent_and_the_agent_goes_on");
    let _alone = alone();
    let agent = Agent::start::<&str>([]);
    agent.collected();
    {
        let inside = Inside::enter(agent.pid());
        // Calls themselves work: this is no test of a broken tool.
        assert_eq!(inside.call(libc::SYS_getpid, [0; 6]), i64::from(agent.pid()));
        let calls: &[(&str, i64, [u64; 6])] = &[
            ("execve", libc::SYS_execve, [0; 6]),
            ("fork", libc::SYS_clone, [libc::SIGCHLD as u64, 0, 0, 0, 0, 0]),
            ("load a program", libc::SYS_bpf, [5, 0, 0, 0, 0, 0]),
            ("make a map", libc::SYS_bpf, [0; 6]),
            ("ptrace", libc::SYS_ptrace, [libc::PTRACE_ATTACH as u64, 1, 0, 0, 0, 0]),
            ("kill", libc::SYS_kill, [1, 0, 0, 0, 0, 0]),
            ("mount", libc::SYS_mount, [0; 6]),
            ("become root", libc::SYS_setresuid, [0; 6]),
            ("take a capability", libc::SYS_capset, [0; 6]),
            ("enter a namespace", libc::SYS_setns, [0; 6]),
            ("load a module", libc::SYS_finit_module, [0; 6]),
            ("a packet socket", libc::SYS_socket, [libc::AF_PACKET as u64, libc::SOCK_RAW as u64, 0, 0, 0, 0]),
            ("memory to write and run", libc::SYS_mmap, [0, 4096, 7, 0x22, u64::MAX, 0]),
        ];
        for (what, number, arguments) in calls {
            assert_eq!(inside.call(*number, *arguments), EPERM, "{what}");
        }
        files(&inside);
    }
    // Nothing of this has hurt it.
    agent.collected();
    agent.signal(libc::SIGTERM);
    let (status, _, log) = agent.ended();
    assert_eq!(status.code(), Some(0), "{log:?}");
}

/// Reads and writes of files that are not the agent's, although root's agent is their owner.
fn files(inside: &Inside) {
    if !fs::read_to_string("/proc/self/status").unwrap().contains("Seccomp")
        || kpulse::privileges::files::version().is_none()
    {
        return println!("this kernel has no Landlock: files are not tried");
    }
    let open = |path: &str, flags: i32| {
        let at = inside.text(path);
        inside.call(libc::SYS_openat, [libc::AT_FDCWD as u64, at, flags as u64, 0o600, 0, 0])
    };
    let read = open("/proc/stat", libc::O_RDONLY);
    assert!(read >= 0, "/proc/stat: {read}");
    inside.call(libc::SYS_close, [read as u64, 0, 0, 0, 0, 0]);
    assert_eq!(open("/etc/passwd", libc::O_WRONLY), EACCES);
    assert_eq!(open("/root", libc::O_RDONLY), EACCES);
    assert_eq!(open("/usr/bin", libc::O_RDONLY), EACCES);
    assert_eq!(open("/var/lib/dpkg/status", libc::O_RDONLY), EACCES);
    assert_eq!(open("/kpulse-was-here", libc::O_WRONLY | libc::O_CREAT), EACCES);
    assert_eq!(open("/proc/sys/kernel/panic", libc::O_WRONLY), EACCES);
    assert!(!fs::exists("/kpulse-was-here").unwrap());
}
