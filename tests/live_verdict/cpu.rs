//! Processes that never sleep fill a CPU on which somebody else wakes often. The alert names their control group.

use std::{thread, time::Duration};

use kpulse::{alert::State, index::Signal};
use tests::{
    books::Books,
    cpu,
    group::Group,
    guard::{Forked, fork},
    proc,
    receiver::Receiver,
    root_or_skip,
    skip::{self, alone},
    teller::now_ns,
    verdict::{
        PERFORMANCE_INDEX_HIGH, Place, WINDOW_NS, agree, alerts, assert_adds_up, attempts, heard_of, of_signal,
        window_of,
    },
    wait,
};

const NAME: &str = "a_hog_on_a_cpu_is_found_and_named";
/// So many that their waits outweigh what else waits on a machine that is busy.
const HOGS: usize = 12;

/// Wakes every millisecond or so for next to nothing.
fn victim(on: usize) -> Forked {
    let body = || {
        cpu::pin(on);
        loop {
            // SAFETY: takes a number.
            unsafe { libc::usleep(1_000) };
        }
    };
    fork(None, body).unwrap()
}

fn hog(group: &Group, on: usize) -> Forked {
    let body = || {
        cpu::pin(on);
        loop {
            std::hint::spin_loop();
        }
    };
    group.fork(body).unwrap()
}

/// CPU time and run delay of all these processes together.
fn books_of(pids: &[i32]) -> Option<Vec<u64>> {
    let all: Option<Vec<_>> = pids.iter().map(|pid| proc::schedstat(format!("/proc/{pid}"))).collect();
    let all = all?;
    Some(vec![all.iter().map(|books| books.cpu_ns).sum(), all.iter().map(|books| books.run_delay_ns).sum()])
}

/// Waits until the other CPUs have some time left: whoever fills them uses more than a hog on one.
fn quiet(on: usize) {
    let idle = || {
        let others = || cpu::online().into_iter().map(|cpu| cpu as usize).filter(|&cpu| cpu != on);
        let ticks = || others().map(|cpu| cpu::modes(cpu).idle).sum::<u64>();
        let before = ticks();
        thread::sleep(Duration::from_millis(500));
        (ticks() - before > 10).then_some(())
    };
    if wait::within(Duration::from_secs(20), idle).is_none() {
        println!("the machine is busy with something else");
    }
}

fn attempt(group: &Group) -> Result<(), String> {
    let on = cpu::online().pop().unwrap() as usize;
    quiet(on);
    let (place, receiver) = (Place::new(PERFORMANCE_INDEX_HIGH), Receiver::content());
    let agent = place.start(&receiver);
    let _victim = victim(on);
    let labels = [r#"mode="trailing""#, r#"signal="run_queue""#];
    agent.scrape_until("a baseline", |scrape| scrape.sum("kpulse_performance_index", &labels));
    if let Some(alert) = of_signal(alerts(&agent), "run_queue") {
        return Err(format!("there was an alert before: {:?}", alert.annotations));
    }

    let hogs: Vec<Forked> = (0..HOGS).map(|_| hog(group, on)).collect();
    let full_ns = now_ns();
    let pids: Vec<i32> = hogs.iter().map(|hog| hog.0).collect();
    let books = Books::keep(move || books_of(&pids));

    let fires = || of_signal(alerts(&agent), "run_queue").filter(|alert| alert.state == State::Firing);
    let found = wait::within(Duration::from_secs(12), fires).ok_or("no alert")?;
    println!("{:#?}", found.annotations);
    assert_eq!(assert_adds_up(std::slice::from_ref(&found)) % 5, 0);
    let evidence = found.firing_evidence.as_deref().unwrap();
    let p = evidence.index(Signal::RunQueue).unwrap().verdict.unwrap().p;
    let after = |ns: u64| (ns as f64 - full_ns as f64) / 1e9;
    println!("P {p:.2}; pending {:.2} s after the hogs began", after(found.pending_ns));
    assert!(p > found.threshold && found.threshold == 2.0, "{p}");
    if found.pending_ns + WINDOW_NS < full_ns || found.pending_ns > full_ns + 2 * WINDOW_NS {
        return Err(format!("pending {} s after the hogs began", after(found.pending_ns)));
    }
    let (from, to) = window_of(evidence);
    let truth = wait::until("the books of that time", || books.growth(from, to));

    let culprits = evidence.culprits.as_ref().unwrap();
    let first = &culprits.cpu_ns.cgroups[0];
    if first.path != group.path() {
        // Whatever else runs has all the other CPUs.
        return Err(format!("{} used more than the hogs: {:?}", first.path, culprits.cpu_ns.cgroups));
    }
    assert_eq!(first.tasks, HOGS as u64);
    // The kernel brings a running task's books up to date at its tick, 4 ms at two ends of 2 s, and we read them a moment apart.
    agree("CPU time of the hogs", first.amount as f64, truth[0], 0.03)?;
    let culprit = &found.annotations["culprit"];
    assert!(culprit.starts_with(&format!("{} used ", group.path())), "{culprit}");

    // Who waits most is who fills the CPU. The kernel books a wait when it is over, kpulse also what is under way: at either
    // end of the window up to a whole round of each of the others, some 40 ms of 2 s, of which most is there at both ends.
    let wait = culprits.wait_ns.cgroups.iter().find(|waiting| waiting.path == group.path()).unwrap();
    agree("waits of the hogs", wait.amount as f64, truth[1], 0.04)?;
    let of_cpu = evidence.cpus.busiest.iter().find(|cpu| cpu.cpu as usize == on).and_then(|cpu| cpu.wait.during);
    let of_cpu = of_cpu.map_or(0.0, |wait| wait.mean * wait.count as f64) * 1e9;
    // The victim and a few others wait there too.
    if of_cpu < 0.95 * truth[1] {
        return Err(format!("waits of CPU {on}: {of_cpu} ns, those of the hogs alone {} ns", truth[1]));
    }
    let of_all = evidence.cpus.wait.during.map_or(0.0, |wait| wait.mean * wait.count as f64) * 1e9;
    println!("waits of CPU {on} {of_cpu:.3e} ns, of all {of_all:.3e} ns");
    assert!(of_all >= of_cpu * 0.999, "{of_all} {of_cpu}");

    let message = wait::until("the webhook", || heard_of(&receiver.heard(), &found, State::Firing));
    for name in ["because", "culprit", "waiting", "performance_index", "summary"] {
        assert_eq!(message["alerts"][0]["annotations"][name], found.annotations[name], "{name}");
    }
    Ok(())
}

#[test]
fn a_hog_on_a_cpu_is_found_and_named() {
    root_or_skip!("a_hog_on_a_cpu_is_found_and_named");
    let _alone = alone();
    if cpu::online().len() < 2 {
        return skip::unsupported(NAME, "it has one CPU, and the hogs leave nothing of it to the agent");
    }
    match Group::make("hogs") {
        Err(why) => skip::unsupported(NAME, &why),
        Ok(group) => attempts(6, || attempt(&group)),
    }
}
