//! Who the agent is once its programs are attached, by /proc's account and by its own.

use std::{collections::BTreeMap, fs, os::unix::fs::MetadataExt as _};

use tests::{
    agent::{self, Agent, NOBODY},
    root_or_skip,
    scratch::Scratch,
    skip::alone,
    tool_or_skip,
};

/// /proc/PID/status of each of its threads.
fn threads(agent: &Agent) -> Vec<BTreeMap<String, String>> {
    let read = |task: fs::DirEntry| {
        let text = fs::read_to_string(task.path().join("status")).unwrap();
        let lines = text.lines().filter_map(|line| line.split_once(':'));
        lines.map(|(key, value)| (key.to_string(), value.split_whitespace().collect::<Vec<_>>().join(" "))).collect()
    };
    fs::read_dir(format!("/proc/{}/task", agent.pid())).unwrap().map(|task| read(task.unwrap())).collect()
}

/// The helper that times the programs keeps what that takes, and nothing else.
fn assert_helper_is_held(agent: &Agent, capabilities: &str) {
    let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", agent.pid())).unwrap();
    let status = fs::read_to_string(format!("/proc/{}/status", children.trim())).unwrap();
    for set in ["CapInh", "CapAmb", "CapPrm", "CapEff"] {
        let held = if set.ends_with("Inh") || set.ends_with("Amb") { "0000000000000000" } else { capabilities };
        assert!(status.contains(&format!("{set}:\t{held}\n")), "{set}: {status}");
    }
    assert!(status.contains("NoNewPrivs:\t1\n") && status.contains("Seccomp:\t2\n"), "{status}");
}

/// Nothing is left, everything works, and the agent says so.
fn assert_held(agent: &Agent, uid: u32) {
    agent.collected();
    let threads = threads(agent);
    assert!(!threads.is_empty());
    for status in threads {
        for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
            assert_eq!(status[set], "0000000000000000", "{set}: {status:?}");
        }
        assert_eq!((status["NoNewPrivs"].as_str(), status["Seccomp"].as_str()), ("1", "2"), "{status:?}");
        assert_eq!(status["Uid"], [uid; 4].map(|uid| uid.to_string()).join(" "));
    }
    let scrape = agent.scrape();
    println!("{:?}", scrape.of("kpulse_privileges", &[]));
    for (restraint, state) in [("capabilities", "none"), ("new_privileges", "none"), ("system_calls", "filtered")] {
        let labels = [format!("restraint=\"{restraint}\""), format!("state=\"{state}\"")];
        assert_eq!(scrape.sum("kpulse_privileges", &[&labels[0], &labels[1]]), Some(1.0), "{restraint}");
    }
    // All that is read later is still read: maps, the iterator, /proc, /sys, the agent's own figures.
    for probe in ["sched", "block", "tasks", "events"] {
        assert_eq!(scrape.sum("kpulse_probe_state", &[&format!("probe=\"{probe}\"")]), Some(1.0), "{probe}");
    }
    assert_eq!(scrape.of("kpulse_read_failures", &[]), []);
    assert_eq!(scrape.value("kpulse_collections_failed_total"), Some(0.0), "{:?}", agent.log());
    assert!(scrape.value("kpulse_self_map_bytes").is_some_and(|bytes| bytes > 0.0));
    assert!(
        !agent.log().iter().any(|line| line.contains("ERROR") || line.contains("cannot be read")),
        "{:?}",
        agent.log()
    );
}

#[test]
fn root_gives_up_every_capability() {
    root_or_skip!("root_gives_up_every_capability");
    let _alone = alone();
    let agent = Agent::start(["--budget-interval=1s"]);
    assert_held(&agent, 0);
    assert!(threads(&agent).iter().all(|status| status["CapBnd"] == "0000000000000000"));
    agent.logged(&["held to: user root, capabilities none"]);
    assert_helper_is_held(&agent, "0000000000200000");
    agent.scrape_until("the time of the programs", |scrape| scrape.sum("kpulse_budget_share", &["part=\"programs\""]));
}

#[test]
fn another_user_stays_another_user() {
    root_or_skip!("another_user_stays_another_user");
    let _alone = alone();
    let folder = Scratch::new();
    let state = folder.path().join("state");
    let agent = Agent::start(["--user", "nobody", "--state-dir", state.to_str().unwrap()]);
    assert_held(&agent, NOBODY);
    let status = &threads(&agent)[0];
    assert_eq!(status["CapBnd"], "0000000000000000");
    assert!(!status["Groups"].split(' ').any(|group| group == "0"), "{status:?}");
    assert_eq!(fs::metadata(&state).unwrap().uid(), NOBODY, "the state directory is made for that user");
}

#[test]
fn a_user_that_does_not_exist_or_cannot_write_is_told_and_nothing_runs() {
    root_or_skip!("a_user_that_does_not_exist_or_cannot_write_is_told_and_nothing_runs");
    let _alone = alone();
    let folder = Scratch::new();
    for (user, said) in [("nobody-at-all", "there is no user"), ("nobody", "cannot write to the state directory")] {
        let arguments =
            ["agent", "--listen", "127.0.0.1:0", "--user", user, "--state-dir", folder.path().to_str().unwrap()];
        let output = agent::run(agent::command(arguments));
        let errors = String::from_utf8_lossy(&output.stderr).to_string();
        assert!(!output.status.success() && errors.contains(said), "{errors}");
    }
}

#[test]
fn two_capabilities_are_enough_and_so_is_the_one_that_has_all() {
    root_or_skip!("two_capabilities_are_enough_and_so_is_the_one_that_has_all");
    tool_or_skip!("two_capabilities_are_enough_and_so_is_the_one_that_has_all", "setpriv");
    let _alone = alone();
    for capabilities in ["+bpf,+perfmon", "+sys_admin"] {
        let folder = Scratch::new();
        let arguments = ["agent", "--listen", "127.0.0.1:0"];
        let command = agent::command_of_nobody_with(capabilities, folder.path(), arguments);
        let agent = Agent::start_command(command);
        println!("started with {capabilities}");
        assert_held(&agent, NOBODY);
    }
}
