//! Counts what test programs print: the harness's own lines, and the `SKIPPED` lines of this repository's tests.
//!
//! The harness's lines (rustc's libtest): `test NAME ... FAILED`, `test NAME ... ignored, REASON` and
//! `test result: ok. 3 passed; 0 failed; 1 ignored; ...`, one such for each test program. A test that finds at run time
//! that it cannot run writes `SKIPPED NAME: REASON` and returns; to the harness it has passed.

use std::fmt;

/// What became of some tests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    harness_passed: usize,
    harness_failed: usize,
    harness_ignored: usize,
    skips: Vec<Skip>,
    ignored: Vec<Skip>,
    failures: Vec<String>,
}

/// A test that did not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skip {
    /// The test's name.
    pub name: String,
    /// Why, as the test says; empty where it does not say.
    pub reason: String,
}

impl Tally {
    /// Takes in one line of output, from either stream.
    pub fn line(&mut self, line: &str) {
        let line = without_colours(line);
        if let Some(counts) = line.strip_prefix("test result: ") {
            self.harness_passed += count(counts, "passed");
            self.harness_failed += count(counts, "failed");
            self.harness_ignored += count(counts, "ignored");
        } else if let Some(skip) = skip(&line) {
            // A test may skip in several of its parts; it is one test.
            if !self.skips.iter().any(|known| known.name == skip.name) {
                self.skips.push(skip);
            }
        } else if let Some((name, outcome)) = line.strip_prefix("test ").and_then(|rest| rest.rsplit_once(" ... ")) {
            if outcome.starts_with("FAILED") {
                self.failures.push(name.to_owned());
            } else if let Some(rest) = outcome.strip_prefix("ignored") {
                let reason = rest.trim_start_matches([',', ' ']);
                self.ignored.push(Skip { name: name.to_owned(), reason: reason.to_owned() });
            }
        }
    }

    /// Takes in a test that was not even started.
    pub fn leave_out(&mut self, name: &str, reason: &str) {
        self.harness_ignored += 1;
        self.ignored.push(Skip { name: name.to_owned(), reason: reason.to_owned() });
    }

    /// Takes in tests that another than the harness has run: how many passed, and what is said of each that failed.
    pub fn elsewhere(&mut self, passed: usize, failures: impl IntoIterator<Item = String>) {
        self.harness_passed += passed;
        let before = self.failures.len();
        self.failures.extend(failures);
        self.harness_failed += self.failures.len() - before;
    }

    /// Adds another tally to this one.
    pub fn add(&mut self, other: &Self) {
        self.harness_passed += other.harness_passed;
        self.harness_failed += other.harness_failed;
        self.harness_ignored += other.harness_ignored;
        self.skips.extend_from_slice(&other.skips);
        self.ignored.extend_from_slice(&other.ignored);
        self.failures.extend_from_slice(&other.failures);
    }

    /// Tests that ran to their end and held.
    pub fn passed(&self) -> usize {
        self.harness_passed.saturating_sub(self.skips.len())
    }

    /// Tests that did not hold.
    pub fn failed(&self) -> usize {
        self.harness_failed
    }

    /// Tests that did not run, for a reason of their own.
    pub fn skipped(&self) -> usize {
        self.harness_ignored + self.skips.len()
    }

    /// How many tests there were.
    pub fn total(&self) -> usize {
        self.passed() + self.failed() + self.skipped()
    }

    /// The tests that did not run, and why.
    pub fn skips(&self) -> impl Iterator<Item = &Skip> {
        self.skips.iter().chain(&self.ignored)
    }

    /// The names of those that did not hold.
    pub fn failures(&self) -> &[String] {
        &self.failures
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed(), self.failed(), self.skipped())
    }
}

/// The number before `what` in `ok. 3 passed; 0 failed; ...`.
fn count(counts: &str, what: &str) -> usize {
    let number = |part: &str| part.trim().strip_suffix(what)?.split_whitespace().next_back()?.parse().ok();
    counts.split(';').find_map(number).unwrap_or(0)
}

