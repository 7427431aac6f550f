//! `cargo xtask dist`: what is given to others, under `target/dist`: a static binary, a .deb and an .rpm with units, manual
//! pages and completions. With `--verify` they are installed where nothing else is, run, and taken away again; with `--boot` the units run
//! under systemd in a virtual machine.
//!
//! The packages are made by the distributions' own `dpkg-deb` and `rpmbuild` from one staged tree: nothing has to be
//! compiled for it.

mod boot;
mod deb;
mod rpm;
mod stage;
mod verify;

use std::{
    env,
    env::consts::ARCH,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};

use crate::{requirements::Purpose, setup, shell};

#[derive(clap::Args)]
pub struct Args {
    /// Install the packages where nothing else is, run them, and remove them; takes root
    #[arg(long)]
    verify: bool,
    /// Boot a virtual machine with systemd in it, and run the units there; takes root
    #[arg(long)]
    boot: bool,
    /// Pack this binary instead of building a static one
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
}

/// What is packed: version, and where things are.
struct Dist {
    version: String,
    /// `target/dist`.
    out: PathBuf,
    binary: PathBuf,
}

/// The command itself.
///
/// # Errors
/// Where something cannot be built, packed or installed, or leaves a trace.
pub fn dist(args: &Args) -> Result<()> {
    ensure!(
        !(args.verify || args.boot) || shell::is_root(),
        "only root may install packages into a root of their own: {}",
        shell::as_root(if args.verify { "dist --verify" } else { "dist --boot" })
    );
    let binary = match &args.binary {
        Some(binary) => {
            setup::ensure_for(&[Purpose::VerifyDist])?;
            fs::canonicalize(binary).with_context(|| format!("there is no {}", binary.display()))?
        }
        None => {
            setup::ensure_for(&[Purpose::Dist, Purpose::VerifyDist])?;
            let binary = build()?;
            is_static(&binary)?;
            binary
        }
    };
    let out = shell::workspace().join("target/dist");
    fresh(&out)?;
    let dist = Dist { version: version(&binary)?, out, binary };
    let packages = [deb::pack(&dist)?, rpm::pack(&dist)?];
    let bare = dist.out.join(format!("kpulse-{}-{ARCH}", dist.version));
    fs::copy(&dist.binary, &bare).context("the binary cannot be copied")?;
    for file in packages.iter().chain([&bare]) {
        let size = fs::metadata(file).with_context(|| format!("there is no {}", file.display()))?.len();
        println!("{} ({:.1} MiB)", file.display(), size as f64 / f64::from(1 << 20));
    }
    if args.verify {
        verify::verify(&dist, &packages)?;
    }
    if args.boot {
        setup::ensure_for(&[Purpose::Kernels])?;
        boot::boot(&dist, &packages[0])?;
    }
    Ok(())
}

/// Where the static build is made: musl has no name service of its own to load at run time.
fn target() -> String {
    format!("{ARCH}-unknown-linux-musl")
}

/// The command that builds the static `kpulse`.
fn command() -> Command {
    let target = target();
    shell::cargo(["build", "--release", "--package", "monitor-user", "--bin", "kpulse", "--target", &target])
}

/// The command that packs this binary and tries the packages.
///
/// # Errors
/// Where xtask cannot be found.
pub fn trial(binary: &Path) -> Result<Command> {
    let xtask = env::current_exe().context("cannot find xtask's own executable")?;
    let mut command = shell::command(xtask);
    command.args(["dist", "--verify", "--binary"]).arg(binary);
    Ok(command)
}

fn build() -> Result<PathBuf> {
    let built = shell::kpulse(&format!("{}/release", target()))?;
    shell::headline("build the static kpulse");
    shell::run(&mut command())?;
    Ok(built)
}

/// An interpreter in the program header means that it needs libraries, which another machine may not have.
fn is_static(binary: &Path) -> Result<()> {
    let bytes = fs::read(binary).with_context(|| format!("{} cannot be read", binary.display()))?;
    ensure!(bytes.starts_with(b"\x7fELF"), "{} is no program for Linux", binary.display());
    ensure!(
        !has_interpreter(&bytes),
        "{} is not static: it would run on machines like this one only",
        binary.display()
    );
    Ok(())
}

/// Looks for a header of type `PT_INTERP` (elf(5), 64 bits, little-endian).
fn has_interpreter(bytes: &[u8]) -> bool {
    const PT_INTERP: u64 = 3;
    let number = |at: usize, length: usize| -> Option<u64> {
        Some(bytes.get(at..at + length)?.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
    };
    let (Some(start), Some(size), Some(count)) = (number(32, 8), number(54, 2), number(56, 2)) else { return false };
    (0..count).any(|i| number((start + i * size) as usize, 4) == Some(PT_INTERP))
}

fn version(binary: &Path) -> Result<String> {
    let said = shell::output(shell::command(binary).arg("--version"))?;
    let version = said.split_whitespace().next_back().context("kpulse --version says nothing")?;
    Ok(version.into())
}

/// A minimal Debian, made once by debootstrap and kept beside the build.
fn debian(name: &str, arguments: &[&str]) -> Result<PathBuf> {
    let base = shell::workspace().join("target/chroot").join(name);
    let whole = base.with_extension("whole");
    if !whole.exists() {
        shell::headline("a minimal Debian, once");
        fresh(&base)?;
        let mut debootstrap = shell::command("debootstrap");
        debootstrap.arg("--variant=minbase").args(arguments).arg("bookworm").arg(&base);
        shell::run(&mut debootstrap).context("no minimal Debian could be made: is Debian's mirror there?")?;
        fs::write(&whole, "").context("the minimal Debian cannot be marked as whole")?;
    }
    Ok(base)
}

/// An empty directory, whatever was there.
fn fresh(directory: &Path) -> Result<()> {
    if directory.exists() {
        fs::remove_dir_all(directory).with_context(|| format!("{} cannot be emptied", directory.display()))?;
    }
    fs::create_dir_all(directory).with_context(|| format!("{} cannot be made", directory.display()))
}

/// A file of `deploy/packages`, with `@NAME@` replaced.
fn template(name: &str, values: &[(&str, &str)]) -> Result<String> {
    let path = shell::workspace().join("deploy/packages").join(name);
    let text = fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
    Ok(values.iter().fold(text, |text, (name, value)| text.replace(&format!("@{name}@"), value)))
}

/// The manager's name for this architecture, `amd64` or `x86_64`.
fn architecture(of_debian: bool) -> &'static str {
    match (ARCH, of_debian) {
        ("x86_64", true) => "amd64",
        ("aarch64", true) => "arm64",
        _ => ARCH,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_with_an_interpreter_is_told_from_one_without() {
        let own = fs::read(std::env::current_exe().expect("this test")).expect("this test");
        assert!(has_interpreter(&own), "tests are linked to the C library");
        let mut other = own.clone();
        // No program header, no interpreter.
        other[56..58].fill(0);
        assert!(!has_interpreter(&other));
        assert!(!has_interpreter(b"\x7fELF"));
    }

    #[test]
    fn templates_are_filled_in() {
        let control = template("control", &[("VERSION", "1.2.3"), ("DEB_ARCH", "amd64"), ("KIBIBYTES", "7")]);
        let control = control.expect("the file of the repository");
        assert!(control.contains("Version: 1.2.3\n") && !control.contains('@'.to_string().repeat(2).as_str()));
    }
}
