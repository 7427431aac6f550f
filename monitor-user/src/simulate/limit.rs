//! As many open files as there are connections.

use std::io;

/// Raises the limit of open files to at least `files`.
///
/// # Errors
///
/// If the system allows fewer, with what to do.
pub fn open_files(files: usize) -> Result<(), String> {
    let wanted = files as libc::rlim_t;
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to a whole rlimit of ours, which the call fills.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } != 0 {
        return Err(format!("the limit of open files cannot be read: {}", io::Error::last_os_error()));
    }
    if limit.rlim_cur >= wanted {
        return Ok(());
    }
    let raised = libc::rlimit { rlim_cur: wanted, rlim_max: limit.rlim_max.max(wanted) };
    // SAFETY: the pointer is to a whole rlimit of ours, which the call only reads.
    if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const raised) } != 0 {
        return Err(format!(
            "{wanted} files must be open at once, and the system allows {}: raise it (ulimit -n {wanted}), or take fewer nodes",
            limit.rlim_max
        ));
    }
    Ok(())
}
