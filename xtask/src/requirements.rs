//! What this repository needs from the machine beyond cargo: a table, and how to see whether a line of it is met.
//!
//! To need one more thing, add a line. [`crate::setup`] installs from top to bottom.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};
use clap::ValueEnum;

use crate::shell;

/// What somebody wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Purpose {
    /// Build the programs and `kpulse`
    Build,
    /// Run the agent
    Run,
    /// Run the tests that need no root
    QuickTest,
    /// Run all tests
    Test,
    /// Run the benchmarks
    Bench,
    /// Run tests on other kernels, in virtual machines
    Kernels,
    /// Pack what is given to others
    Dist,
    /// Try what was packed
    VerifyDist,
    /// Throw nonsense at what reads bytes from outside
    Fuzz,
    /// Run the parsers under Miri
    Miri,
}

/// One thing needed.
pub struct Requirement {
    /// As its users call it, unique in the table.
    pub name: &'static str,
    /// What it is needed for, in a few words.
    pub why: &'static str,
    /// Who needs it.
    pub purposes: &'static [Purpose],
    /// Where it comes from and how to see whether it is there.
    pub source: Source,
}

/// Where a requirement comes from.
pub enum Source {
    /// The component `name` of the active Rust toolchain; there, if `probe` exists under the toolchain's sysroot.
    Component { probe: &'static str },
    /// The compiled standard library for the target `name`, of the active Rust toolchain.
    Target,
    /// The crate `name`, installed under `target/tools`; there, if `name --version` says `version`.
    Crate { version: &'static str },
    /// The toolchain `name`, beside the active one, with these components; there, if it has them all under its sysroot.
    Toolchain { components: &'static [&'static str], probes: &'static [&'static str] },
    /// Debian packages; there, if all `binaries` are.
    Debian {
        packages: &'static [&'static str],
        binaries: &'static [&'static str],
        /// A service that the package starts and nobody asked for.
        service: Option<&'static str>,
        /// What other distributions call the package, where they do.
        elsewhere: Option<&'static str>,
    },
}

const ALL: &[Purpose] =
    &[Purpose::Build, Purpose::Run, Purpose::QuickTest, Purpose::Test, Purpose::Bench, Purpose::Kernels, Purpose::Dist];
const STATIC: &[Purpose] = &[Purpose::Test, Purpose::Kernels, Purpose::Dist];
const PACK: &[Purpose] = &[Purpose::Dist, Purpose::VerifyDist];
const LIVE: &[Purpose] = &[Purpose::Test, Purpose::Bench];
const KERNELS: &[Purpose] = &[Purpose::Test, Purpose::Kernels];
const TEST: &[Purpose] = &[Purpose::QuickTest, Purpose::Test];

