//! Everything that can be done in this repository: `cargo xtask --help`.
//!
//! # Layout
//!
//! One file a command: [`setup`], [`build`], [`run`], [`test`], [`bench`], [`soak`], [`fuzz`], [`dist`]; `ci` is `test` with
//! skips forbidden. [`kernel`] runs tests on other kernels, in virtual machines.
//! [`requirements`] is the table of what this repository needs from the machine, [`tally`] reads what tests print,
//! [`watch`] lets a person see it at the same time, [`shell`] starts other programs.

mod bench;
mod build;
mod dist;
mod fuzz;
mod kernel;
mod requirements;
mod run;
mod setup;
mod shell;
mod soak;
mod tally;
mod test;
#[cfg(test)]
mod unsafes;
mod watch;

use std::{env, process::ExitCode};

use clap::{Parser, Subcommand};

/// Everything that can be done in this repository.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Check what this repository needs from the machine and install only what is missing
    Setup(setup::Args),
    /// Build the kernel programs and `kpulse`
    Build(build::Args),
    /// Set up, build and start the agent on this machine
    Run(run::Args),
    /// Run every test: unit and property tests, format and lints, then those against the running kernel
    Test(test::Args),
    /// Run the benchmarks, all or those named
    Bench(bench::Args),
    /// Build and pack what is given to others: a static binary, a .deb and an .rpm
    Dist(dist::Args),
    /// Run the agent for a long time and see whether anything of it grows
    Soak(soak::Args),
    /// Throw nonsense at everything that reads bytes from outside (cargo-fuzz)
    Fuzz(fuzz::Args),
    /// Run the parsers under Miri (nightly toolchain)
    Miri,
    /// Run every test as continuous integration does: a test that is skipped fails
    Ci,
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Setup(args) => setup::setup(&args),
        Command::Build(args) => build::build(&args),
        Command::Run(args) => run::run(&args),
        Command::Test(args) => {
            let skips = match env::var_os("CI") {
                Some(value) if !value.is_empty() => test::Skips::Fail,
                _ => test::Skips::Listed,
            };
            test::test(&args, skips)
        }
        Command::Bench(args) => bench::bench(&args),
        Command::Dist(args) => dist::dist(&args),
        Command::Soak(args) => soak::soak(&args),
        Command::Fuzz(args) => fuzz::fuzz(&args),
        Command::Miri => fuzz::miri(),
        Command::Ci => test::test(&test::Args::default(), test::Skips::Fail),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Not `{:?}`: that adds a backtrace where RUST_BACKTRACE is set, and buries what to do.
            eprintln!("error: {error}");
            error.chain().skip(1).for_each(|cause| eprintln!("  because: {cause}"));
            ExitCode::FAILURE
        }
    }
}
