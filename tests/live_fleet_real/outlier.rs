//! Three real agents, and what a disk hog on one of their machines becomes: P, the outlier, its pages, an alert in a real
//! Alertmanager.
//!
//! An outlier is judged from five nodes on. So three more report that do not exist: disks of the same class, of which reads take
//! as long as those of the machines beside the hog. For all of them are one machine in truth: where others keep that busy,
//! every disk is slower, and none an outlier.

use std::{
    collections::BTreeSet,
    process::Stdio,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
    time::Duration,
};

use kpulse::{
    alert::Alert,
    index::{Mode, Signal},
    site::model::{AlertLine, Alerts, Fleet, Node, Page, Presence},
};
use tests::{
    agent::Agent,
    alertmanager::{Alertmanager, free_address},
    exposition::Scrape,
    fio,
    fleet::batch,
    group::Group,
    guard::Running,
    loop_device::{LoopDevice, Plan},
    receiver::Receiver,
    root_or_skip,
    scratch::Scratch,
    skip::{self, alone},
    tool_or_skip, wait,
};

use crate::place::{Place, report};

const NAME: &str = "a_disk_hog_on_one_of_three_real_machines_is_an_outlier_from_p_to_the_alertmanager";
/// The built-in rule, but soon.
const SOON: &str = "[[rule]]\nname = \"NodeOutlier\"\nfor = \"6s\"\nkeep_firing_for = \"0s\"\n";
/// An agent says who used what while one of its own alerts is pending or fires: it has to find out soon, too.
const JUDGING: [&str; 5] =
    ["--judge-interval=1s", "--judge-window=2s", "--index-learn-requests=500", "--index-learn-time=3s", FEW];
/// Behind the hog there are not many.
const FEW: &str = "--index-min-requests=20";
/// The nodes with agents, and who gets the hog.
const REAL: [&str; 3] = ["real0", "real1", "real2"];
const HOGGED: usize = 1;
/// The nodes without.
const MADE_UP: [&str; 3] = ["made-up0", "made-up1", "made-up2"];
/// The T that P passes: every node's own rule has it.
const T: f64 = 2.0;
/// The size of the reads that are judged.
const BYTES: usize = 256 << 10;
/// What fio keeps in flight: as many requests as a loop device takes, each so large that whoever waits behind them waits for
/// tens of milliseconds, far longer than for a CPU. Of requests of that size nobody knows what is usual.
const HOG: [&str; 2] = ["--bs=1m", "--iodepth=128"];

/// P and N of the nodes' disks, as a scrape has them.
fn p(scrape: &Scrape) -> Option<(f64, f64)> {
    let of = |name: &str| scrape.sum(name, &["signal=\"block\"", "mode=\"trailing\""]);
    Some((of("kpulse_fleet_performance_index")?, of("kpulse_fleet_performance_index_nodes")?))
}

/// The same, as the API has them.
fn p_of_api(place: &Place) -> Option<f64> {
    let fleet: Fleet = place.api("/api/v1/index");
    let index = fleet.indices.into_iter().find(|it| it.signal == Signal::Block && it.mode == Mode::Trailing);
    Some(index?.verdict?.p)
}

fn outlier(alerts: &[AlertLine]) -> Option<&AlertLine> {
    alerts.iter().find(|alert| alert.rule == "NodeOutlier" && alert.labels["signal"] == "block")
}

/// How long a read takes on the machines beside the hog, in microseconds.
fn usual(place: &Place) -> Option<u64> {
    let page: Page<Node> = place.api("/api/v1/nodes?name=real");
    let beside = page.items.iter().filter(|node| node.name != REAL[HOGGED]);
    let means: Vec<f64> = beside.filter_map(|node| node.block.as_ref()?.mean_seconds).collect();
    (means.len() == 2).then(|| (means.iter().sum::<f64>() / 2.0 * 1e6) as u64).filter(|usual| *usual > 0)
}