/// Everything needed, in the order of installation.
pub const REQUIREMENTS: &[Requirement] = &[
    Requirement {
        name: "C compiler",
        why: "Rust links every program with it",
        purposes: ALL,
        source: Source::Debian {
            packages: &["gcc", "libc6-dev"],
            binaries: &["cc"],
            service: None,
            elsewhere: Some("gcc and the C library's development files"),
        },
    },
    Requirement {
        name: "rust-src",
        why: "the source of `core`, which is built for the kernel's own instruction set",
        purposes: ALL,
        source: Source::Component { probe: "lib/rustlib/src/rust/library/core" },
    },
    Requirement {
        name: "bpf-linker",
        why: "links the kernel programs",
        purposes: ALL,
        source: Source::Crate { version: "0.10.3" },
    },
    Requirement {
        name: "rustfmt",
        why: "the tests check the format",
        purposes: TEST,
        source: Source::Component { probe: "bin/rustfmt" },
    },
    Requirement {
        name: "clippy",
        why: "the tests check the lints",
        purposes: TEST,
        source: Source::Component { probe: "bin/cargo-clippy" },
    },
    Requirement {
        name: "fio",
        why: "disk load of known shape, and a second opinion on latency",
        purposes: LIVE,
        source: Source::Debian { packages: &["fio"], binaries: &["fio"], service: None, elsewhere: None },
    },
    Requirement {
        name: "stress-ng",
        why: "CPU load of known shape",
        purposes: LIVE,
        source: Source::Debian { packages: &["stress-ng"], binaries: &["stress-ng"], service: None, elsewhere: None },
    },
    Requirement {
        name: "perf",
        why: "`perf bench` is the scheduler load",
        purposes: LIVE,
        source: Source::Debian {
            packages: &["linux-perf"],
            binaries: &["perf"],
            service: None,
            elsewhere: Some("linux-tools-$(uname -r) on Ubuntu"),
        },
    },
    Requirement {
        name: "bpftool",
        why: "a second opinion on what is loaded and what it costs",
        purposes: LIVE,
        source: Source::Debian {
            packages: &["bpftool"],
            binaries: &["bpftool"],
            service: None,
            elsewhere: Some("linux-tools-$(uname -r) on Ubuntu"),
        },
    },
    Requirement {
        name: "prometheus",
        why: "scrapes the agent, and promtool judges what it serves",
        purposes: LIVE,
        source: Source::Debian {
            packages: &["prometheus"],
            binaries: &["prometheus", "promtool"],
            service: Some("prometheus"),
            elsewhere: None,
        },
    },
    Requirement {
        name: "victoria-metrics",
        why: "runs the rules that are shipped for Prometheus, and vmalert reads them",
        purposes: &[Purpose::Test],
        source: Source::Debian {
            packages: &["victoria-metrics"],
            binaries: &["victoria-metrics", "vmalert"],
            service: Some("victoria-metrics"),
            elsewhere: None,
        },
    },
    Requirement {
        name: "chromium",
        why: "a real browser looks at the fleet's pages",
        purposes: &[Purpose::Test],
        source: Source::Debian {
            packages: &["chromium", "chromium-driver"],
            binaries: &["chromium", "chromedriver"],
            service: None,
            elsewhere: None,
        },
    },
    Requirement {
        name: "alertmanager",
        why: "gets the agent's alerts, and amtool shows what it got",
        purposes: &[Purpose::Test],
        source: Source::Debian {
            packages: &["prometheus-alertmanager"],
            binaries: &["prometheus-alertmanager", "amtool"],
            service: Some("prometheus-alertmanager"),
            elsewhere: None,
        },
    },
    Requirement {
        name: "x86_64-unknown-linux-musl",
        why: "static programs, which run in virtual machines where there is no C library",
        purposes: STATIC,
        source: Source::Target,
    },
    Requirement {
        name: "musl-gcc",
        why: "compiles what of them is written in C",
        purposes: STATIC,
        source: debian(&["musl-tools"], &["musl-gcc"]),
    },
    Requirement {
        name: "qemu",
        why: "virtual machines with other kernels",
        purposes: KERNELS,
        source: debian(&["qemu-system-x86"], &["qemu-system-x86_64"]),
    },
    Requirement {
        name: "kernel tools",
        why: "unpack kernels and their modules, and pack what is booted",
        purposes: KERNELS,
        source: debian(&["cpio", "kmod", "xz-utils", "zstd"], &["cpio", "modprobe", "depmod", "xz", "zstd"]),
    },
    Requirement {
        name: "Debian's keys",
        why: "kernels come from Debian, signed",
        purposes: KERNELS,
        // The whole path of a file, which is found as it is.
        source: debian(&["debian-archive-keyring"], &["/usr/share/keyrings/debian-archive-keyring.gpg"]),
    },
    Requirement {
        name: "disk tools",
        why: "disks upon disks, and filesystems on them",
        purposes: KERNELS,
        source: debian(&["dmsetup", "e2fsprogs", "mount"], &["dmsetup", "mkfs.ext4", "losetup"]),
    },
    Requirement {
        name: "dpkg-deb",
        why: "packs the .deb",
        purposes: PACK,
        source: Source::Debian { packages: &["dpkg"], binaries: &["dpkg-deb"], service: None, elsewhere: None },
    },
    Requirement {
        name: "rpmbuild",
        why: "packs the .rpm, and rpm tries it",
        purposes: PACK,
        source: Source::Debian {
            packages: &["rpm"],
            binaries: &["rpmbuild", "rpm"],
            service: None,
            elsewhere: Some("rpm-build on Fedora"),
        },
    },
    Requirement {
        name: "debootstrap",
        why: "makes the minimal system in which packages are tried",
        purposes: &[Purpose::VerifyDist],
        source: Source::Debian {
            packages: &["debootstrap"],
            binaries: &["debootstrap"],
            service: None,
            elsewhere: None,
        },
    },
    Requirement {
        name: "systemd-analyze",
        why: "judges the units",
        purposes: &[Purpose::Test, Purpose::VerifyDist],
        source: Source::Debian {
            packages: &["systemd"],
            binaries: &["systemd-analyze"],
            service: None,
            elsewhere: None,
        },
    },
    Requirement {
        name: "nightly",
        why: "sanitizers, and Miri with the source of the standard library",
        purposes: &[Purpose::Fuzz, Purpose::Miri],
        source: Source::Toolchain {
            components: &["rust-src", "miri"],
            probes: &["lib/rustlib/src/rust/library/core", "bin/cargo-miri"],
        },
    },
    Requirement {
        name: "cargo-fuzz",
        why: "builds and runs the targets of fuzz/",
        purposes: &[Purpose::Fuzz],
        source: Source::Crate { version: "0.13.2" },
    },
];

