//! The whole check on machines made of files: a sound one, and one with everything wrong that can be.

use std::{collections::BTreeMap, io};

use super::{report::Mark, text::Style, *};
use crate::{
    host::{Reader, testing},
    kernel::{
        btf::{self, Argument},
        load::State,
        resolve::Fake,
    },
    selfcheck::Outcome,
};

/// A machine that one test changes for the worse.
struct Node {
    files: testing::Machine,
    config: Config,
    kernel: Result<Fake, btf::Error>,
    /// States other than "on".
    states: BTreeMap<&'static str, State>,
    selfcheck: Outcome,
    landlock: Option<u32>,
}

impl Node {
    fn sound() -> Self {
        let files = testing::Machine::small();
        files.unpack(include_str!("fixtures/node.txt"));
        let switch = vec![Argument::Number, Argument::Pointer, Argument::Pointer, Argument::Number];
        Self {
            files,
            config: Config::default(),
            kernel: Ok(Fake { arguments: BTreeMap::from([("sched_switch", switch)]), ..Fake::default() }),
            states: BTreeMap::new(),
            selfcheck: Outcome::Agreed { fields: 9 },
            landlock: Some(4),
        }
    }

    fn report(&self) -> Report {
        let roots = self.files.roots();
        let mut host = Reader::new(roots.clone()).read();
        // Filesystems are asked on this machine, not on the one of files.
        host.failures.retain(|part, _| !part.starts_with("filesystem "));
        let privileges = Privileges::read(&roots.proc);
        let state = |name| self.states.get(name).cloned().unwrap_or(State::On { lost: Vec::new() });
        let states = PROBES.iter().map(|probe| (probe.name, state(probe.name))).collect();
        let loading = match privileges.as_ref().map_or(true, Privileges::may_load) {
            true => Loading::Tried { states, selfcheck: self.selfcheck.clone() },
            false => Loading::NotTried,
        };
        let found = |types| Found { types, path: KERNEL_BTF.into(), bytes: 5_515_646 };
        let types = self.kernel.as_ref().map(|fake| found(fake));
        let config = &self.config;
        Report::new(judge(&Machine {
            config,
            roots: &roots,
            arch: "x86_64",
            host: &host,
            privileges,
            landlock: self.landlock,
            types,
            loading,
        }))
    }

    /// Everything that is not met: group, name, mark, and all that is said of it.
    fn wrong(&self) -> Vec<(String, String, Mark, String)> {
        let report = self.report();
        let all = report.groups.iter().flat_map(|group| group.requirements.iter().map(move |one| (group, one)));
        let wrong = all.filter(|(_, one)| one.mark != Mark::Ok);
        let said = wrong.map(|(group, one)| {
            assert!(one.lost.is_some() && one.remedy.is_some(), "{one:?}");
            let text = [Some(&one.found), one.lost.as_ref(), one.remedy.as_ref()].map(|text| text.unwrap().as_str());
            (group.name.clone(), one.name.clone(), one.mark, text.join(" | "))
        });
        said.collect()
    }

    /// The only requirement that is not met.
    fn only_wrong(&self) -> (String, Mark, String) {
        let mut wrong = self.wrong();
        assert_eq!(wrong.len(), 1, "{wrong:#?}");
        let (group, name, mark, said) = wrong.remove(0);
        (format!("{group}/{name}"), mark, said)
    }
}

