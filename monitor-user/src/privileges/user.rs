//! Becomes another user, for good. Source: setresuid(2), initgroups(3), PR_SET_KEEPCAPS(2const), PR_SET_DUMPABLE(2const).

use std::{
    ffi::CString,
    fs,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, chown},
    path::Path,
};

use anyhow::{Context as _, Result, bail, ensure};
use nix::{
    sys::prctl,
    unistd::{AccessFlags, Uid, User, access, initgroups, setegid, seteuid, setresgid, setresuid},
};

/// The name of the user whose process this is; the number, if it has no name.
pub fn name() -> String {
    let uid = Uid::effective();
    let user = User::from_uid(uid).ok().flatten();
    user.map_or_else(|| uid.to_string(), |user| user.name)
}

/// Becomes the user of this name, with the groups it has. The state directory is made for it if it is not there. Capabilities
/// stay permitted, and none is in force afterwards.
///
/// # Errors
///
/// If there is no such user, if this process may not become it, or if it could not write to the state directory.
pub fn become_user(name: &str, state: &Path) -> Result<()> {
    let user = User::from_name(name).with_context(|| format!("the user {name} cannot be looked up"))?;
    let user = user.with_context(|| {
        format!("there is no user {name}: make one (`useradd --system {name}`), or name another with --user")
    })?;
    if user.uid != Uid::effective() || user.uid != Uid::current() {
        make_state(state, &user);
        change(&user).with_context(|| {
            format!(
                "cannot become the user {name}: start kpulse as root, or as {name} with the capabilities CAP_BPF and \
                 CAP_PERFMON"
            )
        })?;
    }
    writable(state, name)
}

/// As root, does from now on what the owner of this directory may do, and no more.
///
/// # Errors
///
/// If the system refuses.
pub fn act_as_owner_of(directory: &Path) -> Result<()> {
    let Ok(owner) = fs::metadata(directory) else { return Ok(()) };
    if Uid::effective().is_root() && owner.uid() != 0 {
        let become_owner = || setegid(owner.gid().into()).and_then(|()| seteuid(owner.uid().into()));
        become_owner().with_context(|| format!("cannot act as the owner of {}", directory.display()))?;
    }
    Ok(())
}

/// A state directory that is not there yet belongs to the user. One that is there stays as it is: its files may be others'.
fn make_state(state: &Path, user: &User) {
    if let Some(parent) = state.parent() {
        // Whatever fails here is told when the directory is found not to be writable.
        let _ = fs::create_dir_all(parent);
    }
    if fs::DirBuilder::new().mode(0o700).create(state).is_ok() {
        let _ = chown(state, Some(user.uid.as_raw()), Some(user.gid.as_raw()));
    }
}

fn change(user: &User) -> Result<()> {
    let name = CString::new(user.name.as_str())?;
    // Otherwise a process that ceases to be root loses its capabilities before it is known which one is needed.
    prctl::set_keepcaps(true)?;
    initgroups(&name, user.gid)?;
    setresgid(user.gid, user.gid, user.gid)?;
    setresuid(user.uid, user.uid, user.uid)?;
    prctl::set_keepcaps(false)?;
    // After a change of user the kernel gives /proc/self to root, where the agent reads what it uses itself. A service
    // that was this user from the start is in the same state. Nothing in memory is secret to the user: it reads the files.
    prctl::set_dumpable(true)?;
    if user.uid.as_raw() != 0 && setresuid(0.into(), 0.into(), 0.into()).is_ok() {
        bail!("could be undone, which it must not");
    }
    Ok(())
}

fn writable(state: &Path, name: &str) -> Result<()> {
    ensure!(
        access(state, AccessFlags::W_OK | AccessFlags::X_OK).is_ok(),
        "the user {name} cannot write to the state directory {0}: make it theirs (`chown -R {name} {0}`), or name another \
         with --state-dir",
        state.display()
    );
    Ok(())
}
