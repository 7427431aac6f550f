//! From the statistics of each device, operation and CPU to [`sample::Block`].
//!
//! The kernel's buckets and counts of errors are 32 bits wide and wrap; here they become 64 bits, by differences modulo
//! 2^32. That is exact as long as less than 2^32 requests of one bucket complete between two readings.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
};

use monitor_common::{
    block::{Class, Discard, Error, Key, Operation, Set, SizeClass, Stats},
    histogram::BUCKETS,
};

use crate::{
    histogram::Histogram,
    host::Disk,
    kernel::load::BlockMaps,
    sample::{self, Block, DeviceId, InFlight, Requests},
};

/// Readings for which a device may be gone before its statistics are removed from the kernel.
const GONE_READINGS: u32 = 3;

/// Reads the statistics, and remembers what it must from one reading to the next.
#[derive(Default)]
pub struct Reader {
    pairs: BTreeMap<(DeviceId, u8), Pair>,
    gone: BTreeMap<DeviceId, u32>,
    /// As [`Block::coarse`].
    coarse: u64,
}

/// One device and operation, over all CPUs.
#[derive(Default)]
struct Pair {
    seen: bool,
    keys: BTreeSet<u16>,
    classes: [Class; SizeClass::COUNT],
    errors: Wide<{ Error::COUNT }>,
    queue: Wide<BUCKETS>,
    device: Wide<BUCKETS>,
    total: Wide<BUCKETS>,
    /// Sums of the queue, device and total times in nanoseconds, at this reading...
    sums: [u64; 3],
    /// ...and what of them belongs to times in no bucket, because there were no histograms.
    plain: [u64; 3],
}

/// Counters that wrap, made wide.
struct Wide<const N: usize> {
    /// This reading's sum over the CPUs, modulo 2^32.
    now: Box<[u32; N]>,
    before: Box<[u32; N]>,
    total: Box<[u64; N]>,
}

impl<const N: usize> Default for Wide<N> {
    fn default() -> Self {
        Self { now: Box::new([0; N]), before: Box::new([0; N]), total: Box::new([0; N]) }
    }
}

impl<const N: usize> Wide<N> {
    fn add<T>(&mut self, raw: &[T; N], count: impl Fn(&T) -> u32) {
        for (sum, raw) in self.now.iter_mut().zip(raw) {
            *sum = sum.wrapping_add(count(raw));
        }
    }

    fn close(&mut self) {
        for ((now, before), total) in self.now.iter_mut().zip(self.before.iter_mut()).zip(self.total.iter_mut()) {
            *total += u64::from(now.wrapping_sub(*before));
            *before = *now;
        }
    }
}

impl Pair {
    fn begin(&mut self) {
        self.seen = false;
        self.classes = Default::default();
        self.errors.now.fill(0);
        [&mut self.queue, &mut self.device, &mut self.total].into_iter().for_each(|wide| wide.now.fill(0));
    }

    fn add(&mut self, cpu: u16, stats: &Stats) {
        self.seen = true;
        self.keys.insert(cpu);
        for (sum, class) in self.classes.iter_mut().zip(&stats.classes) {
            sum.requests += class.requests;
            sum.bytes += class.bytes;
            sum.timed += class.timed;
            sum.queue_ns += class.queue_ns;
            sum.device_ns += class.device_ns;
            sum.lone_device_ns += class.lone_device_ns;
            sum.lone_total_ns += class.lone_total_ns;
        }
        self.errors.add(&stats.errors, |count| *count);
        self.queue.add(&stats.buckets, |bucket| bucket.queue);
        self.device.add(&stats.buckets, |bucket| bucket.device);
        self.total.add(&stats.buckets, |bucket| bucket.total);
    }

    /// `histograms`: whether there have been any since the reading before.
    fn close(&mut self, histograms: bool) {
        self.errors.close();
        [&mut self.queue, &mut self.device, &mut self.total].into_iter().for_each(Wide::close);
        let sum = |ns: fn(&Class) -> u64| self.classes.iter().map(ns).sum::<u64>();
        let now = [
            sum(|class| class.queue_ns),
            sum(|class| class.device_ns + class.lone_device_ns),
            sum(|class| class.queue_ns + class.device_ns + class.lone_total_ns),
        ];
        if !histograms {
            for ((plain, now), before) in self.plain.iter_mut().zip(now).zip(self.sums) {
                *plain += now.saturating_sub(before);
            }
        }
        self.sums = now;
    }

