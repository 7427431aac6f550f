//! Builds the programs of `monitor-ebpf` and leaves the object in `OUT_DIR`.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};
use aya_build::{Package, Toolchain};
use object::{
    build::elf::{Builder, SectionData},
    elf,
};

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
        // Programs are fast, however small the rest is to be.
        env::set_var("CARGO_PROFILE_RELEASE_OPT_LEVEL", "3");
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
    )?;
    // Relative relocations are a bit each instead of 24 bytes.
    println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    if env::var("PROFILE").is_ok_and(|profile| profile == "release") {
        // Cargo forgets `strip` for a package that has an `opt-level` of its own.
        println!("cargo:rustc-link-arg-bins=-Wl,--strip-all");
    }
    let out = env::var_os("OUT_DIR").context("cargo says where things are built")?;
    strip(&PathBuf::from(out).join("programs"))
}

/// Takes out what only a debugger reads. Types for the kernel, `.BTF` and `.BTF.ext`, stay.
fn strip(programs: &Path) -> Result<()> {
    let bytes = fs::read(programs).with_context(|| format!("cannot read {}", programs.display()))?;
    let mut object = Builder::read(&*bytes).context("the programs are no ELF object")?;
    for section in &mut object.sections {
        section.delete = [".debug_", ".rel.debug_"].iter().any(|of| section.name.starts_with(of.as_bytes()));
    }
    object.delete_orphans();
    // LLVM has one table for the names of sections and of symbols; the writer wants two.
    let names = object.sections.add();
    names.name = b".shstrtab".as_slice().into();
    names.sh_type = elf::SHT_STRTAB;
    names.data = SectionData::SectionString;
    let mut stripped = Vec::new();
    object.write(&mut stripped).context("the programs cannot be written without what a debugger reads")?;
    fs::write(programs, stripped).with_context(|| format!("cannot write {}", programs.display()))
}
