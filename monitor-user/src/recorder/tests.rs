use std::io::Cursor;

use proptest::{collection::vec, option, prelude::*};

use super::{
    delta::Delta as _,
    file::Writer,
    frame::{PREFIX, framed},
    story::{self, Chapter, Machine},
    wire::Input,
    *,
};
use crate::{
    host::{self, Filesystem, Host, Memory, Space},
    sample::Task,
    window::{
        self,
        testing::{any_sample, series},
    },
};

const SECOND: u64 = 1_000_000_000;

fn file_of(samples: &[Sample]) -> Vec<u8> {
    let header = samples.first().map(Header::of).unwrap_or_default();
    let mut writer = Writer::new(Vec::new(), &header).unwrap();
    samples.iter().for_each(|sample| writer.push(sample).unwrap());
    assert_eq!(writer.skipped(), 0);
    writer.finish().unwrap()
}

/// What could be read, and what was said at the end.
fn read(bytes: &[u8]) -> (Vec<Sample>, Option<Error>) {
    let (mut samples, mut error) = (Vec::new(), None);
    match Recording::read(Cursor::new(bytes)) {
        Ok(recording) => recording.for_each(|step| match step {
            Ok(sample) => samples.push(sample),
            Err(it) => assert!(error.replace(it).is_none(), "an error is the last item"),
        }),
        Err(it) => error = Some(it),
    }
    (samples, error)
}

/// Equal to the last bit, which `==` does not say of a float that is no number.
fn same(a: &[Sample], b: &[Sample]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.same(b))
}

fn samples(machine: Machine, seconds: u64) -> Vec<Sample> {
    story::tell(7, machine, vec![Chapter::healthy(seconds)]).collect()
}

fn small(seconds: u64) -> Vec<Sample> {
    samples(Machine { tasks: 12, ..story::SMALL }, seconds)
}

