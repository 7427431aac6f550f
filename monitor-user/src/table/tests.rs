use std::collections::BTreeMap;

use monitor_common::histogram::{BUCKETS, index};
use proptest::prelude::*;

use super::{text::fit, *};
use crate::{
    histogram::Histogram,
    host::{Class, Filesystem, Memory, Space},
    sample::{DeviceId, Events},
    window::*,
};

/// So many times around each of these lengths.
fn times(lengths: &[(u64, u64)]) -> Option<Times> {
    let mut buckets = [0; BUCKETS];
    lengths.iter().for_each(|&(ns, count)| buckets[index(ns)] += count);
    Times::of(&Histogram::from_buckets(&buckets, lengths.iter().map(|(ns, count)| ns * count).sum()))
}

fn cpu(cpu: u32, utilization: Option<f64>) -> Cpu {
    Cpu { cpu, online: utilization.is_some(), utilization, switches_per_second: 0.0, wait: None }
}

fn operation(name: &str, per_second: u64, bytes: u64, queue_ns: u64, device_ns: u64) -> Operation {
    let spread = |ns: u64| times(&[(ns, 980), (20 * ns, 20)]);
    Operation {
        operation: name.into(),
        requests: per_second,
        requests_per_second: per_second as f64,
        bytes_per_second: (per_second * bytes) as f64,
        mean_time: spread(queue_ns + device_ns).map(|times| times.mean),
        queue: spread(queue_ns),
        device_time: spread(device_ns),
        total: spread(queue_ns + device_ns),
        errors: BTreeMap::new(),
        classes: Vec::new(),
    }
}

fn device(minor: u32, name: &str, class: Class, operations: Vec<Operation>) -> Device {
    let device = DeviceId { major: 8, minor };
    Device { device, name: name.into(), class, source: Source::Requests, in_flight: 0, oldest: None, operations }
}

fn task(pid: u32, comm: &str, cpu_ms: u64, wait_us: u64, kib: u64) -> TaskUse {
    let used = Use { cpu_ns: cpu_ms * 1_000_000, wait_ns: wait_us * 1_000, read_bytes: kib << 10, ..Use::default() };
    TaskUse { pid, tgid: pid, comm: comm.into(), used, ..TaskUse::default() }
}