    fn publish(&self, device: DeviceId, operation: u8) -> Requests {
        let class = |class: &Class| sample::Class {
            requests: class.requests,
            bytes: class.bytes,
            timed: class.timed,
            queue_ns: class.queue_ns,
            device_ns: class.device_ns,
        };
        let sum = |i: usize| self.sums[i].saturating_sub(self.plain[i]);
        Requests {
            device,
            operation,
            classes: std::array::from_fn(|i| class(&self.classes[i])),
            errors: *self.errors.total,
            queue: Histogram::from_buckets(&self.queue.total, sum(0)),
            device_time: Histogram::from_buckets(&self.device.total, sum(1)),
            total: Histogram::from_buckets(&self.total.total, sum(2)),
        }
    }
}

/// The parts of the kernel's `dev_t`.
pub fn device_id(device: u32) -> DeviceId {
    DeviceId { major: device >> 20, minor: device & 0xf_ffff }
}

impl Reader {
    /// Reads everything. `disks` are those that exist now; `now` is `CLOCK_MONOTONIC` in nanoseconds.
    ///
    /// # Errors
    ///
    /// Whatever the kernel says to the reading.
    pub fn read(&mut self, maps: &mut BlockMaps, disks: &BTreeMap<DeviceId, Disk>, now: u64) -> io::Result<Block> {
        self.pairs.values_mut().for_each(Pair::begin);
        for map in [&mut maps.reserve, &mut maps.stats] {
            map.for_each(|key, stats| {
                self.pairs.entry((device_id(key.device), key.operation)).or_default().add(key.cpu, stats);
            })?;
        }
        let mut discards = [0; Discard::COUNT];
        for cpu in maps.discards.read()? {
            discards.iter_mut().zip(cpu.0).for_each(|(sum, discarded)| *sum += discarded);
        }
        for gone in self.gone(disks) {
            self.remove(maps, gone)?;
        }
        let in_flight = in_flight(maps.in_flight.iter(), disks, now);
        self.coarse += u64::from(!maps.sizes);
        Ok(Block { requests: self.publish(maps.histograms), in_flight, discards, coarse: self.coarse })
    }

    fn publish(&mut self, histograms: bool) -> Vec<Requests> {
        self.pairs
            .iter_mut()
            .filter(|(_, pair)| pair.seen)
            .map(|((device, operation), pair)| {
                pair.close(histograms);
                pair.publish(*device, *operation)
            })
            .collect()
    }

    /// Devices that have been away for long enough.
    fn gone(&mut self, disks: &BTreeMap<DeviceId, Disk>) -> Vec<DeviceId> {
        if disks.is_empty() {
            // /sys could not be read: that says nothing about the devices.
            return Vec::new();
        }
        let away: BTreeSet<_> =
            self.pairs.keys().map(|(device, _)| *device).filter(|device| !disks.contains_key(device)).collect();
        self.gone.retain(|device, _| away.contains(device));
        away.into_iter()
            .filter(|device| {
                let readings = self.gone.entry(*device).or_default();
                *readings += 1;
                *readings > GONE_READINGS
            })
            .collect()
    }

    fn remove(&mut self, maps: &BlockMaps, gone: DeviceId) -> io::Result<()> {
        for operation in 0..Operation::COUNT as u8 {
            for cpu in self.pairs.remove(&(gone, operation)).map(|pair| pair.keys).into_iter().flatten() {
                let device = gone.major << 20 | gone.minor;
                let key = Key { device, cpu, operation, padding: 0 };
                maps.stats.remove(&key)?;
                maps.reserve.remove(&key)?;
            }
        }
        self.gone.remove(&gone);
        Ok(())
    }
}

