//! What a scrape costs. Not run by default, because only a release build on a quiet machine says anything:
//! `cargo test --release -p monitor-user -- --ignored --nocapture scrape_cost`.

use monitor_common::histogram::BUCKETS;

use super::*;
use crate::{expose::testing::node, histogram::Histogram};

/// A node whose histograms are as wide as those of a disk that is used: 80 buckets.
fn used(cpus: u32, disks: u32) -> Snapshot {
    let mut buckets = [0; BUCKETS];
    (100..180).for_each(|bucket| buckets[bucket] = 1000 + bucket as u64);
    let wide = Histogram::from_buckets(&buckets, 1 << 40);
    let mut snapshot = node(cpus, disks);
    for r in snapshot.sample.block.iter_mut().flat_map(|block| &mut block.requests) {
        [&mut r.queue, &mut r.device_time, &mut r.total].into_iter().for_each(|times| times.clone_from(&wide));
    }
    snapshot.sample.sched.iter_mut().flat_map(|sched| sched.cpus.values_mut()).for_each(|cpu| cpu.wait = wide.clone());
    snapshot
}

/// CPU time of this thread in nanoseconds.
fn cpu_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes the struct; this clock always exists.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Median CPU time in microseconds.
fn median(mut once: impl FnMut() -> u64) -> f64 {
    let mut all: Vec<u64> = (0..101).map(|_| once()).collect();
    all.sort_unstable();
    all[all.len() / 2] as f64 / 1e3
}

/// CPU time in microseconds of taking up a snapshot and of rendering it.
fn measure(cpus: u32, disks: u32) -> (f64, f64) {
    let exposition = Exposition::new(2000).unwrap();
    let [even, odd] = [0, 1].map(|_| Arc::new(used(cpus, disks)));
    let mut turn = 0;
    let mut next = || {
        turn += 1;
        Arc::clone(if turn % 2 == 0 { &even } else { &odd })
    };
    let observe = median(|| {
        let (snapshot, begun) = (next(), cpu_ns());
        exposition.observe(&snapshot);
        cpu_ns() - begun
    });
    let render = median(|| {
        exposition.observe(&next());
        let begun = cpu_ns();
        exposition.render().unwrap();
        cpu_ns() - begun
    });
    let text = exposition.render().unwrap();
    let series = text.split(|&b| b == b'\n').filter(|line| !line.is_empty() && !line.starts_with(b"#")).count();
    println!(
        "{cpus} CPUs, {disks} disks: {series} series, {} bytes: taken up in {observe:.0} µs, rendered in {render:.0} µs",
        text.len()
    );
    (observe, render)
}

#[test]
#[ignore = "measures CPU time: release build only"]
fn scrape_cost() {
    let (_, usual) = measure(2, 1);
    let worst = [(2, 7), (64, 200), (512, 200)].map(|(cpus, disks)| measure(cpus, disks).1);
    assert!(usual < 1000.0, "a scrape costs {usual} µs, 1000 are allowed");
    assert!(worst.iter().all(|&cost| cost < 5000.0), "{worst:?}");
}
