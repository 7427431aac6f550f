//! Debian's kernels: which there are, and their packages, fetched into a cache of this tool's own.
//!
//! In: a series such as `5.10`. Out: the packages of its newest kernel, each verified. apt does the work, with lists, sources and a
//! cache that are not the machine's own, and checks what it does as always: the signature of each suite's release file
//! against Debian's keys, the lists against that file, each package against its list. The check sum of a package is noted
//! then and compared each time it is used. Nothing is installed.
//!
//! Exact versions vanish from the archive when newer ones come, and some that are listed are already gone: the newest
//! that can be had is taken, and each that cannot is named.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
    time::{Duration, SystemTime},
};

use anyhow::{Context as _, Result, ensure};

use crate::shell;

/// Where Debian's kernels are, by the last part of the archive's address. Small suites only: their lists are 1.5 MB together.
const SUITES: [(&str, &str); 4] = [
    ("debian-security", "bullseye-security"),
    ("debian-security", "bookworm-security"),
    ("debian-security", "trixie-security"),
    ("debian", "trixie-backports"),
];

/// The smallest flavour. It has everything that is tested, as modules or built in.
const FLAVOUR: &str = "-cloud-amd64";

const KEYS: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// For so long what was found is the newest there is.
const FRESH: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// How many kernels of a series are tried.
const TRIES: usize = 4;

/// The packages of one kernel, verified.
#[derive(Debug)]
pub struct Packages {
    /// As `uname -r` says it.
    pub release: String,
    /// The files.
    pub files: Vec<PathBuf>,
}

/// The newest kernel of a series, from the cache or from Debian.
///
/// # Errors
/// Names the series, what was tried and what apt said, where no kernel can be had.
pub fn fetch(series: &str) -> Result<Packages> {
    let note = cache()?.join("series").join(series);
    if is_fresh(&note)
        && let Ok(packages) = from_note(&note)
    {
        return Ok(packages);
    }
    shell::headline(&format!("Linux {series} from Debian"));
    let (lists, said) = lists()?;
    let names = shell::output(apt(lists, "apt-cache").args(["pkgnames", "linux-image-"]))?;
    let releases = releases(&names, series);
    let suites: Vec<_> = SUITES.iter().map(|(_, suite)| *suite).collect();
    ensure!(!releases.is_empty(), "no kernel {series} is in {}; apt-get update said:\n{said}", suites.join(", "));
    let mut tried = Vec::new();
    for release in releases.iter().take(TRIES) {
        match download(lists, release) {
            Ok(packages) => {
                write_note(&note, &packages)?;
                return Ok(packages);
            }
            Err(error) => {
                println!("Linux {release} is listed and cannot be had: {error:#}");
                tried.push(release.as_str());
            }
        }
    }
    anyhow::bail!("Linux {series} cannot be fetched: tried {}; is the network there?", tried.join(", "))
}

/// Where everything is kept: $KPULSE_KERNEL_CACHE, or ~/.cache/kpulse/kernels.
///
/// # Errors
/// Where neither variable is set.
pub fn cache() -> Result<PathBuf> {
    if let Some(path) = env::var_os("KPULSE_KERNEL_CACHE") {
        return Ok(path.into());
    }
    let home = env::var_os("HOME").context("neither KPULSE_KERNEL_CACHE nor HOME is set: set one")?;
    Ok(Path::new(&home).join(".cache/kpulse/kernels"))
}

fn is_fresh(note: &Path) -> bool {
    let age = || SystemTime::now().duration_since(fs::metadata(note).ok()?.modified().ok()?).ok();
    age().is_some_and(|age| age < FRESH)
}

/// A note has the release in its first line, then what sha256sum prints of each file.
fn from_note(note: &Path) -> Result<Packages> {
    let text = fs::read_to_string(note)?;
    let (release, sums) = text.split_once('\n').context("the note has no second line")?;
    let folder = cache()?.join("packages");
    let files: Vec<_> = sums.lines().filter_map(|line| Some(folder.join(line.split_once("  ")?.1))).collect();
    ensure!(!files.is_empty() && sums == check_sums(&folder, &files)?, "the packages of {release} have changed");
    Ok(Packages { release: release.into(), files })
}

