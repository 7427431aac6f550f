use proptest::prelude::*;

use super::{testing::*, *};
use crate::{
    host::{Disk, DiskOperation, Diskstats, Network},
    sample::{self, DeviceId, Requests, Task},
};

const SECOND: u64 = 1_000_000_000;
const ALL: Options = Options { top_tasks: usize::MAX };
const SDA: DeviceId = DeviceId { major: 8, minor: 0 };

fn at(seconds: u64) -> Sample {
    Sample {
        origin: Origin::default(),
        monotonic_ns: seconds * SECOND,
        realtime_ns: 0,
        sched: None,
        block: None,
        tasks: None,
        events: None,
        host: Default::default(),
        all_tasks: None,
    }
}

fn with_cpus(seconds: u64, cpus: &[(u32, u64, u64)]) -> Sample {
    let cpu = |&(n, busy_ns, idle_ns)| (n, sample::Cpu { online: true, busy_ns, idle_ns, ..Default::default() });
    Sample { sched: Some(sample::Sched { cpus: cpus.iter().map(cpu).collect() }), ..at(seconds) }
}

fn with_requests(seconds: u64, pairs: &[(DeviceId, u8, u64)]) -> Sample {
    let requests = pairs.iter().map(|&(device, operation, requests)| {
        let mut classes = [sample::Class::default(); monitor_common::block::SizeClass::COUNT];
        classes[1] = sample::Class {
            requests,
            bytes: 4096 * requests,
            timed: requests,
            queue_ns: 1_000 * requests,
            device_ns: 9_000 * requests,
        };
        let none = Histogram::default();
        let (queue, device_time, total) = (none.clone(), none.clone(), none);
        Requests { device, operation, classes, errors: Default::default(), queue, device_time, total }
    });
    Sample { block: Some(sample::Block { requests: requests.collect(), ..Default::default() }), ..at(seconds) }
}

fn with_disk(seconds: u64, request_based: bool, read: DiskOperation) -> Sample {
    let stats = Some(Diskstats { read, ..Default::default() });
    let mut sample = at(seconds);
    let disk =
        Disk { name: "dm-0".into(), class: crate::host::Class::Stacked, request_based, stats, ..Default::default() };
    sample.host.disks.insert(DeviceId { major: 253, minor: 0 }, disk);
    sample
}

fn task(pid: u32, start_ns: u64, cpu_ns: u64) -> Task {
    Task { pid, start_ns, cpu_ns, comm: format!("task {pid}"), ..Default::default() }
}

fn tasks_between(earlier: Vec<Task>, later: Vec<Task>, top_tasks: usize) -> Tasks {
    let sample = |seconds, tasks| Sample { tasks: Some(tasks), ..at(seconds) };
    derive(&sample(1, earlier), &sample(2, later), &Options { top_tasks }).unwrap().tasks.unwrap()
}