/// A busy database host with a disk that hangs.
fn bad_night() -> (Window, Node) {
    let mut stuck = device(0, "sda", Class::Rotational, vec![operation("read", 12, 16 << 10, 900_000, 280_000_000)]);
    (stuck.in_flight, stuck.oldest) = (31, Some(7.25));
    stuck.operations[0].errors.insert("timeout".into(), 2);
    let nvme = vec![operation("read", 5_210, 4096, 1_800, 78_000), operation("write", 930, 32 << 10, 3_100, 21_000)];
    let mut mapped = device(3, "dm-0", Class::Stacked, vec![operation("write", 930, 32 << 10, 0, 0)]);
    mapped.source = Source::Diskstats;
    let write = &mut mapped.operations[0];
    (write.queue, write.device_time, write.total, write.mean_time) = (None, None, None, Some(26e-6));

    let window = Window {
        end_realtime_ns: 1_795_482_635_000_000_000,
        seconds: 1.002,
        sched: Some(Sched {
            utilization: Some(0.8312),
            switches_per_second: 48_213.0,
            preemptions_per_second: 3_120.0,
            wait: times(&[(2_500, 30_000), (40_000, 15_000), (3_000_000, 2_500), (24_000_000, 600), (131_000_000, 1)]),
            cpus: vec![cpu(0, Some(0.9912)), cpu(1, Some(0.8744)), cpu(2, Some(0.628)), cpu(3, None)],
            discards: 0,
            plain_waits: 0,
            plain_wait_seconds: 0.0,
        }),
        block: Some(Block {
            mean_request_time: Some(0.003_12),
            devices: vec![stuck, device(1, "nvme0n1", Class::Nvme, nvme), mapped],
            discards: 4,
            resets: 0,
            coarse: false,
        }),
        tasks: Some(Tasks {
            count: 412,
            by_cpu: vec![
                task(8123, "postgres", 890, 0, 0),
                task(8120, "postgres", 610, 0, 0),
                task(4011, "node", 402, 0, 0),
            ],
            by_wait: vec![task(31_200, "a-name-of-15-ch", 0, 61_200, 0), task(8123, "postgres", 0, 9_120, 0)],
            by_bytes: vec![
                task(8123, "postgres", 0, 0, 18_200),
                task(31, "kworker/u8:2", 0, 0, 4_100),
                task(77, "\u{1b}[31m", 0, 0, 12),
                task(78, "", 0, 0, 4),
            ],
            total: Use {
                cpu_ns: 2_494_000_000,
                wait_ns: 74_900_000,
                read_bytes: 22_400 << 10,
                write_bytes: 0,
                switches: 48_213,
            },
            ended_cpu_ns: Some(318_000_000),
            ended_wait_ns: Some(0),
            ..Tasks::default()
        }),
        events: Some(Events { seen: [2, 41, 1], dropped: [0; 3] }),
        cpu_modes: Some(CpuModeShares {
            user: 0.58,
            nice: 0.0,
            system: 0.241,
            idle: 0.1,
            iowait: 0.06,
            irq: 0.0,
            softirq: 0.012,
            steal: 0.007,
        }),
        pressure: BTreeMap::from([
            ("cpu".into(), PressureShares { some: Some(0.316), full: Some(0.0) }),
            ("io".into(), PressureShares { some: Some(0.642), full: Some(0.587) }),
            ("memory".into(), PressureShares { some: Some(0.0), full: Some(0.0) }),
        ]),
        networks: BTreeMap::from([
            (
                "eth0".into(),
                NetworkRates { receive_bytes_per_second: 3.4e6, transmit_bytes_per_second: 912e3, errors: 3 },
            ),
            (
                "lo".into(),
                NetworkRates { receive_bytes_per_second: 1200.0, transmit_bytes_per_second: 1200.0, errors: 0 },
            ),
        ]),
        memory: Some(Memory {
            total: 16 << 30,
            available: 1 << 30,
            cached: 6 << 30,
            dirty: 240 << 20,
            swap_total: 2 << 30,
            swap_free: 1 << 30,
            ..Memory::default()
        }),
        load: Some([7.31, 4.02, 2.2]),
        filesystems: vec![Filesystem {
            mount: "/var".into(),
            source: "/dev/dm-0".into(),
            kind: "ext4".into(),
            read_only: false,
            space: Some(Space { size: 100 << 30, free: 3 << 30, available: 2 << 30, files: 0, files_free: 0 }),
        }],
    };
    let node =
        Node { hostname: "db-7".into(), kernel: "6.18.5-amd64".into(), cpus: 3, uptime_seconds: Some(1_051_200) };
    (window, node)
}

