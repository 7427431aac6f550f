//! `cargo xtask test --kernel VERSION...` and `--all-kernels`: the live tests on other kernels, in virtual machines.
//!
//! In: versions such as `5.10`. Out: a table of results; of the whole matrix also docs/KERNELS.md. A kernel that cannot be had, a machine
//! that dies and a test that fails are failures, by name.
//!
//! # Layout
//!
//! | module | what it is |
//! |---|---|
//! | [`matrix`] | which kernels, which machines |
//! | [`archive`], [`image`] | Debian's packages, verified and cached; a kernel and its modules |
//! | [`programs`], [`initramfs`] | what runs inside, and how it gets there |
//! | [`machine`] | one virtual machine, from its start to its end |
//! | [`results`], [`page`] | what the guests say, and docs/KERNELS.md |
//!
//! The other side is `tests/src/bin/guest`.

mod archive;
mod image;
mod initramfs;
pub mod machine;
pub mod matrix;
mod page;
mod programs;
pub mod results;

use std::{
    collections::VecDeque,
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Mutex, PoisonError},
    thread,
    time::Instant,
};

use anyhow::{Context as _, Result};

use self::{image::Kernel, machine::Shape, results::KernelResults};
use crate::{requirements::Purpose, setup, shell};

/// Boots kernels and gives what each of them gave, in the order in which they were asked for.
///
/// # Errors
/// Where the programs cannot be built; whatever is wrong with one kernel is in its results.
pub fn run(series: &[&str], shapes: &[&Shape], this_machine: bool) -> Result<Vec<KernelResults>> {
    setup::ensure_for(&[Purpose::Kernels])?;
    let programs = programs::build(shapes.iter().any(|shape| shape.live))?;
    let folder = shell::target()?.join("kernels");
    let base = initramfs::base(&programs, &folder)?;
    let mut all: Vec<_> = series.iter().map(|series| KernelResults::of(series)).collect();
    let mut jobs = VecDeque::new();
    for (index, series) in series.iter().enumerate() {
        match ready(series, &base, &folder) {
            Ok((image, initramfs)) => {
                // The longest first, or one of two processors has nothing to do at the end.
                jobs.extend(shapes.iter().map(|shape| Job {
                    index,
                    shape,
                    image: image.clone(),
                    initramfs: initramfs.clone(),
                }));
            }
            Err(error) => all[index].missing = Some(format!("{error:#}")),
        }
    }
    jobs.make_contiguous().sort_by_key(|job| std::cmp::Reverse(job.shape.weight));
    shell::headline(&format!("{} virtual machines", jobs.len()));
    let (jobs, results) = (Mutex::new(jobs), Mutex::new(&mut all));
    let workers = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                    let Some(job) = job else { return };
                    let ran = job.run(&folder, series[job.index]);
                    let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
                    match ran {
                        Ok(ran) => results[job.index].take(job.shape.name, &ran.console, ran.ending),
                        Err(error) => results[job.index].faults.push(format!("{}: {error:#}", job.shape.name)),
                    }
                }
            });
        }
    });
    if this_machine {
        all.push(here(&programs)?);
    }
    Ok(all)
}

/// Writes docs/KERNELS.md.
///
/// # Errors
/// Where it cannot be written.
pub fn write_page(all: &[KernelResults]) -> Result<()> {
    let path = shell::workspace().join("docs/KERNELS.md");
    fs::write(&path, page::page(all, matrix::SHAPES)).with_context(|| format!("cannot write {}", path.display()))
}

/// A kernel's image and initramfs.
fn ready(series: &str, base: &Path, folder: &Path) -> Result<(PathBuf, PathBuf)> {
    let kernel = Kernel::get(series)?;
    println!("Linux {series}: {}", kernel.release);
    Ok((kernel.image()?, initramfs::with_modules(base, &kernel, folder)?))
}

/// One machine to boot.
struct Job<'a> {
    index: usize,
    shape: &'a Shape,
    image: PathBuf,
    initramfs: PathBuf,
}

impl Job<'_> {
    /// Boots it, and once more if that ended in a way that says nothing of the tests.
    fn run(&self, folder: &Path, series: &str) -> Result<machine::Ran> {
        let name = self.shape.name;
        let log = folder.join(format!("{series}-{name}.log"));
        let try_once = || {
            let begun = Instant::now();
            let ran = machine::run(self.shape, &self.image, &self.initramfs, &log)?;
            let (log, time) = (log.display(), shell::elapsed(begun.elapsed()));
            println!("Linux {series}, {name}: {} after {time} ({log})", ran.ending.said());
            anyhow::Ok(ran)
        };
        let ran = try_once()?;
        if !ran.ending.may_be_chance() {
            return Ok(ran);
        }
        fs::rename(&log, folder.join(format!("{series}-{name}.first.log")))?;
        println!("Linux {series}, {name}: once more");
        try_once()
    }
}

/// The checks that change nothing, on the running kernel.
fn here(programs: &[(String, PathBuf)]) -> Result<KernelResults> {
    shell::headline("this machine's own kernel");
    let find = |name: &str| programs.iter().find(|(known, _)| known == name).map(|(_, file)| file);
    let (guest, kpulse) = find("guest").zip(find("kpulse")).context("the guest's programs are built")?;
    let mut command = shell::command(guest);
    command.arg(matrix::HERE).env("KPULSE_BIN", kpulse);
    let output = command.stderr(Stdio::inherit()).output().context("cannot start the guest's checks")?;
    let lines: Vec<_> = String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect();
    lines.iter().for_each(|line| println!("{line}"));
    let mut results = KernelResults::of(matrix::HERE_TITLE);
    let status = output.status.code().map_or(1, |code| code.clamp(0, 255) as u8);
    results.take(matrix::HERE, &lines, machine::Ending::Exit(status));
    Ok(results)
}
