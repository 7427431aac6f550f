//! Latency against fio's own measurement, from outside the kernel.

use std::thread;

use tests::{block::Watch, cpu, fio, loop_device::Plan, root_or_skip, skip, tool_or_skip};

/// Rounds of a second; their median counts.
const ROUNDS: usize = 5;

/// fio measures the whole call, kpulse the request inside it: the rest is the way into the kernel and the wake-up, 5 to 20 µs,
/// more where the CPU has gone to sleep meanwhile, and on a busy machine the wait for a CPU after it. So the requests have to
/// be long: 384 KiB (more is split), read directly from a disk; fio comes before others on the CPU, and no CPU sleeps.
/// Their times have several humps (a shared disk), and between two humps the median of a second jumps: hence the median
/// of some rounds.
#[test]
fn half_of_the_requests_are_as_fast_as_fio_says() {
    root_or_skip!("half_of_the_requests_are_as_fast_as_fio_says");
    tool_or_skip!("half_of_the_requests_are_as_fast_as_fio_says", "fio");
    let _alone = skip::alone();
    let device = Plan { size: 256 << 20, ..Plan::disk() }.make();
    let mut watch = Watch::start();
    let _awake = cpu::Awake::new();
    let options = ["--rw=randread", "--bs=384k", "--direct=1", "--ioengine=psync", "--time_based", "--runtime=1"];
    let mut ratios: Vec<f64> = (0..ROUNDS)
        .map(|round| {
            let before =
                watch.disk(device.id()).requests.remove("read").map(|requests| requests.total).unwrap_or_default();
            let fios = thread::scope(|scope| {
                // The thread's priority is its child's as well.
                let load = scope.spawn(|| {
                    cpu::real_time();
                    fio::load(&device.text(), &options).read
                });
                load.join().unwrap()
            });
            device.settled();
            let total = watch.disk(device.id()).requests["read"].total.since(&before).unwrap();
            let (ours, theirs) = (total.quantile(0.5).unwrap() * 1e9, fios.completion.p50().unwrap() as f64);
            eprintln!(
                "round {round}: {ours:.0} ns, fio {theirs:.0} ns, ratio {:.3}, {} of {}",
                ours / theirs,
                total.count(),
                fios.ios
            );
            ours / theirs
        })
        .collect();
    ratios.sort_by(f64::total_cmp);
    let median = ratios[ROUNDS / 2];
    assert!((0.9..=1.1).contains(&median), "{ratios:?}");
}
