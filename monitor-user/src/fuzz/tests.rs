//! The kept corpus, as it is and damaged in many ways: no target may panic.

use std::{collections::BTreeSet, fs, path::PathBuf};

use super::*;

/// The targets that read structs out of bytes.
const CASTS: [&str; 3] = ["btf", "tasks", "events"];

/// A recording of a node that does not exist.
fn recording() -> Vec<u8> {
    use crate::recorder::{file, story};
    let chapters = vec![story::Chapter::healthy(5), story::Chapter::slow_disk(5, 10.0)];
    let samples: Vec<_> = story::tell(7, story::SMALL, chapters).collect();
    let mut writer = file::Writer::new(Vec::new(), &file::Header::of(&samples[0])).unwrap();
    samples.iter().for_each(|sample| writer.push(sample).unwrap());
    writer.finish().unwrap()
}

fn corpus(target: &str) -> Vec<Vec<u8>> {
    if target == "recording" {
        return vec![recording()];
    }
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let mut files: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

/// The same each time: xorshift.
struct Random(u64);

impl Random {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % most.max(1) as u64) as usize
    }
}

fn damaged(bytes: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..1 + random.below(4) {
        let at = random.below(bytes.len());
        match random.below(5) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, random.below(256) as u8),
            2 if !bytes.is_empty() => bytes[at] ^= 1 << random.below(8),
            3 if !bytes.is_empty() => bytes[at] = [0, 0xff, b'-', b'9', b'\n'][random.below(5)],
            _ => {
                let copy = bytes[at..].to_vec();
                bytes.extend_from_slice(&copy[..copy.len().min(64)]);
            }
        }
    }
    bytes
}

/// What `cargo xtask fuzz` runs are the files; what cargo builds is in the manifest; what is replayed is the table.
#[test]
#[cfg_attr(miri, ignore = "reads many files, and nothing else")]
fn every_target_can_be_built_and_has_a_corpus() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    let in_folder = |name: &str| {
        let entries = fs::read_dir(folder.join(name)).unwrap().map(|entry| entry.unwrap().path());
        entries.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect::<BTreeSet<_>>()
    };
    let known: BTreeSet<_> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(in_folder("fuzz_targets"), known);
    assert_eq!(in_folder("corpus"), known);
    let manifest: toml::Table = fs::read_to_string(folder.join("Cargo.toml")).unwrap().parse().unwrap();
    let built = manifest["bin"].as_array().unwrap().iter().map(|bin| bin["name"].as_str().unwrap().to_owned());
    assert_eq!(built.collect::<BTreeSet<_>>(), known);
}

#[test]
fn the_kept_corpus_whole_and_damaged_makes_nothing_panic() {
    // Miri is a thousand times slower: there it is for what casts bytes, and a few of them. Without a fuzzer,
    // KPULSE_NONSENSE=100000 is the next best thing.
    let asked = std::env::var("KPULSE_NONSENSE").ok().and_then(|text| text.parse().ok());
    let variants = asked.unwrap_or(if cfg!(miri) { 1 } else { 200 });
    for (name, target) in TARGETS.iter().filter(|(name, _)| !cfg!(miri) || CASTS.contains(name)) {
        let mut files = corpus(name);
        if cfg!(miri) {
            files.truncate(4);
        }
        assert!(!files.is_empty(), "no corpus for {name}");
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        target(&[]);
        for file in &files {
            target(file);
            (0..variants).for_each(|_| target(&damaged(file, &mut random)));
        }
    }
}
