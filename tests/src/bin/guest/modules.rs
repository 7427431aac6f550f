//! Loads modules: xtask has left the files of each, in their order, in /modules/NAME.

use std::{ffi::CString, fs, io, os::fd::AsRawFd as _};

use crate::Absent;

const FOLDER: &str = "/modules";

/// Loads a module with parameters, and before it what it needs. One that is there already is left as it is.
///
/// # Errors
///
/// If this machine has no such module.
///
/// # Panics
///
/// If the kernel refuses it.
pub fn load(name: &str, parameters: &str) -> Result<(), Absent> {
    let list = fs::read_to_string(format!("{FOLDER}/{name}"))
        .map_err(|error| Absent(format!("the module {name}: {error}")))?;
    let files: Vec<_> = list.lines().collect();
    for (index, file) in files.iter().enumerate() {
        let parameters = if index + 1 == files.len() { parameters } else { "" };
        insert(&format!("{FOLDER}/files/{file}"), parameters)
            .unwrap_or_else(|error| panic!("{file} for {name} ({parameters}): {error}"));
    }
    Ok(())
}

fn insert(path: &str, parameters: &str) -> io::Result<()> {
    let file = fs::File::open(path)?;
    let parameters = CString::new(parameters)?;
    // SAFETY: the string ends with a zero and lives through the call.
    let result = unsafe { libc::syscall(libc::SYS_finit_module, file.as_raw_fd(), parameters.as_ptr(), 0) };
    match io::Error::last_os_error() {
        _ if result == 0 => Ok(()),
        error if error.raw_os_error() == Some(libc::EEXIST) => Ok(()),
        error => Err(error),
    }
}
