//! Installs each package where nothing else is, a minimal Debian, runs what it brought, takes it away again, and looks for
//! traces.
//!
//! The minimal system is made once by `debootstrap`; each test gets it through an overlay, of which nothing stays. For the
//! .rpm, Debian's `rpm` is the package manager, with a database in that root.

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail, ensure};

use super::{Dist, debian, fresh};
use crate::shell;

/// What a package manager itself keeps, and what is no file of the root.
const NOT_OURS: [&str; 7] = ["proc", "sys", "var/cache", "var/lib/dpkg", "var/lib/rpm", "var/log", "var/lib/systemd"];

/// Tries both packages.
///
/// # Errors
/// Where one cannot be installed, does not run, or leaves a trace.
pub fn verify(dist: &Dist, packages: &[PathBuf; 2]) -> Result<()> {
    let [deb, rpm] = packages;
    let base = debian("bookworm", &[])?;
    shell::headline("the .deb in a root of its own");
    try_one(dist, &base, deb, |root| {
        shell::run(root.command("dpkg").args(["--install", &inside(deb)?]))?;
        root.runs()?;
        shell::run(root.command("dpkg").args(["--purge", "kpulse"]))
    })?;
    shell::headline("the .rpm in a root of its own");
    try_one(dist, &base, rpm, |root| {
        let rpm_in_root = || {
            let mut rpm = shell::command("rpm");
            rpm.arg("--root").arg(&root.path).args(["--dbpath", "/var/lib/rpm", "--nodeps"]);
            rpm
        };
        shell::run(rpm_in_root().arg("--install").arg(root.path.join(inside(rpm)?.trim_start_matches('/'))))?;
        root.runs()?;
        shell::run(rpm_in_root().args(["--erase", "kpulse"]))
    })
}

/// Where the package lies inside the root.
fn inside(package: &Path) -> Result<String> {
    let name = package.file_name().context("a package has a name")?;
    Ok(format!("/tmp/{}", name.to_string_lossy()))
}

fn try_one(dist: &Dist, base: &Path, package: &Path, run: impl FnOnce(&Root) -> Result<()>) -> Result<()> {
    let root = Root::mount(base, &dist.out.join("root"))?;
    let copy = root.path.join(inside(package)?.trim_start_matches('/'));
    fs::copy(package, &copy).context("the package cannot be copied into the root")?;
    let before = root.files()?;
    run(&root)?;
    let after = root.files()?;
    let traces: Vec<_> = after.difference(&before).map(|path| path.display().to_string()).collect();
    ensure!(traces.is_empty(), "{} left behind: {}", package.display(), traces.join(", "));
    let lost: Vec<_> = before.difference(&after).map(|path| path.display().to_string()).collect();
    ensure!(lost.is_empty(), "{} took away: {}", package.display(), lost.join(", "));
    ensure!(!root.knows_the_user()?, "{} left its user behind", package.display());
    println!("installed, ran, and left no trace");
    Ok(())
}

/// The minimal system with a layer for what changes; gone when this is dropped.
struct Root {
    path: PathBuf,
    mounts: Vec<PathBuf>,
}

impl Root {
    fn mount(base: &Path, at: &Path) -> Result<Self> {
        fresh(at)?;
        let [path, upper, work] = ["root", "upper", "work"].map(|name| at.join(name));
        for directory in [&path, &upper, &work] {
            fs::create_dir(directory)?;
        }
        let mut root = Self { path: path.clone(), mounts: Vec::new() };
        let layers = format!("lowerdir={},upperdir={},workdir={}", base.display(), upper.display(), work.display());
        root.add(shell::command("mount").args(["-t", "overlay", "overlay", "-o", &layers]).arg(&path), path.clone())?;
        let (proc, sys) = (path.join("proc"), path.join("sys"));
        root.add(shell::command("mount").args(["--bind", "/proc"]).arg(&proc), proc)?;
        root.add(shell::command("mount").args(["--rbind", "--make-rslave", "/sys"]).arg(&sys), sys)?;
        Ok(root)
    }

