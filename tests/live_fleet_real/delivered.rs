//! An agent that is killed again and again, and one that is cut off while the server begins anew: what it wrote down arrives
//! once, in order, at its own time.

use std::{thread, time::Duration};

use kpulse::site::model::Presence;
use tests::{fleet::now_ns, root_or_skip, skip::alone, tool_or_skip, wait};

use crate::place::{Place, Spooled, lives};

const NODE: &str = "real0";
/// How often the agent is killed.
const KILLS: u64 = 6;
/// No disk has this name: the reports are about all else.
const NO_DISK: &str = "none";

/// Waits until so many more reports are on the agent's disk.
fn wait_for_growth(spool: &mut Spooled, reports: u64) {
    let wanted = spool.grown() + reports;
    wait::until("reports on the agent's disk", || (spool.grown() >= wanted).then_some(()));
}

#[test]
fn what_an_agent_wrote_down_before_it_was_killed_arrives_once() {
    root_or_skip!("what_an_agent_wrote_down_before_it_was_killed_arrives_once");
    tool_or_skip!("what_an_agent_wrote_down_before_it_was_killed_arrives_once", "ip");
    let _alone = alone();
    let test = "what_an_agent_wrote_down_before_it_was_killed_arrives_once";
    let Some(mut place) = Place::make(test, &[NODE], &[], &[]) else { return };
    // Of each life, how many reports the server had, or the disk.
    let mut known = Vec::new();
    for kill in 0..KILLS {
        let started_ns = now_ns();
        let agent = place.agent(0, NODE, NO_DISK, &[]);
        if kill % 2 == 0 {
            let node = wait::until("two reports of this life", || {
                // What an earlier one left is sent first.
                place.node(NODE).filter(|node| node.instance > started_ns && node.sequence >= 2)
            });
            known.push(node.sequence);
        } else {
            place.network.machines[0].link(false);
            let mut spool = place.spool(NODE);
            wait_for_growth(&mut spool, 2);
            known.push(spool.grown());
        }
        // At any point of an interval.
        thread::sleep(Duration::from_millis(kill * 137 % 1000));
        agent.signal(libc::SIGKILL);
        let (status, ..) = agent.ended();
        assert!(!status.success());
        place.network.machines[0].link(true);
    }
    let agent = place.agent(0, NODE, NO_DISK, &[]);
    agent.scrape_until("all is sent", |scrape| {
        let sent = scrape.value("kpulse_report_acknowledged_total")? > 2.0;
        (sent && scrape.value("kpulse_report_waiting")? == 0.0).then_some(())
    });
    agent.signal(libc::SIGTERM);
    assert!(agent.ended().0.success());
    let twice = place.scrape().value("kpulse_fleet_reports_known_total").unwrap();
    assert_eq!(place.node(NODE).unwrap().lost, 0);
    place.end();

    let lives = lives(&place.stored(NODE));
    println!("{lives:?} reports of each life, at least {known:?} known; {twice} came twice and count once");
    assert_eq!(lives.len() as u64, KILLS + 1);
    for (found, known) in lives.iter().zip(&known) {
        assert!(*found as u64 >= *known, "{lives:?}, but {known:?} were there");
    }
}

#[test]
fn what_happened_while_the_network_was_cut_arrives_once_in_order_at_its_own_time() {
    root_or_skip!("what_happened_while_the_network_was_cut_arrives_once_in_order_at_its_own_time");
    tool_or_skip!("what_happened_while_the_network_was_cut_arrives_once_in_order_at_its_own_time", "ip");
    let _alone = alone();
    let test = "what_happened_while_the_network_was_cut_arrives_once_in_order_at_its_own_time";
    let Some(mut place) = Place::make(test, &[NODE], &[], &[]) else { return };
    let agent = place.agent(0, NODE, NO_DISK, &[]);
    wait::until("two reports", || place.node(NODE).filter(|node| node.sequence >= 2));

    let cut_ns = now_ns();
    place.network.machines[0].link(false);
    let mut spool = place.spool(NODE);
    wait_for_growth(&mut spool, 3);
    place.end();
    place.start();
    wait_for_growth(&mut spool, 2);
    let healed_ns = now_ns();
    place.network.machines[0].link(true);

    wait::until("an agent that can be reached", || agent.try_get("/-/ready").filter(|answer| answer.status == 200));
    let nothing_waits = || agent.scrape().value("kpulse_report_waiting").filter(|waiting| *waiting == 0.0);
    wait::within(3 * wait::patience(), nothing_waits).unwrap_or_else(|| panic!("not all is sent: {:?}", agent.log()));
    assert_eq!(agent.scrape().sum("kpulse_report_lost_total", &[]).unwrap_or(0.0), 0.0);
    // What comes now is of now again.
    let last = place.node(NODE).unwrap().sequence;
    wait::until("a node like any other", || {
        place.node(NODE).filter(|node| node.sequence > last + 2 && node.node.presence == Presence::Reporting)
    });
    agent.signal(libc::SIGTERM);
    assert!(agent.ended().0.success());
    place.end();

    let stored = place.stored(NODE);
    assert_eq!(lives(&stored), [stored.len()]);
    let within = stored.iter().filter(|report| (cut_ns..healed_ns).contains(&report.end_ns)).count();
    println!("{} reports, {within} of them of the time without a network", stored.len());
    assert!(within >= 5, "{within}");
    // One interval after the other: each is told at the time at which it was. The agent reads two clocks, and on a busy machine
    // another may have the CPU in between.
    for pair in stored.windows(2) {
        let begin_ns = pair[1].end_ns - pair[1].length_ns;
        let apart_ns = begin_ns.abs_diff(pair[0].end_ns);
        assert!(apart_ns < pair[1].length_ns / 5, "{apart_ns} ns between {} and the next", pair[0].sequence);
    }
}