/// Holds the page against a file; `KPULSE_BLESS=1` writes the file.
fn assert_golden(name: &str, node: &Node) {
    let root = node.files.root().display().to_string();
    // Not broken into lines: the directory's name is not always of the same length.
    let page = text::render(&node.report(), Style::default()).replace(&root, "");
    let path = format!("{}/src/check/golden/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    if env::var_os("KPULSE_BLESS").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap();
    assert!(page == expected, "{path} differs; if it should, run the tests with KPULSE_BLESS=1\n{page}");
}

#[test]
fn a_sound_machine_has_all_that_is_needed() {
    let node = Node::sound();
    assert_eq!(node.wrong(), []);
    assert_golden("sound", &node);
}

#[test]
fn a_poor_machine_is_told_everything_at_once() {
    let mut node = Node::sound();
    node.files.write("proc/sys/kernel/osrelease", "5.4.0-42-generic\n");
    node.files.write("proc/self/status", "Uid:\t7\t7\t7\t7\nCapEff:\t0000000000000000\n");
    node.files.write("proc/sys/net/core/bpf_jit_enable", "0\n");
    node.files.write("proc/sys/kernel/seccomp/actions_avail", "\n");
    node.landlock = None;
    node.files.write("sys/kernel/security/lockdown", "none integrity [confidentiality]\n");
    node.files.write("sys/devices/system/clocksource/clocksource0/current_clocksource", "hpet\n");
    node.files.write("sys/block/vda/queue/iostats", "0\n");
    node.files.write("proc/1/mountinfo", "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n");
    node.files.write("proc/self/schedstat", "0 0 0\n");
    for gone in ["proc/pressure", "proc/self/io", "proc/uptime"] {
        node.files.remove(gone);
    }
    let gone = ["task_struct.ioac.read_bytes", "rq.clock", "mark_victim", "request_queue.disk", "request.rq_disk"];
    node.kernel = Ok(Fake::without(&gone));
    assert_golden("poor", &node);
    assert_eq!(node.report().mark, Mark::Missing);
}

#[test]
fn without_type_information_every_probe_points_to_it() {
    let mut node = Node::sound();
    let error = io::Error::from_raw_os_error(libc::ENOENT);
    node.kernel = Err(btf::Error::Unreadable { path: KERNEL_BTF.into(), error });
    for probe in PROBES {
        node.states.insert(probe.name, State::Failed { reason: "whatever".into() });
    }
    node.selfcheck = Outcome::Unchecked("the probe of the tasks is off".into());
    let wrong = node.wrong();
    assert_eq!((wrong[0].1.as_str(), wrong[0].2), ("type information", Mark::Missing));
    assert!(wrong[0].3.contains("CONFIG_DEBUG_INFO_BTF=y"), "{}", wrong[0].3);
    for probe in PROBES {
        let said = wrong.iter().find(|(group, ..)| group == probe.name).unwrap();
        assert!(said.3.contains(probe.yields) && said.3.contains("see Kernel, type information"), "{said:?}");
    }
    assert_eq!(wrong.len(), 1 + PROBES.len() + 1);
}

#[test]
fn a_btf_file_of_another_kernel_is_said_to_be_one() {
    let mut node = Node::sound();
    node.kernel = Err(btf::Error::OtherKernel { path: "/tmp/vmlinux".into() });
    let said = &node.wrong()[0].3;
    assert!(said.contains("/tmp/vmlinux is another kernel's") && said.contains("leave out --btf"), "{said}");
}

#[test]
fn confidentiality_is_missing_unless_the_programs_load_all_the_same() {
    let mut node = Node::sound();
    node.files.write("sys/kernel/security/lockdown", "none integrity [confidentiality]\n");
    assert_eq!(node.wrong(), []);
    node.states.insert("sched", State::Failed { reason: "program sched_switch: Operation not permitted".into() });
    let wrong = node.wrong();
    assert_eq!((wrong[0].1.as_str(), wrong[0].2), ("lockdown", Mark::Missing));
    assert!(wrong[0].3.contains("lockdown=integrity"), "{}", wrong[0].3);
}

#[test]
fn a_kernel_before_5_10_is_missing_and_one_without_a_clear_version_is_doubted() {
    let node = Node::sound();
    node.files.write("proc/sys/kernel/osrelease", "5.9.16\n");
    let (name, mark, said) = node.only_wrong();
    assert_eq!((name.as_str(), mark), ("kernel/version", Mark::Missing));
    assert!(said.contains("5.10 or later"), "{said}");
    node.files.write("proc/sys/kernel/osrelease", "mainline\n");
    assert_eq!(node.only_wrong().1, Mark::Degraded);
    node.files.write("proc/sys/kernel/osrelease", "5.10.0\n");
    assert_eq!(node.wrong(), []);
}

#[test]
fn without_one_of_the_two_capabilities_nothing_is_loaded() {
    let node = Node::sound();
    // CAP_BPF alone.
    node.files.write("proc/self/status", "Uid:\t1\t1\t1\t1\nCapEff:\t0000008000000000\n");
    let wrong = node.wrong();
    assert_eq!((wrong[0].1.as_str(), wrong[0].2), ("CAP_PERFMON", Mark::Missing));
    let probes: Vec<_> = wrong.iter().filter(|(_, name, ..)| name == "programs").collect();
    assert_eq!(probes.len(), PROBES.len());
    assert!(probes.iter().all(|(.., said)| said.contains("see Privileges")));
    // And both.
    node.files.write("proc/self/status", "Uid:\t1\t1\t1\t1\nCapEff:\t000000c000000000\n");
    assert_eq!(node.wrong(), []);
}

#[test]
fn locked_memory_matters_before_5_11_only_and_not_to_who_may_raise_it() {
    let node = Node::sound();
    node.files.write("proc/sys/kernel/osrelease", "5.10.0\n");
    assert_eq!(node.wrong(), []);
    node.files.write("proc/self/status", "Uid:\t1\t1\t1\t1\nCapEff:\t000000c000000000\n");
    let (name, mark, said) = node.only_wrong();
    assert_eq!((name.as_str(), mark), ("privileges/locked memory", Mark::Degraded));
    assert!(said.contains("8388608 bytes") && said.contains("LimitMEMLOCK"), "{said}");
    node.files.write("proc/sys/kernel/osrelease", "5.11.0\n");
    assert_eq!(node.wrong(), []);
}

#[test]
fn disks_without_statistics_are_named_with_the_command_that_turns_them_on() {
    let node = Node::sound();
    node.files.write("sys/block/vda/queue/iostats", "0\n");
    let (name, mark, said) = node.only_wrong();
    assert_eq!((name.as_str(), mark), ("accounting/disk statistics", Mark::Degraded));
    let command = format!("`echo 1 > {}/sys/block/vda/queue/iostats`", node.files.root().display());
    assert!(said.contains("off for vda") && said.contains(&command), "{said}");
    // Its requests do not reach the tracepoints anyhow.
    node.files.write("sys/block/vda/queue/iostats", "1\n");
    node.files.write("sys/block/zram0/queue/iostats", "0\n");
    assert_eq!(node.wrong(), []);
}

#[test]
fn a_slow_clock_is_degraded_and_the_fast_one_that_is_there_is_named() {
    let node = Node::sound();
    let directory = "sys/devices/system/clocksource/clocksource0";
    node.files.write(&format!("{directory}/current_clocksource"), "hpet\n");
    let (name, mark, said) = node.only_wrong();
    assert_eq!((name.as_str(), mark), ("kernel/clock source", Mark::Degraded));
    assert!(said.contains("echo tsc > "), "{said}");
    node.files.write(&format!("{directory}/available_clocksource"), "hpet acpi_pm\n");
    assert!(node.only_wrong().2.contains("dmesg"));
}

#[test]
fn a_kernel_that_keeps_no_waits_is_told_apart_from_one_that_does() {
    let node = Node::sound();
    node.files.write("proc/self/schedstat", "0 0 0\n");
    let (name, mark, said) = node.only_wrong();
    assert_eq!((name.as_str(), mark), ("accounting/run-queue waits", Mark::Missing));
    assert!(said.contains("delayacct"), "{said}");
}

#[test]
fn every_missing_field_is_named_and_not_only_the_first() {
    let mut node = Node::sound();
    node.kernel = Ok(Fake::without(&["rq.clock", "cfs_rq.rq", "request.io_start_time_ns", "request.rq_disk"]));
    node.states.insert("sched", State::Failed { reason: "this kernel has no field cfs_rq.rq".into() });
    let said: Vec<_> = node.wrong().into_iter().map(|(group, name, mark, _)| (group, name, mark)).collect();
    let line = |group: &str, name: &str, mark| (group.to_owned(), name.to_owned(), mark);
    assert_eq!(
        said,
        [
            line("sched", "cfs_rq.rq", Mark::Missing),
            line("sched", "rq.clock", Mark::Missing),
            line("sched", "programs", Mark::Missing),
            line("block", "request.io_start_time_ns", Mark::Degraded),
        ]
    );
}

#[test]
fn a_self_check_that_fails_is_missing_and_says_what_is_off() {
    let mut node = Node::sound();
    node.selfcheck = Outcome::Wrong("run_delay reads 7".into());
    let (name, mark, said) = node.only_wrong();
    assert_eq!((name.as_str(), mark), ("selfcheck/agreement", Mark::Missing));
    assert!(said.starts_with("run_delay reads 7 | the probes sched and tasks"), "{said}");
}

#[test]
fn what_is_turned_off_in_the_configuration_is_not_missing() {
    let mut node = Node::sound();
    node.config.probes.tasks = false;
    node.states.insert("tasks", State::Disabled);
    node.selfcheck = Outcome::Unchecked("the probe of the tasks is off".into());
    assert_eq!(node.wrong(), []);
}

#[test]
fn what_of_proc_cannot_be_read_is_named_part_by_part() {
    let node = Node::sound();
    node.files.remove("proc/uptime");
    node.files.write("proc/meminfo", "nonsense\n");
    let wrong = node.wrong();
    let names: Vec<_> = wrong.iter().map(|(group, name, mark, _)| (group.as_str(), name.as_str(), *mark)).collect();
    assert_eq!(names, [("files", "memory", Mark::Missing), ("files", "uptime", Mark::Missing)]);
    assert!(wrong[1].3.contains("proc/uptime: No such file"), "{}", wrong[1].3);
}

#[test]
fn without_proc_nothing_is_said_to_be_off_that_could_not_be_looked_at() {
    let node = Node::sound();
    node.files.remove("proc/self");
    let wrong = node.wrong();
    let said = |name: &str| &wrong.iter().find(|(_, found, ..)| found == name).unwrap().3;
    assert!(said("capabilities").contains("proc/self/status: No such file"), "{wrong:?}");
    for name in ["run-queue waits", "bytes by task"] {
        assert!(said(name).starts_with("cannot be looked at"), "{wrong:?}");
    }
    // What was loaded all the same is not called missing.
    assert!(wrong.iter().all(|(_, name, ..)| name != "programs"), "{wrong:?}");
}

#[test]
fn hidden_processes_matter_only_if_process_1_is_needed_and_cannot_be_read() {
    let node = Node::sound();
    let mounts = format!("proc {}/proc proc rw,hidepid=2 0 0\n", node.files.root().display());
    node.files.write("proc/self/mounts", &mounts);
    assert_eq!(node.wrong(), []);
    node.files.remove("proc/1");
    let wrong = node.wrong();
    assert!(wrong.iter().any(|(_, name, mark, said)| {
        name == "processes in /proc" && *mark == Mark::Degraded && said.contains("hidepid=2")
    }));
}
