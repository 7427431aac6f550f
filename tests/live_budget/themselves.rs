//! Programs that time themselves: the same figures as the kernel's, and a budget that is kept without its permission.

use std::{fs, os::unix::fs::PermissionsExt as _};

use kpulse::{kernel::load::Loaded, probes::step::Step};
use tests::{
    agent::{self, Agent},
    probes::load,
    root_or_skip,
    scratch::{Disk, Scratch},
    skip::{self, alone},
    tool_or_skip,
};

use crate::load::Load;

#[test]
fn what_programs_say_they_take_is_what_the_kernel_says() {
    const NAME: &str = "what_programs_say_they_take_is_what_the_kernel_says";
    root_or_skip!("what_programs_say_they_take_is_what_the_kernel_says");
    let _alone = alone();
    let disk = match Disk::plug() {
        Ok(disk) => disk,
        Err(error) => return skip::unsupported(NAME, &format!("no loop device: {error}")),
    };
    let mut loaded = load(&tests::probes::options(&["sched", "block"]));
    // The two begin and end at other points of the clock's reading, which takes an emulated CPU longer than the program.
    let emulated = fs::read_to_string("/proc/cpuinfo").unwrap().contains("QEMU TCG");
    let near = if emulated { 0.2..5.0 } else { 0.5..1.5 };
    let _statistics = aya::sys::enable_stats(aya::sys::Stats::RunTime).unwrap();
    for (step, programs) in [
        (Step::Full, ["sched_switch", "block_rq_issue", "block_rq_complete"]),
        (Step::Histograms, ["sched_switch_sums", "block_rq_issue", "block_rq_complete_sums"]),
    ] {
        loaded.take_step(step).unwrap();
        let kernels = |loaded: &Loaded, name: &str| {
            loaded.program_stats().into_iter().find(|program| program.name == name).map(|it| (it.runs, it.run_time_ns))
        };
        let own = |loaded: &mut Loaded, name: &str| {
            loaded.own_times().unwrap().into_iter().find(|(program, _)| *program == name).map(|(_, ns)| ns)
        };
        let before = programs.map(|name| (kernels(&loaded, name).unwrap(), own(&mut loaded, name).unwrap()));
        // Each block is two requests, and more switches than that.
        disk.use_it(20_000);
        for (name, ((runs, kernel), themselves)) in programs.into_iter().zip(before) {
            let (now_runs, now_kernel) = kernels(&loaded, name).unwrap();
            let (runs, kernel) = (now_runs - runs, now_kernel - kernel);
            let themselves = own(&mut loaded, name).unwrap() - themselves;
            let ratio = themselves as f64 / kernel as f64;
            println!("{name}: {runs} runs, {} ns a run by the kernel, {ratio:.3} of that by itself", kernel / runs);
            assert!(near.contains(&ratio), "{name}: {ratio}");
        }
    }
}

#[test]
fn an_agent_that_may_not_ask_the_kernel_keeps_its_budget_too() {
    const NAME: &str = "an_agent_that_may_not_ask_the_kernel_keeps_its_budget_too";
    root_or_skip!("an_agent_that_may_not_ask_the_kernel_keeps_its_budget_too");
    tool_or_skip!("an_agent_that_may_not_ask_the_kernel_keeps_its_budget_too", "setpriv");
    let _alone = alone();
    let disk = match Disk::plug() {
        Ok(disk) => disk,
        Err(error) => return skip::unsupported(NAME, &format!("no loop device: {error}")),
    };
    let _load = Load::start(disk);
    let folder = Scratch::new();
    let config = folder.file(
        "kpulse.toml",
        "[budget]\nprograms = \"0.0001%\"\nprocess = \"100%\"\ninterval = \"1s\"\npatience = \"1s\"\nhold = \"1h\"\n",
    );
    fs::set_permissions(&config, fs::Permissions::from_mode(0o644)).unwrap();
    let arguments = ["agent", "--listen", "127.0.0.1:0", "--config", config.to_str().unwrap()];
    let agent = Agent::start_command(agent::command_of_nobody_with("+bpf,+perfmon", folder.path(), arguments));
    let took = agent.scrape_until("a first measurement", |scrape| {
        scrape.sum("kpulse_budget_share", &["part=\"programs\""]).filter(|share| *share > 0.0)
    });
    let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", agent.pid())).unwrap();
    assert_eq!(children, "", "a helper that may do nothing");
    let scrape = agent.scrape();
    assert_eq!(scrape.sum("kpulse_budget_timed_share", &["by=\"programs\""]), Some(1.0 / 256.0));
    assert_eq!(scrape.sum("kpulse_budget_unmeasured", &[]).unwrap_or(0.0), 0.0);
    agent.scrape_until("the last step", |scrape| {
        (scrape.sum("kpulse_budget_step", &["part=\"programs\""]) == Some((Step::COUNT - 1) as f64)).then_some(())
    });
    let least = agent.scrape_until("a last measurement", |scrape| {
        scrape.sum("kpulse_budget_share", &["part=\"programs\""]).filter(|share| *share < took / 10.0)
    });
    println!("the programs took {:.4} % of the machine, and at the last step {:.4} %", took * 100.0, least * 100.0);
    assert!(agent.logged(&["time some of their runs themselves", "CAP_SYS_ADMIN"]).contains("INFO"));
}