fn write_note(note: &Path, packages: &Packages) -> Result<()> {
    let folder = cache()?.join("packages");
    let text = format!("{}\n{}", packages.release, check_sums(&folder, &packages.files)?);
    fs::create_dir_all(note.parent().context("a note lies in a folder")?)?;
    fs::write(note, text).with_context(|| format!("cannot write {}", note.display()))
}

fn check_sums(folder: &Path, files: &[PathBuf]) -> Result<String> {
    let names = files.iter().filter_map(|file| file.file_name());
    Ok(shell::output(shell::command("sha256sum").current_dir(folder).arg("--").args(names))? + "\n")
}

/// The files for apt, the lists fetched anew once in the life of this process; and what apt said then.
fn lists() -> Result<(&'static Path, &'static str)> {
    static LISTS: OnceLock<(PathBuf, String)> = OnceLock::new();
    if let Some((folder, said)) = LISTS.get() {
        return Ok((folder, said));
    }
    let folder = cache()?;
    for part in ["lists/partial", "apt/archives/partial", "packages"] {
        let part = folder.join(part);
        fs::create_dir_all(&part).with_context(|| format!("cannot make {}", part.display()))?;
    }
    let lines =
        SUITES.map(|(archive, suite)| format!("deb [arch=amd64 signed-by={KEYS}] {} {suite} main\n", mirror(archive)));
    fs::write(folder.join("sources.list"), lines.concat())?;
    // One suite that is gone must not keep the others' kernels away: what is missing is told when it is looked for.
    let output = apt(&folder, "apt-get").args(["-q", "update"]).output().context("cannot start apt-get")?;
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    let (folder, said) = LISTS.get_or_init(|| (folder, said.into_owned()));
    Ok((folder, said))
}

fn apt(folder: &Path, program: &str) -> Command {
    let mut command = shell::command(program);
    for (key, value) in [
        ("Dir::State::lists", folder.join("lists")),
        ("Dir::Etc::sourcelist", folder.join("sources.list")),
        ("Dir::Etc::sourceparts", "/dev/null".into()),
        ("Dir::Cache", folder.join("apt")),
        // The kernel's packages are looked at as on a machine where nothing is installed.
        ("Dir::State::status", "/dev/null".into()),
        ("Acquire::Languages", "none".into()),
        ("Acquire::Retries", "3".into()),
        // The user that apt downloads as may not be allowed to reach the cache.
        ("APT::Sandbox::User", "root".into()),
    ] {
        command.arg("-o").arg(format!("{key}={}", value.display()));
    }
    command.env("LC_ALL", "C");
    command
}

/// The mirror that this machine uses for Debian, if it is one, or else Debian's own.
fn mirror(archive: &str) -> String {
    let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
    files.extend(fs::read_dir("/etc/apt/sources.list.d").into_iter().flatten().flatten().map(|entry| entry.path()));
    let texts = files.iter().filter_map(|file| fs::read_to_string(file).ok());
    texts.filter_map(|text| mirror_in(&text, archive)).next().unwrap_or(format!("http://deb.debian.org/{archive}"))
}

/// Finds the address in either format of a list of sources.
fn mirror_in(text: &str, archive: &str) -> Option<String> {
    let words = text.lines().filter(|line| !line.trim_start().starts_with('#')).flat_map(str::split_whitespace);
    let mut addresses = words.filter(|word| word.starts_with("http")).map(|word| word.trim_end_matches('/'));
    addresses.find(|address| address.rsplit('/').next() == Some(archive)).map(str::to_owned)
}

