//! As many open files as there are connections.

/// Raises the limit of open files to this many, or as far as the system lets it. Gives the limit as it is then.
pub fn raise(wanted: u64) -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the call fills a limit that lives here.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } != 0 {
        return wanted;
    }
    // Only who may, raises what the system allows as well.
    for most in [limit.rlim_max.max(wanted), limit.rlim_max] {
        if limit.rlim_cur >= wanted {
            break;
        }
        let higher = libc::rlimit { rlim_cur: wanted.min(most), rlim_max: most };
        // SAFETY: the call reads a limit that lives here.
        if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const higher) } == 0 {
            limit = higher;
        }
    }
    limit.rlim_cur
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_there_already_is_not_lowered() {
        let limit = super::raise(1);
        assert!(limit >= 1);
        assert_eq!(super::raise(limit), limit);
    }
}
