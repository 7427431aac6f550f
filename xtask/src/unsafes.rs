//! Every `unsafe` of the product, counted by file and with the reason why it must be: the table in `docs/RELIABILITY.md`.
//!
//! A file that has one and is not in the table fails the test; so does a table that is not as the sources are. Refresh it with
//! `UPDATE_DOCS=1 cargo test -p xtask unsafes`.

use std::{collections::BTreeMap, fs, path::Path};

use crate::shell;

const MARKS: [&str; 2] = ["<!-- unsafe: begin -->", "<!-- unsafe: end -->"];
const CRATES: [&str; 3] = ["monitor-common/src", "monitor-ebpf/src", "monitor-user/src"];

/// Why, by the beginning of a file's path; the longest that fits counts.
const REASONS: &[(&str, &str)] = &[
    ("monitor-common/src", "`Pod`: plain integers without padding, which aya asks to be promised"),
    (
        "monitor-ebpf/src",
        "a program for the kernel reads the kernel's structs and its own maps through pointers; the verifier checks each",
    ),
    ("monitor-user/src/cli", "asks the system whether somebody sits at the terminal"),
    ("monitor-user/src/collect.rs", "`clock_gettime`, which writes one struct"),
    ("monitor-user/src/host", "`statvfs`, `sysconf`, `clock_gettime`: system calls that write one struct"),
    ("monitor-user/src/kernel/load.rs", "`Pod` of an array; `setrlimit` and `malloc_trim`"),
    (
        "monitor-user/src/kernel/maps.rs",
        "values that the kernel copies into our memory, and an array of it that is mapped",
    ),
    ("monitor-user/src/kernel/prime.rs", "`sched_setaffinity` with a set of bits"),
    ("monitor-user/src/kernel/steps.rs", "sets values of arrays whose size is known"),
    ("monitor-user/src/kernel/sys.rs", "bpf(2) itself"),
    ("monitor-user/src/privileges", "`landlock_create_ruleset`, which asks for a version; in tests, what is forbidden"),
    ("monitor-user/src/probes", "a record of the ring buffer as the struct that it is; zeroed values in tests"),
    ("monitor-user/src/open_files.rs", "`getrlimit`, `setrlimit`: as many open files as there may be connections"),
    ("monitor-user/src/selfcheck.rs", "`gettid`"),
];

/// Uses by file.
fn count() -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    CRATES.iter().for_each(|folder| look(&shell::workspace().join(folder), &mut found));
    found
}

fn look(folder: &Path, found: &mut BTreeMap<String, usize>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            look(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap_or_default();
            let code = text.lines().map(|line| line.split("//").next().unwrap_or_default());
            let uses = ["unsafe {", "unsafe impl", "unsafe fn", "unsafe extern"];
            let count: usize = code.map(|line| uses.iter().map(|it| line.matches(it).count()).sum::<usize>()).sum();
            if count > 0 {
                let name = path.strip_prefix(shell::workspace()).unwrap_or(&path).display().to_string();
                found.insert(name, count);
            }
        }
    }
}

fn reason(file: &str) -> Option<&'static str> {
    let fitting = REASONS.iter().filter(|(path, _)| file.starts_with(path));
    fitting.max_by_key(|(path, _)| path.len()).map(|(_, reason)| *reason)
}

fn table(found: &BTreeMap<String, usize>) -> String {
    let mut text = format!("{}\n\n| file | uses | why |\n|---|---|---|\n", MARKS[0]);
    for (file, count) in found {
        text += &format!("| `{file}` | {count} | {} |\n", reason(file).unwrap_or("**nobody said**"));
    }
    text + &format!("\n{} in all.\n\n{}", found.values().sum::<usize>(), MARKS[1])
}

#[test]
fn every_unsafe_is_in_the_table_with_its_reason() {
    let found = count();
    for file in found.keys() {
        assert!(reason(file).is_some(), "{file} has `unsafe`, and nobody said why: add a line here");
    }
    for (path, _) in REASONS {
        assert!(found.keys().any(|file| file.starts_with(path)), "{path} has no `unsafe` any more");
    }
    let page = shell::workspace().join("docs/RELIABILITY.md");
    let text = fs::read_to_string(&page).unwrap();
    let (head, rest) = text.split_once(MARKS[0]).unwrap();
    let (before, tail) = rest.split_once(MARKS[1]).unwrap();
    let table = table(&found);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&page, format!("{head}{table}{tail}")).unwrap();
        return;
    }
    let as_it_is = format!("{}{before}{}", MARKS[0], MARKS[1]);
    assert_eq!(as_it_is, table, "refresh it: UPDATE_DOCS=1 cargo test -p xtask unsafes");
}