/// The releases of a series among the names of packages, newest first.
fn releases(names: &str, series: &str) -> Vec<String> {
    let of_series = |name: &&str| {
        let Some(rest) = name.strip_prefix(series) else { return false };
        name.ends_with(FLAVOUR) && rest.starts_with(['.', '+', '-']) && *name != format!("{series}{FLAVOUR}")
    };
    let all = names.lines().filter_map(|name| name.strip_prefix("linux-image-"));
    let mut releases: Vec<_> = all.filter(of_series).map(str::to_owned).collect();
    releases.sort_by_key(|release| std::cmp::Reverse(numbers(release)));
    releases
}

fn numbers(release: &str) -> Vec<u64> {
    release.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse().ok()).collect()
}

fn download(lists: &Path, release: &str) -> Result<Packages> {
    let folder = lists.join("packages");
    // From 7.2 on the kernel and its modules are packages of their own.
    let names = shell::output(apt(lists, "apt-cache").args(["pkgnames", "linux-"]))?;
    let parts = ["image", "binary", "modules"].map(|part| format!("linux-{part}-{release}"));
    let parts: Vec<_> = parts.iter().filter(|part| names.lines().any(|name| name == part.as_str())).collect();
    let before = packages_in(&folder)?;
    println!("fetching {}", parts.iter().map(|part| part.as_str()).collect::<Vec<_>>().join(", "));
    shell::run(apt(lists, "apt-get").current_dir(&folder).args(["-qq", "download"]).args(&parts))?;
    let belongs = |file: &PathBuf| parts.iter().any(|part| name_of(file).starts_with(&format!("{part}_")));
    let files: Vec<_> = packages_in(&folder)?.into_iter().filter(belongs).collect();
    // Of a package of which another version was there before, the new one.
    let newest = |part: &&String| {
        let of_part: Vec<_> = files.iter().filter(|file| name_of(file).starts_with(&format!("{part}_"))).collect();
        of_part.iter().find(|file| !before.contains(file)).or(of_part.last()).map(|file| (*file).clone())
    };
    let files: Vec<_> = parts.iter().filter_map(newest).collect();
    ensure!(files.len() == parts.len(), "apt-get download left no file of {release} in {}", folder.display());
    Ok(Packages { release: release.into(), files })
}

fn packages_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files: Vec<_> = fs::read_dir(folder)?.flatten().map(|entry| entry.path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "deb"));
    files.sort();
    Ok(files)
}

/// apt writes the colon of a version as `%3a`; the name of a package has no such.
fn name_of(file: &Path) -> String {
    file.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_of_a_series_comes_first_and_other_flavours_never() {
        let names = "linux-image-6.1.0-9-cloud-amd64\nlinux-image-6.1.0-56-cloud-amd64\nlinux-image-6.1-cloud-amd64\n\
                     linux-image-6.12.9+deb13-cloud-amd64\nlinux-image-6.1.0-57-amd64\n\
                     linux-image-6.1.0-0.deb11.52-cloud-amd64\nlinux-image-cloud-amd64\n\
                     linux-image-6.1.0-58-cloud-amd64-dbg";
        let found = releases(names, "6.1");
        assert_eq!(found, ["6.1.0-56-cloud-amd64", "6.1.0-9-cloud-amd64", "6.1.0-0.deb11.52-cloud-amd64"]);
        assert_eq!(
            releases(names, "6"),
            ["6.12.9+deb13-cloud-amd64"].into_iter().chain(found.iter().map(|s| s.as_str())).collect::<Vec<_>>()
        );
        assert!(releases(names, "5.10").is_empty());
    }

    #[test]
    fn the_machines_own_mirror_is_found_in_both_formats() {
        let old = "# deb http://old/debian x main\ndeb [arch=amd64] http://near.example/debian/ bookworm main\n";
        assert_eq!(mirror_in(old, "debian").as_deref(), Some("http://near.example/debian"));
        assert_eq!(mirror_in(old, "debian-security"), None);
        let new =
            "Types: deb\n# http://snapshot.example/debian\nURIs: https://m.example/debian-security\nSuites: a b\n";
        assert_eq!(mirror_in(new, "debian-security").as_deref(), Some("https://m.example/debian-security"));
    }
}
