//! From the values of the CPUs to [`sample::Sched`]: half-written values are read again, the interval under way is
//! closed on the scheduler's own clock, and a CPU that was offline is not idle for that time.

use std::{collections::BTreeMap, io};

use monitor_common::{
    histogram::BUCKETS,
    sched::{Cpu, LONG_WAITS, LongWait},
};

use crate::{
    histogram::Histogram,
    kernel::load::SchedMaps,
    probes::comm,
    sample::{self, Sched},
};

/// How often a value that its CPU was just writing is read again. Every time it is another small part of the CPUs.
const ATTEMPTS: usize = 8;

/// Reads what the CPUs keep, and remembers what it must from one reading to the next.
#[derive(Default)]
pub struct Reader {
    cpus: BTreeMap<u32, State>,
}

/// A wait for the CPU beyond the threshold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waited {
    /// The CPU that the task got in the end.
    pub cpu: u32,
    /// The task.
    pub pid: u32,
    /// Its process.
    pub tgid: u32,
    /// Its name.
    pub comm: String,
    /// How long it waited, in nanoseconds.
    pub wait_ns: u64,
}

/// What one reading gives.
pub struct Reading {
    /// The CPUs.
    pub sched: Sched,
    /// The latest long waits since the reading before.
    pub waited: Vec<Waited>,
    /// Long waits whose record was overwritten before it was read.
    pub waits_lost: u64,
    /// What to add to `CLOCK_MONOTONIC` to get the run queues' clock; absent before any CPU has switched.
    pub clock_offset_ns: Option<i64>,
}

/// What is remembered of one CPU.
#[derive(Clone, Default)]
struct State {
    /// The last value that was whole.
    raw: Option<Box<Cpu>>,
    online: bool,
    /// When it was last read, on `CLOCK_MONOTONIC`.
    read_ns: u64,
    busy_ns: u64,
    idle_ns: u64,
    /// Time in which the CPU was offline, which its next switch took for idle.
    offline_ns: u64,
    long_waits: u64,
}

impl Reader {
    /// Reads all CPUs. `online` are their numbers, `monotonic` gives `CLOCK_MONOTONIC` in nanoseconds.
    ///
    /// # Errors
    ///
    /// Whatever the kernel says to the reading.
    pub fn read(&mut self, maps: &mut SchedMaps, online: &[u32], monotonic: impl Fn() -> u64) -> io::Result<Reading> {
        let mut torn = true;
        for attempt in 0..ATTEMPTS {
            if !torn {
                break;
            }
            torn = false;
            for (number, value) in (0..).zip(maps.cpus.read()?) {
                let whole = value.begin == value.end;
                // The first reading covers everyone; the others only those who are missing. A CPU that has not switched since the
                // probe was turned on again keeps what was published.
                if value.end == 0 {
                    if let Some(state) = self.cpus.get_mut(&number) {
                        state.raw = None;
                    }
                    continue;
                }
                let state = self.cpus.entry(number).or_insert_with(|| State { online: true, ..State::default() });
                let pending = attempt == 0 || state.raw.is_none();
                if attempt == 0 {
                    state.raw = None;
                }
                if pending && whole {
                    state.raw = Some(Box::new(*value));
                }
                torn |= pending && !whole;
            }
        }
        Ok(self.assemble(online, monotonic()))
    }

    fn assemble(&mut self, online: &[u32], now: u64) -> Reading {
        let pairs = self.cpus.values().filter_map(|state| state.raw.as_ref()).filter(|raw| raw.monotonic_ns != 0);
        let clock_offset_ns =
            pairs.max_by_key(|raw| raw.monotonic_ns).map(|raw| raw.clock_ns.wrapping_sub(raw.monotonic_ns) as i64);
        let clock = clock_offset_ns.map(|offset| now.wrapping_add_signed(offset));
        let mut reading = Reading { sched: Sched::default(), waited: Vec::new(), waits_lost: 0, clock_offset_ns };
        for (number, state) in &mut self.cpus {
            let Some(raw) = state.raw.clone() else { continue };
            state.close(&raw, clock, online.contains(number), now);
            let fresh = raw.long_wait_count.saturating_sub(state.long_waits);
            let kept = raw.long_waits.iter().filter(|wait| wait.sequence > state.long_waits);
            let before = reading.waited.len();
            reading.waited.extend(kept.map(|wait| waited(*number, wait)));
            reading.waits_lost += fresh.saturating_sub((reading.waited.len() - before) as u64);
            state.long_waits = raw.long_wait_count;
            reading.sched.cpus.insert(*number, state.publish(&raw));
        }
        reading
    }
}

impl State {
    /// Brings the published times up to `now`; `clock` is the same moment on the run queues' clock.
    fn close(&mut self, raw: &Cpu, clock: Option<u64>, online: bool, now: u64) {
        let open = clock.filter(|_| online).map_or(0, |clock| clock.saturating_sub(raw.begin));
        let (busy, idle) =
            if raw.idle != 0 { (raw.busy_ns, raw.idle_ns + open) } else { (raw.busy_ns + open, raw.idle_ns) };
        if online && !self.online {
            // The idle task was the last to run before the CPU left and the first after: the gap looks idle. The CPU
            // returned after the reading before, so it cannot have been online for longer than since then.
            let most = self.busy_ns + self.idle_ns + now.saturating_sub(self.read_ns);
            let claimed = busy + idle.saturating_sub(self.offline_ns);
            self.offline_ns += claimed.saturating_sub(most);
        }
        // An open interval is an estimate: two clocks never run quite alike. What was published is never taken back.
        self.busy_ns = self.busy_ns.max(busy);
        self.idle_ns = self.idle_ns.max(idle.saturating_sub(self.offline_ns));
        self.online = online;
        self.read_ns = now;
    }

