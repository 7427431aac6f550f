//! Builds the reference programs of `reference-ebpf` and leaves the object in `OUT_DIR`.

use std::{env, path::Path};

use anyhow::{Context as _, Result, ensure};
use aya_build::{Package, Toolchain};

fn main() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the crate lies inside the workspace")?;
    let linker = root.join("target/tools/bin/bpf-linker");
    println!("cargo:rerun-if-changed={}", linker.display());
    println!("cargo:rerun-if-changed={}", root.join("monitor-common/src").display());
    // The reference programs use the same access to the kernel's fields.
    println!("cargo:rerun-if-changed={}", root.join("monitor-ebpf/src/kernel.rs").display());
    ensure!(linker.exists(), "bpf-linker is missing at {}: run `cargo xtask setup`", linker.display());
    // SAFETY: a build script has a single thread.
    unsafe {
        // The pinned stable toolchain builds `core` for the BPF target: -Zbuild-std needs this.
        env::set_var("RUSTC_BOOTSTRAP", "1");
        // aya-build passes cargo's progress on as warnings.
        env::set_var("CARGO_TERM_QUIET", "true");
        // Programs are fast, however small the rest is to be.
        env::set_var("CARGO_PROFILE_RELEASE_OPT_LEVEL", "3");
    }
    let toolchain = env::var("RUSTUP_TOOLCHAIN").unwrap_or_else(|_| "stable".into());
    let programs = root.join("tests/reference-ebpf");
    aya_build::build_ebpf(
        [Package {
            name: "reference-ebpf",
            root_dir: programs.to_str().context("the workspace's path is UTF-8")?,
            ..Package::default()
        }],
        Toolchain::Custom(&toolchain),
    )
}
