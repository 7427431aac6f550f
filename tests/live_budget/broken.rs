//! A program that reads a wrong field, on purpose: the agent finds out by itself, and says so.
//!
//! The agent is given type information in which one field of one struct is somewhere else. All loads and runs as ever, and what
//! the self-check compares is right; only the books do not add up.

use std::{
    ffi::{CStr, CString},
    fs::{self, File},
    os::unix::{
        ffi::OsStrExt as _,
        fs::{FileExt as _, OpenOptionsExt as _},
        process::CommandExt as _,
    },
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use kpulse::alert::State;
use tests::{
    agent::{self, Agent},
    load::Messages,
    loop_device::Plan,
    root_or_skip,
    skip::alone,
    tool_or_skip,
    verdict::{Place, alerts},
    wait,
};

const RULES: &str = "[[rule]]\nname = \"MonitorWrong\"\nfor = \"1s\"\nkeep_firing_for = \"0s\"\n";

/// The kernel's type information, with one member of a struct moved to where another one is. Source of the format:
/// Documentation/bpf/btf.rst.
fn moved(structure: &str, member: &str, to: &str) -> Vec<u8> {
    let mut btf = fs::read("/sys/kernel/btf/vmlinux").unwrap();
    let word = |btf: &[u8], at: usize| u32::from_le_bytes(btf[at..at + 4].try_into().unwrap()) as usize;
    let header = word(&btf, 4);
    let (types, length, strings) = (header + word(&btf, 8), word(&btf, 12), header + word(&btf, 16));
    let named = |btf: &[u8], offset: usize, name: &str| {
        btf[strings + offset..].starts_with(name.as_bytes()) && btf[strings + offset + name.len()] == 0
    };
    let mut at = types;
    while at < types + length {
        let info = word(&btf, at + 4);
        let (kind, count) = (info >> 24 & 0x1f, info & 0xffff);
        let body = at + 12;
        // A struct, with the members that it has.
        if kind == 4 && named(&btf, word(&btf, at), structure) {
            let place = |btf: &[u8], name: &str| {
                (0..count).map(|i| body + 12 * i).find(|member| named(btf, word(btf, *member), name)).unwrap()
            };
            let (member, to) = (place(&btf, member), place(&btf, to));
            let target: [u8; 4] = btf[to + 8..to + 12].try_into().unwrap();
            btf[member + 8..member + 12].copy_from_slice(&target);
            return btf;
        }
        at = body
            + match kind {
                1 | 14 | 17 => 4,
                3 => 12,
                4 | 5 | 19 => 12 * count,
                6 | 13 => 8 * count,
                15 => 12 * count,
                _ => 0,
            };
    }
    panic!("no struct {structure}");
}

fn wrong(agent: &Agent, figure: &str) -> f64 {
    let alert = wait::within(Duration::from_secs(150), || {
        let is = |alert: &kpulse::alert::Alert| {
            alert.rule == "MonitorWrong" && alert.labels["figure"] == figure && alert.state == State::Firing
        };
        alerts(agent).into_iter().find(is)
    })
    .unwrap_or_else(|| panic!("no alert that {figure} is wrong"));
    println!("{}", alert.annotations["summary"]);
    let label = format!("figure=\"{figure}\"");
    agent.scrape().sum("kpulse_self_agreement_ratio", &[&label]).unwrap()
}

/// An agent that finds this where the kernel shows its type information: a file that it is only given it would refuse.
fn start(place: &Place, btf: &[u8]) -> Agent {
    let path = place.path("btf");
    fs::write(&path, btf).unwrap();
    let from = CString::new(path.as_os_str().as_bytes()).unwrap();
    let mut command = agent::command(["agent", "--listen", "127.0.0.1:0"]);
    command.args(place.arguments(&[]));
    // SAFETY: system calls only, with strings that live in the closure. The mounts are the new process's own.
    unsafe {
        command.pre_exec(move || {
            let mount = |from: Option<&CStr>, to: &CStr, flags| {
                let from = from.map_or(std::ptr::null(), CStr::as_ptr);
                libc::mount(from, to.as_ptr(), std::ptr::null(), flags, std::ptr::null())
            };
            let done = libc::unshare(libc::CLONE_NEWNS) == 0
                && mount(None, c"/", libc::MS_REC | libc::MS_PRIVATE) == 0
                && mount(Some(&from), c"/sys/kernel/btf/vmlinux", libc::MS_BIND) == 0;
            if done { Ok(()) } else { Err(std::io::Error::last_os_error()) }
        });
    }
    Agent::start_command(command)
}

#[test]
fn requests_that_are_not_counted_raise_the_alert_that_the_monitor_is_wrong() {
    root_or_skip!("requests_that_are_not_counted_raise_the_alert_that_the_monitor_is_wrong");
    tool_or_skip!("requests_that_are_not_counted_raise_the_alert_that_the_monitor_is_wrong", "losetup");
    let _alone = alone();
    let device = Plan::memory().make();
    let over = Arc::new(AtomicBool::new(false));
    let (stop, path) = (over.clone(), device.path());
    let reader = thread::spawn(move || {
        #[repr(align(4096))]
        struct Block([u8; 4096]);
        let disk = File::options().read(true).custom_flags(libc::O_DIRECT).open(path).unwrap();
        let mut block = Block([0; 4096]);
        while !stop.load(Relaxed) {
            disk.read_exact_at(&mut block.0, 0).unwrap();
            thread::sleep(Duration::from_millis(1));
        }
    });
    let place = Place::new(RULES);
    // As if a request's length were its place on the disk: some requests look as if a part of them were still to come.
    let agent = start(&place, &moved("request", "__data_len", "start_time_ns"));
    let ratio = wrong(&agent, "block_requests");
    println!("our requests over the kernel's: {ratio}");
    assert!(ratio < 0.9, "{ratio}");
    over.store(true, Relaxed);
    reader.join().unwrap();
}

#[test]
fn waits_that_are_too_long_raise_the_alert_that_the_monitor_is_wrong() {
    root_or_skip!("waits_that_are_too_long_raise_the_alert_that_the_monitor_is_wrong");
    let _alone = alone();
    let place = Place::new(RULES);
    // As if a task were queued when it last got a CPU.
    let agent = start(&place, &moved("sched_info", "last_queued", "last_arrival"));
    let _load = Messages::start(2, None);
    let ratio = wrong(&agent, "run_delay");
    println!("our waits over the kernel's: {ratio}");
    assert!(ratio > 1.1, "{ratio}");
}

#[test]
fn the_books_of_a_busy_machine_agree_in_every_figure() {
    root_or_skip!("the_books_of_a_busy_machine_agree_in_every_figure");
    tool_or_skip!("the_books_of_a_busy_machine_agree_in_every_figure", "losetup");
    let _alone = alone();
    let device = Plan::memory().make();
    let place = Place::new(RULES);
    let agent = Agent::start(place.arguments(&[]));
    let _load = Messages::start(1, None);
    // Ten times: once is less time in all than a ratio is made of, where memory is fast.
    for _ in 0..10 {
        tests::loop_device::run(
            "dd",
            &[&format!("if={}", device.path().display()), "of=/dev/null", "bs=256k", "iflag=direct", "count=250"],
        );
    }
    // The kernel books a request's time once it has woken whoever waited: the smaller a request, the larger a part on a disk in memory.
    let figures = [("context_switches", 0.02), ("run_delay", 0.02), ("block_requests", 0.02), ("block_bytes", 0.02)];
    for (figure, off) in figures.into_iter().chain([("block_time", 0.2)]) {
        let label = format!("figure=\"{figure}\"");
        let ratio = agent.scrape_until(&format!("a ratio of {figure} near 1"), |scrape| {
            scrape.sum("kpulse_self_agreement_ratio", &[&label]).filter(|ratio| (ratio - 1.0).abs() <= off)
        });
        println!("{figure}: {ratio}");
    }
    assert!(alerts(&agent).iter().all(|alert| !alert.rule.starts_with("Monitor") || alert.state != State::Firing));
}