/// What is in flight, by device. A slot can be stale, if its request ended without a completion (a device torn out):
/// one whose device is gone, or has nothing in flight by the kernel's own count, is not believed.
fn in_flight(sets: impl Iterator<Item = Set>, disks: &BTreeMap<DeviceId, Disk>, now: u64) -> Vec<InFlight> {
    let mut devices = BTreeMap::<DeviceId, InFlight>::new();
    let may_have_any = |disk: &Disk| !disk.iostats || disk.stats.is_none_or(|stats| stats.in_flight > 0);
    if !disks.is_empty() && !disks.values().any(may_have_any) {
        // Nothing would be believed: leave the table where it is.
        return Vec::new();
    }
    for slot in sets.flat_map(|set| set.slots).filter(|slot| slot.request != 0 && slot.start_ns != 0) {
        let device = device_id(slot.device);
        if disks.is_empty() || disks.get(&device).is_some_and(may_have_any) {
            let entry = devices.entry(device).or_insert(InFlight { device, requests: 0, oldest_ns: 0 });
            entry.requests += 1;
            entry.oldest_ns = entry.oldest_ns.max(now.saturating_sub(slot.start_ns));
        }
    }
    devices.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Diskstats;
    use monitor_common::block::{Slot, WAYS};

    const SDA: DeviceId = DeviceId { major: 8, minor: 0 };

    fn stats(count: u32) -> Stats {
        // SAFETY: integers only.
        let mut stats: Stats = unsafe { std::mem::zeroed() };
        stats.buckets[100].queue = count;
        stats.buckets[101].device = count;
        stats.buckets[102].total = count;
        stats
    }

    fn one_reading(reader: &mut Reader, cpus: &[Stats]) -> Requests {
        reader.pairs.values_mut().for_each(Pair::begin);
        for (cpu, stats) in (0..).zip(cpus) {
            reader.pairs.entry((SDA, 0)).or_default().add(cpu, stats);
        }
        reader.publish(true).remove(0)
    }

    #[test]
    fn buckets_that_wrap_go_on_growing() {
        let mut reader = Reader::default();
        one_reading(&mut reader, &[stats(u32::MAX - 1), stats(5)]);
        let requests = one_reading(&mut reader, &[stats(3), stats(7)]);
        // The first CPU went on by 5 past the end, the second by 2.
        assert_eq!(requests.queue.count(), u64::from(u32::MAX - 1).wrapping_add(5) % (1 << 32) + 7);
        assert_eq!(requests.device_time.count(), requests.total.count());
    }

    #[test]
    fn a_pair_that_was_not_seen_is_not_told() {
        let mut reader = Reader::default();
        one_reading(&mut reader, &[stats(1)]);
        reader.pairs.values_mut().for_each(Pair::begin);
        assert!(reader.publish(true).is_empty());
    }

    #[test]
    fn a_device_is_gone_only_after_some_readings_without_it() {
        let mut reader = Reader::default();
        one_reading(&mut reader, &[stats(1)]);
        let others = BTreeMap::from([(DeviceId { major: 9, minor: 9 }, Disk::default())]);
        for _ in 0..GONE_READINGS {
            assert!(reader.gone(&others).is_empty());
        }
        assert_eq!(reader.gone(&others), [SDA]);
        assert!(reader.gone(&BTreeMap::new()).is_empty(), "no disks at all means that they could not be read");
    }

    #[test]
    fn the_oldest_in_flight_is_told_and_stale_slots_are_not_believed() {
        let slot = |minor: u32, start_ns| Slot {
            request: 1,
            start_ns,
            issue_ns: start_ns,
            device: 8 << 20 | minor,
            bytes: 0,
            pid: 0,
            flags: 0,
            padding: [0; 3],
        };
        let sets = [
            Set { slots: [slot(0, 700), slot(0, 400), slot(16, 100), slot(0, 0)] },
            Set { slots: [slot(32, 100); WAYS] },
        ];
        let disk = |in_flight| Disk {
            iostats: true,
            stats: Some(Diskstats { in_flight, ..Diskstats::default() }),
            ..Disk::default()
        };
        let disks = BTreeMap::from([(SDA, disk(2)), (DeviceId { major: 8, minor: 16 }, disk(0))]);
        let found = in_flight(sets.into_iter(), &disks, 1_000);
        assert_eq!(found, [InFlight { device: SDA, requests: 2, oldest_ns: 600 }]);
    }
}