/// Holds the text against a file; `KPULSE_BLESS=1` writes the file.
fn assert_golden(name: &str, text: &str) {
    let path = format!("{}/src/table/golden/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("KPULSE_BLESS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap();
    assert!(text == expected, "{path} differs; if it should, run the tests with KPULSE_BLESS=1\n{text}");
}

#[test]
fn a_bad_night_reads_as_it_should() {
    let (window, node) = bad_night();
    for (name, color, width) in [("wide", false, 100), ("narrow", false, 80), ("color", true, 100)] {
        assert_golden(name, &render(&window, &node, Style { color, width }));
    }
}

#[test]
fn a_node_of_which_nothing_is_known_says_so() {
    let (mut window, _) = bad_night();
    (window.sched, window.block, window.tasks, window.events, window.cpu_modes) = (None, None, None, None, None);
    (window.memory, window.load) = (None, None);
    (window.pressure, window.networks, window.filesystems) = Default::default();
    assert_golden("unknown", &render(&window, &Node::default(), Style::default()));
}

#[test]
fn many_cpus_and_devices_are_summed_up() {
    let (mut window, node) = bad_night();
    window.sched.as_mut().unwrap().cpus = (0..64).map(|n| cpu(n, Some(f64::from(n) / 64.0))).collect();
    let devices = (0..40).map(|n| {
        device(n, &format!("sd{n}"), Class::Ssd, vec![operation("read", 10 + u64::from(n), 4096, 1_000, 90_000)])
    });
    window.block.as_mut().unwrap().devices = devices.collect();
    assert_golden("large", &render(&window, &node, Style::default()));
}

#[test]
fn colours_change_nothing_but_colours() {
    let (window, node) = bad_night();
    let mut colored = render(&window, &node, Style { color: true, width: 100 });
    for code in ["\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[33m", "\x1b[1;31m"] {
        colored = colored.replace(code, "");
    }
    assert_eq!(colored, render(&window, &node, Style::default()));
}

proptest! {
    #[test]
    fn no_line_is_wider_than_the_terminal_and_no_name_controls_it(
        width in 0usize..200,
        name in "\\PC{0,20}|[\\x00-\\x1f\u{202e}\u{200b}]{0,20}",
        huge in prop_oneof![Just(0.0), Just(1e300), 0.0..1e12f64],
        bytes: u64,
    ) {
        let (mut window, mut node) = bad_night();
        (node.hostname, node.kernel) = (name.clone(), name.clone());
        let block = window.block.as_mut().unwrap();
        block.mean_request_time = Some(huge);
        block.devices[0].name = name.clone();
        (block.devices[0].oldest, block.devices[1].operations[0].bytes_per_second) = (Some(huge), huge);
        let tasks = window.tasks.as_mut().unwrap();
        tasks.by_cpu[0].comm = name.clone();
        (tasks.by_cpu[0].used.cpu_ns, tasks.total.cpu_ns) = (bytes, bytes);
        tasks.ended_wait_ns = Some(bytes);
        window.networks.insert(name.clone(), NetworkRates { receive_bytes_per_second: huge, ..Default::default() });
        window.filesystems[0].mount = name;
        let text = render(&window, &node, Style { color: false, width });
        for line in text.lines() {
            prop_assert!(line.chars().count() <= width.max(80), "{line}");
        }
        let harmful = text.contains(|c: char| c != '\n' && c.is_control() || "\u{202e}\u{200b}".contains(c));
        prop_assert!(!harmful, "{text:?}");
    }

    #[test]
    fn figures_fit_their_columns(magnitude in -12i32..18, digits in 1.0..10.0f64) {
        let x = digits * 10f64.powi(magnitude);
        let width = |text: String| text.chars().count();
        prop_assert!(width(units::time(x.min(1e8))) <= 6, "{}", units::time(x));
        prop_assert!(width(units::bytes(x)) <= 7, "{}", units::bytes(x));
        prop_assert!(width(units::count(x.min(1e11))) <= 5, "{}", units::count(x));
    }
}

#[test]
fn figures_have_three_digits() {
    let all = [0.0, 14e-9, 16e-9, 999.6e-9, 12.34e-6, 0.9996e-3, 0.0213, 1.0, 99.0, 100.0, 7200.0].map(units::time);
    assert_eq!(all, ["0", "<15ns", "16ns", "1.00µs", "12.3µs", "1.00ms", "21.3ms", "1.00s", "99.0s", "1.7m", "2.0h"]);
    let all = [0.0, 512.0, 1000.0, 1024.0, 1023.0 * 1024.0, 3.5e12].map(units::bytes);
    assert_eq!(all, ["0", "512B", "0.98KiB", "1.00KiB", "1.00MiB", "3.18TiB"]);
    let all = [0.0, 0.25, 3.0, 42.4, 999.6, 12_345.0, 1.2e9].map(units::count);
    assert_eq!(all, ["0", "0.2", "3", "42", "1.00k", "12.3k", "1.20G"]);
    assert_eq!([0.0, 0.374, 0.9999, 1.0, 7.5].map(units::percent), ["0.0%", "37.4%", "100%", "100%", "750%"]);
    assert_eq!([59, 3_660, 200_000].map(units::uptime), ["0m", "1h 1m", "2d 7h"]);
}

#[test]
fn moments_are_those_of_the_calendar() {
    for (seconds, text) in [
        (0, "1970-01-01 00:00:00 UTC"),
        (951_782_400, "2000-02-29 00:00:00 UTC"),
        (1_735_689_599, "2024-12-31 23:59:59 UTC"),
        (4_107_542_400, "2100-03-01 00:00:00 UTC"),
    ] {
        assert_eq!(units::utc(seconds * 1_000_000_000), text);
        let exchanged = format!("{}.000000042Z", text.replacen(' ', "T", 1).trim_end_matches(" UTC"));
        assert_eq!(units::rfc3339(seconds * 1_000_000_000 + 42), exchanged);
    }
}

#[test]
fn names_are_made_harmless_and_cut() {
    let cases =
        [("cat", "cat"), ("", "(no name)"), (" ", "(no name)"), ("a\tb", "a\\tb"), ("0123456789ab", "012345678…")];
    for (name, safe) in cases {
        assert_eq!(fit(name, 10), safe);
    }
}
