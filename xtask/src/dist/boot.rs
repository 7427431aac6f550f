//! Boots a minimal Debian with systemd as its first process in a virtual machine, which installs the .deb, runs both units as an
//! administrator would, and takes the package away again: `boot.sh`.
//!
//! The root is an initramfs, made once by `debootstrap`; what is tried comes in a second archive behind it.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};

use super::{Dist, debian, fresh};
use crate::{
    kernel::{
        image::Kernel,
        initramfs,
        machine::{self, Ending, Shape},
    },
    shell,
};

/// The kernel of the Debian that is booted.
const KERNEL: &str = "6.1";

const MACHINE: Shape = Shape {
    name: "systemd",
    why: "a minimal Debian, for the units of the package",
    cpus: 2,
    memory: 3072,
    exact: false,
    append: "systemd.show_status=0",
    weight: 0,
    live: false,
    always: false,
};

/// systemd's sandboxes move the root of the file system, which cannot be done with the one that the kernel unpacks: so all of it moves
/// to another before systemd begins.
const INIT: &str = "#!/bin/sh
mkdir /new
mount -t tmpfs -o size=80%,mode=755 root /new
cp -ax $(ls -d /* | grep -v -e '^/new$' -e '^/proc$' -e '^/sys$' -e '^/dev$') /new
mkdir -p /new/proc /new/sys /new/dev
exec switch_root /new /sbin/init
";

const UNIT: &str = "[Unit]
After=multi-user.target
[Service]
Type=oneshot
TimeoutStartSec=infinity
ExecStart=/boot.sh
";

/// Boots it.
///
/// # Errors
/// Where something of it cannot be had or made, or the package does not do what it should.
pub fn boot(dist: &Dist, deb: &Path) -> Result<()> {
    let base = base()?;
    let at = dist.out.join("boot");
    let root = at.join("root");
    let wants = root.join("etc/systemd/system/multi-user.target.wants");
    fresh(&wants)?;
    fs::copy(deb, root.join("kpulse.deb")).context("the package cannot be copied")?;
    for (name, text) in [("init", INIT), ("boot.sh", include_str!("boot.sh"))] {
        fs::write(root.join(name), text)?;
        fs::set_permissions(root.join(name), fs::Permissions::from_mode(0o755))?;
    }
    fs::write(root.join("etc/systemd/system/boot-trial.service"), UNIT)?;
    symlink("../boot-trial.service", wants.join("boot-trial.service"))?;
    let ours = initramfs::pack(&root, &at.join("ours.cpio"))?;
    let whole = at.join("whole.cpio");
    initramfs::whole(&base, &ours, &whole)?;

    let kernel = Kernel::get(KERNEL)?;
    shell::headline(&format!("the units under systemd, on Linux {}: some minutes", kernel.release));
    let ran = machine::run(&MACHINE, &kernel.image()?, &whole, &at.join("console.log"))?;
    let said = |line: &&String| line.starts_with("ok  ") || line.starts_with("FAILED  ");
    ran.console.iter().filter(said).for_each(|line| println!("{line}"));
    ensure!(
        ran.ending == Ending::Exit(0),
        "the machine {}; all of it is in {}",
        ran.ending.said(),
        at.join("console.log").display()
    );
    Ok(())
}

/// A minimal Debian with systemd as an archive, made once and kept beside the build.
fn base() -> Result<PathBuf> {
    let root = debian("bookworm-systemd", &["--include=systemd,systemd-sysv"])?;
    let archive = root.with_extension("cpio");
    if !archive.exists() {
        // Emptied of what nobody reads inside: unpacking takes an emulated processor long.
        for unread in ["usr/share/doc", "usr/share/locale", "usr/share/man", "var/cache/apt", "var/lib/apt/lists"] {
            fresh(&root.join(unread))?;
        }
        let part = initramfs::pack(&root, &root.with_extension("cpio.part"))?;
        fs::rename(part, &archive).context("the archive cannot be renamed")?;
    }
    Ok(archive)
}
