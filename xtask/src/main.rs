//! Everything that can be done in this repository: `cargo xtask --help`.
fn main() {}
