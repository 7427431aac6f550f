//! Everything that reads bytes from outside, as functions of bytes: what `fuzz/` throws nonsense at, and what the kept corpus is
//! replayed through by an ordinary test.
//!
//! | function | what it reads |
//! |---|---|
//! | [`btf`] | type information, and the search for every field |
//! | [`tasks`] | the byte stream of the task iterator |
//! | [`events`] | records of the ring buffer |
//! | [`proc`] | every parser of /proc and /sys |
//! | [`config`] | the configuration file of the agent and of the server, and one value of every key |
//! | [`rules`] | a file of rules |
//! | [`recording`] | a recording, and windows from it |
//! | [`reports`] | the body of a request to the server, and everything that is made of the reports in it |
//! | [`query`] | what comes in an address: every page and every answer of the API |
//!
//! None of them may panic, whatever the bytes are.

mod server;

use std::path::Path;

use crate::{
    config as settings, host,
    kernel::{btf::Btf, maps::Assembler},
    probes::{self, Hook, PROBES},
    recorder::file,
    rules as alerting,
};

/// A function of bytes, by its name.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: &[Target] = &[
    ("btf", btf),
    ("tasks", tasks),
    ("events", events),
    ("proc", proc),
    ("config", config),
    ("rules", rules),
    ("recording", recording),
    ("reports", reports),
    ("query", query),
];

/// Type information: parsed, and every field and tracepoint of every probe looked for.
pub fn btf(bytes: &[u8]) {
    let Ok(btf) = Btf::parse(Path::new("fuzz"), bytes.to_vec()) else { return };
    for probe in PROBES {
        for path in probe.fields.iter().flat_map(|field| field.paths) {
            let _ = btf.offset(path);
        }
        for program in probe.programs {
            if let Hook::Tracepoint(name) = program.hook {
                let _ = btf.arguments(name);
            }
        }
    }
    let _ = btf.enumerator("__RQF_IO_STAT");
}

/// The iterator's stream, in pieces whose lengths the first bytes say.
pub fn tasks(bytes: &[u8]) {
    let Some((cuts, stream)) = bytes.split_at_checked(4) else { return };
    let mut reader = probes::tasks::reader::Reader::default();
    for second in 0..3 {
        let mut assembler = Assembler::<monitor_common::tasks::Task>::default();
        let mut rest = stream;
        let mut records = Vec::new();
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, after) = rest.split_at(usize::from(*cut).clamp(1, rest.len()));
            assembler.push(piece, |task: &monitor_common::tasks::Task| records.push(*task));
            rest = after;
        }
        let _ = assembler.finish();
        let _ = reader.take_all(&records, Some(second), second * 1_000_000_000);
    }
}

/// Records of the ring buffer.
pub fn events(bytes: &[u8]) {
    for record in bytes.chunks(size_of::<monitor_common::events::Event>()) {
        let _ = probes::events::reader::record(record);
    }
    let _ = probes::events::reader::record(bytes);
}

/// Every parser of /proc and /sys.
pub fn proc(bytes: &[u8]) {
    host::parse_anything(bytes);
}

/// A configuration file of the agent and of the server, and the same text as the value of every key.
pub fn config(bytes: &[u8]) {
    settings::parse_anything(bytes);
}

/// A file of rules.
pub fn rules(bytes: &[u8]) {
    let _ = alerting::parse(Path::new("fuzz"), bytes);
}

/// A recording, and the windows of it.
pub fn recording(bytes: &[u8]) {
    let Ok(recording) = file::Recording::read(bytes) else { return };
    let mut before: Option<crate::sample::Sample> = None;
    for sample in recording.take(50) {
        let Ok(sample) = sample else { return };
        if let Some(before) = before {
            let _ = crate::window::derive(&before, &sample, &crate::window::Options::default());
        }
        before = Some(sample);
    }
}

/// The body of a request to the server, packed or not: taken up, judged, added up and shown.
pub fn reports(bytes: &[u8]) {
    for packed in [false, true] {
        server::take(bytes, packed);
    }
}

/// What comes in an address: a node's name or an alert's id, and after a question mark the query.
pub fn query(bytes: &[u8]) {
    server::ask(bytes);
}

#[cfg(test)]
mod tests;
