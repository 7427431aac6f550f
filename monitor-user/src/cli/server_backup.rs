//! `kpulse server backup FILE`: a copy of the server's store, while it runs or not.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::{Arg, ArgMatches, Command, value_parser};

use super::print;
use crate::{store, table::units};

/// Its flags, but for the settings.
pub fn command() -> Command {
    let file = Arg::new("file")
        .value_name("FILE")
        .required(true)
        .value_parser(value_parser!(PathBuf))
        .help("Where the copy goes; what is there is replaced once the copy is whole and sound");
    Command::new("backup").about("Copy the server's store into one file, while the server runs").arg(file).after_help(
        "The copy is of one moment, and checked. To go back to it: end the server, move store.db, store.db-wal and\n\
         store.db-shm out of its directory, put the copy there as store.db, and start the server.",
    )
}

/// Copies the store in `directory`.
///
/// # Errors
///
/// If there is no store, if it cannot be read, if the copy cannot be written or is damaged, or if nobody can be told.
pub fn run(directory: &std::path::Path, args: &ArgMatches) -> Result<ExitCode> {
    let Some(file) = args.get_one::<PathBuf>("file") else {
        anyhow::bail!("where should the copy go? See kpulse server backup --help")
    };
    let copied = store::backup(directory, file)?;
    print(&format!(
        "{}: {}, {} nodes, {} single reports\n",
        file.display(),
        units::bytes(copied.bytes as f64),
        copied.nodes,
        copied.reports
    ))?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::durable::tests::Directory;

    #[test]
    fn the_store_is_copied_and_what_is_missing_is_named() {
        let directory = Directory::new();
        let file = directory.0.join("copy");
        let matches = command().try_get_matches_from(["backup", file.to_str().unwrap()]).unwrap();
        let error = run(&directory.0, &matches).unwrap_err().to_string();
        assert!(error.starts_with("there is no store at ") && error.contains("/store.db: "), "{error}");
        drop(store::Store::open(&directory.0, store::Limits::default()).unwrap());
        assert_eq!(run(&directory.0, &matches).unwrap(), ExitCode::SUCCESS);
        assert!(file.exists());
        assert!(command().try_get_matches_from(["backup"]).is_err());
    }
}
