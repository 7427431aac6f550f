//! /proc/pressure: time in which tasks stood still for want of a CPU, memory or a disk, or because of interrupts.
//!
//! In: /proc/pressure/{cpu,memory,io,irq}. Out: [`Pressure`] by resource. A kernel may have none of it (built without
//! `CONFIG_PSI`, or booted with `psi=0`): that is no failure, and [`Read::none`] says how to get it.
//! (Kernel: kernel/sched/psi.c; Documentation/accounting/psi.rst.)

use std::{
    collections::BTreeMap,
    io::{self, ErrorKind},
    path::Path,
};

use super::{
    Pressure,
    file::{Expected, Failure, Kept},
};

/// The resources, by the names of their files. `irq` came with 6.1 and needs `CONFIG_IRQ_TIME_ACCOUNTING`.
const RESOURCES: [&str; 4] = ["cpu", "memory", "io", "irq"];

/// The files of /proc/pressure.
#[derive(Debug)]
pub(super) struct Files([Kept; 4]);

/// What /proc/pressure says.
#[derive(Debug, Default)]
pub(super) struct Read {
    /// By resource, those the kernel has.
    pub(super) pressure: BTreeMap<String, Pressure>,
    /// Files that are there and could not be read, by resource.
    pub(super) failures: Vec<(&'static str, Failure)>,
    /// Why there is none at all, and how to get it.
    pub(super) none: Option<String>,
}

impl Files {
    /// Names the files under `proc`; nothing is opened yet.
    pub(super) fn new(proc: &Path) -> Self {
        Self(RESOURCES.map(|resource| Kept::new(proc.join("pressure").join(resource))))
    }

    /// Reads all of them.
    pub(super) fn read(&mut self, buffer: &mut Vec<u8>) -> Read {
        let mut read = Read::default();
        for (resource, file) in RESOURCES.into_iter().zip(&mut self.0) {
            match file.parse(buffer, parse) {
                Ok(pressure) => _ = read.pressure.insert(resource.to_owned(), pressure),
                Err(Failure::Unreadable(path, error)) => match why_none(&path, &error) {
                    Some(why) => read.none = read.none.or(Some(why)),
                    None => read.failures.push((resource, Failure::Unreadable(path, error))),
                },
                Err(failure) => read.failures.push((resource, failure)),
            }
        }
        if !read.pressure.is_empty() || !read.failures.is_empty() {
            read.none = None;
        }
        read
    }
}

/// Whether the error says that the kernel has no such thing, and then why.
fn why_none(path: &Path, error: &io::Error) -> Option<String> {
    if error.raw_os_error() == Some(libc::EOPNOTSUPP) {
        return Some(format!("{}: pressure accounting is off; boot with psi=1", path.display()));
    }
    let none = "the kernel has none; it takes CONFIG_PSI=y, and psi=1 at boot if CONFIG_PSI_DEFAULT_DISABLED=y";
    (error.kind() == ErrorKind::NotFound).then(|| format!("{}: {none}", path.display()))
}

/// Reads the text of one file.
pub(super) fn parse(text: &str) -> Result<Pressure, Expected> {
    let mut pressure = Pressure::default();
    for line in text.lines() {
        let mut fields = line.split_ascii_whitespace();
        let field = match fields.next() {
            Some("some") => &mut pressure.some_ns,
            Some("full") => &mut pressure.full_ns,
            _ => continue,
        };
        let total = fields.find_map(|field| field.strip_prefix("total=")).and_then(|total| total.parse::<u64>().ok());
        *field = Some(total.ok_or(Expected("`total=` and microseconds in each line"))?.saturating_mul(1_000));
    }
    if pressure == Pressure::default() {
        return Err(Expected("a line `some` or `full`"));
    }
    Ok(pressure)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::host::testing::Machine;

    #[test]
    fn a_kernel_without_pressure_is_no_failure_and_says_how_to_get_it() {
        let machine = Machine::new("== proc/stat\n");
        let read = Files::new(&machine.root().join("proc")).read(&mut Vec::new());
        assert!(read.pressure.is_empty() && read.failures.is_empty());
        assert!(read.none.unwrap().contains("the kernel has none"));
    }

    #[test]
    fn psi_0_at_boot_is_told_apart_from_a_file_that_cannot_be_read() {
        let path = Path::new("/proc/pressure/cpu");
        assert!(why_none(path, &io::Error::from_raw_os_error(libc::EOPNOTSUPP)).unwrap().contains("psi=1"));
        assert_eq!(why_none(path, &io::Error::from_raw_os_error(libc::EACCES)), None);
    }

    #[test]
    fn a_kernel_without_irq_pressure_has_the_others() {
        let line = "some avg10=0.00 avg60=0.00 avg300=0.00 total=7";
        let machine = Machine::new(&format!("== proc/pressure/cpu\n{line}\n== proc/pressure/io\ngarbage\n"));
        let read = Files::new(&machine.root().join("proc")).read(&mut Vec::new());
        assert_eq!(read.pressure["cpu"], Pressure { some_ns: Some(7_000), full_ns: None });
        assert_eq!(read.failures.len(), 1);
        assert!(read.failures[0].1.to_string().ends_with("proc/pressure/io: expected a line `some` or `full`"));
        assert_eq!(read.none, None);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(some|full|total=|[0-9]|[ \n]|\\PC){0,40}") {
            let _ = parse(&text);
        }

        #[test]
        fn what_was_written_is_read(some in any::<Option<u32>>(), full in any::<Option<u32>>()) {
            let line = |name, total: Option<u32>| total.map(|total| format!("{name} avg10=0.10 avg60=1.00 avg300=0.00 total={total}\n"));
            let text: String = [line("some", some), line("full", full)].into_iter().flatten().collect();
            let ns = |us: Option<u32>| us.map(|us| u64::from(us) * 1_000);
            prop_assert_eq!(parse(&text).ok(), (!text.is_empty()).then(|| Pressure { some_ns: ns(some), full_ns: ns(full) }));
        }
    }
}
