//! Bad input: each has a defined outcome and a message that names the thing and what to do.

use std::{fs, net::TcpListener, path::Path};

use tests::{
    agent::{self, Agent},
    exposition::{Scrape, label},
    root_or_skip,
    scratch::Scratch,
    skip::alone,
};

const PROBES: [&str; 4] = ["sched", "block", "tasks", "events"];

/// Each probe is off, for a reason that holds all of `parts`.
fn assert_all_off(scrape: &Scrape, parts: &[&str]) {
    for probe in PROBES {
        let of_probe = format!("probe=\"{probe}\"");
        let found = scrape.of("kpulse_probe_state", &[&of_probe]);
        let [(series, value)] = found[..] else { panic!("{found:?}") };
        let reason = label(series, "reason").unwrap();
        assert_eq!(value, 0.0, "{series}");
        assert!(parts.iter().all(|part| reason.contains(part)), "{reason}");
    }
}

/// What /proc tells is there, and nothing of what programs tell.
fn assert_proc_only(scrape: &Scrape) {
    for name in ["kpulse_host_cpu_seconds_total", "kpulse_memory_total_bytes", "kpulse_host_context_switches_total"] {
        assert!(scrape.sum(name, &[]).is_some_and(|value| value > 0.0), "{name}");
    }
    for name in ["kpulse_context_switches_total", "kpulse_run_queue_wait_seconds_count", "kpulse_tasks"] {
        assert_eq!(scrape.sum(name, &[]), None, "{name}");
    }
}

#[test]
fn a_port_in_use_is_told_with_the_address_and_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = agent::run(agent::command(["agent", "--listen", &address]));
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for part in ["kpulse: ", &address, "--listen", "in use"] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
}

#[test]
fn garbage_in_the_configuration_is_told_with_file_and_line() {
    let scratch = Scratch::new();
    for (content, line, named) in [
        (&b"interval = \"1s\"\n\nlissten = 5\n"[..], 3, "lissten"),
        (b"[log]\nlevel = \"loud\"\n", 2, "log.level"),
        (b"interval = 5\n", 1, "unit"),
        (b"# fine\n]]]\n", 2, ""),
        (b"ok = 1\n\xff\xfe\x00", 2, "UTF-8"),
    ] {
        let file = scratch.file("kpulse.toml", content);
        let output = agent::run(agent::command([Path::new("agent"), Path::new("--config"), &file]));
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        let place = format!("{}:{line}", file.display());
        assert!(said.contains(&place) && said.contains(named), "{place} or {named:?} is not in {said}");
    }
    let missing = scratch.path().join("missing.toml");
    let output = agent::run(agent::command([Path::new("agent"), Path::new("--config"), &missing]));
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains(missing.to_str().unwrap()));
}

#[test]
fn without_root_the_agent_serves_what_proc_tells_and_says_what_is_lost() {
    root_or_skip!("without_root_the_agent_serves_what_proc_tells_and_says_what_is_lost");
    let _alone = alone();
    let scratch = Scratch::new();
    let agent = Agent::start_command(agent::command_of_nobody(scratch.path(), ["agent", "--listen", "127.0.0.1:0"]));
    agent.collected();
    let scrape = agent.scrape();
    assert_all_off(&scrape, &["root", "CAP_BPF"]);
    assert_proc_only(&scrape);
    for probe in PROBES {
        agent.logged(&["WARN", &format!("probe {probe} is off"), "root"]);
    }
    agent.logged(&["no probe is on", "only figures from /proc and /sys"]);
    agent.get("/api/v1/window");
    agent.get("/");
    agent.signal(libc::SIGTERM);
    assert_eq!(agent.ended().0.code(), Some(0));
}

#[test]
fn type_information_that_is_not_this_kernels_turns_the_probes_off_and_not_the_agent() {
    root_or_skip!("type_information_that_is_not_this_kernels_turns_the_probes_off_and_not_the_agent");
    let _alone = alone();
    let scratch = Scratch::new();
    let kernels = fs::read("/sys/kernel/btf/vmlinux").unwrap();
    let mut other = kernels.clone();
    let middle = other.len() / 2;
    other[middle] ^= 1;
    let garbage: Vec<u8> = (0..100_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for (file, parts) in [
        (scratch.file("other", other), &["BTF of another kernel", "--btf"][..]),
        (scratch.file("half", &kernels[..middle]), &["BTF of another kernel", "--btf"]),
        (scratch.file("garbage", garbage), &["is not BTF"]),
        (scratch.file("empty", ""), &["is not BTF"]),
        (scratch.path().join("missing"), &["No such file", "CONFIG_DEBUG_INFO_BTF"]),
        (scratch.path().to_owned(), &["directory"]),
    ] {
        let agent = Agent::start([Path::new("--btf"), &file]);
        let mut parts = parts.to_vec();
        parts.push(file.to_str().unwrap());
        let scrape = agent.scrape();
        assert_all_off(&scrape, &parts);
        assert_proc_only(&scrape);
        parts.push("WARN");
        println!("{}", agent.logged(&parts));
    }
    let agent = Agent::start([Path::new("--btf"), &scratch.file("own", kernels)]);
    assert_eq!(agent.scrape().sum("kpulse_probe_state", &[]), Some(4.0), "{:?}", agent.log());
}

#[test]
fn a_proc_that_cannot_be_read_is_told_part_by_part() {
    root_or_skip!("a_proc_that_cannot_be_read_is_told_part_by_part");
    let _alone = alone();
    let scratch = Scratch::new();
    let empty = scratch.path().join("empty");
    fs::create_dir(&empty).unwrap();
    for proc in [empty, scratch.path().join("missing"), scratch.file("file", "not a folder")] {
        let agent = Agent::start([Path::new("--host-proc"), &proc]);
        agent.collected();
        let scrape = agent.scrape();
        for part in ["stat", "memory", "uptime", "load", "networks", "hostname", "kernel", "boot_id"] {
            let part = format!("part=\"{part}\"");
            assert_eq!(scrape.sum("kpulse_read_failures", &[&part]), Some(1.0), "{part} of {}", proc.display());
        }
        // What does not come from there goes on.
        assert_eq!(scrape.sum("kpulse_probe_state", &[]), Some(4.0));
        assert!(scrape.sum("kpulse_context_switches_total", &[]).is_some_and(|switches| switches > 0.0));
        assert_eq!(scrape.sum("kpulse_host_cpu_seconds_total", &[]), None);
        let said = agent.logged(&["WARN", proc.to_str().unwrap()]);
        println!("{said}");
    }
}