/// Reports of the nodes that do not exist, until it is over.
fn make_up(place: &Place, over: &AtomicBool) {
    let mut clients: Vec<_> = MADE_UP.iter().map(|name| (*name, place.client(name))).collect();
    for sequence in 1.. {
        if over.load(Relaxed) {
            return;
        }
        // Not a word before that is known: it would be learned.
        let usual = wait::until("what is usual", || usual(place));
        for (name, client) in &mut clients {
            let answer = client.post(&batch(name, vec![report(sequence, usual)])).unwrap();
            assert_eq!(answer.report().stored, [sequence], "{:?}", answer.report().refused);
        }
        thread::sleep(Duration::from_secs(1));
    }
}

/// Fills the queue of a disk until it is dropped.
fn hog(group: &Group, device: &LoopDevice) -> Running {
    let load = ["--rw=randread", "--direct=1", "--ioengine=libaio", "--thread", "--time_based", "--runtime=600"];
    let mut command = fio::command(&device.text(), &load);
    command.args(HOG).stdout(Stdio::null()).stderr(Stdio::null());
    Running::start(group.enter(&mut command))
}

/// Three machines as they usually are, seen everywhere.
fn assert_all_are_there(place: &Place) {
    let all: BTreeSet<&str> = REAL.into_iter().chain(MADE_UP).collect();
    wait::until("all nodes", || {
        let page: Page<Node> = place.api("/api/v1/nodes");
        let reporting = page.items.iter().filter(|node| node.presence == Presence::Reporting);
        (reporting.map(|node| node.name.as_str()).collect::<BTreeSet<_>>() == all).then_some(())
    });
    let page = place.page("/");
    all.iter().for_each(|name| assert!(page.contains(&format!("/nodes/{name}")), "{name} is not on the page: {page}"));
    // What only a real agent can say.
    for name in REAL {
        let page: Page<Node> = place.api(&format!("/api/v1/nodes?name={name}"));
        let node = &page.items[0];
        assert!(node.kernel.is_some() && node.cpus.is_some() && node.agent_version.is_some(), "{node:?}");
    }
    // What is usual is learned while others may keep the machine busy, too.
    let verdict = || p(&place.scrape()).filter(|(p, n)| *n == 6.0 && *p < T);
    let (usual, nodes) = wait::within(3 * wait::patience(), verdict).expect("a verdict on all");
    println!("P {usual:.2} of {nodes} nodes");
}

fn body(place: &Place, alertmanager: &Alertmanager, devices: &[LoopDevice], group: &Group) {
    assert_all_are_there(place);
    let before: Alerts = place.api("/api/v1/alerts?state=firing&rule=NodeOutlier");
    assert_eq!(outlier(&before.items), None);

    let (node, device) = (REAL[HOGGED], &devices[HOGGED]);
    let running = hog(group, device);
    let high = wait::until("P above T", || p(&place.scrape()).filter(|(p, _)| *p > T));
    wait::until("P above T, of the API", || p_of_api(place).filter(|p| *p > T));
    let found = |place: &Place| {
        let alerts: Alerts = place.api("/api/v1/alerts?state=firing&rule=NodeOutlier");
        outlier(&alerts.items).cloned()
    };
    let line = wait::until("the outlier", || found(place));
    println!("P {:.2}; {}", high.0, line.summary);
    assert_eq!(line.node.as_deref(), Some(node), "{line:?}");

    // Why, and because of whom.
    let id = line.id.unwrap();
    let alert: Alert = place.api(&format!("/api/v1/alerts/{id}"));
    println!("{:#?}", alert.annotations);
    let because = &alert.annotations["because"];
    assert!(because.starts_with(&format!("{} read: ", device.name())), "{because}");
    let evidence = alert.firing_evidence.as_ref().unwrap();
    let index = evidence.index(Signal::Block).unwrap();
    assert_eq!(index.by_device.rows[0].name, device.name());
    let culprit = &alert.annotations["culprit"];
    assert!(culprit.starts_with(&format!("{} moved ", group.path())) && culprit.contains("its fio "), "{culprit}");

    // Where people look.
    let worst: Page<Node> = place.api("/api/v1/nodes?signal=block&sort=ratio&limit=1");
    assert_eq!(worst.items[0].name, node, "{worst:?}");
    for (path, wanted) in [
        ("/".to_owned(), vec![format!("/nodes/{node}"), format!("/alerts/{id}")]),
        (format!("/nodes/{node}"), vec![device.name().to_owned(), format!("/alerts/{id}")]),
        (format!("/alerts/{id}"), vec![node.to_owned(), device.name().to_owned(), group.path()]),
    ] {
        let page = place.page(&path);
        wanted.iter().for_each(|word| assert!(page.contains(word.as_str()), "{path} is without {word}: {page}"));
    }

    // Who else hears of it.
    let theirs = || alertmanager.alerts().into_iter().find(|alert| alert["labels"]["alertname"] == "NodeOutlier");
    let heard = wait::until("the alert in Alertmanager", theirs);
    assert_eq!((&heard["labels"]["node"], &heard["labels"]["signal"]), (&node.into(), &"block".into()), "{heard}");
    // The summary follows the value while the alert fires, and is told when it is told again.
    for name in ["because", "culprit", "performance_index"] {
        assert_eq!(heard["annotations"][name], alert.annotations[name].as_str(), "{name}");
    }

    drop(running);
    wait::until("its end", || found(place).is_none().then_some(()));
    wait::until("its end in Alertmanager", || theirs().is_none().then_some(()));
    let resolved: Alert = place.api(&format!("/api/v1/alerts/{id}"));
    assert!(resolved.resolved_ns.is_some(), "{resolved:?}");
    wait::until("P as usual", || p(&place.scrape()).filter(|(p, n)| *n == 6.0 && *p < T));
}

