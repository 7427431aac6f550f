//! A disk that hangs while the agent goes on, and disks that come and go.

use std::{fs::File, io::Write as _, os::unix::fs::OpenOptionsExt as _, thread};

use kpulse::alert::State;
use tests::{
    agent::Agent,
    loop_device::{Frozen, Mount, Plan},
    root_or_skip,
    scratch::Disk,
    skip,
    teller::now_ns,
    tool_or_skip,
    verdict::{Place, WINDOW_NS, alerts},
    wait,
};

#[test]
fn a_disk_that_hangs_is_an_alert_within_two_windows_and_the_figures_are_still_served() {
    root_or_skip!("a_disk_that_hangs_is_an_alert_within_two_windows_and_the_figures_are_still_served");
    tool_or_skip!("a_disk_that_hangs_is_an_alert_within_two_windows_and_the_figures_are_still_served", "fsfreeze");
    const ABOVE_NS: u64 = 500_000_000;
    let _alone = skip::alone();
    let below = Plan { size: 128 << 20, ..Plan::memory() }.make();
    let mount = Mount::ext4(&below);
    let device = Plan { folder: mount.point.clone(), size: 32 << 20, ..Plan::memory() }.make();
    let place = Place::new(
        "[[rule]]\nname = \"BlockRequestStuck\"\nabove = \"500ms\"\nclear = \"100ms\"\nfor = \"0s\"\nkeep_firing_for = \"0s\"\n",
    );
    let agent = Agent::start(place.arguments(&[]));
    // A whole window first.
    agent.scrape_until("a judgement", |scrape| scrape.value("kpulse_tasks"));
    let frozen = Frozen::freeze(&mount);
    let path = device.path();
    let hung = now_ns();
    let writer = thread::spawn(move || {
        #[repr(align(4096))]
        struct Block([u8; 4096]);
        let mut disk = File::options().write(true).custom_flags(libc::O_DIRECT).open(path).unwrap();
        disk.write_all(&Block([7; 4096]).0)
    });
    let label = format!("device=\"{}\"", device.name());
    let alert = wait::until("the alert that a request is stuck", || {
        // The agent answers all the time.
        agent.get("/metrics");
        let stuck = |alert: &kpulse::alert::Alert| {
            alert.rule == "BlockRequestStuck" && alert.labels["device"] == device.name() && alert.state == State::Firing
        };
        alerts(&agent).into_iter().find(stuck)
    });
    let after = alert.fired_ns.unwrap().saturating_sub(hung);
    println!("fired {:.2} s after it hung", after as f64 / 1e9);
    assert!(after <= ABOVE_NS + 2 * WINDOW_NS, "{after} ns");
    let age = agent.scrape().sum("kpulse_block_oldest_in_flight_seconds", &[&label]);
    assert!(age.is_some_and(|age| age >= 0.5), "{age:?}");
    drop(frozen);
    writer.join().unwrap().unwrap();
    wait::until("its end", || {
        alerts(&agent)
            .iter()
            .all(|alert| alert.state != State::Firing || alert.rule != "BlockRequestStuck")
            .then_some(())
    });
    super::assert_calm(&agent.log());
}

#[test]
fn disks_come_and_go_under_load_and_the_agent_stays_as_large_as_it_was() {
    const NAME: &str = "disks_come_and_go_under_load_and_the_agent_stays_as_large_as_it_was";
    root_or_skip!("disks_come_and_go_under_load_and_the_agent_stays_as_large_as_it_was");
    let _alone = skip::alone();
    let place = Place::new("");
    let agent = Agent::start(place.arguments(&["--interval=100ms"]));
    let mut figures = Vec::new();
    for _ in 0..tests::scaled::scaled(100, 12) {
        let disk = match Disk::plug() {
            Ok(disk) => disk,
            Err(error) => return skip::unsupported(NAME, &format!("no loop device: {error}")),
        };
        let label = format!("device=\"{}\"", disk.name);
        disk.use_it(100);
        agent.scrape_until("the disk", |scrape| scrape.sum("kpulse_block_requests_total", &[&label]));
        disk.use_it(100);
        disk.unplug();
        let gone = agent.scrape_until("its end", |scrape| {
            (!scrape.series.keys().any(|series| series.contains(&label))).then(|| scrape.clone())
        });
        figures.push(["kpulse_series", "kpulse_self_map_bytes"].map(|name| gone.value(name).unwrap()));
    }
    let (first, last) = (figures[2], figures[figures.len() - 1]);
    println!("series and bytes of maps: {first:?} after three disks, {last:?} after {}", figures.len());
    // Others may plug in disks as well.
    assert!(last[0] <= first[0] + 300.0 && last[1] <= first[1] + 65_536.0, "{figures:?}");
    super::assert_calm(&agent.log());
}
