//! Another authority, and by it another certificate of the server and of a node, taken up while reports go on.

use tests::{
    agent::Agent,
    fleet::{Authority, Client, replace, write_certificates_of},
    root_or_skip,
    skip::alone,
    tool_or_skip, wait,
};

use crate::place::Place;

const NODE: &str = "real0";
const TAKEN_UP: &str = "certificates for the server have changed and are in use";

/// How often the agent has taken up other certificates.
fn taken_up(agent: &Agent) -> usize {
    agent.log().iter().filter(|line| line.contains(TAKEN_UP)).count()
}

/// Waits for reports that were made after this call.
fn goes_on(place: &Place) {
    let before = place.node(NODE).unwrap().sequence;
    wait::until("two more reports", || place.node(NODE).filter(|node| node.sequence >= before + 2));
}

/// Does something to the files of the server, and waits until it has read them.
fn at_the_server(place: &Place, change: impl FnOnce()) {
    let reloads = |place: &Place| place.scrape().value("kpulse_fleet_reloads_total");
    let before = reloads(place);
    change();
    wait::until("the server has read it", || (reloads(place) > before).then_some(()));
}

/// And to those of the agent.
fn at_the_node(agent: &Agent, change: impl FnOnce()) {
    let before = taken_up(agent);
    change();
    wait::until("the agent has read it", || (taken_up(agent) > before).then_some(()));
}

#[test]
fn a_node_and_the_server_change_their_authority_and_no_report_fails() {
    root_or_skip!("a_node_and_the_server_change_their_authority_and_no_report_fails");
    tool_or_skip!("a_node_and_the_server_change_their_authority_and_no_report_fails", "ip");
    let _alone = alone();
    let test = "a_node_and_the_server_change_their_authority_and_no_report_fails";
    let Some(mut place) = Place::make(test, &[NODE], &[], &[]) else { return };
    let (folder, gate) = (place.scratch.path().to_owned(), place.network.gate().to_string());
    let old = place.authority.issue(NODE, false);
    let files = [
        format!("--server-cert-file={}", replace(&folder, "node.pem", &old.0).display()),
        format!("--server-key-file={}", replace(&folder, "node.key", &old.1).display()),
    ];
    let agent = place.agent(0, NODE, "none", &files);
    wait::until("two reports", || place.node(NODE).filter(|node| node.sequence >= 2));

    // Half of it leaves the last whole one in force.
    replace(&folder, "node.pem", "garbage");
    agent.logged(&["certificates for the server have changed and are not taken up"]);
    goes_on(&place);
    at_the_node(&agent, || drop(replace(&folder, "node.pem", &old.0)));

    // Both sides believe both authorities before the first certificate is another's.
    let next = Authority::new();
    let both = place.authority.pem() + &next.pem();
    at_the_server(&place, || drop(replace(&folder, "clients.pem", &both)));
    at_the_node(&agent, || drop(replace(&folder, "ca.pem", &both)));
    let (certificate, key) = next.issue(NODE, false);
    at_the_node(&agent, || {
        replace(&folder, "node.key", &key);
        replace(&folder, "node.pem", &certificate);
    });
    goes_on(&place);
    write_certificates_of(&folder, &next, &gate);
    place.tls = next.client(None);
    wait::until("the server's new certificate", || {
        let mut client = Client::connect(place.server().address, Some(&place.tls), None).ok()?;
        client.request("GET", "/-/healthy", &[], &[]).ok().filter(|answer| answer.status == 200)
    });
    // And the old one is believed by nobody after it.
    at_the_server(&place, || drop(replace(&folder, "clients.pem", &next.pem())));
    let strange = Client::connect(place.server().address, Some(&next.client(Some(&old))), None)
        .and_then(|mut client| client.request("GET", "/-/healthy", &[], &[]));
    assert!(strange.is_err(), "{strange:?}");
    at_the_node(&agent, || drop(replace(&folder, "ca.pem", &next.pem())));
    goes_on(&place);

    let scrape = agent.scrape();
    let failed = scrape.value("kpulse_report_failed_attempts_total");
    assert_eq!(failed, Some(0.0), "{:?}\n{}", agent.log(), place.server().log());
    assert_eq!(scrape.sum("kpulse_report_refused_total", &[]).unwrap_or(0.0), 0.0);
    agent.signal(libc::SIGTERM);
    assert!(agent.ended().0.success());
    place.end();
    let stored = place.stored(NODE);
    assert_eq!(crate::place::lives(&stored), [stored.len()]);
}
