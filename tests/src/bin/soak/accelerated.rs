//! Hours of windows in minutes: a story of a node through the judge, the recorder and the journal.
//!
//! Honest because all three are pure but for the journal's files: a sample is a sample, whenever it comes.

use std::{fs, sync::Arc, time::Instant};

use anyhow::{Context as _, Result};
use kpulse::{
    alert::State,
    config::Config,
    index::{Indexer, baseline::Baselines},
    journal::{Journal, Limits},
    judge::{Judge, Settings},
    recorder, rules,
};
use tests::{
    scratch::Scratch,
    story::{self, Chapter, Machine},
};

use crate::figures::{self, Row, Series, table};

/// A node with many tasks: they are what takes room.
const NODE: Machine = Machine { cpus: 4, disks: 2, tasks: 400 };

/// Runs it.
pub fn run(hours: u64) -> Result<String> {
    println!("{hours} hours of windows, as fast as they will");
    let config = Config::default();
    let scratch = Scratch::new();
    let folder = scratch.path().join("alerts");
    let limits = Limits { bytes: 1 << 20 };
    let (mut journal, _) = Journal::open(&folder, limits).map_err(|error| anyhow::anyhow!("{error}"))?;
    let indexer = Indexer::new("soak".into(), config.index.options(), config.index.learning(), Baselines::default());
    let mut judge = Judge::new(Settings::of(&config, "soak".into()), indexer, rules::builtin(), Vec::new());
    let mut recorder =
        recorder::Recorder::new(recorder::Limits { max_bytes: config.record.max_bytes, ..Default::default() });
    // Each hour a disk is slow for a while, and then the CPUs are fought for.
    let chapters = (0..hours).flat_map(|_| {
        [
            Chapter::healthy(1800),
            Chapter::slow_disk(480, 60.0),
            Chapter::healthy(600),
            Chapter::slow_cpus(480, 100.0),
            Chapter::healthy(240),
        ]
    });
    let (mut memory, mut written, mut recorded) = (Series::default(), Series::default(), Series::default());
    let (mut seconds, mut windows, mut fired) = (0u64, 0u64, 0u64);
    let begun = Instant::now();
    for sample in story::tell(11, NODE, chapters.collect()) {
        let sample = Arc::new(sample);
        recorder.push(&sample);
        if let Some(judgement) = judge.see(&sample, None).context("a story without a break")? {
            windows += 1;
            fired += judgement.changes.iter().filter(|alert| alert.state == State::Firing).count() as u64;
            if !judgement.changes.is_empty() {
                journal.append(&judgement.changes).context("the journal")?;
            }
        }
        seconds += 1;
        // The first half fills what has a largest size: the evidence of alerts takes a day, at two alerts an hour.
        if seconds % 300 == 0 && seconds > hours * 1800 {
            let hour = seconds as f64 / 3600.0;
            memory.push(hour, figures::own_kib(std::process::id())?);
            recorded.push(hour, recorder.bytes() as f64 / 1024.0);
            written.push(hour, folder_kib(&folder));
        }
    }
    let title = format!(
        "**{hours} hours' worth of windows** ({windows} windows, {seconds} samples of {} tasks, {fired} alerts fired) through judge, \
         recorder and journal in {:.0} s, from half of it on:",
        NODE.tasks,
        begun.elapsed().as_secs_f64()
    );
    let most = |bytes: u64| Some(bytes as f64 / 1024.0);
    let rows = [
        Row { name: "memory of its own", unit: "KiB", series: memory, most: None },
        Row { name: "recorder", unit: "KiB", series: recorded, most: most(config.record.max_bytes as u64) },
        Row { name: "journal on disk", unit: "KiB", series: written, most: most(limits.bytes) },
    ];
    Ok(table(&title, &rows))
}

fn folder_kib(folder: &std::path::Path) -> f64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| Some(entry.metadata().ok()?.len() as f64 / 1024.0)).sum()
}
