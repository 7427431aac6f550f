//! Growth with CPUs, devices and tasks: the way from a sample to a scrape on synthetic samples, and the kernel's memory as computed from
//! the layouts.

use std::{hint::black_box, sync::Arc, time::Instant};

use anyhow::Result;
use kpulse::{
    expose::collector::Exposition,
    kernel::{
        load,
        memory::{Devices, map_bytes},
    },
    recorder::{Limits, Recorder},
    status::{Snapshot, Status},
    window,
};

use crate::{
    median,
    report::{Floor, Report, Unit},
    synthetic::{self, Machine},
};

const MACHINES: [Machine; 6] = [
    Machine { cpus: 1, disks: 1, tasks: 100 },
    Machine { cpus: 16, disks: 8, tasks: 1_000 },
    Machine { cpus: 64, disks: 32, tasks: 5_000 },
    Machine { cpus: 64, disks: 200, tasks: 5_000 },
    Machine { cpus: 512, disks: 32, tasks: 5_000 },
    Machine { cpus: 512, disks: 200, tasks: 20_000 },
];

const MAX_SERIES: usize = 2_000;

/// Everything that grows.
pub fn run(rounds: usize, report: &mut Report) -> Result<()> {
    for machine in MACHINES {
        way(machine, rounds, report)?;
    }
    for cpus in [1, 16, 64, 128, 512] {
        let floor = (cpus == 128).then_some(Floor::AtMost(48.0));
        let what = format!("kernel maps on {cpus} CPUs, 32 disks with reads and writes on every CPU");
        report.figure(what, mib(map_bytes(cpus, Devices { disks: 32, operations: 2 })), Unit::MiB, floor);
    }
    let loaded = load::load(&tests::probes::options(&["sched", "block", "tasks", "events"]));
    let computed = map_bytes(load::possible_cpus()?, Devices { disks: 0, operations: 0 });
    let ratio = computed as f64 / loaded.map_bytes() as f64;
    report.figure("kernel maps on this machine without requests: computed / real", ratio, Unit::Ratio, None);
    Ok(())
}

/// From samples to a scrape.
fn way(machine: Machine, rounds: usize, report: &mut Report) -> Result<()> {
    let samples: Vec<_> = (1..=rounds as u64 + 2).map(|seconds| synthetic::sample(machine, seconds)).collect();
    let exposition = Exposition::new(MAX_SERIES)?;
    let (mut derived, mut rendered, mut size) = (Vec::new(), Vec::new(), 0);
    for pair in samples.windows(2) {
        let begun = Instant::now();
        let window = black_box(window::derive(&pair[0], &pair[1], &window::Options::default())?);
        derived.push(begun.elapsed().as_secs_f64() * 1e3);
        let snapshot = Arc::new(Snapshot {
            sample: pair[1].clone().into(),
            window: Some(window),
            status: Status::default(),
            alerts: Vec::new(),
            indices: Arc::default(),
            baselines: Vec::new(),
        });
        let begun = Instant::now();
        exposition.observe(&snapshot);
        size = black_box(exposition.render()?).len();
        rendered.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    let mut recorder = Recorder::new(Limits { max_bytes: 1 << 30, ..Limits::default() });
    let pushed = samples.iter().map(|sample| {
        let begun = Instant::now();
        recorder.push(sample);
        begun.elapsed().as_secs_f64() * 1e3
    });
    let pushed: Vec<_> = pushed.collect();
    let Machine { cpus, disks, tasks } = machine;
    let name = format!("{cpus} CPUs, {disks} disks, {tasks} tasks");
    // The first one fills buffers.
    report.figure(format!("{name}: derive a window"), median(derived.into_iter().skip(1)), Unit::Ms, None);
    // The first one stands alone, as every sixtieth does.
    report.figure(format!("{name}: record a sample"), median(pushed.into_iter().skip(1)), Unit::Ms, None);
    report.figure(format!("{name}: render a scrape"), median(rendered.into_iter().skip(1)), Unit::Ms, None);
    report.figure(format!("{name}: size of a scrape"), size as f64 / 1024.0, Unit::KiB, None);
    Ok(())
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
