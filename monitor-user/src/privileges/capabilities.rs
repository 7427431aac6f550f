//! Gives capabilities up, and finds out by trying which one the kernel asks for to read a map.
//!
//! Before Linux 5.19, where `kernel.unprivileged_bpf_disabled` is set, every bpf() call takes CAP_BPF (or CAP_SYS_ADMIN), the
//! reading of a map through an open descriptor included. No version number decides, but the attempt. Capabilities belong to
//! a thread: all of this is for the calling thread, and whatever it starts later. Source: capabilities(7), `__sys_bpf` in
//! `kernel/bpf/syscall.c`.

use std::{collections::HashSet, io};

use caps::{CapSet, Capability, CapsHashSet, errors::CapsError};

/// Those that may be needed to read maps, the weaker first.
const CANDIDATES: [Capability; 2] = [Capability::CAP_BPF, Capability::CAP_SYS_ADMIN];

/// Empties the bounding set, if this process may: it takes CAP_SETPCAP, which a service that was given two capabilities does
/// not have. Then its service manager has bounded it, and there are no new privileges in any case.
///
/// # Errors
///
/// If the kernel refuses, which it has no reason to.
pub fn bound() -> Result<(), CapsError> {
    if caps::has_cap(None, CapSet::Effective, Capability::CAP_SETPCAP)? {
        caps::clear(None, CapSet::Bounding)?;
    }
    Ok(())
}

/// Forgets all capabilities that no reading could need. What is left is not in force, but can be put in force.
///
/// # Errors
///
/// If the kernel refuses, which it has no reason to.
pub fn reduce() -> Result<(), CapsError> {
    caps::clear(None, CapSet::Ambient)?;
    caps::clear(None, CapSet::Inheritable)?;
    caps::clear(None, CapSet::Effective)?;
    let permitted = caps::read(None, CapSet::Permitted)?;
    caps::set(None, CapSet::Permitted, &permitted.intersection(&HashSet::from(CANDIDATES)).copied().collect())
}

/// Whether there is the capability that `BPF_ENABLE_STATS` takes.
pub fn may_time() -> bool {
    caps::has_cap(None, CapSet::Effective, Capability::CAP_SYS_ADMIN).unwrap_or(false)
}

/// Keeps the capability that `BPF_ENABLE_STATS` takes, if it is there, and no other.
///
/// # Errors
///
/// If the kernel refuses, which it has no reason to.
pub fn keep_what_timing_needs() -> Result<(), CapsError> {
    caps::clear(None, CapSet::Ambient)?;
    caps::clear(None, CapSet::Inheritable)?;
    let permitted = caps::read(None, CapSet::Permitted)?;
    let kept: CapsHashSet = permitted.into_iter().filter(|held| *held == Capability::CAP_SYS_ADMIN).collect();
    caps::set(None, CapSet::Effective, &kept)?;
    caps::set(None, CapSet::Permitted, &kept)
}

/// Keeps the capability without which `read` is refused for want of permission, and no other. Gives which.
///
/// # Errors
///
/// If the kernel refuses to take one back, which it has no reason to.
pub fn keep_what_reading_needs(read: impl FnMut() -> io::Result<()>) -> Result<Option<Capability>, CapsError> {
    let permitted = caps::read(None, CapSet::Permitted)?;
    let kept = needed(&permitted, read, |set| caps::set(None, CapSet::Effective, set))?;
    let set: CapsHashSet = kept.into_iter().collect();
    caps::set(None, CapSet::Effective, &set)?;
    caps::set(None, CapSet::Permitted, &set)?;
    Ok(kept)
}

/// Tries without any, then with each of those that are there. `enforce` puts a set in force.
fn needed(
    permitted: &CapsHashSet,
    mut read: impl FnMut() -> io::Result<()>,
    mut enforce: impl FnMut(&CapsHashSet) -> Result<(), CapsError>,
) -> Result<Option<Capability>, CapsError> {
    let candidates = CANDIDATES.into_iter().filter(|candidate| permitted.contains(candidate));
    for kept in [None].into_iter().chain(candidates.map(Some)) {
        enforce(&kept.into_iter().collect())?;
        // Another error is no question of capabilities: whoever reads later tells of it.
        if read().err().is_none_or(|error| error.kind() != io::ErrorKind::PermissionDenied) {
            return Ok(kept);
        }
    }
    // None of them helps.
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::{Capability::*, *};

    /// What is kept by somebody with these, where reading takes one of those; and all that was in force meanwhile.
    fn kept(permitted: &[Capability], takes: &[Capability]) -> (Option<Capability>, Vec<CapsHashSet>) {
        let tried = std::cell::RefCell::new(Vec::<CapsHashSet>::new());
        let read = || match tried.borrow().last().unwrap().iter().any(|held| takes.contains(held)) || takes.is_empty() {
            true => Ok(()),
            false => Err(io::Error::from_raw_os_error(libc::EPERM)),
        };
        let enforce = |set: &CapsHashSet| {
            tried.borrow_mut().push(set.clone());
            Ok(())
        };
        let kept = needed(&permitted.iter().copied().collect(), read, enforce).unwrap();
        (kept, tried.into_inner())
    }

    #[test]
    fn nothing_is_kept_where_reading_takes_nothing() {
        assert_eq!(kept(&[CAP_BPF, CAP_SYS_ADMIN], &[]), (None, vec![HashSet::new()]));
    }

    #[test]
    fn the_weakest_that_is_enough_is_kept() {
        let (old, tried) = kept(&[CAP_SYS_ADMIN, CAP_BPF], &[CAP_BPF, CAP_SYS_ADMIN]);
        assert_eq!((old, tried.len()), (Some(CAP_BPF), 2));
        assert_eq!(kept(&[CAP_SYS_ADMIN], &[CAP_BPF, CAP_SYS_ADMIN]).0, Some(CAP_SYS_ADMIN));
    }

    #[test]
    fn what_does_not_help_is_not_kept() {
        assert_eq!(kept(&[CAP_BPF, CAP_SYS_ADMIN], &[CAP_SYS_TIME]).0, None);
        assert_eq!(kept(&[], &[CAP_BPF]).0, None);
    }

    #[test]
    fn an_error_of_another_kind_is_no_question_of_capabilities() {
        let permitted = HashSet::from(CANDIDATES);
        let broken = || Err(io::Error::from_raw_os_error(libc::EINVAL));
        assert_eq!(needed(&permitted, broken, |_| Ok(())).unwrap(), None);
    }
}
