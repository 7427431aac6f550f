//! fio fills the queue of a disk that somebody else reads slowly and steadily. The alert names the disk and fio's control group.

use std::{process::Stdio, time::Duration};

use kpulse::{alert::State, index::Signal};
use tests::{
    books::Books,
    fio,
    group::Group,
    guard::Running,
    loop_device::{LoopDevice, Plan},
    proc,
    receiver::Receiver,
    root_or_skip,
    skip::{self, alone},
    teller::now_ns,
    tool_or_skip,
    verdict::{
        PERFORMANCE_INDEX_HIGH, Place, WINDOW_NS, agree, alerts, assert_adds_up, attempts, changes, heard_of,
        of_signal, window_of,
    },
    wait,
};

const NAME: &str = "a_hog_on_a_disk_is_found_and_named";
/// Requests that fio keeps in flight: as many as a loop device takes.
const DEPTH: u64 = 128;

fn moved_bytes(pid: u32) -> Option<u64> {
    let field = |key| proc::field(format!("/proc/{pid}/io"), key)?.parse::<u64>().ok();
    Some(field("read_bytes")? + field("write_bytes")?)
}

/// Reads and writes in flight.
fn in_flight(device: &LoopDevice) -> u64 {
    let text = std::fs::read_to_string(device.sys("inflight")).unwrap();
    text.split_whitespace().map(|count| count.parse::<u64>().unwrap()).sum()
}

fn attempt(group: &Group) -> Result<(), String> {
    let (place, receiver, device) = (Place::new(PERFORMANCE_INDEX_HIGH), Receiver::content(), Plan::memory().make());
    let agent = place.start(&receiver);
    let victim = device.read_steadily(4096, Duration::from_millis(1));
    let labels = [r#"mode="trailing""#, &format!("device=\"{}\"", device.name())];
    agent.scrape_until("a baseline", |scrape| scrape.sum("kpulse_response_contribution", &labels));
    if let Some(alert) = of_signal(alerts(&agent), "block") {
        return Err(format!("there was an alert before: {:?}", alert.annotations));
    }

    let depth = format!("--iodepth={DEPTH}");
    let load = ["--rw=randread", "--bs=4k", "--direct=1", "--ioengine=libaio", &depth, "--thread", "--time_based"];
    let mut command = fio::command(&device.text(), &load);
    // It is read out from /proc and then killed; nobody waits for the end of its time.
    command.arg("--runtime=120").stdout(Stdio::null()).stderr(Stdio::null());
    let hog = Running::start(group.enter(&mut command));
    let (hog_pid, victim_pid) = (hog.0.id(), victim.0 as u32);
    let books = Books::keep(move || Some(vec![moved_bytes(hog_pid)?, moved_bytes(victim_pid)?]));
    wait::until("fio at full speed", || (in_flight(&device) >= DEPTH / 2).then_some(()));
    let full_ns = now_ns();

    let fires = || of_signal(alerts(&agent), "block").filter(|alert| alert.state == State::Firing);
    let found = wait::within(Duration::from_secs(12), fires).ok_or("no alert")?;
    println!("{:#?}", found.annotations);
    assert_eq!(assert_adds_up(std::slice::from_ref(&found)) % 5, 0);
    let evidence = found.firing_evidence.as_deref().unwrap();
    let index = evidence.index(Signal::Block).unwrap();
    let p = index.verdict.unwrap().p;
    let (pending, fired) = (found.pending_ns, found.fired_ns.unwrap());
    let after = |ns: u64| (ns as f64 - full_ns as f64) / 1e9;
    println!("P {p:.2}; pending {:.2} s and firing {:.2} s after full speed", after(pending), after(fired));
    assert!(p > found.threshold && found.threshold == 2.0, "{p}");
    if pending + WINDOW_NS < full_ns || pending > full_ns + 2 * WINDOW_NS {
        return Err(format!("pending {} s after fio was at full speed", after(pending)));
    }

    // What is slow: this disk.
    let because = &found.annotations["because"];
    assert!(because.starts_with(&format!("{} read: ", device.name())), "{because}");
    assert_eq!(index.by_device.rows[0].name, device.name());
    assert!(evidence.disks.devices.iter().any(|disk| disk.device == device.name()), "{:?}", evidence.disks);
    // Because of whom: fio's group, with what the kernel says that fio read. Both are the kernel's books of the task, but
    // they are read at moments that are not the same to the last millisecond: hence 3 %.
    let bytes = &evidence.culprits.as_ref().unwrap().bytes;
    let first = &bytes.cgroups[0];
    assert_eq!(first.path, group.path(), "{bytes:#?}");
    let (from, to) = window_of(evidence);
    let truth = wait::until("the books of that time", || books.growth(from, to));
    agree("bytes of fio", first.amount as f64, truth[0], 0.03)?;
    let victims = bytes.tasks.iter().find(|task| task.pid == victim_pid).map_or(0, |task| task.amount);
    // What neither fio nor the reader moved is known from the evidence alone.
    let others = bytes.total - first.amount - victims;
    agree("share of fio", first.share, truth[0] / (truth[0] + truth[1] + others as f64), 0.03)?;
    let culprit = &found.annotations["culprit"];
    assert!(culprit.starts_with(&format!("{} moved ", group.path())) && culprit.contains("its fio "), "{culprit}");

    // Others hear the same.
    let message = wait::until("the webhook", || heard_of(&receiver.heard(), &found, State::Firing));
    for name in ["because", "culprit", "performance_index", "summary", "recording"] {
        assert_eq!(message["alerts"][0]["annotations"][name], found.annotations[name], "{name}");
    }

    // With fio still running, so that what is usual stands still.
    agent.signal(libc::SIGTERM);
    let (status, took, log) = agent.ended();
    assert_eq!(status.code(), Some(0), "{log:?}");
    drop((hog, victim));
    if took > Duration::from_secs(1) {
        return Err(format!("it took {took:?} to end"));
    }
    println!("ended in {took:?}");

    // The recording says the same again.
    let recording = &found.annotations["recording"];
    assert!(place.recordings().iter().any(|path| path.to_str() == Some(recording)), "{recording}");
    let state = place.state().display().to_string();
    let again = changes(&place.replay(recording, &["--baseline", &state]));
    let again: Vec<_> = again.into_iter().filter(|alert| alert.state == State::Firing).collect();
    let same = again.iter().find(|alert| alert.labels == found.labels);
    let same = same.unwrap_or_else(|| panic!("another verdict than {:?}: {again:#?}", found.labels));
    assert_eq!((same.fired_ns, same.threshold), (found.fired_ns, found.threshold));
    assert_eq!(same.annotations["culprit"], found.annotations["culprit"]);
    assert!(assert_adds_up(&again) > 0);
    Ok(())
}

#[test]
fn a_hog_on_a_disk_is_found_and_named() {
    root_or_skip!("a_hog_on_a_disk_is_found_and_named");
    tool_or_skip!("a_hog_on_a_disk_is_found_and_named", "fio");
    tool_or_skip!("a_hog_on_a_disk_is_found_and_named", "losetup");
    let _alone = alone();
    match Group::make("hog") {
        Err(why) => skip::unsupported(NAME, &why),
        Ok(group) => attempts(5, || attempt(&group)),
    }
}
