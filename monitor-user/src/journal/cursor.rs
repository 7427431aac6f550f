//! How far each target is, and the file that says so.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// How far a target is: it has all records up to one, and some beyond.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// It has everything up to this one.
    pub done: u64,
    /// It has these too.
    pub beyond: BTreeSet<u64>,
}

impl Cursor {
    /// Whether it has that one.
    pub fn has(&self, sequence: u64) -> bool {
        sequence <= self.done || self.beyond.contains(&sequence)
    }
}

/// What a target is owed, in short.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Owed {
    /// How many records.
    pub records: u64,
    /// When the oldest of them happened, in nanoseconds since 1970.
    pub oldest_ns: Option<u64>,
}

/// A checksum in hexadecimal on the first line, JSON on the second.
pub fn format(cursors: &BTreeMap<String, Cursor>) -> Vec<u8> {
    let json = serde_json::to_string(cursors).unwrap_or_default();
    format!("{:08x}\n{json}\n", crc32fast::hash(json.as_bytes())).into_bytes()
}

/// Reads that; none if it is anything else.
pub fn parse(bytes: &[u8]) -> Option<BTreeMap<String, Cursor>> {
    let (checksum, json) = str::from_utf8(bytes).ok()?.split_once('\n')?;
    let json = json.strip_suffix('\n')?;
    (u32::from_str_radix(checksum, 16).ok()? == crc32fast::hash(json.as_bytes())).then_some(())?;
    serde_json::from_str(json).ok()
}
