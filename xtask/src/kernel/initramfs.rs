//! The initramfs of a machine: static programs, a few tools of this machine with their libraries, modules of the kernel.
//!
//! In: programs, a kernel. Out: two archives, one for all kernels and one for each; the kernel unpacks one after the other
//! (Documentation/driver-api/early-userspace/buffer-format.rst). They are not compressed: unpacking takes an emulated processor
//! longer than copying.

use std::{
    collections::BTreeSet,
    fs,
    io::Write as _,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context as _, Result, ensure};

use super::{
    image::{self, Kernel},
    programs::{LIVE, LIVE_TOOLS, TOOLS},
};
use crate::shell;

/// Modules that the guest loads when it wants them.
const MODULES: &[&str] = &[
    "null_blk",
    "scsi_debug",
    "sd_mod",
    "nvme",
    "dm-mod",
    "dm-delay",
    "md-mod",
    "raid1",
    "loop",
    "mq-deadline",
    "ext4",
];

/// Makes the archive with programs and tools, the same for all kernels. It is small without the live tests and what they need, and
/// then boots faster.
///
/// # Errors
/// Where something of it is missing.
pub fn base(programs: &[(String, PathBuf)], with_live: bool, folder: &Path) -> Result<PathBuf> {
    let (name, tools) = if with_live { ("live", LIVE_TOOLS) } else { ("small", TOOLS) };
    let root = empty(&folder.join(name))?;
    for part in ["bin", "proc", "sys", "dev", "tmp", "run", "etc", "root", "lib64"] {
        fs::create_dir_all(root.join(part))?;
    }
    for (name, file) in programs.iter().filter(|(name, _)| with_live || !LIVE.iter().any(|live| live.program == name)) {
        copy(file, &root.join("bin").join(name))?;
    }
    symlink("bin/guest", root.join("init"))?;
    for tool in tools {
        tool_with_libraries(tool, &root)?;
    }
    let live = LIVE.iter().map(|live| {
        let left_out: Vec<_> = live.left_out.iter().map(|(test, _)| *test).collect();
        format!("{} {}\n", live.program, left_out.join(" "))
    });
    fs::write(root.join("live"), live.collect::<String>())?;
    // Programs that ask for names of users and hosts.
    fs::write(root.join("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n")?;
    fs::write(root.join("etc/group"), "root:x:0:\n")?;
    fs::write(root.join("etc/hosts"), "127.0.0.1 localhost\n")?;
    pack(&root, &folder.join(format!("{name}.cpio")))
}

/// Makes the archive with the modules of one kernel.
///
/// # Errors
/// Where a module is missing, or something cannot be written.
pub fn modules(kernel: &Kernel, folder: &Path) -> Result<PathBuf> {
    let root = empty(&folder.join(format!("modules-{}", kernel.series)))?;
    let files = root.join("modules/files");
    fs::create_dir_all(&files)?;
    let mut copied = BTreeSet::new();
    for module in MODULES {
        let mut list = String::new();
        for file in kernel.module(module)? {
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let plain = name.split_once(".ko").map_or(name.clone(), |(stem, _)| format!("{stem}.ko"));
            list += &format!("{plain}\n");
            if copied.insert(plain.clone()) {
                fs::write(files.join(&plain), image::module_bytes(&file)?)?;
            }
        }
        fs::write(root.join("modules").join(module), list)?;
    }
    pack(&root, &folder.join(format!("modules-{}.cpio", kernel.series)))
}

/// Puts both together.
///
/// # Errors
/// Where it cannot be written.
pub fn whole(base: &Path, modules: &Path, whole: &Path) -> Result<()> {
    let mut to = fs::File::create(whole).with_context(|| format!("cannot write {}", whole.display()))?;
    for part in [base, modules] {
        std::io::copy(&mut fs::File::open(part)?, &mut to)?;
    }
    Ok(to.flush()?)
}

fn empty(folder: &Path) -> Result<PathBuf> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder.into())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::copy(from, to).with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    fs::set_permissions(to, fs::Permissions::from_mode(0o755))?;
    Ok(())
}

fn tool_with_libraries(tool: &str, root: &Path) -> Result<()> {
    let file =
        shell::find(tool).with_context(|| format!("this machine has no {tool}: `cargo xtask setup` installs it"))?;
    copy(&file, &root.join("bin").join(tool))?;
    for library in libraries(&shell::output(shell::command("ldd").arg(&file))?) {
        // Where the program's loader looks, whatever the links on this machine are.
        let place = root.join(library.trim_start_matches('/'));
        if !place.exists() {
            copy(Path::new(library), &place)?;
        }
    }
    Ok(())
}

/// The files in what ldd(1) prints: `libx.so => /lib/libx.so (0x...)`, and the loader by itself.
fn libraries(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| {
        let path = line.split_once("=> ").map_or(line, |(_, path)| path).trim();
        let path = path.split(" (").next().unwrap_or(path);
        path.starts_with('/').then_some(path)
    })
}

/// Packs a directory.
///
/// # Errors
/// Where cpio cannot be run, or fails.
pub fn pack(root: &Path, archive: &Path) -> Result<PathBuf> {
    let names = shell::output(shell::command("find").current_dir(root).args([".", "-mindepth", "1"]))?;
    let to = fs::File::create(archive).with_context(|| format!("cannot write {}", archive.display()))?;
    let mut cpio = shell::command("cpio");
    cpio.current_dir(root).args(["--quiet", "-o", "-H", "newc", "--owner", "0:0"]);
    let mut child = cpio.stdin(Stdio::piped()).stdout(to).spawn().context("cannot start cpio")?;
    child.stdin.take().context("its input is a pipe")?.write_all((names + "\n").as_bytes())?;
    let status = child.wait().context("cannot wait for cpio")?;
    ensure!(status.success(), "`{}` failed: {status}", shell::show(&cpio));
    Ok(archive.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ldd_names_libraries_and_the_loader() {
        let text = "\tlinux-vdso.so.1 (0x00007ffd)\n\tlibm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x00007f)\n\
                    \t/lib64/ld-linux-x86-64.so.2 (0x00007f)\n\tlibgone.so => not found\n";
        let found: Vec<_> = libraries(text).collect();
        assert_eq!(found, ["/lib/x86_64-linux-gnu/libm.so.6", "/lib64/ld-linux-x86-64.so.2"]);
    }
}
