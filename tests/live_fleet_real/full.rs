//! An agent on a full disk, without a server: it lives, counts what it drops, and says so once somebody listens.

use std::{
    fs::{self, File},
    io::Write as _,
    path::Path,
};

use kpulse::site::model::Alerts;
use tests::{loop_device::Mount, root_or_skip, skip::alone, tool_or_skip, wait};

use crate::place::Place;

const NODE: &str = "real0";
/// More reports than an agent has under way at once.
const UNDER_WAY: u64 = 65;

/// Rules that fire at once and for ever: reports that tell of so many alerts soon need more room than there is.
fn rules() -> String {
    let rule = |n| format!("[[rule]]\nname = \"Always{n}\"\nsignal = \"context_switches_per_second\"\nabove = 0\n");
    (0..30).map(rule).collect()
}

/// Writes until there is no room for another byte.
fn fill(path: &Path) {
    let mut file = File::create(path).unwrap();
    for size in [64 << 10, 4096, 1] {
        while file.write(&vec![7; size]).is_ok_and(|written| written > 0) {}
    }
}

#[test]
fn what_a_full_disk_costs_is_counted_and_said_and_the_agent_lives() {
    root_or_skip!("what_a_full_disk_costs_is_counted_and_said_and_the_agent_lives");
    tool_or_skip!("what_a_full_disk_costs_is_counted_and_said_and_the_agent_lives", "ip");
    let _alone = alone();
    let test = "what_a_full_disk_costs_is_counted_and_said_and_the_agent_lives";
    // Outlives the agent.
    let disk = Mount::new(&["-t", "tmpfs", "-o", "size=2m", "none"]);
    let Some(mut place) = Place::make(test, &[NODE], &[], &[]) else { return };
    let state = format!("--state-dir={}", disk.point.join("state").display());
    let rules = format!("--rules-file={}", place.scratch.file("rules.toml", rules()).display());
    let judging = ["--judge-window=6s", "--judge-interval=1s", "--server-spool-bytes=65536"].map(ToOwned::to_owned);
    let agent = place.agent(0, NODE, "", &[vec![state, rules], judging.into()].concat());
    wait::until("two reports", || place.node(NODE).filter(|node| node.sequence >= 2));

    let filler = disk.point.join("filler");
    fill(&filler);
    place.end();
    agent.scrape_until("reports in memory alone", |scrape| {
        scrape.value("kpulse_report_spool_durable").filter(|durable| *durable == 0.0)
    });
    let lost = |scrape: &tests::exposition::Scrape| scrape.sum("kpulse_report_lost_total", &["reason=\"no_room\""]);
    // Three times the usual patience: it takes as many reports as there is room for.
    let dropped = wait::within(3 * wait::patience(), || lost(&agent.scrape()).filter(|lost| *lost >= 3.0));
    let dropped = dropped.unwrap_or_else(|| panic!("{:?}", agent.log()));
    let scrape = agent.scrape();
    let waiting = scrape.value("kpulse_report_waiting").unwrap();
    println!("{dropped} dropped, {waiting} wait in {:?} bytes", scrape.value("kpulse_report_waiting_bytes"));

    place.start();
    // An agent that tried in vain for so long waits for up to a minute before it tries again.
    let all = || agent.scrape().value("kpulse_report_waiting").filter(|waiting| *waiting == 0.0);
    wait::within(3 * wait::patience(), all).unwrap_or_else(|| panic!("not all is sent: {:?}", agent.log()));
    let dropped = lost(&agent.scrape()).unwrap() as u64;
    let node = wait::until("what was lost is said", || place.node(NODE).filter(|node| node.lost == dropped));
    // It has the number of when it fired, which may have been before the last was dropped.
    wait::until("the alert", || {
        let alerts: Alerts = place.api("/api/v1/alerts?rule=ReportsLost&state=firing");
        alerts.items.into_iter().find(|alert| alert.node.as_deref() == Some(NODE))
    });
    // With room again it writes again.
    fs::remove_file(&filler).unwrap();
    agent.scrape_until("reports on disk", |scrape| {
        scrape.value("kpulse_report_spool_durable").filter(|durable| *durable == 1.0)
    });
    wait::until("more reports", || place.node(NODE).filter(|now| now.sequence > node.sequence + 1));
    agent.signal(libc::SIGTERM);
    let (status, _, log) = agent.ended();
    assert!(status.success(), "{log:?}");
    place.end();

    let sequences: Vec<u64> = place.stored(NODE).iter().map(|report| report.sequence).collect();
    assert!(sequences.is_sorted_by(|a, b| a < b), "{sequences:?}");
    // One that is dropped after its acknowledgement came to nothing has arrived all the same: more may be counted as lost than
    // are, and never fewer.
    let missing = sequences.last().unwrap() - sequences.len() as u64;
    assert!((missing..missing + UNDER_WAY).contains(&dropped), "{dropped} dropped, {missing} missing: {sequences:?}");
    assert!(missing > 0, "{sequences:?}");
}