#[test]
fn a_disk_hog_on_one_of_three_real_machines_is_an_outlier_from_p_to_the_alertmanager() {
    root_or_skip!("a_disk_hog_on_one_of_three_real_machines_is_an_outlier_from_p_to_the_alertmanager");
    tool_or_skip!("a_disk_hog_on_one_of_three_real_machines_is_an_outlier_from_p_to_the_alertmanager", "fio");
    tool_or_skip!("a_disk_hog_on_one_of_three_real_machines_is_an_outlier_from_p_to_the_alertmanager", "losetup");
    tool_or_skip!("a_disk_hog_on_one_of_three_real_machines_is_an_outlier_from_p_to_the_alertmanager", "ip");
    tool_or_skip!("a_disk_hog_on_one_of_three_real_machines_is_an_outlier_from_p_to_the_alertmanager", "amtool");
    tool_or_skip!(
        "a_disk_hog_on_one_of_three_real_machines_is_an_outlier_from_p_to_the_alertmanager",
        "prometheus-alertmanager"
    );
    let _alone = alone();
    let group = match Group::make("hog") {
        Err(why) => return skip::unsupported(NAME, &why),
        Ok(group) => group,
    };
    let (scratch, hook) = (Scratch::new(), Receiver::content());
    let alertmanager = Alertmanager::start(&scratch, free_address(), hook.address(), "1h");
    let rules = scratch.file("rules.toml", SOON);
    let more = [
        FEW.to_owned(),
        format!("--rules-file={}", rules.display()),
        format!("--notify-alertmanagers=http://{}", alertmanager.address),
    ];
    let Some(mut place) = Place::make(NAME, &REAL, &MADE_UP, &more) else { return };
    let devices: Vec<LoopDevice> = REAL.iter().map(|_| Plan::memory().make()).collect();
    let _readers: Vec<_> = devices.iter().map(|it| it.read_steadily(BYTES, Duration::from_millis(5))).collect();
    let judging = JUDGING.map(ToOwned::to_owned);
    let start = |(machine, device): (usize, &LoopDevice)| place.agent(machine, REAL[machine], device.name(), &judging);
    let agents: Vec<Agent> = (0..).zip(&devices).map(start).collect();

    let over = AtomicBool::new(false);
    let seen = thread::scope(|scope| {
        scope.spawn(|| make_up(&place, &over));
        let seen = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            body(&place, &alertmanager, &devices, &group);
        }));
        over.store(true, Relaxed);
        seen
    });
    if let Err(panic) = seen {
        println!("{}", place.server().log());
        std::panic::resume_unwind(panic);
    }
    for agent in agents {
        agent.signal(libc::SIGTERM);
        let (status, _, log) = agent.ended();
        assert_eq!(status.code(), Some(0), "{log:?}");
    }
    place.end();
}
