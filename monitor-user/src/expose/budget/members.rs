//! Totals that can be added up, and how to see that one of them began anew.

use crate::{
    histogram::Histogram,
    host::{DiskOperation, Diskstats, Network},
    sample::{Class, Cpu},
};

/// Counters of one thing.
pub trait Totals: Clone + Default {
    /// Adds those of another.
    fn add(&mut self, other: &Self);

    /// Whether a counter is lower than `before`: these belong to another thing under the same name.
    fn went_back(&self, before: &Self) -> bool;

    /// Takes the place of `before`, the counters under the same name.
    fn follow(&self, before: &mut Self) {
        before.clone_from(self);
    }
}

impl Totals for () {
    fn add(&mut self, (): &Self) {}

    fn went_back(&self, (): &Self) -> bool {
        false
    }
}

impl Totals for Cpu {
    fn add(&mut self, other: &Self) {
        self.busy_ns += other.busy_ns;
        self.idle_ns += other.idle_ns;
        add_all(&mut self.switches, &other.switches);
        self.wait.merge(&other.wait);
        self.plain_waits += other.plain_waits;
        self.plain_wait_ns += other.plain_wait_ns;
        self.migrated += other.migrated;
        self.long_waits += other.long_waits;
        add_all(&mut self.discards, &other.discards);
    }

    /// A CPU is never another one: its counters begin with the agent.
    fn went_back(&self, _: &Self) -> bool {
        false
    }

    /// The times include an open interval, closed by a reading of the clock that may be a little ahead of the next.
    fn follow(&self, before: &mut Self) {
        let (busy_ns, idle_ns) = (self.busy_ns.max(before.busy_ns), self.idle_ns.max(before.idle_ns));
        before.clone_from(self);
        (before.busy_ns, before.idle_ns) = (busy_ns, idle_ns);
    }
}

impl Totals for Network {
    fn add(&mut self, other: &Self) {
        self.receive_bytes += other.receive_bytes;
        self.receive_packets += other.receive_packets;
        self.receive_errors += other.receive_errors;
        self.receive_drops += other.receive_drops;
        self.transmit_bytes += other.transmit_bytes;
        self.transmit_packets += other.transmit_packets;
        self.transmit_errors += other.transmit_errors;
        self.transmit_drops += other.transmit_drops;
    }

    fn went_back(&self, before: &Self) -> bool {
        self.receive_bytes < before.receive_bytes
            || self.receive_packets < before.receive_packets
            || self.receive_errors < before.receive_errors
            || self.receive_drops < before.receive_drops
            || self.transmit_bytes < before.transmit_bytes
            || self.transmit_packets < before.transmit_packets
            || self.transmit_errors < before.transmit_errors
            || self.transmit_drops < before.transmit_drops
    }
}

impl Totals for Diskstats {
    fn add(&mut self, other: &Self) {
        for (sum, o) in [
            (&mut self.read, &other.read),
            (&mut self.write, &other.write),
            (&mut self.discard, &other.discard),
            (&mut self.flush, &other.flush),
        ] {
            sum.requests += o.requests;
            sum.bytes += o.bytes;
            sum.time_ns += o.time_ns;
        }
    }

    /// Times are left out: the kernel prints them as 32-bit milliseconds, which wrap after 49 days.
    fn went_back(&self, before: &Self) -> bool {
        let lower =
            |now: &DiskOperation, before: &DiskOperation| now.requests < before.requests || now.bytes < before.bytes;
        lower(&self.read, &before.read)
            || lower(&self.write, &before.write)
            || lower(&self.discard, &before.discard)
            || lower(&self.flush, &before.flush)
    }
}

impl Totals for Class {
    fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.bytes += other.bytes;
        self.timed += other.timed;
        self.queue_ns += other.queue_ns;
        self.device_ns += other.device_ns;
    }

    fn went_back(&self, before: &Self) -> bool {
        self.requests < before.requests
            || self.bytes < before.bytes
            || self.timed < before.timed
            || self.queue_ns < before.queue_ns
            || self.device_ns < before.device_ns
    }
}

/// Whether a bucket or the sum is lower than `before`.
pub fn lower(now: &Histogram, before: &Histogram) -> bool {
    let mut now_buckets = now.iter().peekable();
    let lower = |(bucket, count): (usize, u64)| {
        while now_buckets.next_if(|&(b, _)| b < bucket).is_some() {}
        now_buckets.next_if(|&(b, _)| b == bucket).map_or(0, |(_, count)| count) < count
    };
    now.sum_ns() < before.sum_ns() || before.iter().any(lower)
}

/// Adds counter by counter.
pub fn add_all(sums: &mut [u64], others: &[u64]) {
    sums.iter_mut().zip(others).for_each(|(sum, other)| *sum += other);
}
