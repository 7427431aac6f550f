//! The scheduler probe against the kernel's own books: waits, switches, utilisation, and what it must refuse.
#![allow(clippy::unwrap_used, reason = "a test may panic, and so may what its tests share")]

use std::{
    cell::Cell,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use kpulse::{kernel::load::Loaded, probes::sched::reader::Reader, sample::Sched};
use monitor_common::{
    histogram::{BOUNDS, BUCKETS, OVERFLOW},
    sched::Discard,
};
use tests::{
    clock,
    cpu::{self, Charged},
    guard::{Restored, Running, fork},
    load::{Duty, DutyCycle, Messages, PingPong, Ring},
    probes, proc,
    reference::NaiveSched,
    root_or_skip,
    skip::{self, alone},
    tool_or_skip,
    waits::Waits,
};

/// The loaded probe with its reader.
struct Probe {
    loaded: Loaded,
    reader: Reader,
}

impl Probe {
    fn load() -> Self {
        Self { loaded: probes::load(&probes::options(&["sched"])), reader: Reader::default() }
    }

    /// A reading, and the moment on `CLOCK_MONOTONIC` that it stands for.
    fn read(&mut self) -> (u64, Sched) {
        let now = Cell::new(0);
        let told = || {
            now.set(clock::monotonic());
            now.get()
        };
        let maps = self.loaded.sched.as_mut().unwrap();
        let reading = self.reader.read(maps, &cpu::online(), told).unwrap();
        (now.get(), reading.sched)
    }
}

fn sum(sched: &Sched, of: impl Fn(&kpulse::sample::Cpu) -> u64) -> u64 {
    sched.cpus.values().map(of).sum()
}

/// Compares the histogram's sum with the run delay of all tasks while `load` runs. Gives the migrated waits.
fn waits_agree(load: impl FnOnce()) -> Result<u64, String> {
    let mut probe = Probe::load();
    probe.read();
    // All tasks' books are not read in one moment: the truth is for a time that is longer than from the second to the
    // third reading and shorter than from the first to the fourth.
    let (_, first) = probe.read();
    let waits = Waits::begin().map_err(|error| format!("no taskstats: {error}"))?;
    let (_, second) = probe.read();
    load();
    let (_, third) = probe.read();
    let truth = waits.end().unwrap();
    let (_, fourth) = probe.read();
    let waited = |from, to| sum(to, |cpu| cpu.wait.sum_ns()) - sum(from, |cpu| cpu.wait.sum_ns());
    let count = |of: fn(&kpulse::sample::Cpu) -> u64| sum(&third, of) - sum(&second, of);
    let (least, most, migrated) = (waited(&second, &third), waited(&first, &fourth), count(|cpu| cpu.migrated));
    let ratio = |ns: u64| ns as f64 / truth.ns as f64;
    println!(
        "waits: kpulse {:.3} s, kernel {:.3} s, ratio {:.5} to {:.5}; {} waits, {migrated} migrated; {} tasks ended, {} unknown",
        least as f64 / 1e9,
        truth.ns as f64 / 1e9,
        ratio(least),
        ratio(most),
        count(|cpu| cpu.wait.count()),
        truth.ended,
        truth.unknown,
    );
    assert!(truth.ns > 1_000_000_000, "the load made nobody wait: {truth:?}");
    assert!(
        ratio(least) <= 1.01 && ratio(most) >= 0.99,
        "the waits differ by more than 1 %: {least} to {most} against {}",
        truth.ns
    );
    Ok(migrated)
}

#[test]
fn the_waits_of_threads_that_pass_messages_add_up_to_the_kernels_run_delay() {
    root_or_skip!("the_waits_of_threads_that_pass_messages_add_up_to_the_kernels_run_delay");
    let _alone = alone();
    let load = || {
        let _messages = Messages::start(4, None);
        let cpus = cpu::online();
        // Who waits is moved while it waits: the kernel itself may see no reason to.
        for turn in 0..40 {
            thread::sleep(Duration::from_millis(100));
            cpu::keep_others(&cpus[turn % cpus.len()..][..1]);
        }
        cpu::keep_others(&cpus);
    };
    match waits_agree(load) {
        Ok(migrated) => assert!(migrated > 0 || cpu::online().len() == 1, "nobody was moved: the table was not used"),
        Err(why) => skip::unsupported("the_waits_of_threads_that_pass_messages_add_up_to_the_kernels_run_delay", &why),
    }
}

#[test]
fn the_waits_of_perf_bench_messaging_add_up_to_the_kernels_run_delay() {
    root_or_skip!("the_waits_of_perf_bench_messaging_add_up_to_the_kernels_run_delay");
    tool_or_skip!("the_waits_of_perf_bench_messaging_add_up_to_the_kernels_run_delay", "perf");
    let _alone = alone();
    for threads in [None, Some("-t")] {
        let load = || {
            let mut command = Command::new("perf");
            command.args(["bench", "sched", "messaging", "-g", "4", "-l", "1500"]).args(threads).stdout(Stdio::null());
            let status = Running::start(&mut command).0.wait().unwrap();
            assert!(status.success(), "perf bench: {status}");
        };
        match waits_agree(load) {
            Ok(migrated) => {
                assert!(migrated > 0 || cpu::online().len() == 1, "nobody was moved: the table was not used")
            }
            Err(why) => {
                skip::unsupported("the_waits_of_perf_bench_messaging_add_up_to_the_kernels_run_delay", &why);
            }
        }
    }
}

#[test]
fn the_switches_are_the_kernels_own_count() {
    root_or_skip!("the_switches_are_the_kernels_own_count");
    let _alone = alone();
    let mut probe = Probe::load();
    let _load = PingPong::start(cpu::online()[0] as usize);
    let mut bracketed = || {
        let first = cpu::context_switches();
        let (_, sched) = probe.read();
        (first, sum(&sched, |cpu| cpu.switches.iter().sum()), cpu::context_switches())
    };
    // Every CPU must have switched once before it is in a reading.
    bracketed();
    let before = bracketed();
    thread::sleep(Duration::from_secs(2));
    let after = bracketed();
    let (least, most) = (after.0 - before.2, after.2 - before.0);
    let counted = after.1 - before.1;
    println!("switches: kpulse {counted}, kernel {least} to {most}");
    assert!(least > 20_000, "the load did not switch");
    let (least, most, counted) = (least as f64, most as f64, counted as f64);
    assert!(counted >= least * 0.999 && counted <= most * 1.001, "{counted} is not within 0.1 % of {least} to {most}");
}

/// The bucket that holds the time which `q` of all are not longer than.
fn quantile(buckets: &[u64; BUCKETS], q: f64) -> usize {
    let rank = (buckets.iter().sum::<u64>() as f64 * q).ceil() as u64;
    let running = buckets.iter().scan(0, |sum, count| {
        *sum += count;
        Some(*sum)
    });
    running.take_while(|sum| *sum < rank).count()
}

#[test]
fn the_waits_have_the_count_and_the_shape_that_wakeups_and_switches_give() {
    root_or_skip!("the_waits_have_the_count_and_the_shape_that_wakeups_and_switches_give");
    let _alone = alone();
    let mut probe = Probe::load();
    let naive = NaiveSched::attach();
    // Pinned, for the naive programs take a move for a new wait. And with waits that are long against the microsecond or two
    // from the clock that the scheduler stops at its entry to the tracepoint, which only they count.
    // Real-time, and only this CPU compared, for others use the machine too, and what they do is not known.
    let cpus = cpu::online();
    let on = cpus[cpus.len() - 1];
    cpu::pin(cpus[0] as usize);
    let _load = Ring::start(on as usize);
    let mut both = || {
        let (_, sched) = probe.read();
        let mut buckets = [0; BUCKETS];
        sched.cpus[&on].wait.iter().for_each(|(bucket, count)| buckets[bucket] += count);
        (buckets, naive.read_on(on as usize))
    };
    // Waits that began before the naive programs were attached are over after this.
    thread::sleep(Duration::from_millis(500));
    let since = |after: [u64; BUCKETS], before: [u64; BUCKETS]| std::array::from_fn(|i| after[i] - before[i]);
    for _ in 0..5 {
        let (given, before) = (times_given_a_cpu(), both());
        thread::sleep(Duration::from_secs(2));
        let (after, own) = (both(), times_given_a_cpu() - given);
        let (ours, theirs) = (since(after.0, before.0), since(after.1, before.1));
        let (count, reference) = (ours.iter().sum::<u64>(), theirs.iter().sum::<u64>());
        let [p50, p99] = [0.5, 0.99].map(|q| [quantile(&ours, q), quantile(&theirs, q)]);
        println!(
            "waits: kpulse {count}, naive {reference}, ratio {:.5}; p50 in buckets {p50:?}, p99 in {p99:?}; {own} of the load",
            count as f64 / reference as f64
        );
        assert!(own > 1_000, "the load made nobody wait");
        if own * 10 < count * 8 {
            // Others use the machine, and their waits may be of any kind.
            continue;
        }
        assert!(count.abs_diff(reference) * 100 <= reference, "{count} waits against {reference}");
        assert!(p50[0].abs_diff(p50[1]) <= 1, "p50 in buckets {p50:?}");
        assert!(p99[0].abs_diff(p99[1]) <= 1, "p99 in buckets {p99:?}");
        return;
    }
    skip::unsupported(
        "the_waits_have_the_count_and_the_shape_that_wakeups_and_switches_give",
        "it is busy with other things: in none of five tries were 80 % of the waits the load's",
    );
}

/// How often this process's threads were given a CPU.
fn times_given_a_cpu() -> u64 {
    let tasks = proc::numbers("/proc/self/task");
    tasks.iter().filter_map(|tid| proc::schedstat(format!("/proc/self/task/{tid}"))).map(|books| books.count).sum()
}

const MS: u64 = 1_000_000;

/// One measurement of a CPU on which a loop runs, in percent.
#[derive(Debug)]
struct Utilisation {
    kpulse: f64,
    /// What the kernel charged to all tasks that ran there.
    charged: f64,
    /// What the loop alone used, by its own clock.
    alone: f64,
    /// What the hypervisor took meanwhile. The kernel takes it out of what it charges, whoever it was taken from.
    stolen: f64,
    /// The modes of /proc/stat: the busy ones, and all but the idle ones.
    sampled: f64,
    not_idle: f64,
    /// How much of the time kpulse says to be busy or idle.
    covered: f64,
}

impl Utilisation {
    /// Whether kpulse says what the kernel charged. The kernel takes stolen time out of what it charges, and does not say
    /// whether a task or the idle loop lost it.
    fn agrees(&self) -> bool {
        let truth = self.charged - TOLERANCE..=self.charged + self.stolen + TOLERANCE;
        truth.contains(&self.kpulse) && (self.covered - 100.0).abs() < 0.1
    }
}

/// How often a disturbed measurement is made again.
const ATTEMPTS: usize = 6;

fn measure(on: usize, duty: Duty, time: u64, probe: &mut Probe, charged: &Charged) -> Utilisation {
    let load = DutyCycle::start(on, duty);
    let mut at_work = || {
        // In the middle of its work, for then asking for its CPU time makes the kernel charge all there is.
        let begin = (clock::monotonic() + 5 * MS).next_multiple_of(duty.period_ns) + duty.phase_ns;
        clock::sleep_until(begin + duty.busy_ns / 2);
        let used = load.cpu_ns();
        let charged = charged.read(on);
        let (now, sched) = probe.read();
        (now, sched.cpus[&(on as u32)].clone(), used, charged, cpu::modes(on))
    };
    let (begin, before, used, charge, modes) = at_work();
    clock::sleep_until(begin + time);
    let (end, after, used_after, charge_after, modes_after) = at_work();
    let elapsed = (end - begin) as f64;
    let percent = |ns: u64| 100.0 * ns as f64 / elapsed;
    let (busy, idle) = (after.busy_ns - before.busy_ns, after.idle_ns - before.idle_ns);
    let ticks = |of: fn(&cpu::Modes) -> u64| (of(&modes_after) - of(&modes)) as f64;
    let (sampled, idle_ticks, steal) = (ticks(|m| m.busy), ticks(|m| m.idle), ticks(|m| m.steal));
    Utilisation {
        kpulse: 100.0 * busy as f64 / (busy + idle) as f64,
        charged: percent(charge_after - charge),
        alone: percent(used_after - used),
        stolen: steal * 10.0 * MS as f64 * 100.0 / elapsed,
        sampled: 100.0 * sampled / (sampled + idle_ticks + steal),
        not_idle: 100.0 - idle_ticks * 10.0 * MS as f64 * 100.0 / elapsed,
        covered: percent(busy + idle),
    }
}

/// How far kpulse may be from the truth, in percentage points.
const TOLERANCE: f64 = 0.5;

#[test]
fn utilisation_is_what_a_loop_of_known_duty_cycle_used() {
    root_or_skip!("utilisation_is_what_a_loop_of_known_duty_cycle_used");
    let _alone = alone();
    let charged = match Charged::open() {
        Ok(charged) => charged,
        Err(why) => return skip::unsupported("utilisation_is_what_a_loop_of_known_duty_cycle_used", &why),
    };
    let cpus = cpu::online();
    cpu::pin(cpus[0] as usize);
    let on = cpus[cpus.len() - 1] as usize;
    let mut probe = Probe::load();
    let mut duties = Vec::new();
    for percent in [10, 50, 90] {
        for (period_ns, phases) in [(100 * MS, &[0][..]), (10 * MS, &[0]), (4 * MS, &[0, MS, 2 * MS, 3 * MS])] {
            duties.extend(phases.iter().map(|&phase_ns| Duty {
                busy_ns: period_ns / 100 * percent,
                period_ns,
                phase_ns,
            }));
        }
    }
    println!(
        "| busy of period (begun after) | kernel charged | the loop alone | stolen | kpulse | /proc/stat busy | not idle |"
    );
    println!("|---|---|---|---|---|---|---|");
    for duty in duties {
        let name =
            format!("{:.1} of {} ms (+{})", duty.busy_ns as f64 / MS as f64, duty.period_ns / MS, duty.phase_ns / MS);
        // The machine may be a guest that is held up, and others may use the CPU too: a disturbed attempt is made again. An
        // error of kpulse's own would be in every attempt.
        let seen = (0..ATTEMPTS)
            .map(|_| measure(on, duty, 1_200 * MS, &mut probe, &charged))
            .try_fold(None, |_, seen| if seen.agrees() { Err(seen) } else { Ok(Some(seen)) });
        let (Ok(Some(seen)) | Err(seen)) = seen else { unreachable!("there is at least one attempt") };
        let Utilisation { kpulse, charged, alone, stolen, sampled, not_idle, .. } = seen;
        println!("| {name} | {charged:.2} | {alone:.2} | {stolen:.2} | {kpulse:.2} | {sampled:.2} | {not_idle:.2} |");
        assert!(seen.agrees(), "{name}: not within {TOLERANCE} points in any of {ATTEMPTS} attempts: {seen:?}");
    }
}

#[test]
fn a_loop_that_never_switches_is_seen_while_it_runs() {
    root_or_skip!("a_loop_that_never_switches_is_seen_while_it_runs");
    let _alone = alone();
    let cpus = cpu::online();
    if cpus.len() < 2 {
        return skip::unsupported("a_loop_that_never_switches_is_seen_while_it_runs", "there is one CPU only");
    }
    cpu::pin(cpus[0] as usize);
    let on = cpus[1];
    let mut probe = Probe::load();
    // The kernel now and then makes room for ordinary tasks; then it has switched, and it is another try.
    for _ in 0..5 {
        let _hog = DutyCycle::start(on as usize, Duty { busy_ns: 4 * MS, period_ns: 4 * MS, phase_ns: 0 });
        let (begin, before) = probe.read();
        clock::sleep_until(begin + 500 * MS);
        let (end, after) = probe.read();
        let (before, after) = (&before.cpus[&on], &after.cpus[&on]);
        if before.switches != after.switches {
            continue;
        }
        let busy = 100.0 * (after.busy_ns - before.busy_ns) as f64 / (end - begin) as f64;
        println!("never switches: busy {busy:.3} %, idle {} ns", after.idle_ns - before.idle_ns);
        assert!((busy - 100.0).abs() <= TOLERANCE, "{busy} % is not 100 %");
        assert_eq!(after.idle_ns, before.idle_ns);
        return;
    }
    panic!("the loop was interrupted in each of five tries");
}

/// Two tasks that wake each other, whose numbers have the same slot in the departure table.
#[test]
fn a_lost_departure_is_counted_and_never_makes_a_wait_longer() {
    root_or_skip!("a_lost_departure_is_counted_and_never_makes_a_wait_longer");
    let _alone = alone();
    let name = "a_lost_departure_is_counted_and_never_makes_a_wait_longer";
    let _pid_max = match Restored::set("/proc/sys/kernel/pid_max", "200000") {
        Ok(guard) => guard,
        Err(error) => return skip::unsupported(name, &format!("pid_max cannot be raised: {error}")),
    };
    let waits = match Waits::begin() {
        Ok(waits) => waits,
        Err(error) => return skip::unsupported(name, &format!("no taskstats: {error}")),
    };
    let mut probe = Probe::load();
    probe.read();
    let (_, before) = probe.read();
    let began = Instant::now();
    let (mut there, mut back) = ([0i32; 2], [0i32; 2]);
    // SAFETY: writes two descriptors into each.
    unsafe { assert_eq!(libc::pipe(there.as_mut_ptr()) + libc::pipe(back.as_mut_ptr()), 0) };
    let play = |from: i32, to: i32| {
        // Both on one CPU, so that each leaves just before the other arrives.
        cpu::pin(0);
        let mut ball = 0u8;
        for _ in 0..ROUNDS {
            // SAFETY: one byte of our own.
            unsafe {
                libc::read(from, (&raw mut ball).cast(), 1);
                libc::write(to, (&raw const ball).cast(), 1);
            }
        }
    };
    let pair = (20_000..30_000).find_map(|pid| {
        let first = fork(Some(pid), || play(there[0], back[1])).ok()?;
        Some((first, fork(Some(pid + 65_536), || play(back[0], there[1])).ok()?))
    });
    let (first, second) = pair.expect("two free numbers");
    // SAFETY: one byte of our own.
    unsafe { libc::write(there[1], [0u8].as_ptr().cast(), 1) };
    first.ended();
    second.ended();
    let (_, after) = probe.read();
    let elapsed = began.elapsed().as_nanos() as u64;
    [there, back].as_flattened().iter().for_each(|fd| {
        // SAFETY: ours, and not used any more.
        unsafe { libc::close(*fd) };
    });
    let truth = waits.end().unwrap();
    let lost = |sched| sum(sched, |cpu| cpu.discards[Discard::DepartureLost as usize]);
    let lost = lost(&after) - lost(&before);
    let counted = sum(&after, |cpu| cpu.wait.sum_ns()) - sum(&before, |cpu| cpu.wait.sum_ns());
    let longest = after.cpus.values().flat_map(|cpu| cpu.wait.iter()).filter(|(_, n)| *n > 0).map(|(i, _)| i).max();
    println!("{lost} departures lost in {ROUNDS} rounds; waits {counted} ns against {} ns", truth.ns);
    assert!(lost > ROUNDS, "two tasks shared a slot {ROUNDS} times, {lost} were counted");
    assert!(counted as f64 <= truth.ns as f64 * 1.01, "{counted} ns is more than the kernel's {} ns", truth.ns);
    let longest = longest.unwrap_or(0);
    // Others of the machine may have waited since before; a difference of two tasks' delays is far beyond that.
    let most = elapsed + 60_000 * MS;
    assert!(longest < OVERFLOW && BOUNDS[longest.max(1) - 1] < most, "a wait in bucket {longest} in {elapsed} ns");
}

const ROUNDS: u64 = 20_000;

/// How often the CPU has switched.
fn switches(sched: &Sched, cpu: u32) -> u64 {
    sched.cpus.get(&cpu).map_or(0, |cpu| cpu.switches.iter().sum())
}

#[test]
fn a_cpu_that_was_offline_was_not_idle_meanwhile() {
    root_or_skip!("a_cpu_that_was_offline_was_not_idle_meanwhile");
    let name = "a_cpu_that_was_offline_was_not_idle_meanwhile";
    let _alone = alone();
    let cpus = cpu::online();
    let last = cpus[cpus.len() - 1];
    let switch = format!("/sys/devices/system/cpu/cpu{last}/online");
    if last == 0 || !Path::new(&switch).exists() {
        return skip::unsupported(name, "none of its CPUs can be taken offline");
    }
    let mut probe = Probe::load();
    // So that the CPU is in a reading.
    thread::spawn(move || cpu::pin(last as usize)).join().unwrap();
    let (begin, before) = probe.read();
    let returning = match Restored::set(&switch, "0") {
        Ok(guard) => guard,
        Err(error) => return skip::unsupported(name, &format!("CPU {last} cannot be taken offline: {error}")),
    };
    let gone = clock::monotonic();
    let mut seen = gone;
    while seen < gone + 300 * MS {
        clock::sleep_until(seen + 20 * MS);
        let (now, sched) = probe.read();
        assert!(!sched.cpus[&last].online);
        seen = now;
    }
    drop(returning);
    assert!(cpu::online().contains(&last), "CPU {last} did not come back");
    let (_, back) = probe.read();
    // Each of these is a switch to another task, and one back.
    while {
        thread::spawn(move || cpu::pin(last as usize)).join().unwrap();
        switches(&probe.read().1, last) < switches(&back, last) + 2
    } {}
    let (end, after) = probe.read();
    let known = |sched: &Sched| sched.cpus[&last].busy_ns + sched.cpus[&last].idle_ns;
    let (covered, offline, elapsed) = (known(&after) - known(&before), seen - gone, end - begin);
    println!("{elapsed} ns, of which offline at least {offline}; busy and idle {covered}");
    assert!(covered <= elapsed - offline + MS, "{covered} ns of {} in which the CPU was there", elapsed - offline);
    // A reading that is held up between its two clocks is off once; a CPU that does not count is off each time.
    let (mut end, mut after) = (end, after);
    let offs = (0..10).map(|_| {
        clock::sleep_until(end + 200 * MS);
        let (later, sched) = probe.read();
        let (covered, elapsed) = (known(&sched) - known(&after), later - end);
        (end, after) = (later, sched);
        println!("back again, it was busy or idle for {covered} of {elapsed} ns");
        covered.abs_diff(elapsed) as f64 / elapsed as f64
    });
    let wrong = offs.take_while(|off| *off >= 0.01).count();
    assert!(wrong < 10, "back again, it is never busy or idle for as long as it is there");
}