    fn publish(&self, raw: &Cpu) -> sample::Cpu {
        let buckets: &[u64; BUCKETS] = &raw.buckets;
        sample::Cpu {
            online: self.online,
            busy_ns: self.busy_ns,
            idle_ns: self.idle_ns,
            switches: raw.switches,
            wait: Histogram::from_buckets(buckets, raw.wait_ns),
            migrated: raw.migrated,
            long_waits: raw.long_wait_count,
            discards: raw.discards,
            plain_waits: raw.plain_waits,
            plain_wait_ns: raw.plain_wait_ns,
        }
    }
}

fn waited(cpu: u32, wait: &LongWait) -> Waited {
    Waited { cpu, pid: wait.pid, tgid: wait.tgid, comm: comm(&wait.comm), wait_ns: wait.wait_ns }
}

const _: () = assert!(LONG_WAITS.is_power_of_two());

#[cfg(test)]
mod tests {
    use super::*;

    fn cpu() -> Cpu {
        // SAFETY: integers only.
        unsafe { std::mem::zeroed() }
    }

    fn reader(raw: Cpu) -> Reader {
        let state = State { raw: Some(Box::new(raw)), online: true, ..State::default() };
        Reader { cpus: BTreeMap::from([(0, state)]) }
    }

    fn set(reader: &mut Reader, raw: Cpu) {
        reader.cpus.get_mut(&0).unwrap().raw = Some(Box::new(raw));
    }

    /// A CPU whose clock is 1,000 ahead of the monotonic one.
    fn running(begin: u64, idle: u64, busy_ns: u64, idle_ns: u64) -> Cpu {
        Cpu { begin, end: begin, idle, busy_ns, idle_ns, clock_ns: 2_000, monotonic_ns: 1_000, ..cpu() }
    }

    #[test]
    fn a_cpu_that_does_not_switch_is_busy_until_now() {
        let mut reader = reader(running(5_000, 0, 100, 200));
        let reading = reader.assemble(&[0], 14_000);
        assert_eq!(reading.clock_offset_ns, Some(1_000));
        assert_eq!((reading.sched.cpus[&0].busy_ns, reading.sched.cpus[&0].idle_ns), (10_100, 200));
    }

    #[test]
    fn an_idle_cpu_is_idle_until_now() {
        let mut reader = reader(running(5_000, 1, 100, 200));
        let reading = reader.assemble(&[0], 14_000);
        assert_eq!((reading.sched.cpus[&0].busy_ns, reading.sched.cpus[&0].idle_ns), (100, 10_200));
    }

    #[test]
    fn what_was_published_is_never_taken_back() {
        let mut reader = reader(running(5_000, 0, 100, 0));
        reader.assemble(&[0], 14_000);
        // The switch came, on its own clock, a little before the estimate.
        set(&mut reader, running(14_900, 1, 10_000, 0));
        let reading = reader.assemble(&[0], 14_000);
        assert_eq!(reading.sched.cpus[&0].busy_ns, 10_100);
    }

    #[test]
    fn time_offline_is_neither_busy_nor_idle() {
        let mut reader = reader(running(5_000, 1, 100, 200));
        let gone = reader.assemble(&[], 14_000);
        assert_eq!(gone.sched.cpus[&0].idle_ns, 200, "an offline CPU's open interval stays open");
        assert!(!gone.sched.cpus[&0].online);
        // Back after a million nanoseconds; it switched a moment ago and counts the gap as idle.
        set(&mut reader, running(1_014_000, 0, 100, 200 + 1_009_000));
        reader.cpus.get_mut(&0).unwrap().read_ns = 1_000_000;
        let back = reader.assemble(&[0], 1_014_000);
        let cpu = &back.sched.cpus[&0];
        assert!(cpu.online);
        assert!(cpu.busy_ns + cpu.idle_ns <= 300 + 14_000, "{cpu:?}");
        // And from then on time goes on as usual.
        set(&mut reader, running(1_114_000, 1, 99_100, 200 + 1_009_000));
        let later = reader.assemble(&[0], 1_113_000);
        assert_eq!(later.sched.cpus[&0].busy_ns, 99_100);
        assert_eq!(later.sched.cpus[&0].idle_ns, cpu.idle_ns);
    }

    #[test]
    fn long_waits_are_told_once_and_the_overwritten_are_counted() {
        let mut raw = running(5_000, 0, 0, 0);
        raw.long_wait_count = 6;
        for sequence in 1..=6u64 {
            raw.long_waits[sequence as usize % LONG_WAITS] = LongWait {
                sequence,
                clock_ns: 0,
                wait_ns: sequence,
                pid: 7,
                tgid: 7,
                comm: *b"victim\0\0\0\0\0\0\0\0\0\0",
            };
        }
        let mut reader = reader(raw);
        let first = reader.assemble(&[0], 14_000);
        assert_eq!(first.waited.len(), LONG_WAITS);
        assert_eq!(first.waits_lost, 2);
        assert!(first.waited.iter().all(|wait| wait.comm == "victim" && wait.wait_ns > 2));
        let second = reader.assemble(&[0], 15_000);
        assert_eq!((second.waited.len(), second.waits_lost), (0, 0));
    }
}
