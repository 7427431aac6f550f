//! CPUs that go and come under load.

use kpulse::window::Window;
use tests::{agent::Agent, guard::Restored, load::Messages, root_or_skip, skip, verdict::Place};

#[test]
fn cpus_go_and_come_under_load_and_no_figure_is_wrong() {
    const NAME: &str = "cpus_go_and_come_under_load_and_no_figure_is_wrong";
    root_or_skip!("cpus_go_and_come_under_load_and_no_figure_is_wrong");
    let _alone = skip::alone();
    let cpus = tests::cpu::online();
    let last = *cpus.last().unwrap();
    let file = format!("/sys/devices/system/cpu/cpu{last}/online");
    if last == 0 || !std::path::Path::new(&file).exists() {
        return skip::unsupported(NAME, "no CPU can be taken offline");
    }
    let place = Place::new("");
    let agent = Agent::start(place.arguments(&["--interval=100ms"]));
    let _load = Messages::start(2, None);
    for round in 0..tests::scaled::scaled(20, 4) {
        let offline = match Restored::set(&file, "0") {
            Ok(offline) => offline,
            Err(error) => return skip::unsupported(NAME, &format!("no CPU can be taken offline: {error}")),
        };
        let label = format!("cpu=\"{last}\"");
        let online = |scrape: &tests::exposition::Scrape| scrape.sum("kpulse_cpu_online", &[&label]);
        agent.scrape_until("the CPU's end", |scrape| (online(scrape) == Some(0.0)).then_some(()));
        agent.collected();
        drop(offline);
        agent.scrape_until("the CPU's return", |scrape| (online(scrape) == Some(1.0)).then_some(()));
        agent.collected();
        let window: Window = serde_json::from_str(&agent.get("/api/v1/window")).unwrap();
        let sched = window.sched.unwrap_or_else(|| panic!("no scheduler in round {round}"));
        let shares = sched.cpus.iter().filter_map(|cpu| cpu.utilization).chain(sched.utilization);
        assert!(shares.clone().all(|share| (0.0..=1.0).contains(&share)), "{:?}", shares.collect::<Vec<_>>());
        assert!(sched.wait.is_none_or(|wait| wait.max < 60.0), "{:?}", sched.wait);
    }
    let scrape = agent.scrape();
    assert_eq!(scrape.value("kpulse_collections_failed_total"), Some(0.0), "{:?}", agent.log());
    super::assert_calm(&agent.log());
}
