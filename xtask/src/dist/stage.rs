//! The files of a package, laid out as they are installed.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result};

use super::{Dist, fresh};
use crate::shell;

/// Lays the tree out under `root`. Completions for zsh go where the distribution looks for them.
///
/// # Errors
/// Where a file is missing or cannot be written.
pub fn stage(dist: &Dist, root: &Path, zsh: &str) -> Result<()> {
    fresh(root)?;
    let pages = pages(dist)?;
    let deploy = shell::workspace().join("deploy");
    put(&dist.binary, root, "usr/bin/kpulse", 0o755)?;
    for unit in ["kpulse-agent.service", "kpulse-server.service"] {
        put(&deploy.join("systemd").join(unit), root, &format!("usr/lib/systemd/system/{unit}"), 0o644)?;
    }
    put(&deploy.join("packages/kpulse.sysusers"), root, "usr/lib/sysusers.d/kpulse.conf", 0o644)?;
    let completions = pages.join("completions");
    put(&completions.join("kpulse.bash"), root, "usr/share/bash-completion/completions/kpulse", 0o644)?;
    put(&completions.join("kpulse.fish"), root, "usr/share/fish/vendor_completions.d/kpulse.fish", 0o644)?;
    put(&completions.join("_kpulse"), root, &format!("{zsh}/_kpulse"), 0o644)?;
    for file in ["README.md", "CHANGELOG.md", "LICENSE-MIT", "LICENSE-APACHE"] {
        put(&shell::workspace().join(file), root, &format!("usr/share/doc/kpulse/{file}"), 0o644)?;
    }
    for page in fs::read_dir(pages.join("man")).context("there are no manual pages")? {
        let page = page?;
        let name = page.file_name();
        let packed = compress(&fs::read(page.path())?)?;
        write(root, &format!("usr/share/man/man1/{}.gz", name.to_string_lossy()), &packed, 0o644)?;
    }
    let config = shell::output(shell::command(&dist.binary).args(["config", "show", "--default"]))?;
    write(root, "etc/kpulse/kpulse.toml", format!("{config}\n").as_bytes(), 0o644)
}

/// Manual pages and completions, made once.
fn pages(dist: &Dist) -> Result<PathBuf> {
    let pages = dist.out.join("pages");
    if !pages.exists() {
        shell::headline("write manual pages and completions");
        let mut cargo = shell::cargo(["run", "--quiet", "--package", "monitor-user", "--example", "pages", "--"]);
        shell::run(cargo.arg(&pages))?;
    }
    Ok(pages)
}

fn put(from: &Path, root: &Path, to: &str, mode: u32) -> Result<()> {
    let bytes = fs::read(from).with_context(|| format!("{} cannot be read", from.display()))?;
    write(root, to, &bytes, mode)
}

/// Writes a file beneath `root`, with the directories that lead there.
pub fn write(root: &Path, to: &str, bytes: &[u8], mode: u32) -> Result<()> {
    let path = root.join(to);
    let directory = path.parent().context("a file has a directory")?;
    fs::create_dir_all(directory).with_context(|| format!("{} cannot be made", directory.display()))?;
    fs::write(&path, bytes).with_context(|| format!("{} cannot be written", path.display()))?;
    fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
    // Whoever builds may have made directories that only they can enter.
    for directory in path.ancestors().skip(1).take_while(|above| above.starts_with(root)) {
        fs::set_permissions(directory, fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

/// As gzip does it, without a name and a time, so that the same page is the same file.
fn compress(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut gzip = Command::new("gzip");
    let mut child = gzip.args(["-9", "-n"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("gzip")?;
    // What gzip writes of a page fits into its pipe: neither waits for the other.
    child.stdin.take().context("gzip's input")?.write_all(bytes)?;
    Ok(child.wait_with_output().context("gzip")?.stdout)
}

/// The size of a tree in KiB.
pub fn kibibytes(root: &Path) -> Result<u64> {
    let mut sum = 0;
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        sum += if metadata.is_dir() { kibibytes(&entry.path())? } else { metadata.len().div_ceil(1024) };
    }
    Ok(sum)
}
