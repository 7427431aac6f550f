//! Builds the programs of `monitor-ebpf` and leaves the object in `OUT_DIR`.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};
use aya_build::{Package, Toolchain};

fn main() -> Result<()> {
    // Neither a fuzzer nor Miri can load programs, and both come with a toolchain whose LLVM may be newer than the linker's.
    if ["CARGO_CFG_FUZZING", "CARGO_CFG_MIRI"].iter().any(|name| env::var_os(name).is_some()) {
        let out = env::var_os("OUT_DIR").context("cargo says where things are built")?;
        return fs::write(PathBuf::from(out).join("programs"), []).context("cannot leave an object without programs");
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the crate lies inside the workspace")?;
    let linker = root.join("target/tools/bin/bpf-linker");
    println!("cargo:rerun-if-changed={}", linker.display());
    println!("cargo:rerun-if-changed={}", root.join("monitor-common/src").display());
    ensure!(linker.exists(), "bpf-linker is missing at {}: run `cargo xtask setup`", linker.display());
    // SAFETY: a build script has a single thread.
    unsafe {
        // The pinned stable toolchain builds `core` for the BPF target: -Zbuild-std needs this.
        env::set_var("RUSTC_BOOTSTRAP", "1");
        // aya-build passes cargo's progress on as warnings.
        env::set_var("CARGO_TERM_QUIET", "true");
    }
    let toolchain = env::var("RUSTUP_TOOLCHAIN").unwrap_or_else(|_| "stable".into());
    let programs = root.join("monitor-ebpf");
    aya_build::build_ebpf(
        [Package {
            name: "monitor-ebpf",
            root_dir: programs.to_str().context("the workspace's path is UTF-8")?,
            ..Package::default()
        }],
        Toolchain::Custom(&toolchain),
    )
}
