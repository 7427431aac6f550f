//! The `kpulse` command: everything is in [`kpulse::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    kpulse::cli::main(std::env::args_os())
}
