//! Says `cfg(index_alone)`: the index is compiled here without what needs windows and metrics.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-cfg=index_alone");
}
