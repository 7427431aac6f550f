//! `cargo xtask setup`: installs what is missing from the table of [`crate::requirements`], and only that.
//!
//! Each thing is named, with its reason, before anything is installed. What is installed outside this repository is a
//! component of the active toolchain, the nightly toolchain or a Debian package; the rest goes under `target/tools`.

use std::{fs, path::Path, time::Instant};

use anyhow::{Context as _, Result, bail, ensure};
use clap::ValueEnum as _;

use crate::{
    requirements::{Machine, Purpose, Requirement, Source},
    shell,
};

#[derive(clap::Args)]
pub struct Args {
    /// Set up only what this needs; everything if left out
    #[arg(long = "for", value_name = "PURPOSE")]
    purpose: Option<Purpose>,
}

/// The command itself.
///
/// # Errors
/// As [`ensure_for`].
pub fn setup(args: &Args) -> Result<()> {
    let purposes = args.purpose.as_ref().map_or(Purpose::value_variants(), std::slice::from_ref);
    if !ensure_for(purposes)? {
        println!("nothing to set up");
    }
    Ok(())
}

/// Sees to it that everything for these purposes is there. Returns whether anything had to be installed.
///
/// # Errors
/// Where something cannot be installed; the message says what, why and how to go on by hand.
pub fn ensure_for(purposes: &[Purpose]) -> Result<bool> {
    let missing = Machine::look()?.missing(purposes);
    if missing.is_empty() {
        return Ok(false);
    }
    println!("This machine lacks, and setup installs:");
    for it in &missing {
        println!("  {:<12} {} ({})", it.name, it.why, origin(it));
    }
    let started = Instant::now();
    let mut packages_are_known = false;
    // Packages that follow one another in the table are installed in one go.
    let is_debian = |it: &Requirement| matches!(it.source, Source::Debian { .. });
    for group in missing.chunk_by(|a, b| is_debian(a) && is_debian(b)) {
        match group[0].source {
            Source::Component { .. } => rustup(group[0], &["component", "add", group[0].name])?,
            Source::Target => rustup(group[0], &["target", "add", group[0].name])?,
            Source::Toolchain { components, .. } => {
                let components = components.join(",");
                let install = ["toolchain", "install", group[0].name, "--profile=minimal", "--component"];
                rustup(group[0], &[install.as_slice(), &[&components]].concat())?;
            }
            Source::Crate { version } => install_crate(group[0], version)?,
            Source::Debian { .. } => install_packages(group, &mut packages_are_known)?,
        }
    }
    let still_missing: Vec<_> = Machine::look()?.missing(purposes).iter().map(|it| it.name).collect();
    ensure!(
        still_missing.is_empty(),
        "everything was installed, yet {} cannot be found: see that /usr/bin and /usr/sbin are on the PATH",
        still_missing.join(", ")
    );
    println!("\nset up in {}", shell::elapsed(started.elapsed()));
    Ok(true)
}

fn origin(requirement: &Requirement) -> String {
    match requirement.source {
        Source::Component { .. } => "a component of the Rust toolchain".into(),
        Source::Target => "a target of the Rust toolchain".into(),
        Source::Toolchain { components, .. } => format!("a Rust toolchain of its own, with {}", components.join(", ")),
        Source::Crate { version } => format!("{version} from crates.io, a few minutes, into target/tools"),
        Source::Debian { packages, .. } => format!("Debian: {}", packages.join(", ")),
    }
}

/// Has rustup install something.
fn rustup(requirement: &Requirement, args: &[&str]) -> Result<()> {
    let name = requirement.name;
    shell::headline(&format!("rustup {}", args.join(" ")));
    ensure!(
        shell::has("rustup"),
        "{name} is missing and there is no rustup to add it: install Rust from https://rustup.rs, or {name} from where \
         this Rust came from"
    );
    // Without `--toolchain`, rustup adds to the toolchain that runs this.
    shell::run(shell::command("rustup").args(args))
        .with_context(|| format!("setup stopped at {name}: rustup could not add it (is the network there?)"))
}

fn install_crate(requirement: &Requirement, version: &str) -> Result<()> {
    let name = requirement.name;
    shell::headline(&format!("cargo install {name} {version}"));
    let tools = shell::tools();
    // Not cargo's default, the system's temporary directory: that may be small or forbid execution.
    let build = tools.join("build");
    let mut install = shell::cargo(["install", name, "--version", version, "--locked", "--force", "--root"]);
    install.arg(&tools).arg("--target-dir").arg(&build);
    shell::run(&mut install).with_context(|| {
        format!("setup stopped at {name}: cargo could not install it (is the network there?); a second try goes on from here")
    })?;
    fs::remove_dir_all(&build).with_context(|| format!("cannot remove {}, what {name} was built from", build.display()))
}

fn install_packages(group: &[&Requirement], packages_are_known: &mut bool) -> Result<()> {
    let mut packages: Vec<&str> = Vec::new();
    let mut services: Vec<&str> = Vec::new();
    let mut by_hand = Vec::new();
    for it in group {
        if let Source::Debian { packages: some, service, elsewhere, .. } = it.source {
            packages.extend(some);
            services.extend(service);
            by_hand.push(elsewhere.map_or(it.name.into(), |elsewhere| format!("{} ({elsewhere})", it.name)));
        }
    }
    let list = packages.join(" ");
    let by_hand = by_hand.join(", ");
    if !shell::has("apt-get") {
        bail!("there is no apt-get here; install by hand: {by_hand}");
    }
    if !shell::is_root() {
        bail!(
            "only root can install Debian packages. As root:\n    apt-get install --no-install-recommends {list}\n\
             or the whole command: {}",
            shell::as_root("setup")
        );
    }
    shell::headline(&format!("apt-get install {list}"));
    let failed = || {
        format!(
            "setup stopped at the Debian packages {list}: is the network there, and is this Debian? \
             Otherwise install by hand: {by_hand}"
        )
    };
    if !*packages_are_known {
        shell::run(apt_get().arg("update")).with_context(failed)?;
        *packages_are_known = true;
    }
    shell::run(apt_get().args(["install", "-y", "--no-install-recommends"]).args(&packages)).with_context(failed)?;
    services.into_iter().try_for_each(stop_service)
}

fn apt_get() -> std::process::Command {
    let mut apt_get = shell::command("apt-get");
    // A machine that has just booted upgrades itself and holds the lock for a while.
    apt_get.env("DEBIAN_FRONTEND", "noninteractive").args(["-q", "-o", "DPkg::Lock::Timeout=300"]);
    apt_get
}

/// The tests start their own; a daemon on a well-known port is not what somebody asked for who wants to run tests.
fn stop_service(service: &str) -> Result<()> {
    if !Path::new("/run/systemd/system").exists() {
        return Ok(());
    }
    println!("its package starts the service {service}, which nobody here needs: stopping and disabling it");
    shell::run(shell::command("systemctl").args(["disable", "--now", service]))
        .with_context(|| format!("{service} is installed, but its service could not be stopped"))
}
