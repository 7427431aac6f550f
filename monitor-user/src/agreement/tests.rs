use super::*;
use crate::{
    host,
    sample::{AllTasks, Block, Class, Cpu, Sched},
};

const SECOND: u64 = 1_000_000_000;
const SDA: DeviceId = DeviceId { major: 8, minor: 0 };

/// Ours and the kernel's of everything, at a second.
struct Told {
    second: u64,
    switches: [u64; 2],
    requests: [u64; 2],
    waits: [u64; 2],
    ended: u64,
}

fn sample(told: &Told) -> Sample {
    let cpu = Cpu { switches: [told.switches[0], 0, 0], plain_wait_ns: told.waits[0], ..Cpu::default() };
    let mut requests = Requests { device: SDA, ..Requests::default() };
    requests.classes[0] = Class {
        requests: told.requests[0],
        bytes: told.requests[0] * 4096,
        device_ns: told.requests[0] * 1_000_000,
        ..Class::default()
    };
    let operation = host::DiskOperation {
        requests: told.requests[1],
        bytes: told.requests[1] * 4096,
        time_ns: told.requests[1] * 1_000_000,
    };
    let disk = host::Disk {
        request_based: true,
        iostats: true,
        stats: Some(Diskstats { read: operation, ..Diskstats::default() }),
        ..host::Disk::default()
    };
    let host = host::Host {
        context_switches: Some(told.switches[1]),
        forks: Some(7),
        disks: BTreeMap::from([(SDA, disk)]),
        ..host::Host::default()
    };
    Sample {
        monotonic_ns: told.second * SECOND,
        sched: Some(Sched { cpus: BTreeMap::from([(0, cpu)]) }),
        block: Some(Block { requests: vec![requests], ..Block::default() }),
        all_tasks: Some(AllTasks { run_delay_ns: told.waits[1], ended: told.ended, ..AllTasks::default() }),
        host,
        ..Sample::default()
    }
}

fn all(second: u64, ours: u64, kernels: u64) -> Sample {
    let waits = [ours * 1_000_000, kernels * 1_000_000];
    sample(&Told { second, switches: [ours, kernels], requests: [ours, kernels], waits, ended: 0 })
}

#[test]
fn a_program_that_misses_a_part_shows_in_the_ratio() {
    let mut agreement = Agreement::default();
    assert_eq!(agreement.see(&all(0, 10, 5_000)), []);
    let ratios = agreement.see(&all(1, 10 + 900, 5_000 + 1_000));
    let figures = ["context_switches", "run_delay", "block_requests", "block_bytes", "block_time"];
    assert_eq!(ratios, figures.map(|figure| (figure, 0.9)));
}

#[test]
fn a_fault_shows_in_full_after_days_without_one_and_is_forgotten_when_it_is_over() {
    let mut agreement = Agreement::default();
    let (mut ours, mut kernels) = (0, 0);
    let mut run = |from: u64, to: u64, ours_a_second: u64, agreement: &mut Agreement| {
        let mut last = Vec::new();
        for second in from..to {
            (ours, kernels) = (ours + ours_a_second, kernels + 1_000);
            last = agreement.see(&all(second, ours, kernels));
        }
        last
    };
    assert!(run(0, 100_000, 1_000, &mut agreement).iter().all(|(_, ratio)| *ratio == 1.0));
    let wrong = run(100_000, 100_700, 900, &mut agreement);
    assert!(wrong.len() == 5 && wrong.iter().all(|(_, ratio)| *ratio < 0.91), "{wrong:?}");
    let right = run(100_700, 101_400, 1_000, &mut agreement);
    assert!(right.iter().all(|(_, ratio)| *ratio == 1.0), "{right:?}");
}

#[test]
fn where_little_was_counted_nothing_is_told() {
    let mut agreement = Agreement::default();
    agreement.see(&all(0, 10, 5_000));
    assert_eq!(agreement.see(&all(1, 10, 5_000)), []);
    assert_eq!(agreement.see(&all(2, 10 + 19, 5_000 + 20)), []);
    assert_eq!(agreement.see(&Sample { monotonic_ns: 3 * SECOND, ..Sample::default() }), []);
}

#[test]
fn a_disk_whose_counters_went_back_is_another_and_is_left_out() {
    let mut agreement = Agreement::default();
    let told = |second, requests| Told { second, switches: [0, 0], requests, waits: [0, 0], ended: 0 };
    agreement.see(&sample(&told(0, [30, 700])));
    assert_eq!(agreement.see(&sample(&told(1, [400, 10]))), []);
}

#[test]
fn waits_of_an_interval_in_which_a_task_ended_are_not_compared() {
    let mut agreement = Agreement::default();
    let told = |second, ours, ended| Told {
        second,
        switches: [0, 0],
        requests: [0, 0],
        waits: [ours * SECOND, second * SECOND],
        ended,
    };
    agreement.see(&sample(&told(0, 0, 0)));
    assert_eq!(agreement.see(&sample(&told(1, 1, 0))), [("run_delay", 1.0)]);
    // It waited for three seconds, and took its books with it.
    assert_eq!(agreement.see(&sample(&told(2, 5, 1))), [("run_delay", 1.0)]);
    assert_eq!(agreement.see(&sample(&told(3, 6, 1))), [("run_delay", 1.0)]);
    agreement.reset();
    assert_eq!(agreement.see(&sample(&told(4, 7, 1))), []);
}
