//! Writes the manual pages and the completions for shells: `cargo run --package monitor-user --example pages -- DIRECTORY`.
//!
//! Both follow from the command line itself. It is no part of `kpulse`, which would be larger for it.

use std::{env, fs, path::Path};

use anyhow::{Context as _, Result};
use clap_complete::{Shell, generate_to};

fn main() -> Result<()> {
    let directory = env::args_os().nth(1).context("name the directory to write to")?;
    let directory = Path::new(&directory);
    let (man, completions) = (directory.join("man"), directory.join("completions"));
    for directory in [&man, &completions] {
        fs::create_dir_all(directory).with_context(|| format!("{} cannot be made", directory.display()))?;
    }
    clap_mangen::generate_to(kpulse::cli::command(), &man).context("the manual pages cannot be written")?;
    for shell in [Shell::Bash, Shell::Fish, Shell::Zsh] {
        generate_to(shell, &mut kpulse::cli::command(), "kpulse", &completions)
            .with_context(|| format!("the completion for {shell} cannot be written"))?;
    }
    Ok(())
}
