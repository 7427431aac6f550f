//! What the guests say, line by line, and all of it together.
//!
//! In: console lines, of which those that begin with `@ ` are the guest's (`tests/src/bin/guest/report.rs`). Out: for each kernel what each probe,
//! each field and each test gave.

use std::collections::BTreeMap;

use super::machine::Ending;

/// What became of a test on one machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestResult {
    /// Its name.
    pub name: String,
    /// The machine.
    pub machine: String,
    /// `ok`, `failed` or `absent`.
    pub outcome: String,
    /// Why, where it is not ok.
    pub why: String,
}

/// What one kernel gave, on all its machines.
#[derive(Clone, Debug, Default)]
pub struct KernelResults {
    /// What was asked for, such as `5.10`, or what stands for this machine's own.
    pub series: String,
    /// As `uname -r` says it.
    pub release: String,
    /// `on`, or `off` and why, by the probe's name.
    pub probes: BTreeMap<String, String>,
    /// The offset, by probe and field, in the order in which they were told.
    pub fields: Vec<((String, String), String)>,
    /// In the order in which they were told.
    pub tests: Vec<TestResult>,
    /// How each machine ended.
    pub endings: Vec<(String, Ending)>,
    /// What else went wrong.
    pub faults: Vec<String>,
    /// Why the kernel could not be had.
    pub missing: Option<String>,
}

impl KernelResults {
    /// Nothing yet.
    pub fn of(series: &str) -> Self {
        Self { series: series.into(), ..Self::default() }
    }

    /// Takes in what one machine wrote.
    pub fn take(&mut self, machine: &str, console: &[String], ending: Ending) {
        for line in console.iter().filter_map(|line| line.strip_prefix("@ ")) {
            let parts: Vec<_> = line.split('\t').collect();
            match parts[..] {
                ["kernel", release] => self.release = release.into(),
                ["probe", name, state, why] => {
                    let said = if why.is_empty() { state.to_owned() } else { format!("{state}: {why}") };
                    // Off on one machine is what must be seen.
                    if self.probes.get(name).is_none_or(|known| known == "on") {
                        self.probes.insert(name.into(), said);
                    }
                }
                ["field", probe, path, offset] => {
                    let key = (probe.to_owned(), path.to_owned());
                    if !self.fields.iter().any(|(known, _)| *known == key) {
                        self.fields.push((key, offset.into()));
                    }
                }
                ["test", name, outcome, why] => self.tests.push(TestResult {
                    name: name.into(),
                    machine: machine.into(),
                    outcome: outcome.into(),
                    why: why.into(),
                }),
                _ => self.faults.push(format!("{machine}: a line that nobody understands: {line}")),
            }
        }
        self.endings.push((machine.into(), ending));
    }

    /// Everything that is wrong, each in a line.
    pub fn failures(&self) -> Vec<String> {
        let mut all = self.faults.clone();
        let failed = self.tests.iter().filter(|test| test.outcome == "failed");
        all.extend(failed.map(|test| format!("{} ({}): {}", test.name, test.machine, test.why)));
        for (machine, ending) in &self.endings {
            let told = self.tests.iter().any(|test| test.machine == *machine && test.outcome == "failed");
            if *ending != Ending::Exit(0) && !(told && matches!(ending, Ending::Exit(_))) {
                all.push(format!("the machine {machine} {}", ending.said()));
            }
            if !self.tests.iter().any(|test| test.machine == *machine) {
                all.push(format!("the machine {machine} told of no test"));
            }
        }
        all
    }

    /// How many tests passed, failed and are not to be made there.
    pub fn counts(&self) -> (usize, usize, usize) {
        let count = |outcome: &str| self.tests.iter().filter(|test| test.outcome == outcome).count();
        (count("ok"), self.failures().len(), count("absent"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results(lines: &[&str], ending: Ending) -> KernelResults {
        let mut results = KernelResults::of("5.10");
        results.take("four", &lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>(), ending);
        results
    }

    #[test]
    fn the_guests_lines_are_taken_apart_and_others_are_passed_over() {
        let all = [
            "[ 1.2] boot",
            "@ kernel\t5.10.0",
            "@ probe\tsched\ton\t",
            "@ field\tsched\trq.clock\t8",
            "@ test\ta b\tok\t",
        ];
        let found = results(&all, Ending::Exit(0));
        assert_eq!(found.release, "5.10.0");
        assert_eq!(found.probes["sched"], "on");
        assert_eq!(found.fields, [(("sched".to_owned(), "rq.clock".to_owned()), "8".to_owned())]);
        assert_eq!((found.counts(), found.failures()), ((1, 0, 0), vec![]));
    }

    #[test]
    fn a_machine_that_died_or_told_nothing_is_a_failure() {
        let died = results(&["@ test\ta\tok\t"], Ending::Died);
        assert_eq!(died.failures().len(), 1, "{:?}", died.failures());
        assert_eq!(results(&[], Ending::Exit(0)).failures(), ["the machine four told of no test"]);
        assert_eq!(results(&["@ test\ta\tok\t"], Ending::Exit(1)).failures(), ["the machine four ended with status 1"]);
    }

    #[test]
    fn a_failed_test_is_told_once_with_its_reason() {
        let failed = results(&["@ test\ta\tfailed\tbecause"], Ending::Exit(1));
        assert_eq!(failed.failures(), ["a (four): because"]);
    }

    #[test]
    fn a_probe_that_is_off_on_one_machine_is_not_on() {
        let mut found = results(&["@ probe\tsched\toff\twhy", "@ test\ta\tok\t"], Ending::Exit(0));
        found.take("many", &["@ probe\tsched\ton\t".to_owned()], Ending::Exit(0));
        assert_eq!(found.probes["sched"], "off: why");
    }
}
