//! The package for Fedora and its relatives. Source: rpm-spec(5), rpmbuild(8).

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result};

use super::{Dist, architecture, stage, template};
use crate::shell;

/// Packs it; gives the file.
///
/// # Errors
/// Where `rpmbuild` fails.
pub fn pack(dist: &Dist) -> Result<PathBuf> {
    let (root, top) = (dist.out.join("rpm"), dist.out.join("rpmbuild"));
    stage::stage(dist, &root, "usr/share/zsh/site-functions")?;
    let arch = architecture(false);
    let script = |name| template(name, &[]).map(|text| text.replace("#!/bin/sh\n", ""));
    let stage = root.display().to_string();
    let spec = template(
        "kpulse.spec",
        &[
            ("VERSION", &dist.version),
            ("RPM_ARCH", arch),
            ("STAGE", &stage),
            ("POSTINST", &script("postinst")?),
            ("PRERM", &script("prerm")?),
            ("POSTRM", &script("postrm")?),
        ],
    )?;
    let path = dist.out.join("kpulse.spec");
    fs::write(&path, spec).context("kpulse.spec cannot be written")?;
    shell::headline("pack the .rpm");
    let mut rpmbuild = shell::command("rpmbuild");
    rpmbuild.args(["--quiet", "-bb", "--target", arch]).arg("--define").arg(format!("_topdir {}", top.display()));
    // Debian's rpm finds no package database, and needs none to pack.
    shell::run(rpmbuild.arg("--nodeps").arg(&path))?;
    let name = format!("kpulse-{}-1.{arch}.rpm", dist.version);
    let package = dist.out.join(&name);
    fs::rename(top.join("RPMS").join(arch).join(&name), &package).context("rpmbuild left no package")?;
    Ok(package)
}