const fn debian(packages: &'static [&'static str], binaries: &'static [&'static str]) -> Source {
    Source::Debian { packages, binaries, service: None, elsewhere: None }
}

/// Looks things up on this machine; asks for the toolchain's place once.
pub struct Machine {
    sysroot: PathBuf,
}

impl Machine {
    /// # Errors
    /// Where there is no working rustc.
    pub fn look() -> Result<Self> {
        let sysroot = shell::output(shell::command("rustc").args(["--print", "sysroot"]))
            .context("cannot find the active Rust toolchain: install Rust 1.95 or later from https://rustup.rs")?;
        Ok(Self { sysroot: sysroot.into() })
    }

    /// What is missing for any of these purposes, in the table's order.
    pub fn missing(&self, purposes: &[Purpose]) -> Vec<&'static Requirement> {
        let needed = REQUIREMENTS.iter().filter(|it| it.purposes.iter().any(|purpose| purposes.contains(purpose)));
        needed.filter(|it| !self.meets(it)).collect()
    }

    /// Whether the machine has it.
    pub fn meets(&self, requirement: &Requirement) -> bool {
        match requirement.source {
            Source::Component { probe } => self.sysroot.join(probe).exists(),
            Source::Target => self.sysroot.join("lib/rustlib").join(requirement.name).exists(),
            Source::Crate { version } => {
                let program = shell::tools().join("bin").join(requirement.name);
                shell::output(Command::new(program).arg("--version")).is_ok_and(|said| says_version(&said, version))
            }
            Source::Toolchain { probes, .. } => {
                let toolchain = format!("+{}", requirement.name);
                // A rustc that is not rustup's knows no other toolchain.
                let sysroot = shell::command("rustc").args([&toolchain, "--print", "sysroot"]).output();
                let sysroot = sysroot.ok().filter(|output| output.status.success());
                let sysroot = sysroot.and_then(|output| String::from_utf8(output.stdout).ok());
                sysroot.is_some_and(|sysroot| probes.iter().all(|it| Path::new(sysroot.trim_end()).join(it).exists()))
            }
            Source::Debian { binaries, .. } => binaries.iter().all(|binary| shell::has(binary)),
        }
    }
}

/// Whether what a program says of itself, `name 1.2.3`, ends with exactly this version.
fn says_version(said: &str, version: &str) -> bool {
    said.split_whitespace().next_back() == Some(version)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_unique() {
        let names: HashSet<_> = REQUIREMENTS.iter().map(|it| it.name).collect();
        assert_eq!(names.len(), REQUIREMENTS.len());
    }

    #[test]
    fn every_line_says_why_and_for_whom() {
        for it in REQUIREMENTS {
            assert!(!it.why.is_empty() && !it.purposes.is_empty(), "{}", it.name);
        }
    }

    #[test]
    fn every_debian_package_has_a_binary_by_which_it_is_found() {
        for it in REQUIREMENTS {
            if let Source::Debian { packages, binaries, .. } = it.source {
                assert!(!packages.is_empty() && !binaries.is_empty(), "{}", it.name);
            }
        }
    }

    #[test]
    fn building_needs_nothing_that_only_tests_use() {
        let names: Vec<_> =
            REQUIREMENTS.iter().filter(|it| it.purposes.contains(&Purpose::Build)).map(|it| it.name).collect();
        assert_eq!(names, ["C compiler", "rust-src", "bpf-linker"]);
    }

    #[test]
    fn the_quick_tests_need_nothing_that_only_root_can_install_but_the_compiler() {
        let quick = REQUIREMENTS.iter().filter(|it| it.purposes.contains(&Purpose::QuickTest));
        let debian: Vec<_> = quick.filter(|it| matches!(it.source, Source::Debian { .. })).map(|it| it.name).collect();
        assert_eq!(debian, ["C compiler"]);
    }

    #[test]
    fn the_compiler_comes_before_what_is_compiled() {
        let place = |name| REQUIREMENTS.iter().position(|it| it.name == name);
        assert!(place("C compiler") < place("bpf-linker"));
    }

    #[test]
    fn a_machine_without_a_toolchain_lacks_its_components() {
        let machine = Machine { sysroot: "/nowhere".into() };
        let missing = machine.missing(&[Purpose::Test]);
        for name in ["rust-src", "rustfmt", "clippy"] {
            assert!(missing.iter().any(|it| it.name == name), "{name}");
        }
    }

    #[test]
    fn only_the_exact_version_will_do() {
        assert!(says_version("bpf-linker 0.10.3", "0.10.3"));
        assert!(!says_version("bpf-linker 0.10.30", "0.10.3"));
        assert!(!says_version("", "0.10.3"));
    }
}
