//! The `kpulse` command.
fn main() {}
