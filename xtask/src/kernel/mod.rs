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
pub mod image;
pub mod initramfs;
pub mod machine;
pub mod matrix;
mod page;
mod programs;
pub mod results;

use std::{
    collections::VecDeque,
    fs,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Mutex, PoisonError},
    thread,
    time::Instant,
};

use anyhow::{Context as _, Result};

use self::{image::Kernel, machine::Shape, results::KernelResults};
use crate::{requirements::Purpose, setup, shell};

/// How machines are run.
#[derive(Clone, Copy, Debug, Default)]
pub struct How {
    /// So many at a time; one for each processor of this machine if it is not said.
    pub jobs: Option<NonZeroUsize>,
    /// Whether those that ended well when they last ran on the same kernel are left as they are.
    pub resume: bool,
}

/// Boots kernels and gives what each of them gave, in the order in which they were asked for.
///
/// # Errors
/// Where the programs cannot be built; whatever is wrong with one kernel is in its results.
pub fn run(series: &[&str], shapes: &[&Shape], how: How, this_machine: bool) -> Result<Vec<KernelResults>> {
    setup::ensure_for(&[Purpose::Kernels])?;
    let live = shapes.iter().any(|shape| shape.live);
    let programs = programs::build(live)?;
    let folder = shell::target()?.join("kernels");
    let small = initramfs::base(&programs, false, &folder)?;
    let base = if live { initramfs::base(&programs, true, &folder)? } else { small.clone() };
    let mut all: Vec<_> = series.iter().map(|series| KernelResults::of(series)).collect();
    let mut jobs = VecDeque::new();
    for (index, series) in series.iter().enumerate() {
        let kernel = match Kernel::get(series) {
            Ok(kernel) => kernel,
            Err(error) => {
                all[index].missing = Some(format!("{error:#}"));
                continue;
            }
        };
        println!("Linux {series}: {}", kernel.release);
        match kernel.image().and_then(|image| Ok((image, initramfs::modules(&kernel, &folder)?))) {
            Ok((image, modules)) => {
                jobs.extend(shapes.iter().map(|shape| {
                    let base = if shape.live { base.clone() } else { small.clone() };
                    let release = kernel.release.clone();
                    Job { index, shape, release, image: image.clone(), base, modules: modules.clone() }
                }));
            }
            Err(error) => all[index].faults.push(format!("{error:#}")),
        }
    }
    // The longest first, or one of two processors has nothing to do at the end.
    jobs.make_contiguous().sort_by_key(|job| std::cmp::Reverse(job.shape.weight));
    shell::headline(&format!("{} virtual machines", jobs.len()));
    let (jobs, results) = (Mutex::new(jobs), Mutex::new(&mut all));
    let workers = how.jobs.or(thread::available_parallelism().ok()).map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                    let Some(job) = job else { return };
                    let ran = job.run(&folder, series[job.index], how);
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

/// One machine to boot.
struct Job<'a> {
    index: usize,
    shape: &'a Shape,
    release: String,
    image: PathBuf,
    base: PathBuf,
    modules: PathBuf,
}

impl Job<'_> {
    /// Boots it, and once more if that ended in a way that says nothing of the tests.
    fn run(&self, folder: &Path, series: &str, how: How) -> Result<machine::Ran> {
        let name = self.shape.name;
        let log = folder.join(format!("{series}-{name}.log"));
        if let Some(ran) = how.resume.then(|| machine::last_run(&log, &self.release)).flatten() {
            println!("Linux {series}, {name}: ended well before ({})", log.display());
            return Ok(ran);
        }
        let initramfs = folder.join(format!("{series}-{name}.cpio"));
        initramfs::whole(&self.base, &self.modules, &initramfs)?;
        let try_once = || {
            let begun = Instant::now();
            let ran = machine::run(self.shape, &self.image, &initramfs, &log)?;
            let (log, time) = (log.display(), shell::elapsed(begun.elapsed()));
            let cpu = ran.cpu_seconds;
            println!("Linux {series}, {name}: {} after {time}, {cpu} s of CPU time ({log})", ran.ending.said());
            anyhow::Ok(ran)
        };
        let mut ran = try_once()?;
        if ran.ending.may_be_chance() {
            fs::rename(&log, folder.join(format!("{series}-{name}.first.log")))?;
            println!("Linux {series}, {name}: once more");
            ran = try_once()?;
        }
        // A hundred megabytes that nobody needs any more.
        fs::remove_file(&initramfs)?;
        Ok(ran)
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
