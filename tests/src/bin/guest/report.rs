//! Lines for xtask: each begins with `@ ` and a kind, and its parts are separated by tabs.
//!
//! | kind | parts |
//! |---|---|
//! | kernel | its release |
//! | probe | name, `on` or `off`, why |
//! | field | probe, the field's path, its offset or `-` |
//! | test | name, `ok`, `failed` or `absent`, why |

use std::{fs, time::Instant};

/// The running kernel.
pub fn kernel() {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    line(&["kernel", release.trim()]);
}

/// A probe.
pub fn probe(name: &str, state: &str, why: &str) {
    line(&["probe", name, state, why]);
}

/// A field of a probe.
pub fn field(probe: &str, path: &str, offset: &str) {
    line(&["field", probe, path, offset]);
}

/// What became of a test.
pub fn test(name: &str, outcome: &str, why: &str) {
    line(&["test", name, outcome, why]);
}

/// For people who read the console.
pub fn note(text: &str) {
    static BEGUN: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    let begun = BEGUN.get_or_init(Instant::now);
    println!("  [{:.1} s] {text}", begun.elapsed().as_secs_f64());
}

fn line(parts: &[&str]) {
    let parts: Vec<_> = parts.iter().map(|part| part.replace(['\t', '\n', '\r'], " ")).collect();
    println!("@ {}", parts.join("\t"));
}