fn requests(window: &Window) -> BTreeMap<(DeviceId, String), u64> {
    let devices = window.block.iter().flat_map(|block| &block.devices);
    devices.flat_map(|d| d.operations.iter().map(|o| ((d.device, o.operation.clone()), o.requests))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_pair_of_samples_panics_and_every_window_survives_json(a in any_sample(), b in any_sample(), top_tasks in 0usize..4) {
        let (a, b) = if a.monotonic_ns < b.monotonic_ns { (a, b) } else { (b, a) };
        if let Ok(window) = derive(&a, &b, &Options { top_tasks }) {
            let json = serde_json::to_string(&window).unwrap();
            prop_assert_eq!(serde_json::from_str::<Window>(&json).unwrap(), window);
        }
    }

    #[test]
    fn a_recorded_sample_is_the_same_when_read_again(sample in any_sample()) {
        let json = serde_json::to_string(&sample).unwrap();
        prop_assert_eq!(serde_json::from_str::<Sample>(&json).unwrap(), sample);
    }

    #[test]
    fn two_windows_in_a_row_count_what_one_over_both_counts(s in series(3)) {
        let window = |from: usize, to: usize| derive(&s[from], &s[to], &ALL).unwrap();
        let (first, second, whole) = (window(0, 1), window(1, 2), window(0, 2));
        let waits = |w: &Window| w.sched.as_ref().and_then(|sched| sched.wait).map_or(0, |times| times.count);
        let switches = |w: &Window| (w.sched.as_ref().unwrap().switches_per_second * w.seconds).round() as u64;
        let discards = |w: &Window| w.sched.as_ref().unwrap().discards + w.block.as_ref().unwrap().discards;
        prop_assert_eq!(waits(&first) + waits(&second), waits(&whole));
        prop_assert_eq!(switches(&first) + switches(&second), switches(&whole));
        prop_assert_eq!(discards(&first) + discards(&second), discards(&whole));
        let mut added = requests(&first);
        requests(&second).into_iter().for_each(|(key, count)| *added.entry(key).or_default() += count);
        prop_assert_eq!(added, requests(&whole));
        let mut used = first.tasks.unwrap().total;
        used.add(&second.tasks.unwrap().total);
        prop_assert_eq!(used, whole.tasks.unwrap().total);
    }

    #[test]
    fn what_all_tasks_used_adds_up_to_the_total(s in series(2)) {
        let tasks = derive(&s[0], &s[1], &ALL).unwrap().tasks.unwrap();
        prop_assert_eq!(tasks.by_cpu.iter().map(|t| t.used.cpu_ns).sum::<u64>(), tasks.total.cpu_ns);
        prop_assert_eq!(tasks.by_wait.iter().map(|t| t.used.wait_ns).sum::<u64>(), tasks.total.wait_ns);
        prop_assert_eq!(tasks.by_bytes.iter().map(|t| t.used.bytes()).sum::<u64>(), tasks.total.bytes());
    }

    #[test]
    fn what_each_cgroup_used_adds_up_to_the_total_too(s in series(2)) {
        let tasks = derive(&s[0], &s[1], &ALL).unwrap().tasks.unwrap();
        let Cgroups { by_cpu, by_wait, by_bytes, kernel, .. } = &tasks.cgroups;
        prop_assert_eq!(by_cpu.iter().map(|c| c.used.cpu_ns).sum::<u64>() + kernel.cpu_ns, tasks.total.cpu_ns);
        prop_assert_eq!(by_wait.iter().map(|c| c.used.wait_ns).sum::<u64>() + kernel.wait_ns, tasks.total.wait_ns);
        prop_assert_eq!(by_bytes.iter().map(|c| c.used.bytes()).sum::<u64>() + kernel.bytes(), tasks.total.bytes());
        for cgroup in by_cpu {
            let of = tasks.by_cpu.iter().filter(|task| task.cgroup == cgroup.cgroup && !task.kernel);
            prop_assert_eq!(of.map(|task| task.used.cpu_ns).sum::<u64>(), cgroup.used.cpu_ns);
        }
    }

    #[test]
    fn the_first_tasks_are_the_first_of_all(s in series(2), n in 0usize..6) {
        let of = |top_tasks| derive(&s[0], &s[1], &Options { top_tasks }).unwrap().tasks.unwrap();
        let (some, all) = (of(n), of(usize::MAX));
        prop_assert_eq!(&some.by_cpu[..], &all.by_cpu[..n.min(all.by_cpu.len())]);
        prop_assert_eq!(&some.by_bytes[..], &all.by_bytes[..n.min(all.by_bytes.len())]);
    }

    #[test]
    fn utilisation_is_a_share(a in any_sample(), b in any_sample()) {
        let sched = derive(&a, &b, &ALL).ok().and_then(|window| window.sched);
        for share in sched.iter().flat_map(|s| s.cpus.iter().map(|cpu| cpu.utilization).chain([s.utilization])).flatten() {
            prop_assert!((0.0..=1.0).contains(&share), "{}", share);
        }
    }
}

#[test]
fn another_origin_is_no_base() {
    let later = Sample { origin: Origin { boot_id: "other".into(), attached_ns: 7 }, ..at(2) };
    let refused = derive(&at(1), &later, &ALL).unwrap_err();
    assert!(refused.to_string().contains("boot other agent 7"), "{refused}");
}

#[test]
fn a_window_has_a_length() {
    for later in [0, 1] {
        assert!(matches!(derive(&at(1), &at(later), &ALL), Err(Refused::NotLater { .. })));
    }
}

#[test]
fn a_refusal_names_the_counter_that_went_back() {
    let refused = derive(&with_cpus(1, &[(3, SECOND, 0)]), &with_cpus(2, &[(3, 0, 0)]), &ALL).unwrap_err();
    assert_eq!(refused.to_string(), "the busy time of CPU 3 went back from 1000000000 to 0");
}

#[test]
fn an_interval_under_way_may_turn_out_shorter_than_estimated() {
    let window = derive(&with_cpus(1, &[(0, 5_000, 0)]), &with_cpus(2, &[(0, 4_000, SECOND)]), &ALL).unwrap();
    assert_eq!(window.sched.unwrap().utilization, Some(0.0));
}

#[test]
fn the_nodes_utilisation_weighs_each_cpu_by_its_time() {
    let earlier = with_cpus(1, &[(0, 0, 0), (1, 0, 0), (2, 7, 7)]);
    let later = with_cpus(2, &[(0, SECOND, 0), (1, SECOND / 4, SECOND / 4), (2, 7, 7), (3, 0, SECOND / 2)]);
    let sched = derive(&earlier, &later, &ALL).unwrap().sched.unwrap();
    assert_eq!(sched.utilization, Some(0.625));
    let each: Vec<_> = sched.cpus.iter().map(|cpu| cpu.utilization).collect();
    assert_eq!(each, [Some(1.0), Some(0.5), None, Some(0.0)]);
}

#[test]
fn t_is_the_mean_over_all_requests_but_passthrough() {
    let later = with_requests(2, &[(SDA, 0, 10), (SDA, 4, 1_000), (DeviceId { major: 7, minor: 1 }, 1, 5)]);
    let mut earlier = with_requests(1, &[(SDA, 0, 4)]);
    earlier.block.as_mut().unwrap().requests[0].classes[1].device_ns = 0;
    let block = derive(&earlier, &later, &ALL).unwrap().block.unwrap();
    // 6 reads with 6 µs in the queue and 90 µs in the device, 5 writes with 5 µs and 45 µs.
    assert_eq!(block.mean_request_time, Some(146e-6 / 11.0));
    assert_eq!(block.devices.iter().map(|device| &device.name[..]).collect::<Vec<_>>(), ["7:1", "8:0"]);
}

#[test]
fn a_device_that_went_and_came_back_counts_from_zero() {
    let block =
        derive(&with_requests(1, &[(SDA, 0, 100)]), &with_requests(2, &[(SDA, 0, 3)]), &ALL).unwrap().block.unwrap();
    assert_eq!((block.resets, block.devices[0].operations[0].requests), (1, 3));
}

#[test]
fn a_hung_device_is_shown_although_nothing_completes() {
    let mut later = with_requests(2, &[]);
    later.block.as_mut().unwrap().in_flight =
        vec![sample::InFlight { device: SDA, requests: 2, oldest_ns: 90 * SECOND }];
    let block = derive(&with_requests(1, &[]), &later, &ALL).unwrap().block.unwrap();
    assert_eq!((block.devices[0].in_flight, block.devices[0].oldest), (2, Some(90.0)));
    assert_eq!(block.mean_request_time, None);
}

#[test]
fn devices_that_are_not_made_of_requests_come_from_diskstats() {
    let read = |requests, time_ns| DiskOperation { requests, bytes: 4096 * requests, time_ns };
    for (request_based, probed, shown) in [(false, true, 1), (true, true, 0), (true, false, 1)] {
        let mut earlier = with_disk(1, request_based, read(10, 0));
        let mut later = with_disk(3, request_based, read(14, 8_000_000));
        if probed {
            earlier.block = Some(Default::default());
            later.block = Some(Default::default());
        }
        let block = derive(&earlier, &later, &ALL).unwrap().block.unwrap();
        assert_eq!(block.devices.len(), shown, "request-based {request_based}, probed {probed}");
        for device in block.devices {
            assert_eq!((device.source, &device.name[..]), (Source::Diskstats, "dm-0"));
            assert_eq!(device.operations[0].requests_per_second, 2.0);
            assert_eq!(device.operations[0].mean_time, Some(2e-3));
        }
    }
}

#[test]
fn the_time_in_diskstats_wraps_at_32_bits_of_milliseconds() {
    let read = |requests, ms: u64| DiskOperation { requests, bytes: 0, time_ns: ms * 1_000_000 };
    let earlier = with_disk(1, false, read(10, (1 << 32) - 3));
    let block = derive(&earlier, &with_disk(2, false, read(11, 2)), &ALL).unwrap().block.unwrap();
    assert_eq!((block.devices[0].operations[0].mean_time, block.resets), (Some(5e-3), 0));
}

#[test]
fn nothing_known_of_any_disk_is_absent_not_empty() {
    assert_eq!(derive(&at(1), &at(2), &ALL).unwrap().block, None);
}

#[test]
fn a_pid_used_again_is_another_task() {
    let tasks = tasks_between(vec![task(7, 100, 900)], vec![task(7, 200, 50)], 9);
    assert_eq!((tasks.total.cpu_ns, tasks.resets), (50, 0));
}

#[test]
fn equals_are_ordered_by_pid() {
    let tasks = tasks_between(vec![], (1..6).rev().map(|pid| task(pid, 0, 5)).collect(), 3);
    assert_eq!(tasks.by_cpu.iter().map(|task| task.pid).collect::<Vec<_>>(), [1, 2, 3]);
}

/// A second in which the CPU was busy for `busy_ns` and waits of `waits_ns` ended.
fn with_scheduler(mut samples: [Sample; 2], busy_ns: u64, waits_ns: u64) -> Tasks {
    for (sample, ns) in samples.iter_mut().zip([(0, 0), (busy_ns, waits_ns)]) {
        let wait = Histogram::from_buckets(&[1; monitor_common::histogram::BUCKETS], ns.1);
        let cpu = sample::Cpu { busy_ns: ns.0, wait, ..Default::default() };
        sample.sched = Some(sample::Sched { cpus: BTreeMap::from([(0, cpu)]) });
    }
    derive(&samples[0], &samples[1], &ALL).unwrap().tasks.unwrap()
}

fn waiting(pid: u32, wait_ns: u64, waiting_ns: u64) -> Task {
    Task { wait_ns, waiting_ns, ..task(pid, 0, 0) }
}

#[test]
fn what_tasks_used_that_ended_is_the_rest_of_what_the_cpus_did() {
    let samples = || {
        let from = Sample { tasks: Some(vec![task(7, 0, 100), task(8, 0, 5_000)]), ..at(1) };
        [from, Sample { tasks: Some(vec![task(7, 0, 400)]), ..at(2) }]
    };
    let tasks = with_scheduler(samples(), 1_000, 0);
    assert_eq!((tasks.total.cpu_ns, tasks.ended_cpu_ns, tasks.cpu_ns()), (300, Some(700), 1_000));
    let tasks = with_scheduler(samples(), 299, 0);
    assert_eq!((tasks.ended_cpu_ns, tasks.cpu_ns()), (Some(0), 300), "two clocks are never quite one");
    let [from, to] = samples();
    let tasks = derive(&from, &to, &ALL).unwrap().tasks.unwrap();
    assert_eq!((tasks.ended_cpu_ns, tasks.cpu_ns()), (None, 300));
}

#[test]
fn a_wait_under_way_is_nobodys_that_ended() {
    let samples = |from, to| [Sample { tasks: Some(vec![from]), ..at(1) }, Sample { tasks: Some(vec![to]), ..at(2) }];
    // It waited for 900 before the window, got the CPU after 50 more, and waits again since 30.
    let tasks = with_scheduler(samples(waiting(7, 900, 900), waiting(7, 980, 30)), 0, 950);
    assert_eq!((tasks.total.wait_ns, tasks.ended_wait_ns), (80, Some(0)));
    // Another one waited for 11 in all, and ended.
    let tasks = with_scheduler(samples(waiting(7, 900, 900), waiting(7, 980, 30)), 0, 961);
    assert_eq!((tasks.ended_wait_ns, tasks.wait_ns()), (Some(11), 91));
    // It still waits: no wait ended at all.
    let tasks = with_scheduler(samples(waiting(7, 900, 900), waiting(7, 1_400, 1_400)), 0, 0);
    assert_eq!((tasks.total.wait_ns, tasks.ended_wait_ns), (500, Some(0)));
}

#[test]
fn a_cgroup_has_its_path_and_those_of_its_tasks_that_did_something() {
    let of = |cgroup, pid, cpu_ns| Task { cgroup, ..task(pid, 0, cpu_ns) };
    let mut later = Sample { tasks: Some(vec![of(3, 1, 10), of(9, 2, 25), of(3, 3, 20), of(3, 4, 0)]), ..at(2) };
    later.host.cgroups = std::sync::Arc::new(BTreeMap::from([(3, "/a.slice".into())]));
    let earlier = Sample { tasks: Some(vec![]), ..at(1) };
    let tasks = derive(&earlier, &later, &Options { top_tasks: 1 }).unwrap().tasks.unwrap();
    assert_eq!(tasks.cgroups.active, 2);
    let [first] = &tasks.cgroups.by_cpu[..] else { panic!("{:?}", tasks.cgroups) };
    assert_eq!((first.cgroup, first.path.as_deref(), first.tasks, first.used.cpu_ns), (3, Some("/a.slice"), 2, 30));
    assert_eq!((tasks.by_cpu[0].pid, &tasks.by_cpu[0].path), (2, &None));
}

#[test]
fn a_task_that_ran_longer_than_the_window_did_not_begin_in_it() {
    let tasks = tasks_between(vec![], vec![task(7, 0, 3_600 * SECOND)], 9);
    assert_eq!((tasks.total, tasks.resets), (Use::default(), 1));
}

#[test]
fn a_task_whose_books_went_back_used_nothing_that_is_known() {
    let tasks = tasks_between(vec![task(7, 0, 900)], vec![task(7, 0, 50)], 9);
    assert_eq!((tasks.total, tasks.resets), (Use::default(), 1));
}

#[test]
fn an_interface_whose_counters_went_back_is_left_out() {
    let sample = |seconds, receive_bytes| {
        let mut sample = at(seconds);
        for (name, receive_bytes) in [("eth0", receive_bytes), ("lo", seconds)] {
            sample.host.networks.insert(name.into(), Network { receive_bytes, ..Default::default() });
        }
        sample
    };
    let networks = derive(&sample(1, 1_000), &sample(2, 10), &ALL).unwrap().networks;
    assert_eq!(networks.into_keys().collect::<Vec<_>>(), ["lo"]);
}
