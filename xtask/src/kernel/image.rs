//! One kernel, unpacked: its image and its modules.
//!
//! In: its packages. Out: where the image is, and which files must be loaded, in which order, to have a module.

use std::{
    fs,
    path::{Path, PathBuf},
    process,
};

use anyhow::{Context as _, Result, bail, ensure};

use super::archive::{self, Packages};
use crate::shell;

/// An unpacked kernel.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// What was asked for, such as `5.10`.
    pub series: String,
    /// As `uname -r` says it.
    pub release: String,
    root: PathBuf,
}

impl Kernel {
    /// Fetches and unpacks the newest kernel of a series.
    ///
    /// # Errors
    /// Where it cannot be had or unpacked.
    pub fn get(series: &str) -> Result<Self> {
        let packages = archive::fetch(series)?;
        let root = unpacked(&packages).with_context(|| format!("cannot unpack Linux {}", packages.release))?;
        Ok(Self { series: series.into(), release: packages.release, root })
    }

    /// The image to boot.
    ///
    /// # Errors
    /// Where the packages have none.
    pub fn image(&self) -> Result<PathBuf> {
        let release = &self.release;
        // The second since 7.2.
        let places = [format!("boot/vmlinuz-{release}"), format!("usr/lib/modules/{release}/vmlinuz")];
        let found = places.iter().map(|place| self.root.join(place)).find(|path| path.is_file());
        found.with_context(|| format!("the packages of Linux {release} have neither {}", places.join(" nor ")))
    }

    /// The files of a module and of all that it needs, in the order in which they are loaded; none if it is built in.
    ///
    /// # Errors
    /// Where this kernel does not have it.
    pub fn module(&self, name: &str) -> Result<Vec<PathBuf>> {
        let mut modprobe = shell::command("modprobe");
        modprobe.arg("--dirname").arg(&self.root).args(["--set-version", &self.release, "--show-depends", name]);
        // Not the machine's own preferences.
        modprobe.args(["--config", "/dev/null"]);
        let text =
            shell::output(&mut modprobe).with_context(|| format!("Linux {} has no module {name}", self.release))?;
        let files = text.lines().filter_map(|line| line.strip_prefix("insmod "));
        Ok(files.filter_map(|line| line.split_whitespace().next()).map(PathBuf::from).collect())
    }
}

/// A module as it is loaded: before 5.17 no kernel can unpack one itself.
///
/// # Errors
/// Where it cannot be read or is packed in an unknown way.
pub fn module_bytes(file: &Path) -> Result<Vec<u8>> {
    let mut unpack = match file.extension().and_then(|extension| extension.to_str()) {
        Some("ko") => return fs::read(file).with_context(|| format!("cannot read {}", file.display())),
        Some("xz") => shell::command("xz"),
        Some("zst") => shell::command("zstd"),
        Some("gz") => shell::command("gzip"),
        _ => bail!("{} is packed in an unknown way: expected .ko, .xz, .zst or .gz", file.display()),
    };
    unpack.args(["--decompress", "--stdout"]).arg(file);
    let output = unpack.output().with_context(|| format!("cannot start `{}`", shell::show(&unpack)))?;
    ensure!(output.status.success(), "`{}` failed: {}", shell::show(&unpack), output.status);
    Ok(output.stdout)
}

fn unpacked(packages: &Packages) -> Result<PathBuf> {
    let names: Vec<_> = packages.files.iter().filter_map(|file| file.file_stem()?.to_str()).collect();
    // Of one release there may be several packages, one after another: the first one's name has its version.
    let folder = archive::cache()?.join("unpacked").join(names.first().context("a kernel has packages")?);
    if folder.exists() {
        return Ok(folder);
    }
    // It has its name only when it is complete.
    let partial = folder.with_file_name(format!("partial-{}", process::id()));
    fs::create_dir_all(&partial).with_context(|| format!("cannot make {}", partial.display()))?;
    for file in &packages.files {
        shell::run(shell::command("dpkg-deb").arg("--extract").arg(file).arg(&partial))?;
    }
    // modprobe looks in lib/modules.
    if !partial.join("lib").exists() {
        std::os::unix::fs::symlink("usr/lib", partial.join("lib"))?;
    }
    shell::run(shell::command("depmod").arg("--basedir").arg(&partial).arg(&packages.release))?;
    fs::rename(&partial, &folder).with_context(|| format!("cannot rename {}", partial.display()))?;
    Ok(folder)
}
