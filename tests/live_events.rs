//! Rare things, one by one: a long wait for the CPU, and a task killed for want of memory.

use std::{fs, path::Path, thread};

use kpulse::{
    kernel::load::{Loaded, Options},
    probes::{
        events,
        sched::reader::{Reader, Reading},
    },
};
use monitor_common::{events::Kind, sched::LONG_WAITS};
use tests::{
    clock, cpu,
    guard::{Folder, fork},
    load::{Duty, DutyCycle},
    probes, root_or_skip,
    skip::{self, alone},
    wait,
};

const MS: u64 = 1_000_000;

fn read(loaded: &mut Loaded, reader: &mut Reader) -> Reading {
    reader.read(loaded.sched.as_mut().unwrap(), &cpu::online(), clock::monotonic).unwrap()
}

/// Threads of this name want a CPU that something else keeps for 80 of every 100 ms: for two seconds.
fn victims(on: usize, count: usize) {
    let _hog = DutyCycle::start(on, Duty { busy_ns: 80 * MS, period_ns: 100 * MS, phase_ns: 0 });
    let end = clock::monotonic() + 2_000 * MS;
    thread::scope(|scope| {
        for _ in 0..count {
            let victim = thread::Builder::new().name("kpulse-victim".into());
            let run = move || {
                cpu::pin(on);
                while clock::monotonic() < end {}
            };
            victim.spawn_scoped(scope, run).unwrap();
        }
    });
}

#[test]
fn a_long_wait_is_told_with_its_task_its_cpu_and_its_length() {
    root_or_skip!("a_long_wait_is_told_with_its_task_its_cpu_and_its_length");
    let _alone = alone();
    let cpus = cpu::online();
    let on = cpus[cpus.len() - 1];
    cpu::pin(cpus[0] as usize);
    let mut loaded = probes::load(&Options { long_wait_ns: 40 * MS, ..probes::options(&["sched", "events"]) });
    let mut reader = Reader::default();
    read(&mut loaded, &mut reader);
    let told = thread::scope(|scope| {
        let victims = scope.spawn(|| victims(on as usize, 1));
        let mut told = Vec::new();
        // What is told is read before more than fit come together; others of the machine may wait as well.
        while !victims.is_finished() {
            clock::sleep_until(clock::monotonic() + 10 * MS);
            told.extend(read(&mut loaded, &mut reader).waited);
        }
        told
    });
    let all = told.len();
    let ours: Vec<_> = told.into_iter().filter(|wait| wait.comm == "kpulse-victim").collect();
    println!("{all} long waits, {} of them ours, the first {:?}", ours.len(), ours.first());
    assert!(ours.len() >= 5, "a wait in each of twenty periods, and only {} are told", ours.len());
    for wait in ours {
        assert_eq!((wait.cpu, wait.tgid), (on, std::process::id()));
        assert_ne!(wait.pid, wait.tgid, "the thread waited, not the process");
        assert!((40 * MS..2_000 * MS).contains(&wait.wait_ns), "{wait:?}");
    }
}

#[test]
fn more_long_waits_than_there_is_room_for_are_counted_as_lost() {
    root_or_skip!("more_long_waits_than_there_is_room_for_are_counted_as_lost");
    let _alone = alone();
    let cpus = cpu::online();
    let on = cpus[cpus.len() - 1];
    cpu::pin(cpus[0] as usize);
    let mut loaded = probes::load(&Options { long_wait_ns: 5 * MS, ..probes::options(&["sched", "events"]) });
    let mut reader = Reader::default();
    let before = read(&mut loaded, &mut reader);
    victims(on as usize, 4);
    let after = read(&mut loaded, &mut reader);
    let count = |reading: &Reading| reading.sched.cpus.values().map(|cpu| cpu.long_waits).sum::<u64>();
    let (told, lost, all) = (after.waited.len() as u64, after.waits_lost, count(&after) - count(&before));
    println!("{all} long waits: {told} told, {lost} lost");
    assert_eq!(told + lost, all);
    assert_eq!(after.waited.iter().filter(|wait| wait.cpu == on).count(), LONG_WAITS);
    assert!(lost > 0);
    let again = read(&mut loaded, &mut reader);
    assert!(again.waits_lost + again.waited.len() as u64 <= count(&again) - count(&after), "told twice");
}

/// The folder of a control group that may use 16 MiB.
fn small_group() -> Result<Folder, String> {
    let name = format!("kpulse-oom-{}", std::process::id());
    let error = |error: std::io::Error| format!("no control group with a memory limit: {error}");
    for (root, limit) in [("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")] {
        if Path::new(root).join("cgroup.procs").exists() {
            let folder = Folder::make(Path::new(root).join(&name)).map_err(error)?;
            fs::write(folder.0.join(limit), "16777216").map_err(error)?;
            // Where there is swap, it must not serve as more memory.
            let _ = fs::write(folder.0.join("memory.swap.max"), "0");
            let _ = fs::write(folder.0.join("memory.swappiness"), "0");
            return Ok(folder);
        }
    }
    Err("no control groups".into())
}

#[test]
fn a_task_killed_for_want_of_memory_is_told_by_number_and_name() {
    root_or_skip!("a_task_killed_for_want_of_memory_is_told_by_number_and_name");
    let _alone = alone();
    let group = match small_group() {
        Ok(group) => group,
        Err(why) => {
            return skip::unsupported("a_task_killed_for_want_of_memory_is_told_by_number_and_name", &why);
        }
    };
    let mut loaded = probes::load(&probes::options(&["events"]));
    let maps = loaded.events.as_mut().unwrap();
    let (_, before) = events::reader::read(maps).unwrap();
    let (mut told, mut tell) = std::io::pipe().unwrap();
    let child = fork(None, || {
        use std::{io::Read as _, os::fd::AsRawFd as _};
        // Waits until it is in the group.
        let _ = told.read(&mut [0]);
        // SAFETY: a name that ends with a zero; a mapping of our own, written page by page, which is what uses memory. The
        // descriptor is of no more use.
        unsafe {
            libc::close(told.as_raw_fd());
            libc::prctl(libc::PR_SET_NAME, c"kpulse-hungry".as_ptr());
            let size = 256 << 20;
            let (access, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
            let start = libc::mmap(std::ptr::null_mut(), size, access, flags, -1, 0).cast::<u8>();
            for page in (0..size).step_by(4096) {
                start.add(page).write_volatile(1);
            }
        }
    })
    .unwrap();
    let pid = child.0 as u32;
    fs::write(group.0.join("cgroup.procs"), pid.to_string()).unwrap();
    std::io::Write::write_all(&mut tell, &[1]).unwrap();
    child.ended();
    let killed = wait::until("the record of the kill", || {
        let (happened, _) = events::reader::read(maps).unwrap();
        happened.into_iter().find(|event| event.pid == pid)
    });
    assert_eq!((killed.kind, killed.comm.as_str()), (Kind::OomKill, "kpulse-hungry"));
    assert_eq!(killed.request, None);
    let (_, after) = events::reader::read(maps).unwrap();
    let seen = |events: &kpulse::sample::Events| events.seen[Kind::OomKill as usize];
    assert!(seen(&after) > seen(&before));
}
