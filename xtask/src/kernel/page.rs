//! docs/KERNELS.md: what was found, as tables of kernel by probe, by field and by test.
//!
//! In: the results of the matrix. Out: the page. It says nothing that changes from run to run but what was measured.

use std::fmt::Write as _;

use super::{
    machine::Shape,
    programs::{LIVE, NOT_INSIDE},
    results::KernelResults,
};

/// The page.
pub fn page(all: &[KernelResults], shapes: &[Shape]) -> String {
    let mut page = String::from(
        "<!-- Written by the tool: cargo xtask test --all-kernels -->\n# Kernels\n\n\
         What kpulse does on the kernels of its matrix, found by `cargo xtask test --all-kernels`: real Debian kernels in virtual\n\
         machines, and the kernel of the machine that wrote this page. `cargo xtask test` boots the oldest and the newest each time.\n\n",
    );
    kernels(&mut page, all);
    machines(&mut page, shapes);
    probes(&mut page, all);
    fields(&mut page, all);
    tests(&mut page, all);
    left_out(&mut page);
    page
}

fn row<'a>(page: &mut String, cells: impl IntoIterator<Item = &'a str>) {
    let cells: Vec<_> = cells.into_iter().map(|cell| cell.replace('|', "\\|")).collect();
    let _ = writeln!(page, "| {} |", cells.join(" | "));
}

fn head(page: &mut String, first: &[&str], all: &[KernelResults]) {
    row(page, first.iter().copied().chain(all.iter().map(|kernel| kernel.series.as_str())));
    row(page, std::iter::repeat_n("---", first.len() + all.len()));
}

fn kernels(page: &mut String, all: &[KernelResults]) {
    *page += "| kernel | release | tests passed | failed | not to be made there |\n|---|---|---|---|---|\n";
    for kernel in all {
        let (passed, failed, absent) = kernel.counts();
        let release = format!("`{}`", kernel.release);
        row(
            page,
            [&kernel.series, &release, &passed.to_string(), &failed.to_string(), &absent.to_string()]
                .map(|s| s.as_str()),
        );
    }
    let of = |kernel: &KernelResults| {
        let all = kernel.failures().into_iter().chain(kernel.missing.clone());
        all.map(|it| format!("- {}: {it}\n", kernel.series)).collect::<String>()
    };
    let failures: String = all.iter().map(of).collect();
    if !failures.is_empty() {
        let _ = write!(page, "\nWhat failed:\n\n{failures}");
    }
}

fn machines(page: &mut String, shapes: &[Shape]) {
    *page += "\n## The machines\n\n| machine | CPUs | what it is for |\n|---|---|---|\n";
    for shape in shapes {
        row(page, [shape.name, &shape.cpus.to_string(), shape.why]);
    }
    *page += "\nAll are emulated, one virtual CPU at a time, and have two NVMe disks without a medium, one of them with a delay. What\n\
              is measured on the machine `exact` counts instructions for time: its delays are exact, whatever the host does.\n";
}

fn probes(page: &mut String, all: &[KernelResults]) {
    *page += "\n## Probes\n\n";
    head(page, &["probe"], all);
    let mut names: Vec<_> = all.iter().flat_map(|kernel| kernel.probes.keys()).collect();
    names.sort();
    names.dedup();
    for name in names {
        let cells = all.iter().map(|kernel| kernel.probes.get(name).map_or("", String::as_str));
        row(page, [name.as_str()].into_iter().chain(cells));
    }
}

fn fields(page: &mut String, all: &[KernelResults]) {
    *page += "\n## Fields\n\nOffsets in bytes, from each kernel's own type information. In parentheses the name of a field that was called otherwise;\n\
              `-` where the kernel does not have it and another one is used, or something is known to be lost.\n\n";
    head(page, &["probe", "field"], all);
    let mut keys: Vec<&(String, String)> = Vec::new();
    for (key, _) in all.iter().flat_map(|kernel| &kernel.fields) {
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    keys.sort_by_key(|key| &key.0);
    for key in keys {
        let found = |kernel: &KernelResults| {
            kernel.fields.iter().find(|(known, _)| known == key).map(|(_, offset)| offset.clone())
        };
        let cells: Vec<_> = all.iter().map(|kernel| found(kernel).unwrap_or_default()).collect();
        let field = format!("`{}`", key.1);
        row(page, [key.0.as_str(), &field].into_iter().chain(cells.iter().map(String::as_str)));
    }
}

fn tests(page: &mut String, all: &[KernelResults]) {
    *page +=
        "\n## Tests\n\nEach on the machines that it is made for; an empty cell is a test that is not made there.\n\n";
    head(page, &["test", "machine"], all);
    let mut keys: Vec<(&str, &str)> = Vec::new();
    for test in all.iter().flat_map(|kernel| &kernel.tests) {
        let key = (test.name.as_str(), test.machine.as_str());
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    keys.sort_by_key(|(name, _)| name.contains("::"));
    for (name, machine) in keys {
        let found = |kernel: &KernelResults| {
            let mut tests = kernel.tests.iter().filter(|test| test.name == name && test.machine == machine);
            tests.next().map_or(String::new(), |test| test.outcome.clone())
        };
        let cells: Vec<_> = all.iter().map(found).collect();
        row(page, [name, machine].into_iter().chain(cells.iter().map(String::as_str)));
    }
}

fn left_out(page: &mut String) {
    *page += "\n## Left out\n\nLive tests that run on the machine itself only:\n\n";
    for (program, why) in NOT_INSIDE {
        let _ = writeln!(page, "- `{program}`: {why}");
    }
    for (program, (test, why)) in LIVE.iter().flat_map(|live| live.left_out.iter().map(|left| (live.program, left))) {
        let _ = writeln!(page, "- `{program}::{test}`: {why}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::machine::Ending;

    fn kernel(series: &str, lines: &[&str]) -> KernelResults {
        let mut results = KernelResults::of(series);
        results.take("four", &lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>(), Ending::Exit(0));
        results
    }

    #[test]
    fn each_kernel_is_a_column_and_what_it_does_not_have_is_empty() {
        let old = kernel("5.10", &["@ probe\tsched\ton\t", "@ field\tsched\ta.b\t8 (c)", "@ test\tx\tok\t"]);
        let new = kernel("7", &["@ probe\tsched\toff\ta|b", "@ field\tsched\ta.b\t16", "@ test\ty\tfailed\twhy"]);
        let page = page(&[old, new], &[]);
        for line in [
            "| sched | on | off: a\\|b |",
            "| sched | `a.b` | 8 (c) | 16 |",
            "| x | four | ok |  |",
            "| y | four |  | failed |",
            "- 7: y (four): why",
        ] {
            assert!(page.lines().any(|found| found == line), "{line} is not in\n{page}");
        }
    }
}