/// `SKIPPED NAME: REASON`, alone or behind the harness's `test NAME ... `, which stands on the line while a test runs.
fn skip(line: &str) -> Option<Skip> {
    let from = line.strip_prefix("SKIPPED ").or_else(|| line.split_once(" ... SKIPPED ").map(|(_, rest)| rest))?;
    let (name, reason) = from.split_once(": ").unwrap_or((from, ""));
    Some(Skip { name: name.trim().to_owned(), reason: reason.trim().to_owned() })
}

/// The line without its colour sequences, `ESC [ ... m`.
fn without_colours(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            '\x1b' => {
                chars.by_ref().find(char::is_ascii_alphabetic);
            }
            '\r' => {}
            c => plain.push(c),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(lines: &[&str]) -> Tally {
        let mut tally = Tally::default();
        lines.iter().for_each(|line| tally.line(line));
        tally
    }

    #[test]
    fn results_of_several_programs_add_up() {
        let tally = tally(&[
            "running 4 tests",
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.00s",
            "test result: FAILED. 10 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.50s",
        ]);
        assert_eq!(tally.to_string(), "13 passed, 2 failed, 1 skipped");
        assert_eq!(tally.total(), 16);
    }

    #[test]
    fn colours_do_not_hide_a_result() {
        let tally = tally(&[
            "test a::b ... \x1b[31mFAILED\x1b(B\x1b[m",
            "test result: \x1b[32mok\x1b(B\x1b[m. 7 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out",
        ]);
        assert_eq!((tally.passed(), tally.failures()), (7, &["a::b".to_owned()][..]));
    }

    #[test]
    fn a_test_that_skips_itself_has_not_passed() {
        let tally = tally(&[
            "SKIPPED block::fio: no loop device: EPERM",
            "test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s",
        ]);
        assert_eq!(tally.to_string(), "1 passed, 0 failed, 1 skipped");
        let skip = tally.skips().next().expect("one skip");
        assert_eq!((skip.name.as_str(), skip.reason.as_str()), ("block::fio", "no loop device: EPERM"));
    }

    #[test]
    fn a_skip_is_seen_behind_the_name_that_stands_on_the_line_and_counted_once() {
        let tally = tally(&["test x ... SKIPPED x: one part", "SKIPPED x: another part"]);
        assert_eq!(tally.skips().count(), 1);
    }

    #[test]
    fn a_test_that_is_left_out_is_skipped_and_takes_nothing_from_those_that_passed() {
        let mut tally = tally(&["test result: ok. 2 passed; 0 failed; 0 ignored"]);
        tally.leave_out("sched::waits", "needs root");
        assert_eq!(tally.to_string(), "2 passed, 0 failed, 1 skipped");
        assert_eq!(tally.skips().next().map(|skip| skip.name.as_str()), Some("sched::waits"));
    }

    #[test]
    fn an_ignored_test_is_named_with_its_reason() {
        let tally = tally(&[
            "test slow::walk ... ignored, takes an hour",
            "test a - b (line 3) ... ignored",
            "test result: ok. 0 passed; 0 failed; 2 ignored; 0 measured; 0 filtered out",
        ]);
        assert_eq!(tally.skipped(), 2);
        let reasons: Vec<_> = tally.skips().map(|skip| (skip.name.as_str(), skip.reason.as_str())).collect();
        assert_eq!(reasons, [("slow::walk", "takes an hour"), ("a - b (line 3)", "")]);
    }

    #[test]
    fn other_lines_count_for_nothing() {
        let tally = tally(&["test x ... ok", "   Compiling x", "3 passed; 4 failed", "", "it was SKIPPED yesterday"]);
        assert_eq!(tally, Tally::default());
    }

    #[test]
    fn tests_of_another_harness_count_as_well() {
        let mut tally = tally(&["test result: ok. 1 passed; 0 failed; 0 ignored"]);
        tally.elsewhere(3, ["x: why".to_owned()]);
        assert_eq!((tally.to_string().as_str(), tally.failures().len()), ("4 passed, 1 failed, 0 skipped", 1));
    }

    #[test]
    fn tallies_add_up() {
        let mut sum = tally(&["SKIPPED x: why", "test result: ok. 1 passed; 0 failed; 0 ignored"]);
        sum.add(&tally(&["test y ... FAILED", "test result: FAILED. 4 passed; 1 failed; 0 ignored"]));
        assert_eq!((sum.to_string().as_str(), sum.failures().len()), ("4 passed, 1 failed, 1 skipped", 1));
    }
}
