//! The package for Debian and what descends from it. Source: deb(5), Debian Policy, chapters 5 and 6.

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result};

use super::{Dist, architecture, stage, template};
use crate::shell;

/// Packs it; gives the file.
///
/// # Errors
/// Where `dpkg-deb` fails.
pub fn pack(dist: &Dist) -> Result<PathBuf> {
    let root = dist.out.join("deb");
    stage::stage(dist, &root, "usr/share/zsh/vendor-completions")?;
    let kibibytes = stage::kibibytes(&root)?.to_string();
    let arch = architecture(true);
    let control = template("control", &[("VERSION", &dist.version), ("DEB_ARCH", arch), ("KIBIBYTES", &kibibytes)])?;
    let copyright = fs::read(shell::workspace().join("LICENSE-MIT")).context("LICENSE-MIT")?;
    stage::write(&root, "usr/share/doc/kpulse/copyright", &copyright, 0o644)?;
    stage::write(&root, "DEBIAN/control", control.as_bytes(), 0o644)?;
    stage::write(&root, "DEBIAN/conffiles", b"/etc/kpulse/kpulse.toml\n", 0o644)?;
    for script in ["postinst", "prerm", "postrm"] {
        stage::write(&root, &format!("DEBIAN/{script}"), template(script, &[])?.as_bytes(), 0o755)?;
    }
    let package = dist.out.join(format!("kpulse_{}_{arch}.deb", dist.version));
    shell::headline("pack the .deb");
    let mut dpkg = shell::command("dpkg-deb");
    shell::run(dpkg.args(["--root-owner-group", "-Zxz", "--build"]).arg(&root).arg(&package))?;
    Ok(package)
}
