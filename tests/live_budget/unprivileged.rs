//! Steps, taken by a thread that has no capability at all any more.

use std::{fs, thread};

use kpulse::{
    kernel::load::Loaded,
    probes::{self, step::Step},
};
use tests::{probes::load, root_or_skip, skip::alone};

/// This thread gives up every capability.
fn give_up() {
    let header = [0x2008_0522u32, 0];
    let none = [0u32; 6];
    // SAFETY: reads our own arrays, laid out as `capset` has them.
    let result = unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), none.as_ptr()) };
    assert_eq!(result, 0, "capset");
}

fn effective() -> String {
    let status = fs::read_to_string("/proc/thread-self/status").unwrap();
    status.lines().find_map(|line| line.strip_prefix("CapEff:")).unwrap().trim().to_owned()
}

fn switches(loaded: &mut Loaded) -> Option<u64> {
    let mut reader = probes::sched::reader::Reader::default();
    let maps = loaded.sched.as_mut()?;
    let reading = reader.read(maps, &[0, 1], || 0).ok()?;
    Some(reading.sched.cpus.values().flat_map(|cpu| cpu.switches).sum())
}

#[test]
fn steps_ask_for_no_capability() {
    root_or_skip!("steps_ask_for_no_capability");
    let _alone = alone();
    let mut options = tests::probes::options(&["sched", "block", "tasks", "events"]);
    options.slow_request_ns = 1;
    let mut loaded = load(&options);
    thread::spawn(move || {
        give_up();
        assert_eq!(effective(), "0000000000000000");
        if switches(&mut loaded).is_none() {
            // Before Linux 5.19 the reading of a map takes a capability, and so do steps: the agent then keeps it.
            println!("this kernel wants CAP_BPF for any use of bpf()");
            return;
        }
        for &step in Step::ALL.iter().chain(Step::ALL.iter().rev()) {
            assert_eq!(loaded.take_step(step), Ok(()), "{step:?}");
            // Whoever sleeps makes a switch or two.
            thread::sleep(std::time::Duration::from_millis(5));
            let before = switches(&mut loaded).unwrap();
            thread::sleep(std::time::Duration::from_millis(50));
            let counted = switches(&mut loaded).unwrap() - before;
            assert_eq!(counted > 0, step < Step::Sched, "{step:?}: {counted} switches");
        }
    })
    .join()
    .unwrap();
}
