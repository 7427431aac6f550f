//! Starting other programs: where the workspace lies, how cargo is called, what a failure says.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs,
    io::IsTerminal as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};

/// Debian keeps some tools where only root's login shell looks.
const SYSTEM_DIRS: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/// The directory of the workspace's `Cargo.toml`.
pub fn workspace() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package)
}

/// Where `cargo install` puts this repository's own tools, as `.cargo/config.toml` and the build scripts know it.
pub fn tools() -> PathBuf {
    workspace().join("target/tools")
}

/// Where `cargo build --release` leaves `kpulse`: beside `xtask` itself, wherever the target directory was moved to.
///
/// Ask before anything is built: afterwards this very executable may have been replaced.
pub fn kpulse(profile_dir: &str) -> Result<PathBuf> {
    Ok(target()?.join(profile_dir).join("kpulse"))
}

/// The directory that cargo builds into, wherever it was moved to. As for [`kpulse`], ask before anything is built.
///
/// # Errors
/// Where xtask's own executable does not lie in it.
pub fn target() -> Result<PathBuf> {
    let xtask = env::current_exe().context("cannot find xtask's own executable")?;
    let target = xtask.parent().and_then(Path::parent).context("xtask's executable lies outside a target directory")?;
    Ok(target.into())
}

/// A program that finds system tools whoever the user is, in the workspace's directory.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(workspace()).env("PATH", search_path());
    // `cargo run` describes xtask to xtask. Passed on, it would make build scripts run again that watch these.
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")) {
            command.env_remove(name);
        }
    }
    command
}

/// The cargo that runs this xtask.
pub fn cargo<'a>(args: impl IntoIterator<Item = &'a str>) -> Command {
    let mut cargo = command(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(args);
    cargo
}

/// Runs a command with this terminal as its own.
///
/// # Errors
/// Where it cannot be started or fails; the message names the command.
pub fn run(command: &mut Command) -> Result<()> {
    let shown = show(command);
    let status = command.status().with_context(|| format!("cannot start `{shown}`"))?;
    ensure!(status.success(), "`{shown}` failed: {status}");
    Ok(())
}

/// What a command prints, without the newline at its end; its complaints go to this terminal.
///
/// # Errors
/// Where it cannot be started, fails, or prints something other than text.
pub fn output(command: &mut Command) -> Result<String> {
    let shown = show(command);
    let output = command.stderr(Stdio::inherit()).output().with_context(|| format!("cannot start `{shown}`"))?;
    ensure!(output.status.success(), "`{shown}` failed: {}", output.status);
    let text =
        String::from_utf8(output.stdout).with_context(|| format!("`{shown}` printed something other than text"))?;
    Ok(text.trim_end().to_owned())
}

/// A command as one would type it, without the path of its program.
pub fn show(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let words: Vec<_> = std::iter::once(program).chain(command.get_args()).map(OsStr::to_string_lossy).collect();
    words.join(" ")
}

/// Whether a program of this name can be started.
pub fn has(program: &str) -> bool {
    find(program).is_some()
}

/// The file of a program, where the commands of this tool find it.
pub fn find(program: &str) -> Option<PathBuf> {
    env::split_paths(&search_path()).map(|dir| dir.join(program)).find(|file| file.is_file())
}

/// Whether this process acts as root.
pub fn is_root() -> bool {
    fs::read_to_string("/proc/self/status").is_ok_and(|status| effective_uid(&status) == Some(0))
}

/// How to run a command of this tool as root with the user's own Rust, which sudo would otherwise not find.
pub fn as_root(command: &str) -> String {
    format!(r#"sudo env "PATH=$PATH" "HOME=$HOME" cargo xtask {command}"#)
}

/// Whether colours would reach a person: cargo and the test harness no longer see this once their output is read.
pub fn colour() -> &'static str {
    if std::io::stdout().is_terminal() { "always" } else { "never" }
}

/// A headline for what comes next.
pub fn headline(text: &str) {
    println!("\n==> {text}");
}

/// `3.2 s`, `2 min 05 s`.
pub fn elapsed(time: Duration) -> String {
    match time.as_secs() {
        0..60 => format!("{:.1} s", time.as_secs_f64()),
        seconds => format!("{} min {:02} s", seconds / 60, seconds % 60),
    }
}

fn search_path() -> OsString {
    let given = env::var_os("PATH").unwrap_or_default();
    let dirs = env::split_paths(&given).chain([tools().join("bin")]).chain(SYSTEM_DIRS.map(PathBuf::from));
    // A directory with a colon in its name cannot be on the path: leave the path as it was.
    env::join_paths(dirs).unwrap_or(given)
}

/// `Uid:` in /proc/PID/status lists the real, effective, saved and filesystem ids (proc(5)).
fn effective_uid(status: &str) -> Option<u32> {
    status.lines().find_map(|line| line.strip_prefix("Uid:"))?.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_effective_user_counts_not_the_real_one() {
        assert_eq!(effective_uid("Name:\tx\nUid:\t1000\t0\t0\t0\nGid:\t7\t7\t7\t7\n"), Some(0));
        assert_eq!(effective_uid("Uid:\t0\t1000\t0\t0\n"), Some(1000));
        assert_eq!(effective_uid("Name:\tx\n"), None);
    }

    #[test]
    fn a_command_is_shown_as_one_would_type_it() {
        assert_eq!(show(Command::new("/some/where/cargo").args(["build", "--release"])), "cargo build --release");
    }

    #[test]
    fn times_are_shown_in_seconds_then_in_minutes() {
        assert_eq!(elapsed(Duration::from_millis(3_240)), "3.2 s");
        assert_eq!(elapsed(Duration::from_secs(125)), "2 min 05 s");
    }

    #[test]
    fn a_program_that_cannot_be_started_is_named() {
        let error = run(&mut Command::new("/nowhere/no-such-program")).expect_err("it does not exist");
        assert!(error.to_string().contains("no-such-program"), "{error}");
    }

    #[test]
    fn the_workspace_is_where_the_kernel_programs_are() {
        assert!(workspace().join("monitor-ebpf/Cargo.toml").is_file());
    }
}