    fn add(&mut self, mount: &mut Command, at: PathBuf) -> Result<()> {
        shell::run(mount)?;
        self.mounts.push(at);
        Ok(())
    }

    /// A command in this root.
    fn command(&self, program: &str) -> Command {
        let mut command = shell::command("chroot");
        command.current_dir("/").arg(&self.path).arg(program).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command.env("DEBIAN_FRONTEND", "noninteractive").env("LC_ALL", "C.UTF-8");
        command
    }

    /// What was installed does what it should.
    fn runs(&self) -> Result<()> {
        println!("{}", shell::output(self.command("/usr/bin/kpulse").arg("--version"))?);
        let check = self.command("/usr/bin/kpulse").arg("check").output().context("kpulse check")?;
        let said = String::from_utf8_lossy(&check.stdout);
        ensure!(said.contains("Kernel") && said.contains("Privileges"), "kpulse check says: {said}");
        ensure!(self.knows_the_user()?, "the package made no user");
        for unit in ["kpulse-agent.service", "kpulse-server.service"] {
            let mut verify = shell::command("systemd-analyze");
            verify.args(["verify", "--man=no", "--recursive-errors=no"]).arg("--root").arg(&self.path);
            shell::run(verify.arg(format!("/usr/lib/systemd/system/{unit}")))?;
        }
        for file in
            ["usr/share/man/man1/kpulse.1.gz", "usr/share/bash-completion/completions/kpulse", "etc/kpulse/kpulse.toml"]
        {
            ensure!(self.path.join(file).is_file(), "the package has no {file}");
        }
        self.agent_runs()
    }

    /// The agent starts, measures as the package's own user, and ends.
    fn agent_runs(&self) -> Result<()> {
        let mut agent = self.command("/usr/bin/kpulse");
        agent.args(["agent", "--user", "kpulse", "--listen", "127.0.0.1:0"]);
        let mut agent = agent.stderr(Stdio::piped()).spawn().context("the agent cannot be started")?;
        let log = BufReader::new(agent.stderr.take().context("the agent's log")?);
        let mut said = String::new();
        for line in log.lines() {
            let line = line.context("the agent's log")?;
            said.push_str(&line);
            said.push('\n');
            if line.contains("listening on") {
                shell::run(shell::command("kill").arg(agent.id().to_string()))?;
            }
        }
        let status = agent.wait().context("the agent's end")?;
        ensure!(status.success() && said.contains("user kpulse"), "the agent ended with {status}: {said}");
        Ok(())
    }

    fn knows_the_user(&self) -> Result<bool> {
        let users = fs::read_to_string(self.path.join("etc/passwd")).context("etc/passwd")?;
        let groups = fs::read_to_string(self.path.join("etc/group")).context("etc/group")?;
        Ok(users.contains("kpulse") || groups.contains("kpulse"))
    }

    /// Every path in the root but what [`NOT_OURS`].
    fn files(&self) -> Result<BTreeSet<PathBuf>> {
        let mut found = BTreeSet::new();
        let mut folders = vec![self.path.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).with_context(|| format!("{} cannot be read", folder.display()))? {
                let entry = entry?;
                let path = entry.path();
                let name = path.strip_prefix(&self.path)?.to_owned();
                // What useradd keeps of the files before it changed them.
                let kept = ["etc/passwd-", "etc/group-", "etc/shadow-", "etc/gshadow-"]
                    .map(Path::new)
                    .contains(&name.as_path());
                if kept || NOT_OURS.iter().any(|other| name.starts_with(other)) {
                    continue;
                }
                if entry.file_type()?.is_dir() {
                    folders.push(path);
                }
                found.insert(name);
            }
        }
        if found.is_empty() {
            bail!("{} is empty: is the overlay mounted?", self.path.display());
        }
        Ok(found)
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        for at in self.mounts.iter().rev() {
            // Lazily: what is still in use goes when it is not.
            if let Err(error) = shell::run(shell::command("umount").args(["--recursive", "--lazy"]).arg(at)) {
                eprintln!("{error}");
            }
        }
    }
}