prop_compose! {
    /// What [`any_sample`] leaves out of the host.
    fn any_host()(
        names in vec(option::of(".{0,20}"), 3),
        cpus in option::of(vec(0u32..5, 0..5)),
        load in option::of(vec(any::<u64>(), 3)),
        memory in option::of(any::<u64>()),
        mounts in vec(("[ab/]{0,4}", any::<bool>(), option::of(any::<u64>())), 0..5),
        failures in vec(("[ab]", ".{0,9}"), 0..3),
        class in 0usize..6,
        uptime_ns: Option<u64>,
    ) -> Host {
        use host::Class::*;
        let [hostname, kernel, boot_id] = <[_; 3]>::try_from(names).unwrap();
        let disk = host::Disk { class: [Rotational, Ssd, Nvme, Virtual, Stacked, Unknown][class], ..Default::default() };
        Host {
            hostname, kernel, boot_id, uptime_ns,
            online_cpus: cpus,
            load: load.map(|bits| [bits[0], bits[1], bits[2]].map(f64::from_bits)),
            memory: memory.map(|n| Memory { total: n, dirty: n / 2, ..Memory::default() }),
            filesystems: mounts.into_iter().map(|(mount, read_only, free)| Filesystem {
                mount, read_only, kind: "ext4".into(), source: String::new(),
                space: free.map(|free| Space { free, ..Space::default() }),
            }).collect(),
            disks: [(Default::default(), disk)].into(),
            unsupported: failures.iter().take(1).cloned().collect(),
            failures: failures.into_iter().collect(),
            ..Host::default()
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_samples_are_read_as_they_were(samples in vec(any_sample(), 0..7)) {
        let (read, error) = read(&file_of(&samples));
        prop_assert!(error.is_none(), "{error:?}");
        prop_assert_eq!(read, samples);
    }

    #[test]
    fn any_hosts_are_read_as_they_were(hosts in vec(any_host(), 0..7)) {
        let samples: Vec<_> = hosts.into_iter().map(|host| Sample { host, ..Sample::default() }).collect();
        let (read, error) = read(&file_of(&samples));
        prop_assert!(error.is_none() && same(&read, &samples), "{error:?} {read:?}");
    }

    #[test]
    fn random_bytes_with_a_right_checksum_are_refused_or_read(
        chunks in vec((0u8..4, vec(prop_oneof![0u8..12, any::<u8>()], 0..60)), 1..5),
    ) {
        let mut bytes = Header::default().bytes();
        for (kind, chunk) in chunks {
            bytes.extend(framed(&[&[kind][..], &chunk].concat()));
        }
        read(&bytes);
    }

    #[test]
    fn random_bytes_are_no_recording(bytes in vec(any::<u8>(), 0..200), begins_well: bool) {
        let bytes = if begins_well { [&Header::default().bytes()[..], &bytes].concat() } else { bytes };
        prop_assert!(read(&bytes).1.is_some());
    }

    #[test]
    fn one_bit_is_enough_to_be_noticed(at in 0usize..1_000_000, bit in 0u8..8) {
        let samples = small(3);
        let mut bytes = file_of(&samples);
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        let (read, error) = read(&bytes);
        prop_assert!(error.is_some() && read.len() <= samples.len());
        prop_assert_eq!(&samples[..read.len()], &read[..]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_recorder_holds_the_latest_samples_within_its_bound(
        samples in vec(any_sample(), 1..30), max_bytes in 1_000usize..60_000, seconds in 0u64..40,
    ) {
        let mut recorder = Recorder::new(Limits { max_bytes, window: Duration::from_secs(seconds) });
        for (n, mut sample) in samples.iter().cloned().enumerate() {
            sample.monotonic_ns = n as u64 * SECOND;
            recorder.push(&sample);
            prop_assert!(recorder.bytes() <= max_bytes || recorder.figures().samples == 0);
            let held: Vec<_> = recorder.iter().collect();
            prop_assert_eq!(recorder.figures().samples, held.len() as u64);
            let mut latest = samples[..=n].to_vec();
            latest.iter_mut().enumerate().for_each(|(n, sample)| sample.monotonic_ns = n as u64 * SECOND);
            prop_assert!(same(&held, &latest[n + 1 - held.len()..]));
            let covered = recorder.covers();
            prop_assert_eq!(covered, Duration::from_secs(held.len().saturating_sub(1) as u64));
            let mut written = Vec::new();
            recorder.tape().write_to(&mut written).unwrap();
            prop_assert!(same(&read(&written).0, &held));
        }
    }

    #[test]
    fn a_long_series_is_read_as_it_was_although_things_come_and_go(
        samples in series(65), gone in vec(any::<u64>(), 65),
    ) {
        let mut samples = samples;
        for (sample, gone) in samples.iter_mut().zip(gone) {
            let stays = |n: usize| gone >> (n % 64) & 7 != 0;
            sample.sched.as_mut().unwrap().cpus.retain(|&cpu, _| stays(cpu as usize));
            let mut n = 0..;
            sample.tasks.as_mut().unwrap().retain(|_| stays(8 + n.next().unwrap()));
            let mut n = 0..;
            sample.block.as_mut().unwrap().requests.retain(|_| stays(30 + n.next().unwrap()));
        }
        let file = file_of(&samples);
        prop_assert_eq!(&file, &file_of(&samples), "the same samples give the same bytes");
        prop_assert_eq!(read(&file).0, samples);
    }
}

#[test]
fn a_file_cut_off_anywhere_gives_every_whole_sample_and_says_so() {
    let samples = small(3);
    let bytes = file_of(&samples);
    let (mut counts, mut last) = (vec![0; 4], 0);
    for length in 0..bytes.len() {
        let (read, error) = read(&bytes[..length]);
        let error = error.expect("what is missing is noticed").to_string();
        assert!(error.contains("cut off") || length == 0 && error.contains("no recording"), "{error}");
        assert_eq!(read, samples[..read.len()]);
        assert!(read.len() >= last);
        last = read.len();
        counts[read.len()] += 1;
    }
    assert!(counts.iter().all(|&count| count > PREFIX), "every length of file gave its number of samples: {counts:?}");
}

#[test]
fn an_error_says_what_and_where_and_how_much_was_read() {
    let samples = small(2);
    let mut bytes = file_of(&samples);
    let end = bytes.len() - framed(&[2, 2]).len();
    assert_eq!(
        read(&bytes[..end + 3]).1.unwrap().to_string(),
        format!("the recording is cut off at byte {end}: 2 samples were read, the end is missing")
    );
    bytes[end - 1] ^= 1;
    let (read_before, error) = read(&bytes);
    let at = file_of(&samples[..1]).len() - framed(&[2, 1]).len();
    assert_eq!(read_before, samples[..1]);
    assert_eq!(
        error.unwrap().to_string(),
        format!("the recording is damaged at byte {at}: the checksum is wrong; 1 samples were read before")
    );
    assert!(read(b"hello, world").1.unwrap().to_string().starts_with("this is no recording"));
    let newer = [&file::MAGIC[..], &2u32.to_le_bytes(), b"whatever"].concat();
    assert!(read(&newer).1.unwrap().to_string().contains("has format 2, this kpulse reads up to 1"));
    let missing = Recording::open("/nonexistent/x.kpr".as_ref()).unwrap_err();
    assert!(missing.is_missing() && missing.to_string().contains("No such file"), "{missing}");
}

#[test]
fn what_follows_the_end_or_was_dropped_before_it_is_noticed() {
    let bytes = file_of(&small(2));
    let error = read(&[&bytes[..], b"x"].concat()).1.unwrap().to_string();
    assert!(error.contains("more follows the end"), "{error}");
    let end = bytes.len() - framed(&[2, 2]).len();
    let error = read(&[&bytes[..end], &framed(&[2, 3])].concat()).1.unwrap().to_string();
    assert!(error.contains("the end speaks of 3 samples, but there were 2"), "{error}");
    // A change without the sample that it changes.
    let error = read(&[Header::default().bytes(), framed(&[1, 0])].concat()).1.unwrap().to_string();
    assert!(error.contains("a sample that stands alone was expected"), "{error}");
}

#[test]
fn a_few_bytes_that_stand_for_much_memory_are_refused() {
    // Two bytes for each new task: a mask of nothing. Sample: the field `tasks`; some; then items.
    let items = Input::LIMIT / size_of::<Task>() + 1;
    let bomb = [&[0, 1 << 5, 1][..], &[2, 0].repeat(items)].concat();
    let error = read(&[Header::default().bytes(), framed(&bomb)].concat()).1.unwrap().to_string();
    assert!(error.contains("a sample that fits in 256 MiB was expected"), "{error}");
    // A length that nobody has bytes for takes no memory.
    let length = [Header::default().bytes(), u32::MAX.to_le_bytes().repeat(2)].concat();
    assert!(read(&length).1.unwrap().to_string().contains("a part of 4294967295 bytes, more than"));
}

#[test]
fn a_sample_that_is_too_large_is_left_out_and_the_next_one_stands_alone() {
    let usual = small(1).remove(0);
    let large = Sample { tasks: Some(vec![Task::default(); (64 << 20) / size_of::<Task>() + 1]), ..usual.clone() };
    let mut writer = Writer::new(Vec::new(), &Header::default()).unwrap();
    [&usual, &large, &usual].into_iter().for_each(|sample| writer.push(sample).unwrap());
    assert_eq!(writer.skipped(), 1);
    assert_eq!(read(&writer.finish().unwrap()).0, [usual.clone(), usual]);
}

#[test]
fn every_bit_of_a_float_is_kept() {
    let loads = [[0.0, 1.0, f64::NAN], [-0.0, f64::MIN_POSITIVE / 2.0, -f64::NAN], [0.0, f64::from_bits(1), 1.0 / 3.0]];
    let samples = loads.map(|load| Sample { host: Host { load: Some(load), ..Host::default() }, ..Sample::default() });
    let read = read(&file_of(&samples)).0;
    let bits = |load: [f64; 3]| load.map(f64::to_bits);
    assert!(read.iter().map(|sample| bits(sample.host.load.unwrap())).eq(loads.map(bits)));
}

#[test]
fn ten_minutes_of_a_small_node_have_room() {
    let mut recorder = Recorder::new(Limits::default());
    samples(story::SMALL, 900).iter().for_each(|sample| recorder.push(sample));
    let figures = recorder.figures();
    assert!((600..=660).contains(&(figures.covers_ns / SECOND)), "{figures:?}");
    assert!(figures.bytes < 1 << 20, "{figures:?}");
}

#[test]
fn the_last_seconds_of_a_tape_are_exact_and_share_its_memory() {
    let samples = small(150);
    let mut recorder = Recorder::new(Limits::default());
    samples.iter().for_each(|sample| recorder.push(sample));
    for seconds in [0, 1, 29, 30, 59, 60, 100, 149, 150, 9_999] {
        let tape = recorder.tape().last(Duration::from_secs(seconds));
        let expected = samples.len().saturating_sub(seconds as usize + 1);
        let mut file = Vec::new();
        tape.write_to(&mut file).unwrap();
        let (read, error) = read(&file);
        assert!(error.is_none() && read == samples[expected..], "{seconds} s: {} samples, {error:?}", read.len());
    }
}

#[test]
fn the_sample_of_a_moment_is_the_latest_before_it() {
    let samples = small(70);
    let mut recorder = Recorder::new(Limits::default());
    samples.iter().for_each(|sample| recorder.push(sample));
    for sample in &samples {
        assert_eq!(recorder.at(sample.monotonic_ns + SECOND / 2).as_ref(), Some(sample));
    }
    assert_eq!(recorder.at(samples[0].monotonic_ns - 1), None);
}

/// The files were made once, by the first version of the format. A version that was released does not change: another
/// one gets files of its own, and these stay.
#[test]
fn a_recording_of_version_1_is_still_read() {
    let expected: Vec<Sample> = serde_json::from_str(include_str!("fixtures/v1.json")).unwrap();
    let recording = Recording::read(&include_bytes!("fixtures/v1.kpr")[..]).unwrap();
    assert_eq!(recording.header().node, "story");
    assert_eq!(recording.collect::<Result<Vec<_>, _>>().unwrap(), expected);
}

/// Bytes for each sample.
fn length(samples: &[Sample]) -> f64 {
    file_of(samples).len() as f64 / samples.len() as f64
}

/// What a thing adds to a frame, in bytes.
fn growth(more: &[Sample], fewer: &[Sample], things: f64) -> f64 {
    (length(more) - length(fewer)) / things
}

/// `docs/RECORDER.md` says what things take, in lines such as `| a CPU ... | 123 |`.
fn documented(thing: &str) -> f64 {
    let page = include_str!("../../../docs/RECORDER.md");
    let line = page.lines().find(|line| line.starts_with(&format!("| {thing} "))).expect(thing);
    line.split('|').nth(2).unwrap().trim().parse().unwrap()
}

#[test]
fn the_documented_bytes_are_those_that_it_takes() {
    let machine = |cpus, disks, tasks| samples(Machine { cpus, disks, tasks }, 120);
    let base = machine(4, 4, 100);
    let with_tasks = |n: u32| {
        let mut samples = base.clone();
        let idle: Vec<Task> = (0..n)
            .map(|n| Task { pid: 5_000 + n, tgid: 5_000 + n / 8, comm: format!("task-{n}"), ..Task::default() })
            .collect();
        samples.iter_mut().for_each(|sample| sample.tasks.as_mut().unwrap().extend(idle.iter().cloned()));
        samples
    };
    let running = |n: usize| {
        let mut samples = base.clone();
        for (second, sample) in samples.iter_mut().enumerate() {
            let used = second as u64 * 1_234_567;
            let tasks = sample.tasks.as_mut().unwrap();
            tasks.iter_mut().rev().take(n).for_each(|task| {
                task.cpu_ns += used;
                task.wait_ns += used / 30;
                task.voluntary += second as u64;
            });
        }
        samples
    };
    for (thing, measured) in [
        ("a CPU", growth(&machine(12, 4, 100), &base, 8.0)),
        ("a disk", growth(&machine(4, 12, 100), &base, 8.0)),
        ("a task that ran", growth(&running(40), &running(0), 40.0)),
        ("a task that did not", growth(&with_tasks(500), &base, 500.0)),
        ("everything else", length(&machine(0, 0, 0))),
    ] {
        let documented = documented(thing);
        assert!(
            measured <= documented && measured >= 0.7 * documented,
            "{thing}: {measured:.1}, documented {documented}"
        );
    }
}

#[test]
fn the_memory_is_the_sum_of_what_the_documentation_says() {
    let machine = Machine { cpus: 4, disks: 3, tasks: 400 };
    let mut recorder = Recorder::new(Limits::default());
    samples(machine, 300).iter().for_each(|sample| recorder.push(sample));
    assert_eq!(documented("the entry of a sample"), Recorder::PER_FRAME as f64);
    // Of the first 25 tasks half run in a second, of the others one in 25.
    let ran = 12.5 + 375.0 * 0.04;
    let sample = 4.0 * documented("a CPU")
        + 3.0 * documented("a disk")
        + ran * documented("a task that ran")
        + (400.0 - ran) * documented("a task that did not")
        + documented("everything else")
        + documented("the entry of a sample");
    let latest = 4.0 * documented("a CPU's latest")
        + 3.0 * documented("a disk's latest")
        + 400.0 * documented("a task's latest");
    let (held, expected) = (recorder.bytes() as f64, 300.0 * sample + latest);
    assert!((0.8 * expected..1.1 * expected).contains(&held), "{held} bytes, {expected} by the documentation");
}

#[test]
fn the_documented_bytes_of_the_latest_sample_are_those_that_it_takes() {
    let heap = |cpus, disks, tasks| samples(Machine { cpus, disks, tasks }, 300).last().unwrap().heap() as f64;
    for (thing, measured) in [
        ("a CPU's latest", (heap(9, 1, 10) - heap(1, 1, 10)) / 8.0),
        ("a disk's latest", (heap(1, 9, 10) - heap(1, 1, 10)) / 8.0),
        ("a task's latest", (heap(1, 1, 810) - heap(1, 1, 10)) / 800.0),
    ] {
        let documented = documented(thing);
        assert!(measured <= documented && measured >= 0.7 * documented, "{thing}: {measured}, documented {documented}");
    }
}

#[test]
fn the_story_that_tests_tell_is_one_that_a_node_could() {
    let chapters = vec![Chapter::healthy(60), Chapter::slow_disk(60, 10.0), Chapter::slow_cpus(60, 20.0)];
    let samples: Vec<Sample> = story::tell(5, story::SMALL, chapters.clone()).collect();
    assert_eq!(samples, story::tell(5, story::SMALL, chapters).collect::<Vec<_>>());
    let options = window::Options { top_tasks: 3 };
    for pair in samples.windows(2) {
        let window = window::derive(&pair[0], &pair[1], &options).unwrap();
        let (tasks, sched, block) = (window.tasks.unwrap(), window.sched.unwrap(), window.block.unwrap());
        assert_eq!((tasks.resets, block.resets), (0, 0));
        let busy =
            |sample: &Sample| sample.sched.iter().flat_map(|s| s.cpus.values()).map(|cpu| cpu.busy_ns).sum::<u64>();
        assert_eq!(tasks.total.cpu_ns, busy(&pair[1]) - busy(&pair[0]));
        assert_eq!(tasks.total.wait_ns as f64, (sched.wait.unwrap().sum * 1e9).round());
        let operations = block.devices.iter().flat_map(|device| &device.operations);
        let bytes: f64 = operations.map(|operation| operation.bytes_per_second * window.seconds).sum();
        assert_eq!(tasks.total.bytes() as f64, bytes.round());
    }
    let minute = |n: usize| {
        let window = window::derive(&samples[60 * n], &samples[60 * n + 59], &options).unwrap();
        let mean_wait = window.sched.unwrap().wait.unwrap().mean;
        (window.block.unwrap().mean_request_time.unwrap(), mean_wait, window.tasks.unwrap())
    };
    let [healthy, disk, cpus] = [0, 1, 2].map(minute);
    assert!((8.0..12.0).contains(&(disk.0 / healthy.0)) && (0.8..1.2).contains(&(cpus.0 / healthy.0)));
    assert!((16.0..24.0).contains(&(cpus.1 / healthy.1)) && (0.8..1.2).contains(&(disk.1 / healthy.1)));
    assert_eq!((disk.2.by_bytes[0].cgroup, cpus.2.by_cpu[0].cgroup), (story::HOG_CGROUP, story::HOG_CGROUP));
    assert!(healthy.2.by_bytes.iter().all(|task| task.cgroup != story::HOG_CGROUP));
}
