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

use crate::figures::{Series, table};

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
            Chapter::slow_disk(480, 10.0),
            Chapter::healthy(720),
            Chapter::slow_cpus(240, 20.0),
            Chapter::healthy(360),
        ]
    });
    let (mut resident, mut written, mut recorded) = (Series::default(), Series::default(), Series::default());
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
        // The first hour fills what has a fixed size.
        if seconds % 300 == 0 && seconds > 3600 {
            let hour = seconds as f64 / 3600.0;
            resident.push(hour, kib("/proc/self/statm")?);
            recorded.push(hour, recorder.bytes() as f64 / 1024.0);
            written.push(hour, folder_kib(&folder));
        }
    }
    let title = format!(
        "**{hours} hours' worth of windows** ({windows} windows, {seconds} samples of {} tasks, {fired} alerts fired) through judge, \
         recorder and journal in {:.0} s, from the second hour on:",
        NODE.tasks,
        begun.elapsed().as_secs_f64()
    );
    let rows = [("resident", "KiB", resident), ("recorder", "KiB", recorded), ("journal on disk", "KiB", written)];
    Ok(table(&title, &rows))
}

fn kib(statm: &str) -> Result<f64> {
    let pages: f64 = fs::read_to_string(statm)?.split(' ').nth(1).context("statm")?.parse()?;
    Ok(pages * 4.0)
}

fn folder_kib(folder: &std::path::Path) -> f64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| Some(entry.metadata().ok()?.len() as f64 / 1024.0)).sum()
}
