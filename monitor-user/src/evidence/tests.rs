use proptest::prelude::*;

use super::{testing::*, *};
use crate::{
    alert::Alert,
    index::{Mode, Part, Standing},
    table::Style,
    window::{Options, derive, testing::series},
};

const ALL_LISTS: [fn(&IndexEvidence) -> &contributions::Shares; 5] =
    [|i| &i.by_node, |i| &i.by_device, |i| &i.by_operation, |i| &i.by_size, |i| &i.by_request];

fn text(alert: &Alert, width: usize) -> String {
    text::render(alert, Style { color: false, width })
}

/// How long the requests of a part usually take: anything, but always the same.
fn usual(part: &Part, seed: u64) -> f64 {
    let stratum = &part.stratum;
    let mix = seed ^ (u64::from(stratum.operation) << 8 | u64::from(stratum.size)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    1e-7 * (1.0 + (mix.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 40) as f64)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_shares_add_up_to_p_minus_1_to_the_last_bit(
        nodes in prop::collection::vec(series(2), 1..12), seed: u64, focus in 0usize..2,
    ) {
        let windows: Vec<_> =
            nodes.iter().map(|s| derive(&s[0], &s[1], &Options { top_tasks: 3 }).unwrap()).collect();
        let names: Vec<String> = (0..windows.len()).map(|n| format!("node-{n}")).collect();
        let named: Vec<_> = names.iter().map(String::as_str).zip(&windows).collect();
        let signal = Signal::ALL[focus];
        let index = index_of(signal, &named, |part| usual(part, seed));
        let evidence = gather(None, &windows[0], std::slice::from_ref(&index), &subject("performance_index", &[]));
        let [found] = &evidence.indices[..] else { panic!("{:?}", evidence.indices) };
        let Some(verdict) = found.verdict else {
            prop_assert!(index.verdict.is_none());
            return Ok(());
        };
        let exact = index.verdict.unwrap();
        prop_assert!((verdict.p - exact.p).abs() <= 1e-11 * exact.p.max(1.0));
        for list in ALL_LISTS {
            let shares = list(found);
            let forward: f64 = shares.iter().map(|share| share.contribution).sum();
            let mut all: Vec<f64> = shares.iter().map(|share| share.contribution).collect();
            all.reverse();
            prop_assert_eq!(forward, verdict.p - 1.0);
            prop_assert_eq!(all.iter().sum::<f64>(), verdict.p - 1.0);
            prop_assert!(shares.rows.len() <= contributions::ROWS);
            let printed: i64 = exact::steps(&all, 0.01).iter().sum();
            prop_assert!((printed - ((verdict.p - 1.0) * 100.0).round() as i64).abs() <= 1, "{printed}");
            prop_assert_eq!(shares.iter().map(|share| share.requests).sum::<u64>(),
                index.nodes.iter().filter(|n| n.contribution.is_some()).map(|n| n.requests).sum::<u64>());
        }
    }

    #[test]
    fn who_used_what_adds_up_to_the_total(s in series(2), top_tasks in 0usize..20) {
        let window = derive(&s[0], &s[1], &Options { top_tasks }).unwrap();
        let culprits = gather(None, &window, &[], &subject("cpu", &[])).culprits.unwrap();
        for ranking in [&culprits.cpu_ns, &culprits.wait_ns, &culprits.bytes] {
            let groups: u64 = ranking.cgroups.iter().map(|group| group.amount).sum();
            let tasks: u64 = ranking.tasks.iter().map(|task| task.amount).sum();
            prop_assert_eq!(groups + ranking.cgroups_other + ranking.kernel + ranking.ended, ranking.total);
            for rows in [ranking.by_cgroup(), ranking.by_task(1), ranking.by_task(9)] {
                prop_assert_eq!(rows.iter().map(|row| row.1).sum::<u64>(), ranking.total);
            }
            prop_assert_eq!(tasks + ranking.tasks_other + ranking.ended, ranking.total);
        }
        let tasks = window.tasks.unwrap();
        prop_assert_eq!(culprits.cpu_ns.total, tasks.cpu_ns());
        prop_assert_eq!(culprits.bytes.total + culprits.kernel_bytes, tasks.total.bytes());
    }

    #[test]
    fn the_shares_of_the_requests_time_add_up_to_1(s in series(2)) {
        let window = derive(&s[0], &s[1], &Options::default()).unwrap();
        let disks = gather(None, &window, &[], &subject("block", &[])).disks;
        let shown: f64 = disks.devices.iter().flat_map(|device| &device.operations).map(|o| o.share).sum();
        let all = shown + disks.other.map_or(0.0, |other| other.share);
        prop_assert!(all == 0.0 || (all - 1.0).abs() < 1e-9, "{all}");
    }

    #[test]
    fn evidence_of_any_window_survives_json_and_says_nothing_twice(s in series(3), signal in "[a-z_]{0,12}") {
        let options = Options::default();
        let (before, during) = (derive(&s[0], &s[1], &options).unwrap(), derive(&s[1], &s[2], &options).unwrap());
        let index = index_of(Signal::Block, &[("n", &during)], |part| usual(part, 7));
        let subject = subject(&signal, &[]);
        let evidence = gather(Some(&before), &during, &[index], &subject);
        let json = serde_json::to_string(&evidence).unwrap();
        prop_assert_eq!(&serde_json::from_str::<Evidence>(&json).unwrap(), &evidence);
        prop_assert!(json.len() <= MAX_BYTES);
        harmless(&evidence.annotations(&subject))?;
    }
}

fn harmless(annotations: &BTreeMap<String, String>) -> Result<(), TestCaseError> {
    for (name, line) in annotations {
        prop_assert!(line.chars().count() <= annotations::LENGTH, "{name}: {line}");
        prop_assert!(!line.chars().any(char::is_control), "{name}: {line:?}");
    }
    Ok(())
}

#[test]
fn a_bad_night_is_explained() {
    let subject = subject("performance_index", &[("signal", "block")]);
    let evidence = evidence(&subject);
    let found = evidence.annotations(&subject);
    let expected = [
        (
            "because",
            "loop0 write: 35.3ms a request, usually 3.90ms: 99.9% of P − 1; in the device, not the queue; \
                     32 in flight, the oldest for 2.30s",
        ),
        ("before_after", "p99 6.01ms → 80.8ms, mean 3.90ms → 35.3ms, requests/s 100 → 300"),
        ("culprit", "/system.slice/backup.service moved 98.8% of the bytes (760MiB), its 4 fio 98.8%"),
        ("performance_index", "P 8.99 = F 8.99 × S 1.00, N 1, trailing"),
        ("window", "the 60.0s to 2026-11-24 01:12:35 UTC"),
    ];
    for (name, line) in expected {
        assert!(found.get(name).is_some_and(|found| found == line), "{name}: {found:#?}");
    }
    let bytes = &evidence.culprits.as_ref().unwrap().bytes;
    assert_eq!((&bytes.cgroups[0].path[..], &bytes.tasks[0].name[..]), (BACKUP, "fio"));
}

#[test]
fn a_loop_device_does_not_halve_the_culprits_share() {
    let night = windows();
    let again = windows_with(|task| task.extend([kernel_thread(900, 800), kernel_thread(901, 300)]));
    let bytes = |window: &Window| gather(None, window, &[], &subject("block", &[])).culprits.unwrap();
    let (without, with) = (bytes(&night.1), bytes(&again.1));
    assert_eq!(with.bytes, without.bytes);
    assert_eq!((without.kernel_bytes, with.kernel_bytes), (0, 1_100 << 20));

    // The kernel's own file server: nobody else moves anything.
    let (_, alone) = windows_with(|tasks| *tasks = vec![kernel_thread(900, 800)]);
    let subject = subject("block", &[]);
    let found = gather(None, &alone, &[], &subject).annotations(&subject);
    assert_eq!(found["culprit"], "threads of the kernel moved all the bytes (800MiB)");
}

#[test]
fn an_alert_about_waits_names_who_used_the_cpu_and_who_waits() {
    let subject = subject("run_queue_wait_p99", &[]);
    let found = evidence(&subject).annotations(&subject);
    for (name, begins) in [
        ("because", "a wait for a CPU takes "),
        ("culprit", "/system.slice/backup.service used 91."),
        ("waiting", "/system.slice/postgresql.service did 6"),
        ("before_after", "wait p99 43"),
        ("performance_index", "P "),
    ] {
        assert!(found.get(name).is_some_and(|line| line.starts_with(begins)), "{name}: {found:#?}");
    }
    assert!(found["because"].ends_with("usually 40.0µs; the CPUs are 98.3% busy"), "{found:#?}");
}

#[test]
fn other_subjects_have_lines_of_their_own() {
    for (signal, labels, name, begins) in [
        (
            "memory_available",
            &[][..],
            "because",
            "2.00GiB of 16.0GiB available (12.5%); swap 1.00GiB of 2.00GiB in use",
        ),
        ("filesystem_used", &[("mount", "/var")], "because", "/var: 6.00GiB of 100GiB left (6.0%)"),
        ("filesystem_used", &[("mount", "/var")], "before_after", "left 7.00GiB → 6.00GiB"),
        ("pressure_some", &[("resource", "io")], "before_after", "io pressure 1.7% → 63.3%, p99"),
        ("in_flight_oldest", &[("device", "loop0")], "because", "loop0: 32 in flight, the oldest for 2.30s; write: "),
        (
            "request_p99",
            &[("device", "sda"), ("operation", "read")],
            "because",
            "sda read: 100µs a request, usually 100µs; ",
        ),
    ] {
        let subject = subject(signal, labels);
        let found = evidence(&subject).annotations(&subject);
        assert!(found.get(name).is_some_and(|line| line.starts_with(begins)), "{signal}: {found:#?}");
    }
    let own = subject("agent_overhead", &[]);
    assert_eq!(evidence(&own).annotations(&own).into_keys().collect::<Vec<_>>(), ["window"]);
}

#[test]
fn nothing_known_is_evidence_of_nothing() {
    let (_, mut during) = windows();
    (during.sched, during.block, during.tasks, during.memory, during.cpu_modes) = (None, None, None, None, None);
    during.filesystems.clear();
    for signal in ["block", "cpu", "memory", "filesystem"] {
        let subject = subject(signal, &[]);
        let found = gather(None, &during, &[], &subject).annotations(&subject);
        assert_eq!(found.into_keys().collect::<Vec<_>>(), ["window"], "{signal}");
    }
}

#[test]
fn without_a_verdict_the_window_before_is_what_was_usual() {
    let (before, during) = windows();
    let mut indices = indices();
    for index in &mut indices {
        index.verdict = None;
        index.nodes[0].standing = Standing::Learning;
    }
    let subject = subject("request_mean", &[("device", "loop0")]);
    let evidence = gather(Some(&before), &during, &indices, &subject);
    let because = &evidence.annotations(&subject)["because"];
    assert!(because.starts_with("loop0 write: 35.3ms a request, before 3.90ms; in the device"), "{because}");
    assert_eq!(
        (evidence.indices[0].standing, &evidence.indices[0].by_node),
        (Some(Standing::Learning), &Default::default())
    );
}

#[test]
fn the_mode_in_force_is_shown_and_never_the_self_test() {
    let (_, during) = windows();
    let mut indices = indices();
    let mut literal = indices[0].clone();
    literal.mode = Mode::InstantMean;
    indices.insert(0, literal.clone());
    let shown = |indices: &[Index], labels: &[(&str, &str)]| {
        let evidence = gather(None, &during, indices, &subject("performance_index", labels));
        evidence.indices.iter().map(|index| (index.signal, index.mode)).collect::<Vec<_>>()
    };
    let both = [(Signal::Block, Mode::Trailing), (Signal::RunQueue, Mode::Trailing)];
    assert_eq!(shown(&indices, &[("mode", "pinned")]), both);
    assert_eq!(shown(&indices[..1], &[]), []);
    assert_eq!(shown(&indices[..1], &[("mode", "instant-mean")]), [(Signal::Block, Mode::InstantMean)]);
}

/// As many of everything as there can be, with the longest names.
fn largest() -> Evidence {
    use crate::window::{CgroupUse, Use};
    const NAME: &str = "\"\\\u{1b}\"\\ä\u{202e}";
    let (mut before, mut during) = windows();
    let long = |n: usize| format!("{n}{}", NAME.repeat(200));
    for window in [&mut before, &mut during] {
        let block = window.block.as_mut().unwrap();
        let mut operations = Vec::new();
        for n in 0..9 {
            let mut operation = block.devices[0].operations[0].clone();
            operation.operation = long(n);
            operation.errors = (0..10).map(|n| (format!("reservation_{n}"), u64::MAX)).collect();
            operations.push(operation);
        }
        block.devices = (0..40)
            .map(|n| {
                let mut device = block.devices[0].clone();
                (device.device.minor, device.name, device.operations) = (n, long(n as usize), operations.clone());
                device
            })
            .collect();
        let sched = window.sched.as_mut().unwrap();
        sched.cpus = (0..900).map(|n| crate::window::Cpu { cpu: u32::MAX - n, ..sched.cpus[0] }).collect();
        window.pressure = (0..40).map(|n| (long(n), window.pressure["io"])).collect();
        window.filesystems =
            (0..40).map(|n| crate::host::Filesystem { mount: long(n), ..window.filesystems[0].clone() }).collect();
        let tasks = window.tasks.as_mut().unwrap();
        let used = Use { cpu_ns: 1 << 60, wait_ns: 1 << 60, read_bytes: 1 << 60, write_bytes: 1 << 60, switches: 1 };
        for list in [&mut tasks.by_cpu, &mut tasks.by_wait, &mut tasks.by_bytes] {
            let mut task = list[0].clone();
            (task.pid, task.comm, task.path, task.used) = (u32::MAX, long(1), Some(long(2)), used);
            *list = vec![task; 40];
        }
        let groups = &mut tasks.cgroups;
        for list in [&mut groups.by_cpu, &mut groups.by_wait, &mut groups.by_bytes] {
            *list = vec![CgroupUse { cgroup: u64::MAX, path: Some(long(3)), tasks: u64::MAX, used }; 40];
        }
    }
    let names: Vec<String> = (0..20).map(long).collect();
    let nodes: Vec<_> = names.iter().map(|name| (&name[..], &during)).collect();
    let mut indices: Vec<Index> = Vec::new();
    for signal in [Signal::Block, Signal::RunQueue] {
        let mut index = index_of(signal, &nodes, |_| 0.001_234_567);
        for (n, part) in index.nodes.iter_mut().flat_map(|node| &mut node.parts).enumerate() {
            (part.part.device, part.part.stratum.operation) = (long(n % 40), (n % 13) as u8);
            part.part.stratum.size = (n % 11) as u8;
        }
        indices.push(index);
    }
    gather(Some(&before), &during, &indices, &subject("block", &[]))
}

#[test]
fn evidence_is_never_larger_than_it_says() {
    let (usual, most) = (evidence(&subject("block", &[])), largest());
    let size = |evidence: &Evidence| serde_json::to_vec(evidence).unwrap().len();
    println!("{} bytes, at most {}", size(&usual), size(&most));
    assert!(size(&most) > MAX_BYTES / 2, "the bound is far from what there can be: {}", size(&most));
    assert!(size(&most) <= MAX_BYTES && size(&usual) <= MAX_BYTES / 4, "{} {}", size(&usual), size(&most));
}

#[test]
fn hostile_names_are_inert_wherever_they_go() {
    let (subject, evidence) = (subject("block", &[]), largest());
    harmless(&evidence.annotations(&subject)).unwrap();
    let json = serde_json::to_string(&evidence).unwrap();
    assert!(!json.contains(['\u{1b}', '\u{202e}']) && !json.contains("\\u001b"), "{json}");
    let mut alert = alert();
    alert.firing_evidence = Some(std::sync::Arc::new(evidence));
    for (name, value) in [(&mut alert.rule, "\u{1b}[2J"), (&mut alert.id, "\n")] {
        *name = value.into();
    }
    alert.labels.insert("x\n".into(), "\u{1b}[31m".into());
    alert.annotations.insert("because".into(), format!("\u{1b}]0;title\u{7}\n{}", "word ".repeat(60)));
    for width in [0, 80, 100, 200] {
        let text = text(&alert, width);
        assert!(!text.contains(|c: char| c != '\n' && c.is_control() || c == '\u{202e}'), "{text:?}");
        assert!(text.lines().all(|line| line.chars().count() <= width.max(80)), "{text}");
    }
}

#[test]
fn an_alert_reads_well_on_a_terminal() {
    let path = format!("{}/src/evidence/golden/alert.txt", env!("CARGO_MANIFEST_DIR"));
    let text = text(&alert(), 100);
    if std::env::var_os("KPULSE_BLESS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(text == expected, "{path} differs; if it should, run the tests with KPULSE_BLESS=1\n{text}");
}

#[test]
fn the_same_windows_give_the_same_bytes() {
    let of = || serde_json::to_vec(&evidence(&subject("block", &[]))).unwrap();
    assert_eq!(of(), of());
}
